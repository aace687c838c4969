/* math_avx2.h - the elementary functions on 8 lanes; the same operations in the same order as
 * ref/math_ref.h.
 *
 * The 16 virtual lanes of the recipes are two registers: low holds lanes 0 … 7, high 8 … 15. */
#ifndef SU_MATH_AVX2_H
#define SU_MATH_AVX2_H

#include "kernels/math_constants.h"
#include "kernels/x86/kernels_x86.h"

#include <immintrin.h>

/* max and min return their second operand when one is NaN: x goes second. 2^n is one exponent
 * addition: the clamp keeps the result a normal number, and a NaN converts to the integer whose
 * low bits are 0. */
SU_INLINE __m256 exp2_avx2(__m256 x)
{
    x = _mm256_max_ps(_mm256_set1_ps(-SU_EXP2_LIMIT), x);
    x = _mm256_min_ps(_mm256_set1_ps(SU_EXP2_LIMIT), x);
    __m256 n = _mm256_round_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    __m256 r = _mm256_sub_ps(x, n);
    __m256 p = _mm256_set1_ps(SU_EXP2_6);
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(SU_EXP2_5));
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(SU_EXP2_4));
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(SU_EXP2_3));
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(SU_EXP2_2));
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(SU_EXP2_1));
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(SU_EXP2_0));
    __m256i exponent = _mm256_slli_epi32(_mm256_cvtps_epi32(n), 23);
    return _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(p), exponent));
}

/* The same for `count` (a constant, at most 8) vectors in step: the chain of one is longer than what
 * the processor's schedulers hold of the next ones. */
SU_INLINE void exp2_in_step_avx2(__m256 *x, const int count)
{
    __m256 n[8], y[8];
    SU_UNROLL
    for (int i = 0; i < count; i++) {
        x[i] = _mm256_max_ps(_mm256_set1_ps(-SU_EXP2_LIMIT), x[i]);
        x[i] = _mm256_min_ps(_mm256_set1_ps(SU_EXP2_LIMIT), x[i]);
        n[i] = _mm256_round_ps(x[i], _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
        x[i] = _mm256_sub_ps(x[i], n[i]);
        y[i] = _mm256_fmadd_ps(_mm256_set1_ps(SU_EXP2_6), x[i], _mm256_set1_ps(SU_EXP2_5));
    }
    SU_UNROLL
    for (int i = 0; i < count; i++) y[i] = _mm256_fmadd_ps(y[i], x[i], _mm256_set1_ps(SU_EXP2_4));
    SU_UNROLL
    for (int i = 0; i < count; i++) y[i] = _mm256_fmadd_ps(y[i], x[i], _mm256_set1_ps(SU_EXP2_3));
    SU_UNROLL
    for (int i = 0; i < count; i++) y[i] = _mm256_fmadd_ps(y[i], x[i], _mm256_set1_ps(SU_EXP2_2));
    SU_UNROLL
    for (int i = 0; i < count; i++) y[i] = _mm256_fmadd_ps(y[i], x[i], _mm256_set1_ps(SU_EXP2_1));
    SU_UNROLL
    for (int i = 0; i < count; i++) y[i] = _mm256_fmadd_ps(y[i], x[i], _mm256_set1_ps(SU_EXP2_0));
    SU_UNROLL
    for (int i = 0; i < count; i++) {
        __m256i exponent = _mm256_slli_epi32(_mm256_cvtps_epi32(n[i]), 23);
        x[i] = _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(y[i]), exponent));
    }
}

SU_INLINE __m256 gelu_avx2(__m256 x)
{
    const __m256 sign = _mm256_set1_ps(-0.0f);
    __m256 magnitude = _mm256_andnot_ps(sign, x);
    __m256 z = _mm256_mul_ps(magnitude, _mm256_set1_ps(SU_SQRT_HALF));
    __m256 q = _mm256_set1_ps(SU_GELU_Q8);
    q = _mm256_fmadd_ps(q, z, _mm256_set1_ps(SU_GELU_Q7));
    q = _mm256_fmadd_ps(q, z, _mm256_set1_ps(SU_GELU_Q6));
    q = _mm256_fmadd_ps(q, z, _mm256_set1_ps(SU_GELU_Q5));
    q = _mm256_fmadd_ps(q, z, _mm256_set1_ps(SU_GELU_Q4));
    q = _mm256_fmadd_ps(q, z, _mm256_set1_ps(SU_GELU_Q3));
    q = _mm256_fmadd_ps(q, z, _mm256_set1_ps(SU_GELU_Q2));
    q = _mm256_fmadd_ps(q, z, _mm256_set1_ps(SU_GELU_Q1));
    q = _mm256_mul_ps(q, z);
    __m256 h = _mm256_mul_ps(_mm256_mul_ps(_mm256_set1_ps(0.5f), magnitude),
                             exp2_avx2(_mm256_xor_ps(q, sign)));
    __m256 positive = _mm256_cmp_ps(x, _mm256_setzero_ps(), _CMP_GT_OQ);
    return _mm256_blendv_ps(_mm256_xor_ps(h, sign), _mm256_sub_ps(x, h), positive);
}

