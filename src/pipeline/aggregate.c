#include "pipeline/aggregate.h"

#include <stdbool.h>
#include <string.h>

float su_aggregate_weight(SutraAggregate how, size_t begin, size_t end, size_t text)
{
    size_t twice = begin + end; /* of the window's middle */
    if (how == SUTRA_AGGREGATE_LENGTH) return (float)(end - begin);
    if (how == SUTRA_AGGREGATE_CENTER) return (float)(twice < text ? twice : 2 * text - twice);
    return 1.0f;
}

static bool is_weighted(SutraAggregate how)
{
    return how != SUTRA_AGGREGATE_MAX && how != SUTRA_AGGREGATE_LAST;
}

void su_aggregator_add(SuAggregator *aggregator, const float *row, float weight)
{
    size_t dim = aggregator->dim;
    float *x = aggregator->x;
    bool first = aggregator->count++ == 0;
    if (is_weighted(aggregator->how)) {
        if (first) memset(x, 0, dim * sizeof *x);
        aggregator->sum += weight;
        for (size_t j = 0; j < dim; j++) x[j] += weight * row[j];
    } else if (first || aggregator->how == SUTRA_AGGREGATE_LAST) {
        memcpy(x, row, dim * sizeof *x);
    } else {
        for (size_t j = 0; j < dim; j++)
            if (row[j] > x[j]) x[j] = row[j];
    }
}

void su_aggregator_end(SuAggregator *aggregator)
{
    if (!is_weighted(aggregator->how)) return;
    for (size_t j = 0; j < aggregator->dim; j++) aggregator->x[j] /= aggregator->sum;
}

void su_aggregate(SutraAggregate how, const float *rows, const float *weights, size_t n, size_t dim,
                  float *x)
{
    SuAggregator aggregator = {.how = how, .dim = dim, .x = x};
    for (size_t i = 0; i < n; i++) su_aggregator_add(&aggregator, rows + i * dim, weights[i]);
    su_aggregator_end(&aggregator);
}
