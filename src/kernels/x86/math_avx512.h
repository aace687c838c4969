/* math_avx512.h - the elementary functions on 16 lanes; the same operations in the same order as
 * ref/math_ref.h. */
#ifndef SU_MATH_AVX512_H
#define SU_MATH_AVX512_H

#include "kernels/math_constants.h"
#include "kernels/x86/kernels_x86.h"

#include <immintrin.h>

/* max and min return their second operand when one is NaN: x goes second. */
SU_INLINE __m512 exp2_avx512(__m512 x)
{
    x = _mm512_max_ps(_mm512_set1_ps(-SU_EXP2_LIMIT), x);
    x = _mm512_min_ps(_mm512_set1_ps(SU_EXP2_LIMIT), x);
    __m512 n = _mm512_roundscale_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    __m512 r = _mm512_sub_ps(x, n);
    __m512 p = _mm512_set1_ps(SU_EXP2_6);
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(SU_EXP2_5));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(SU_EXP2_4));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(SU_EXP2_3));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(SU_EXP2_2));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(SU_EXP2_1));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(SU_EXP2_0));
    return _mm512_scalef_ps(p, n);
}

/* The same for `count` (a constant, at most 8) vectors in step: the chain of one is longer than what
 * the processor's schedulers hold of the next ones. */
