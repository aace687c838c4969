/* tile_sums.h - how tdpbf16ps adds up products of bf16, in plain C: SU_SUMS_TILES of kernels.h. */
#ifndef SU_TILE_SUMS_H
#define SU_TILE_SUMS_H

#include "kernels/ref/kernels_ref.h"

#include <math.h>
#include <string.h>

enum { SU_TILE_STEP = SU_GEMM_ROW_BYTES / 2 };

static inline float zero_if_denormal(float x)
{
    return fabsf(x) < 0x1p-126f ? copysignf(0.0f, x) : x;
}

/* a b + c of normal numbers and zeros, where a result below the normal numbers before it is rounded
 * to their exponents is zero: 2^-126 may be such a one rounded up, which shows at a larger scale.
 */
static inline float fma_to_normal(float a, float b, float c)
{
    float sum = zero_if_denormal(fmaf(a, b, c));
    if (fabsf(sum) != 0x1p-126f) return sum;
    bool a_less = fabsf(a) < fabsf(b);
    float scaled = fmaf(a_less ? a * 0x1p48f : a, a_less ? b : b * 0x1p48f, c * 0x1p48f);
    return fabsf(scaled) < 0x1p-78f ? copysignf(0.0f, sum) : sum;
}

static inline float normal_bf16(uint16_t bits)
{
    float x;
    su_widen_bf16_ref(&bits, 1, &x);
    return zero_if_denormal(x);
}

/* sum + the products of 32 elements */
static inline float add_tile_step(float sum, const uint16_t a[SU_TILE_STEP],
                                  const uint16_t w[SU_TILE_STEP])
{
    float chain[2] = {0.0f, 0.0f};
    for (size_t p = 0; p < SU_TILE_STEP; p++)
        chain[p % 2] = fma_to_normal(normal_bf16(a[p]), normal_bf16(w[p]), chain[p % 2]);
    return fma_to_normal(1.0f, fma_to_normal(1.0f, chain[0], chain[1]), sum);
}

#endif
