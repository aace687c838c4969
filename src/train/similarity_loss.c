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
    if (!loss->memory)
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
    loss->memory = NULL;
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

/* The loss of row i; the row of g becomes the gradient by it. */
static double take_row(SuSimilarityLoss *loss, size_t i, size_t n)
{
    float *g = loss->student + i * n;
    const float *s = loss->teacher + i * n;
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
    double mse = loss->mse_weight / ((double)n * (double)(n - 1));
    double angle = lengths == 0 ? 0 : loss->cosine_weight / (double)n;
    double by_s = angle == 0 ? 0 : angle / lengths, by_g = angle == 0 ? 0 : angle * cosine / gg;
    for (size_t j = 0; j < n; j++)
        g[j] = (float)(2 * mse * ((double)g[j] - s[j]) - by_s * s[j] + by_g * g[j]);
    g[i] = 0;
    return mse * squares + angle * (1 - cosine);
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
    for (size_t i = 0; i < n; i++) sum += take_row(loss, i, n);
    if (!dy) return sum;
    su_transpose(loss->student, n, n, loss->pull);
    for (size_t i = 0; i < n * n; i++) loss->pull[i] += loss->student[i];
    su_transpose(loss->unit, n, loss->dim, loss->turned);
    su_matmul(matmul, loss->pull, n, n, loss->turned, loss->dim, dy);
    through_length(loss, n, dy);
    return sum;
}
