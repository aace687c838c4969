/* From a float row to the element type that was asked for; see SutraDtype. */
#include "batch/row_bytes.h"
#include "encoder/encoder.h"

#include <math.h>
#include <string.h>

static bool all_finite(const float *row, uint32_t n)
{
    uint32_t bad = 0;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t bits;
        memcpy(&bits, &row[i], sizeof bits);
        bad |= (bits & 0x7f800000u) == 0x7f800000u;
    }
    return bad == 0;
}

/* Round to nearest, ties to even; overflow gives infinity. */
static uint16_t float_to_half(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    uint16_t sign = (uint16_t)(bits >> 16 & 0x8000u);
    float magnitude = fabsf(x);
    if (magnitude >= 65520.0f) return sign | 0x7c00u;
    if (magnitude < 0x1p-14f) return sign | (uint16_t)rintf(magnitude * 0x1p24f);
    uint32_t rest = bits & 0x7fffffffu;
    uint32_t rounded = rest + 0xfffu + (rest >> 13 & 1u);
    return sign | (uint16_t)((rounded - (112u << 23)) >> 13);
}

static int to_int8(float x)
{
    float scaled = rintf(127.0f * x);
    return scaled > 127.0f ? 127 : scaled < -127.0f ? -127 : (int)scaled;
}

static void convert(const float *row, uint32_t dim, SutraDtype dtype, unsigned char *out)
{
    switch (dtype) {
    case SUTRA_F32:
        memcpy(out, row, (size_t)dim * 4);
        break;
    case SUTRA_F16:
        for (uint32_t i = 0; i < dim; i++) {
            uint16_t half = float_to_half(row[i]);
            memcpy(out + 2 * (size_t)i, &half, 2);
        }
        break;
    case SUTRA_I8:
        for (uint32_t i = 0; i < dim; i++) out[i] = (unsigned char)to_int8(row[i]);
        break;
    case SUTRA_U8:
        for (uint32_t i = 0; i < dim; i++) out[i] = (unsigned char)(to_int8(row[i]) + 128);
        break;
    case SUTRA_BINARY:
    case SUTRA_UBINARY:
        for (uint32_t i = 0; i < dim; i += 8) {
            unsigned byte = 0;
            for (uint32_t bit = 0; bit < 8; bit++) byte = byte << 1 | (row[i + bit] > 0);
            out[i / 8] = (unsigned char)(dtype == SUTRA_BINARY ? byte ^ 0x80u : byte);
        }
        break;
    }
}

/* False if the row's length overflows. */
static bool normalize_row(const SuKernels *kernels, float *row, uint32_t n)
{
    float length = sqrtf(kernels->sum_of_squares_f32(row, n));
    kernels->scale_f32(row, 1.0f / (length > 1e-12f ? length : 1e-12f), n, row);
    return isfinite(length);
}

bool su_output_row(const SuKernels *kernels, float *row, uint32_t hidden, const SutraBatch *batch,
                   void *out)
{
    uint32_t dim = batch->dim;
    SutraDtype dtype = batch->dtype;
    bool finite = all_finite(row, batch->normalize == SUTRA_BATCH_NORMALIZE_WHOLE ? hidden : dim);
    if (batch->normalize == SUTRA_BATCH_NORMALIZE_WHOLE)
        finite = normalize_row(kernels, row, hidden) && finite;
    else if (batch->normalize)
        finite = normalize_row(kernels, row, dim) && finite;
    finite = finite && all_finite(row, dim);
    if (!finite) {
        memset(out, 0, su_row_bytes(dtype, dim));
        return false;
    }
    convert(row, dim, dtype, out);
    return true;
}
