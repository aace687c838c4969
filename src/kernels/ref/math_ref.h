/* math_ref.h - the elementary functions in plain C, one element at a time. Comparisons are written
 * so that NaN passes. */
#ifndef SU_MATH_REF_H
#define SU_MATH_REF_H

#include "kernels/kernels.h"
#include "kernels/math_constants.h"

#include <math.h>
#include <string.h>

static inline float exp2_ref(float x)
{
    if (x < -SU_EXP2_LIMIT) x = -SU_EXP2_LIMIT;
    if (x > SU_EXP2_LIMIT) x = SU_EXP2_LIMIT;
    float n = rintf(x);
    float r = x - n;
    float p = SU_EXP2_6;
    p = fmaf(p, r, SU_EXP2_5);
    p = fmaf(p, r, SU_EXP2_4);
    p = fmaf(p, r, SU_EXP2_3);
    p = fmaf(p, r, SU_EXP2_2);
    p = fmaf(p, r, SU_EXP2_1);
    p = fmaf(p, r, SU_EXP2_0);
    return ldexpf(p, isnan(n) ? 0 : (int)n);
}

static inline float gelu_ref(float x)
{
    float magnitude = fabsf(x);
    float z = magnitude * SU_SQRT_HALF;
    float q = SU_GELU_Q8;
    q = fmaf(q, z, SU_GELU_Q7);
    q = fmaf(q, z, SU_GELU_Q6);
    q = fmaf(q, z, SU_GELU_Q5);
    q = fmaf(q, z, SU_GELU_Q4);
    q = fmaf(q, z, SU_GELU_Q3);
    q = fmaf(q, z, SU_GELU_Q2);
    q = fmaf(q, z, SU_GELU_Q1);
    q = q * z;
    float h = 0.5f * magnitude * exp2_ref(-q);
    return x > 0 ? x - h : -h;
}

static inline float gelu_narrow_ref(float x)
{
    float c = x;
    if (c < -SU_GELU_NARROW_LIMIT) c = -SU_GELU_NARROW_LIMIT;
    if (c > SU_GELU_NARROW_LIMIT) c = SU_GELU_NARROW_LIMIT;
    float z = c * c, p = SU_GELU_NARROW_7;
    p = fmaf(p, z, SU_GELU_NARROW_6);
    p = fmaf(p, z, SU_GELU_NARROW_5);
    p = fmaf(p, z, SU_GELU_NARROW_4);
    p = fmaf(p, z, SU_GELU_NARROW_3);
    p = fmaf(p, z, SU_GELU_NARROW_2);
    p = fmaf(p, z, SU_GELU_NARROW_1);
    p = fmaf(p, z, SU_GELU_NARROW_0);
    return x * fmaf(c, p, 0.5f);
}

static inline float activate_ref(SutraActivation activation, float x)
{
    switch (activation) {
    case SUTRA_ACT_GELU_ERF:
        return gelu_ref(x);
    case SUTRA_ACT_GELU_TANH:
        return x / (1.0f + exp2_ref(x * fmaf(SU_GELU_TANH_C3, x * x, SU_GELU_TANH_C1)));
    case SUTRA_ACT_RELU:
        return x < 0 ? 0.0f : x;
    case SUTRA_ACT_SILU:
        return x / (1.0f + exp2_ref(x * -SU_LOG2_E));
    case SUTRA_ACT_TANH:
        return fmaf(-2.0f, 1.0f / (1.0f + exp2_ref(x * (2.0f * SU_LOG2_E))), 1.0f);
    case SUTRA_ACT_SIGMOID:
        return 1.0f / (1.0f + exp2_ref(x * -SU_LOG2_E));
    case SUTRA_ACT_NONE:
        break;
    }
    return x;
}

/* 16 lanes -> 1, as kernels.h says. Destroys its argument. */
static inline float fold16_ref(float lane[16])
{
    for (int half = 8; half > 0; half /= 2)
        for (int i = 0; i < half; i++) lane[i] = lane[i] + lane[i + half];
    return lane[0];
}

/* 64 lanes -> 1 */
static inline float fold64_ref(const float lane[64])
{
    float folded[16];
    for (int i = 0; i < 16; i++)
        folded[i] = (lane[i] + lane[16 + i]) + (lane[32 + i] + lane[48 + i]);
    return fold16_ref(folded);
}

#endif