SU_INLINE void exp2_in_step_avx512(__m512 *x, const int count)
{
    __m512 n[8], y[8];
    SU_UNROLL
    for (int i = 0; i < count; i++) {
        x[i] = _mm512_max_ps(_mm512_set1_ps(-SU_EXP2_LIMIT), x[i]);
        x[i] = _mm512_min_ps(_mm512_set1_ps(SU_EXP2_LIMIT), x[i]);
        n[i] = _mm512_roundscale_ps(x[i], _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
        x[i] = _mm512_sub_ps(x[i], n[i]);
        y[i] = _mm512_fmadd_ps(_mm512_set1_ps(SU_EXP2_6), x[i], _mm512_set1_ps(SU_EXP2_5));
    }
    SU_UNROLL
    for (int i = 0; i < count; i++) y[i] = _mm512_fmadd_ps(y[i], x[i], _mm512_set1_ps(SU_EXP2_4));
    SU_UNROLL
    for (int i = 0; i < count; i++) y[i] = _mm512_fmadd_ps(y[i], x[i], _mm512_set1_ps(SU_EXP2_3));
    SU_UNROLL
    for (int i = 0; i < count; i++) y[i] = _mm512_fmadd_ps(y[i], x[i], _mm512_set1_ps(SU_EXP2_2));
    SU_UNROLL
    for (int i = 0; i < count; i++) y[i] = _mm512_fmadd_ps(y[i], x[i], _mm512_set1_ps(SU_EXP2_1));
    SU_UNROLL
    for (int i = 0; i < count; i++) y[i] = _mm512_fmadd_ps(y[i], x[i], _mm512_set1_ps(SU_EXP2_0));
    SU_UNROLL
    for (int i = 0; i < count; i++) {
        x[i] = _mm512_scalef_ps(y[i], n[i]);
    }
}

SU_INLINE __m512 gelu_avx512(__m512 x)
{
    __m512 magnitude = _mm512_abs_ps(x);
    __m512 z = _mm512_mul_ps(magnitude, _mm512_set1_ps(SU_SQRT_HALF));
    __m512 q = _mm512_set1_ps(SU_GELU_Q8);
    q = _mm512_fmadd_ps(q, z, _mm512_set1_ps(SU_GELU_Q7));
    q = _mm512_fmadd_ps(q, z, _mm512_set1_ps(SU_GELU_Q6));
    q = _mm512_fmadd_ps(q, z, _mm512_set1_ps(SU_GELU_Q5));
    q = _mm512_fmadd_ps(q, z, _mm512_set1_ps(SU_GELU_Q4));
    q = _mm512_fmadd_ps(q, z, _mm512_set1_ps(SU_GELU_Q3));
    q = _mm512_fmadd_ps(q, z, _mm512_set1_ps(SU_GELU_Q2));
    q = _mm512_fmadd_ps(q, z, _mm512_set1_ps(SU_GELU_Q1));
    q = _mm512_mul_ps(q, z);
    const __m512 sign = _mm512_set1_ps(-0.0f);
    __m512 h = _mm512_mul_ps(_mm512_mul_ps(_mm512_set1_ps(0.5f), magnitude),
                             exp2_avx512(_mm512_xor_ps(q, sign)));
    __mmask16 positive = _mm512_cmp_ps_mask(x, _mm512_setzero_ps(), _CMP_GT_OQ);
    return _mm512_mask_sub_ps(_mm512_xor_ps(h, sign), positive, x, h);
}

/* See exp2_in_step_avx512. */
SU_INLINE void gelu_in_step_avx512(__m512 *x, const int count)
{
    const __m512 sign = _mm512_set1_ps(-0.0f);
    __m512 z[8], q[8];
    SU_UNROLL
    for (int i = 0; i < count; i++) {
        z[i] = _mm512_mul_ps(_mm512_abs_ps(x[i]), _mm512_set1_ps(SU_SQRT_HALF));
        q[i] = _mm512_fmadd_ps(_mm512_set1_ps(SU_GELU_Q8), z[i], _mm512_set1_ps(SU_GELU_Q7));
    }
    SU_UNROLL
    for (int i = 0; i < count; i++) q[i] = _mm512_fmadd_ps(q[i], z[i], _mm512_set1_ps(SU_GELU_Q6));
    SU_UNROLL
    for (int i = 0; i < count; i++) q[i] = _mm512_fmadd_ps(q[i], z[i], _mm512_set1_ps(SU_GELU_Q5));
    SU_UNROLL
    for (int i = 0; i < count; i++) q[i] = _mm512_fmadd_ps(q[i], z[i], _mm512_set1_ps(SU_GELU_Q4));
    SU_UNROLL
    for (int i = 0; i < count; i++) q[i] = _mm512_fmadd_ps(q[i], z[i], _mm512_set1_ps(SU_GELU_Q3));
    SU_UNROLL
    for (int i = 0; i < count; i++) q[i] = _mm512_fmadd_ps(q[i], z[i], _mm512_set1_ps(SU_GELU_Q2));
    SU_UNROLL
    for (int i = 0; i < count; i++) q[i] = _mm512_fmadd_ps(q[i], z[i], _mm512_set1_ps(SU_GELU_Q1));
    SU_UNROLL
    for (int i = 0; i < count; i++) q[i] = _mm512_xor_ps(_mm512_mul_ps(q[i], z[i]), sign);
    exp2_in_step_avx512(q, count);
    SU_UNROLL
    for (int i = 0; i < count; i++) {
        __m512 h = _mm512_mul_ps(_mm512_mul_ps(_mm512_set1_ps(0.5f), _mm512_abs_ps(x[i])), q[i]);
        __mmask16 positive = _mm512_cmp_ps_mask(x[i], _mm512_setzero_ps(), _CMP_GT_OQ);
        x[i] = _mm512_mask_sub_ps(_mm512_xor_ps(h, sign), positive, x[i], h);
    }
}

/* x / (1 + exp2(w)) */
SU_INLINE __m512 logistic_avx512(__m512 x, __m512 w)
{
    return _mm512_div_ps(x, _mm512_add_ps(_mm512_set1_ps(1.0f), exp2_avx512(w)));
}

SU_INLINE __m512 gelu_tanh_avx512(__m512 x)
{
    __m512 inner = _mm512_fmadd_ps(_mm512_set1_ps(SU_GELU_TANH_C3), _mm512_mul_ps(x, x),
                                   _mm512_set1_ps(SU_GELU_TANH_C1));
    return logistic_avx512(x, _mm512_mul_ps(x, inner));
}

SU_INLINE __m512 silu_avx512(__m512 x)
{
    return logistic_avx512(x, _mm512_mul_ps(x, _mm512_set1_ps(-SU_LOG2_E)));
}

SU_INLINE __m512 tanh_avx512(__m512 x)
{
    const __m512 one = _mm512_set1_ps(1.0f);
    __m512 share = logistic_avx512(one, _mm512_mul_ps(x, _mm512_set1_ps(2.0f * SU_LOG2_E)));
    return _mm512_fmadd_ps(_mm512_set1_ps(-2.0f), share, one);
}

SU_INLINE __m512 relu_avx512(__m512 x) { return _mm512_max_ps(_mm512_setzero_ps(), x); }

SU_INLINE __m512 activate_avx512(SutraActivation activation, __m512 x)
{
    switch (activation) {
    case SUTRA_ACT_GELU_ERF:
        return gelu_avx512(x);
    case SUTRA_ACT_GELU_TANH:
        return gelu_tanh_avx512(x);
    case SUTRA_ACT_RELU:
        return relu_avx512(x);
    case SUTRA_ACT_SILU:
        return silu_avx512(x);
    case SUTRA_ACT_TANH:
        return tanh_avx512(x);
    case SUTRA_ACT_NONE:
        break;
    }
    return x;
}

/* 16 lanes -> 1 as kernels.h says */
SU_INLINE float fold16_avx512(__m512 x)
{
    __m256 a = _mm256_add_ps(_mm512_castps512_ps256(x), _mm512_extractf32x8_ps(x, 1));
    __m128 b = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    __m128 c = _mm_add_ps(b, _mm_movehl_ps(b, b));
    return _mm_cvtss_f32(_mm_add_ss(c, _mm_movehdup_ps(c)));
}

SU_INLINE float fold64_avx512(const __m512 lane[4])
{
    return fold16_avx512(
        _mm512_add_ps(_mm512_add_ps(lane[0], lane[1]), _mm512_add_ps(lane[2], lane[3])));
}

/* Lanes below `count` (0 … 16). */
SU_INLINE __mmask16 tail_mask(size_t count) { return (__mmask16)((1u << count) - 1u); }

#endif
