#include "train/projection.h"

#include "base/memory.h"
#include "train/seeded.h"
#include "train/symmetric_eigen.h"

#include <math.h>
#include <string.h>

SutraStatus su_projection_open(SuProjection *projection, SuMatmul *matmul, const float *vectors,
                               size_t in, size_t out, size_t most, SutraError *err)
{
    size_t wide = in > out ? in : out;
    *projection =
        (SuProjection){.matmul = matmul, .vectors = vectors, .in = in, .out = out, .most = most};
    SU_TRY(su_matmul_reserve(matmul, wide > most ? wide : most, wide > most ? wide : most, err));
    projection->memory = su_alloc(most * (2 * in + 3 * out), sizeof *projection->memory);
    if (!projection->memory)
        SU_RAISE(err, SUTRA_E_MEMORY, "out of memory for a batch of %zu texts", most);
    projection->x = projection->memory;
    projection->turned_x = projection->x + most * in;
    projection->y = projection->turned_x + most * in;
    projection->dy = projection->y + most * out;
    projection->turned_dy = projection->dy + most * out;
    return su_similarity_loss_open(&projection->loss, matmul, most, in, out, err);
}

void su_projection_close(SuProjection *projection)
{
    su_similarity_loss_close(&projection->loss);
    su_free(projection->memory);
    projection->memory = NULL;
}

const float *su_projection_apply(SuProjection *projection, const float *weights,
                                 const uint32_t *texts, size_t count)
{
    size_t in = projection->in;
    for (size_t i = 0; i < count; i++)
        memcpy(projection->x + i * in, projection->vectors + texts[i] * in,
               in * sizeof *projection->x);
    su_matmul(projection->matmul, projection->x, count, in, weights, projection->out,
              projection->y);
    return projection->y;
}

static double loss_of(void *self, const float *weights, const uint32_t *texts, size_t count,
                      float *gradient)
{
    SuProjection *projection = self;
    size_t in = projection->in, out = projection->out;
    su_projection_apply(projection, weights, texts, count);
    double loss = su_similarity_loss(&projection->loss, projection->x, projection->y, count,
                                     gradient ? projection->dy : NULL);
    if (!gradient) return loss;
    su_transpose(projection->dy, count, out, projection->turned_dy);
    su_transpose(projection->x, count, in, projection->turned_x);
    su_matmul(projection->matmul, projection->turned_dy, out, count, projection->turned_x, in,
              gradient);
    return loss;
}

static void start(void *self, float *weights) { su_projection_random(self, weights); }

SuStudent su_projection_student(SuProjection *projection)
{
    return (SuStudent){projection, projection->in * projection->out, start, loss_of};
}

/* ---- what it starts from, and is compared with ---- */

void su_projection_truncate(const SuProjection *projection, float *weights)
{
    memset(weights, 0, projection->in * projection->out * sizeof *weights);
    for (size_t i = 0; i < projection->out; i++) weights[i * projection->in + i] = 1;
}

void su_projection_random(const SuProjection *projection, float *weights)
{
    SuSeeded seeded = su_seeded(projection->seed, UINT64_MAX);
    float size = (float)(1 / sqrt((double)projection->out));
    for (size_t i = 0; i < projection->in * projection->out; i++)
        weights[i] = su_seeded_next(&seeded) >> 63 ? size : -size;
}

/* Adds the products of a row to the lower half of c [in, in]. */
static void add_products(const float *row, size_t in, double *c)
{
    for (size_t i = 0; i < in; i++) {
        double value = row[i];
        double *to = c + i * in;
        for (size_t j = 0; j <= i; j++) to[j] += value * row[j];
    }
}

SutraStatus su_projection_pca(const SuProjection *projection, const uint32_t *texts, size_t count,
                              float *weights, SutraError *err)
{
    size_t in = projection->in;
    double *c = su_calloc(in * in + in, sizeof *c);
    if (!c) SU_RAISE(err, SUTRA_E_MEMORY, "out of memory for a matrix of %zu x %zu", in, in);
    for (size_t i = 0; i < count; i++) add_products(projection->vectors + texts[i] * in, in, c);
    for (size_t i = 0; i < in; i++)
        for (size_t j = 0; j < i; j++) c[j * in + i] = c[i * in + j];
    SutraStatus status = su_symmetric_eigen(c, in, c + in * in, err);
    for (size_t i = 0; status == SUTRA_OK && i < in * projection->out; i++)
        weights[i] = (float)c[i];
    su_free(c);
    return status;
}
