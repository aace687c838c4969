/* Rows to fewer bits, in plain C: the definition of the result. */
#include "kernels/ref/kernels_ref.h"

#include <math.h>
#include <string.h>

void su_narrow_bf16_ref(const float *x, size_t n, uint16_t *y)
{
    for (size_t i = 0; i < n; i++) {
        uint32_t bits;
        memcpy(&bits, &x[i], sizeof bits);
        if (isnan(x[i]))
            bits |= 0x400000u;
        else
            bits += 0x7fffu + (bits >> 16 & 1u);
        y[i] = (uint16_t)(bits >> 16);
    }
}

bool su_quantize_row(float low, float high, bool finite, const SuRowScale *fixed, SuRowScale *row)
{
    *row = fixed ? *fixed : (SuRowScale){.scale = (high - low) / 255.0f};
    bool zeros = finite && row->scale < 0x1p-126f;
    if (!finite || zeros || !isfinite(row->scale)) {
        *row = (SuRowScale){.scale = zeros ? 1.0f : NAN};
        return false;
    }
    if (!fixed) row->zero = (int32_t)rintf(-low * (1.0f / row->scale));
    return true;
}

SuRowScale su_quantize_u8_ref(const float *x, const float *factor, const SuRowScale *fixed,
                              size_t n, uint8_t *y)
{
    float low = 0.0f, high = 0.0f;
    bool finite = true;
    for (size_t i = 0; i < n; i++) {
        float value = factor ? x[i] * factor[i] : x[i];
        finite = finite && isfinite(value);
        low = fminf(low, value);
        high = fmaxf(high, value);
    }
    SuRowScale row;
    if (!su_quantize_row(low, high, finite, fixed, &row)) {
        memset(y, 0, n);
        return row;
    }
    float inverse = 1.0f / row.scale, zero = (float)row.zero;
    for (size_t i = 0; i < n; i++) {
        float q = rintf((factor ? x[i] * factor[i] : x[i]) * inverse) + zero;
        y[i] = (uint8_t)(q > 255.0f ? 255.0f : q < 0.0f ? 0.0f : q);
    }
    return row;
}
