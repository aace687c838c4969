#include "train/similarity_loss.h"

#include "base/memory.h"

#include <math.h>

SutraStatus su_similarity_loss_open(SuSimilarityLoss *loss, const SuMatmul *matmul, size_t most,
                                    size_t teacher_dim, size_t dim, SutraError *err)
{
    size_t pairs = most * most, rows = most * dim;
    *loss =
        (SuSimilarityLoss){.matmul = matmul, .most = most, .teacher_dim = teacher_dim, .dim = dim};
    loss->memory = su_alloc(3 * pairs + 2 * rows + most, sizeof *loss->memory);
    loss->row_loss = su_alloc(most, sizeof *loss->row_loss);
    if (!loss->memory || !loss->row_loss)
        SU_RAISE(err, SUTRA_E_MEMORY, "out of memory for a batch of %zu texts", most);
    loss->teacher = loss->memory;
    loss->student = loss->teacher + pairs;
    loss->pull = loss->student + pairs;
    loss->unit = loss->pull + pairs;
    loss->turned = loss->unit + rows;
    loss->scale = loss->turned + rows;
    return SUTRA_OK;
}

void su_similarity_loss_close(SuSimilarityLoss *loss)
{
    su_free(loss->memory);
    su_free(loss->row_loss);
    loss->memory = NULL;
    loss->row_loss = NULL;
}

static void normalise(SuSimilarityLoss *loss, const float *y, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const float *row = y + i * loss->dim;
        double sum = 0;
        for (size_t k = 0; k < loss->dim; k++) sum += (double)row[k] * row[k];
        loss->scale[i] = sum == 0 ? 0 : (float)(1 / sqrt(sum));
        for (size_t k = 0; k < loss->dim; k++)
            loss->unit[i * loss->dim + k] = row[k] * loss->scale[i];
    }
}

/* What the softmax of x / temperature is divided by, and the largest x, without x[i]. */
static double partition(const float *x, size_t n, size_t i, double temperature, double *most)
{
    double sum = 0;
    *most = -INFINITY;
    for (size_t j = 0; j < n; j++)
        if (j != i && x[j] > *most) *most = x[j];
    for (size_t j = 0; j < n; j++)
        if (j != i) sum += exp((x[j] - *most) / temperature);
    return sum;
}

/* Adds the gradient by g of the divergence, times `scale`, to by_g [n]; returns the divergence. */
static double neighbours(const float *s, const float *g, size_t n, size_t i, double temperature,
                         double scale, float *by_g)
{
    double most_s, most_g, divergence = 0;
    double sum_s = partition(s, n, i, temperature, &most_s);
    double sum_g = partition(g, n, i, temperature, &most_g);
    for (size_t j = 0; j < n; j++) {
        if (j == i) continue;
        double log_p = (s[j] - most_s) / temperature - log(sum_s);
        double log_q = (g[j] - most_g) / temperature - log(sum_g);
        double p = exp(log_p);
        divergence += p * (log_p - log_q);
        by_g[j] += (float)(scale / temperature * (exp(log_q) - p));
    }
    return divergence;
}

/* The loss of row i by squared errors and angle; by_g [n] gets its gradient. */
static double errors_and_angle(const SuSimilarityLoss *loss, const float *s, const float *g,
                               size_t i, float *by_g)
{
    size_t n = loss->n;
    double gg = 0, ss = 0, gs = 0, squares = 0;
    for (size_t j = 0; j < n; j++) {
        if (j == i) continue;
        double off = (double)g[j] - s[j];
        gg += (double)g[j] * g[j];
        ss += (double)s[j] * s[j];
        gs += (double)g[j] * s[j];
        squares += off * off;
    }
    double lengths = sqrt(gg * ss), cosine = lengths == 0 ? 1 : gs / lengths;
    double mse = loss->weights.mse / ((double)n * (double)(n - 1));
    double angle = lengths == 0 ? 0 : loss->weights.cosine / (double)n;
    double of_s = angle == 0 ? 0 : angle / lengths, of_g = angle == 0 ? 0 : angle * cosine / gg;
    for (size_t j = 0; j < n; j++)
        by_g[j] = (float)(2 * mse * ((double)g[j] - s[j]) - of_s * s[j] + of_g * g[j]);
    by_g[i] = 0;
    return mse * squares + angle * (1 - cosine);
}

static void take_row(void *arg, size_t i)
{
    SuSimilarityLoss *loss = arg;
    const SuLossWeights *weights = &loss->weights;
    size_t n = loss->n;
    const float *g = loss->student + i * n, *s = loss->teacher + i * n;
    float *by_g = loss->pull + i * n;
    double scale = weights->neighbour / (double)n;
    loss->row_loss[i] = errors_and_angle(loss, s, g, i, by_g);
    if (scale > 0)
        loss->row_loss[i] += scale * neighbours(s, g, n, i, weights->temperature, scale, by_g);
}

/* From the gradient by y / |y|, in dy, to that by y. */
static void through_length(const SuSimilarityLoss *loss, size_t n, float *dy)
{
    for (size_t i = 0; i < n; i++) {
        const float *unit = loss->unit + i * loss->dim;
        float *row = dy + i * loss->dim;
        double along = 0;
        for (size_t k = 0; k < loss->dim; k++) along += (double)unit[k] * row[k];
        for (size_t k = 0; k < loss->dim; k++)
            row[k] = (float)((row[k] - along * unit[k]) * loss->scale[i]);
    }
}

double su_similarity_loss(SuSimilarityLoss *loss, const float *x, const float *y, size_t n,
                          float *dy)
{
    const SuMatmul *matmul = loss->matmul;
    double sum = 0;
    normalise(loss, y, n);
    su_matmul(matmul, x, n, loss->teacher_dim, x, n, loss->teacher);
    su_matmul(matmul, loss->unit, n, loss->dim, loss->unit, n, loss->student);
    loss->n = n;
    su_each_row(matmul, n, take_row, loss);
    for (size_t i = 0; i < n; i++) sum += loss->row_loss[i];
    if (!dy) return sum;
    su_transpose(loss->pull, n, n, loss->student);
    for (size_t i = 0; i < n * n; i++) loss->pull[i] += loss->student[i];
    su_transpose(loss->unit, n, loss->dim, loss->turned);
    su_matmul(matmul, loss->pull, n, n, loss->turned, loss->dim, dy);
    through_length(loss, n, dy);
    return sum;
}
