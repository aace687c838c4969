#include "pipeline/aggregate.h"

#include <string.h>

float su_aggregate_weight(SutraAggregate how, size_t begin, size_t end, size_t text)
{
    size_t twice = begin + end; /* of the window's middle */
    if (how == SUTRA_AGGREGATE_LENGTH) return (float)(end - begin);
    if (how == SUTRA_AGGREGATE_CENTER) return (float)(twice < text ? twice : 2 * text - twice);
    return 1.0f;
}

static void take_largest(const float *rows, size_t n, size_t dim, float *x)
{
    memcpy(x, rows, dim * sizeof *x);
    for (size_t i = 1; i < n; i++)
        for (size_t j = 0; j < dim; j++)
            if (rows[i * dim + j] > x[j]) x[j] = rows[i * dim + j];
}

static void take_mean(const float *rows, const float *weights, size_t n, size_t dim, float *x)
{
    float sum = 0;
    memset(x, 0, dim * sizeof *x);
    for (size_t i = 0; i < n; i++) {
        sum += weights[i];
        for (size_t j = 0; j < dim; j++) x[j] += weights[i] * rows[i * dim + j];
    }
    for (size_t j = 0; j < dim; j++) x[j] /= sum;
}

void su_aggregate(SutraAggregate how, const float *rows, const float *weights, size_t n, size_t dim,
                  float *x)
{
    switch (how) {
    case SUTRA_AGGREGATE_MAX:
        take_largest(rows, n, dim, x);
        break;
    case SUTRA_AGGREGATE_LAST:
        memcpy(x, rows + (n - 1) * dim, dim * sizeof *x);
        break;
    case SUTRA_AGGREGATE_MEAN:
    case SUTRA_AGGREGATE_LENGTH:
    case SUTRA_AGGREGATE_CENTER:
        take_mean(rows, weights, n, dim, x);
        break;
    }
}
