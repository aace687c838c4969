/* sutra.h: similarity of output vectors. */
#include "base/cpu_features.h"
#include "base/memory.h"
#include "base/status.h"
#include "batch/row_bytes.h"
#include "kernels/kernels.h"

#include <math.h>

/* A row of any element type as floats; binary rows become ±1, whose cosine is 1 - 2 hamming / dim.
 */
static void row_to_float(const SuKernels *kernels, SutraDtype dtype, const void *rows, size_t row,
                         uint32_t dim, float *to)
{
    const unsigned char *bytes = (const unsigned char *)rows + row * su_row_bytes(dtype, dim);
    switch (dtype) {
    case SUTRA_F32:
        kernels->scale_f32((const float *)(const void *)bytes, 1.0f, dim, to);
        break;
    case SUTRA_F16:
        kernels->widen_f16((const uint16_t *)(const void *)bytes, dim, to);
        break;
    case SUTRA_I8:
        for (uint32_t i = 0; i < dim; i++) to[i] = (float)(int8_t)bytes[i];
        break;
    case SUTRA_U8:
        for (uint32_t i = 0; i < dim; i++) to[i] = (float)((int)bytes[i] - 128);
        break;
    case SUTRA_BINARY:
    case SUTRA_UBINARY:
        for (uint32_t i = 0; i < dim; i++) {
            unsigned byte = dtype == SUTRA_BINARY ? bytes[i / 8] ^ 0x80u : bytes[i / 8];
            to[i] = byte >> (7 - i % 8) & 1 ? 1.0f : -1.0f;
        }
        break;
    }
}

/* Unit vectors, so that a cosine is one dot product. A zero vector stays zero: its similarity to
 * all is 0. */
static void unit_row(const SuKernels *kernels, SutraDtype dtype, const void *rows, size_t row,
                     uint32_t dim, float *to)
{
    row_to_float(kernels, dtype, rows, row, dim, to);
    float length = sqrtf(kernels->sum_of_squares_f32(to, dim));
    kernels->scale_f32(to, length > 0 ? 1.0f / length : 0.0f, dim, to);
}

SutraStatus sutra_similarity(SutraDtype dtype, uint32_t dim, const void *a, size_t na,
                             const void *b, size_t nb, float *out, SutraError *err)
{
    enum { BLOCK = 64 };
    SuIsa isa;
    SuKernels kernels;
    if (dim == 0 || !su_row_bytes(dtype, dim))
        SU_RAISE(err, SUTRA_E_ARGUMENT, "dim %u is not valid for this element type", dim);
    if ((!a && na) || (!b && nb) || (!out && na && nb))
        SU_RAISE(err, SUTRA_E_ARGUMENT, "a, b or out is NULL");
    SU_TRY(su_isa_select(&isa, err));
    su_kernels_init(&kernels, isa);
    float *rows = su_alloc((size_t)dim * (BLOCK + 1), sizeof *rows);
    if (!rows) SU_RAISE(err, SUTRA_E_MEMORY, "out of memory for rows of %u elements", dim);
    float *other = rows + (size_t)BLOCK * dim;
    for (size_t first = 0; first < na; first += BLOCK) {
        size_t count = na - first < BLOCK ? na - first : BLOCK;
        for (size_t i = 0; i < count; i++)
            unit_row(&kernels, dtype, a, first + i, dim, rows + i * dim);
        for (size_t j = 0; j < nb; j++) {
            unit_row(&kernels, dtype, b, j, dim, other);
            for (size_t i = 0; i < count; i++)
                out[(first + i) * nb + j] = kernels.dot_f32(rows + i * dim, other, dim);
        }
    }
    su_free(rows);
    return SUTRA_OK;
}