/* See exp2_in_step_avx2. */
SU_INLINE void gelu_in_step_avx2(__m256 *x, const int count)
{
    const __m256 sign = _mm256_set1_ps(-0.0f);
    __m256 z[8], q[8];
    SU_UNROLL
    for (int i = 0; i < count; i++) {
        z[i] = _mm256_mul_ps(_mm256_andnot_ps(sign, x[i]), _mm256_set1_ps(SU_SQRT_HALF));
        q[i] = _mm256_fmadd_ps(_mm256_set1_ps(SU_GELU_Q8), z[i], _mm256_set1_ps(SU_GELU_Q7));
    }
    SU_UNROLL
    for (int i = 0; i < count; i++) q[i] = _mm256_fmadd_ps(q[i], z[i], _mm256_set1_ps(SU_GELU_Q6));
    SU_UNROLL
    for (int i = 0; i < count; i++) q[i] = _mm256_fmadd_ps(q[i], z[i], _mm256_set1_ps(SU_GELU_Q5));
    SU_UNROLL
    for (int i = 0; i < count; i++) q[i] = _mm256_fmadd_ps(q[i], z[i], _mm256_set1_ps(SU_GELU_Q4));
    SU_UNROLL
    for (int i = 0; i < count; i++) q[i] = _mm256_fmadd_ps(q[i], z[i], _mm256_set1_ps(SU_GELU_Q3));
    SU_UNROLL
    for (int i = 0; i < count; i++) q[i] = _mm256_fmadd_ps(q[i], z[i], _mm256_set1_ps(SU_GELU_Q2));
    SU_UNROLL
    for (int i = 0; i < count; i++) q[i] = _mm256_fmadd_ps(q[i], z[i], _mm256_set1_ps(SU_GELU_Q1));
    SU_UNROLL
    for (int i = 0; i < count; i++) q[i] = _mm256_xor_ps(_mm256_mul_ps(q[i], z[i]), sign);
    exp2_in_step_avx2(q, count);
    SU_UNROLL
    for (int i = 0; i < count; i++) {
        __m256 h =
            _mm256_mul_ps(_mm256_mul_ps(_mm256_set1_ps(0.5f), _mm256_andnot_ps(sign, x[i])), q[i]);
        __m256 positive = _mm256_cmp_ps(x[i], _mm256_setzero_ps(), _CMP_GT_OQ);
        x[i] = _mm256_blendv_ps(_mm256_xor_ps(h, sign), _mm256_sub_ps(x[i], h), positive);
    }
}

/* x / (1 + exp2(w)) */
SU_INLINE __m256 logistic_avx2(__m256 x, __m256 w)
{
    return _mm256_div_ps(x, _mm256_add_ps(_mm256_set1_ps(1.0f), exp2_avx2(w)));
}

SU_INLINE __m256 gelu_tanh_avx2(__m256 x)
{
    __m256 inner = _mm256_fmadd_ps(_mm256_set1_ps(SU_GELU_TANH_C3), _mm256_mul_ps(x, x),
                                   _mm256_set1_ps(SU_GELU_TANH_C1));
    return logistic_avx2(x, _mm256_mul_ps(x, inner));
}

SU_INLINE __m256 silu_avx2(__m256 x)
{
    return logistic_avx2(x, _mm256_mul_ps(x, _mm256_set1_ps(-SU_LOG2_E)));
}

SU_INLINE __m256 tanh_avx2(__m256 x)
{
    const __m256 one = _mm256_set1_ps(1.0f);
    __m256 share = logistic_avx2(one, _mm256_mul_ps(x, _mm256_set1_ps(2.0f * SU_LOG2_E)));
    return _mm256_fmadd_ps(_mm256_set1_ps(-2.0f), share, one);
}

SU_INLINE __m256 relu_avx2(__m256 x) { return _mm256_max_ps(_mm256_setzero_ps(), x); }

SU_INLINE __m256 activate_avx2(SutraActivation activation, __m256 x)
{
    switch (activation) {
    case SUTRA_ACT_GELU_ERF:
        return gelu_avx2(x);
    case SUTRA_ACT_GELU_TANH:
        return gelu_tanh_avx2(x);
    case SUTRA_ACT_RELU:
        return relu_avx2(x);
    case SUTRA_ACT_SILU:
        return silu_avx2(x);
    case SUTRA_ACT_TANH:
        return tanh_avx2(x);
    case SUTRA_ACT_NONE:
        break;
    }
    return x;
}

/* 16 lanes -> 1 as kernels.h says */
SU_INLINE float fold16_avx2(__m256 low, __m256 high)
{
    __m256 a = _mm256_add_ps(low, high);
    __m128 b = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    __m128 c = _mm_add_ps(b, _mm_movehl_ps(b, b));
    return _mm_cvtss_f32(_mm_add_ss(c, _mm_movehdup_ps(c)));
}

/* 64 lanes -> 1; register v holds lanes 8 v … 8 v + 7 */
SU_INLINE float fold64_avx2(const __m256 lane[8])
{
    __m256 low = _mm256_add_ps(_mm256_add_ps(lane[0], lane[2]), _mm256_add_ps(lane[4], lane[6]));
    __m256 high = _mm256_add_ps(_mm256_add_ps(lane[1], lane[3]), _mm256_add_ps(lane[5], lane[7]));
    return fold16_avx2(low, high);
}

/* Lanes below `count` (0 … 8), for maskload and maskstore. */
SU_INLINE __m256i tail_mask_avx2(size_t count)
{
    static const int32_t ones_then_zeros[16] = {-1, -1, -1, -1, -1, -1, -1, -1};
    return _mm256_loadu_si256((const __m256i *)(const void *)(ones_then_zeros + 8 - count));
}

#endif
