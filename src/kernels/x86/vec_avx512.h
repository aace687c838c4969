/* vec_avx512.h - the vector type that kernels shared by several ISAs are written in, on AVX-512.
 *
 * Of all vec_….h: max and min give NaN when their second operand is one, and either zero of two
 * unlike ones. Here they give their second operand in both cases, and when the first is NaN. */
#ifndef SU_VEC_AVX512_H
#define SU_VEC_AVX512_H

#include "kernels/unroll.h"
#include "kernels/x86/kernels_x86.h"

#include <immintrin.h>

typedef __m512 Vec;
enum { VEC_LANES = 16 };

SU_INLINE __mmask16 lanes_below(size_t n) { return (__mmask16)((1u << n) - 1u); }

SU_INLINE Vec vec_zero(void) { return _mm512_setzero_ps(); }
SU_INLINE Vec vec_set1(float x) { return _mm512_set1_ps(x); }
SU_INLINE Vec vec_load(const float *x) { return _mm512_loadu_ps(x); }
SU_INLINE void vec_store(float *x, Vec v) { _mm512_storeu_ps(x, v); }
/* The first n lanes (0 … VEC_LANES); the others are zero, and are not written. */
SU_INLINE Vec vec_load_part(const float *x, size_t n)
{
    return _mm512_maskz_loadu_ps(lanes_below(n), x);
}
SU_INLINE void vec_store_part(float *x, Vec v, size_t n)
{
    _mm512_mask_storeu_ps(x, lanes_below(n), v);
}
/* The first n lanes (1 … VEC_LANES) as bf16: to nearest, ties to even; a NaN stays one. */
SU_INLINE void vec_store_bf16(uint16_t *x, Vec v, size_t n)
{
#ifdef __AVX512BF16__
    __m256i rounded = (__m256i)_mm512_cvtneps_pbh(v); /* denormals are zeros */
    if (n >= VEC_LANES)
        _mm256_storeu_si256((__m256i *)(void *)x, rounded);
    else
        _mm256_mask_storeu_epi16(x, lanes_below(n), rounded);
#else
    __m512i bits = _mm512_castps_si512(v),
            odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
    __m512i half = _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff));
    __mmask16 nan = _mm512_cmp_ps_mask(v, v, _CMP_UNORD_Q);
    half = _mm512_mask_mov_epi32(half, nan, _mm512_setzero_si512());
    bits = _mm512_mask_or_epi32(bits, nan, bits, _mm512_set1_epi32(0x400000));
    __m512i rounded = _mm512_srli_epi32(_mm512_add_epi32(bits, half), 16);
    _mm256_mask_storeu_epi16(x, lanes_below(n), _mm512_cvtepi32_epi16(rounded));
#endif
}
/* The first n lanes (1 … VEC_LANES) as halves: to nearest, ties to even. */
SU_INLINE void vec_store_f16(uint16_t *x, Vec v, size_t n)
{
    __m256i halves = _mm512_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    if (n >= VEC_LANES)
        _mm256_storeu_si256((__m256i *)(void *)x, halves);
    else
        _mm256_mask_storeu_epi16(x, lanes_below(n), halves);
}
/* The first n lanes (1 … 4 VEC_LANES) of four vectors, as integers (to nearest, ties to even) plus
 * zero, clamped to 0 … 255, ^ flip. A lane is below 2^31. */
SU_INLINE void vec_store_flipped_u8(uint8_t *x, const Vec v[4], int32_t zero, uint8_t flip,
                                    size_t n)
{
    const __m512i shift = _mm512_set1_epi32(zero);
    __m512i q[4];
    SU_UNROLL
    for (int i = 0; i < 4; i++) q[i] = _mm512_add_epi32(_mm512_cvtps_epi32(v[i]), shift);
    __m512i bytes =
        _mm512_packus_epi16(_mm512_packs_epi32(q[0], q[1]), _mm512_packs_epi32(q[2], q[3]));
    const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    bytes = _mm512_permutexvar_epi32(order, bytes);
    bytes = _mm512_xor_si512(bytes, _mm512_set1_epi8((char)flip));
    if (n >= 4 * VEC_LANES)
        _mm512_storeu_si512(x, bytes);
    else
        _mm512_mask_storeu_epi8(x, ((__mmask64)1 << n) - 1, bytes);
}
SU_INLINE void vec_store_u8(uint8_t *x, const Vec v[4], int32_t zero, size_t n)
{
    vec_store_flipped_u8(x, v, zero, 0, n);
}
/* A bit for each lane of four vectors: set where it is above 0. Eight lanes are a byte, the first
 * of them its most significant bit; the bytes ascend from the least significant one. */
SU_INLINE uint64_t vec_positive_bits(const Vec v[4])
{
    const __m512i order = _mm512_setr_epi32(7, 6, 5, 4, 3, 2, 1, 0, 15, 14, 13, 12, 11, 10, 9, 8);
    uint64_t bits = 0;
    SU_UNROLL
    for (int i = 0; i < 4; i++) {
        __m512 turned = _mm512_permutexvar_ps(order, v[i]);
        uint64_t mask = _mm512_cmp_ps_mask(turned, _mm512_setzero_ps(), _CMP_GT_OQ);
        bits |= mask << (VEC_LANES * i);
    }
    return bits;
}
/* Half `part` (0: the low one) of each of VEC_LANES words of two bf16. */
SU_INLINE Vec vec_load_half(const float *words, const int part)
{
    __m512i word = _mm512_loadu_si512(words);
    return _mm512_castsi512_ps(part ? _mm512_and_si512(word, _mm512_set1_epi32((int)0xffff0000u))
                                    : _mm512_slli_epi32(word, 16));
}
/* VEC_LANES halves, exactly. */
SU_INLINE Vec vec_load_f16(const void *halves)
{
    return _mm512_cvtph_ps(_mm256_loadu_si256(halves));
}
/* The even, the odd ones of the 2 VEC_LANES lanes of two vectors. */
SU_INLINE Vec vec_load_bf16(const uint16_t *halves)
{
    __m256i stored = _mm256_loadu_si256((const __m256i *)(const void *)halves);
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(stored), 16));
}
SU_INLINE Vec vec_load_s8(const int8_t *x)
{
    __m128i stored = _mm_loadu_si128((const __m128i *)(const void *)x);
    return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(stored));
}
SU_INLINE Vec vec_even_lanes(Vec a, Vec b)
{
    const __m512i even =
        _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
    return _mm512_permutex2var_ps(a, even, b);
}
SU_INLINE Vec vec_odd_lanes(Vec a, Vec b)
{
    const __m512i odd =
        _mm512_setr_epi32(1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31);
    return _mm512_permutex2var_ps(a, odd, b);
}
SU_INLINE Vec vec_add(Vec a, Vec b) { return _mm512_add_ps(a, b); }
SU_INLINE Vec vec_sub(Vec a, Vec b) { return _mm512_sub_ps(a, b); }
SU_INLINE Vec vec_mul(Vec a, Vec b) { return _mm512_mul_ps(a, b); }
SU_INLINE Vec vec_div(Vec a, Vec b) { return _mm512_div_ps(a, b); }
SU_INLINE Vec vec_max(Vec a, Vec b) { return _mm512_max_ps(a, b); }
SU_INLINE Vec vec_min(Vec a, Vec b) { return _mm512_min_ps(a, b); }
SU_INLINE Vec vec_fma(Vec a, Vec b, Vec c) { return _mm512_fmadd_ps(a, b, c); }
SU_INLINE Vec vec_abs(Vec x) { return _mm512_abs_ps(x); }
SU_INLINE Vec vec_negate(Vec x) { return _mm512_xor_ps(x, _mm512_set1_ps(-0.0f)); }
/* To the nearest integer, ties to even. */
SU_INLINE Vec vec_round(Vec x)
{
    return _mm512_roundscale_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
/* To the integer below. */
SU_INLINE Vec vec_floor(Vec x)
{
    return _mm512_roundscale_ps(x, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC);
}
/* x 2^n, of integers n for which the result is a normal number; NaN where x is. */
SU_INLINE Vec vec_scale2(Vec x, Vec n) { return _mm512_scalef_ps(x, n); }
/* x in the lanes first … last - 1, `other` in the rest */
SU_INLINE Vec vec_select(Vec x, Vec other, size_t first, size_t last)
{
    __mmask16 mask = (__mmask16)(lanes_below(last) & ~lanes_below(first));
    return _mm512_mask_mov_ps(other, mask, x);
}
/* `then` where x == limit, `otherwise` elsewhere */
SU_INLINE Vec vec_where_equal(Vec x, Vec limit, Vec then, Vec otherwise)
{
    return _mm512_mask_mov_ps(otherwise, _mm512_cmp_ps_mask(x, limit, _CMP_EQ_OQ), then);
}
/* `then` where x > 0, `otherwise` elsewhere */
SU_INLINE Vec vec_where_positive(Vec x, Vec then, Vec otherwise)
{
    return _mm512_mask_mov_ps(otherwise, _mm512_cmp_ps_mask(x, _mm512_setzero_ps(), _CMP_GT_OQ),
                              then);
}
/* 0 where x < 0, else x: -0 and NaN stay. */
SU_INLINE Vec vec_relu(Vec x) { return vec_max(vec_zero(), x); }
/* The larger; NaN where one is. */
SU_INLINE Vec vec_max_or_nan(Vec most, Vec x)
{
    __mmask16 take =
        _mm512_cmp_ps_mask(most, x, _CMP_NGE_UQ) & _mm512_cmp_ps_mask(most, most, _CMP_ORD_Q);
    return _mm512_mask_mov_ps(most, take, x);
}

/* Over all lanes, none of which is NaN; whether one is. */
SU_INLINE float vec_least(Vec x) { return _mm512_reduce_min_ps(x); }
SU_INLINE float vec_most(Vec x) { return _mm512_reduce_max_ps(x); }
SU_INLINE bool vec_has_nan(Vec x) { return _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q) != 0; }

/* The 64 virtual lanes of a reduction, vector v being lanes VEC_LANES v …, folded as kernels.h
 * says. */
SU_INLINE float vec_fold64(const Vec lane[64 / VEC_LANES])
{
    __m512 x = _mm512_add_ps(_mm512_add_ps(lane[0], lane[1]), _mm512_add_ps(lane[2], lane[3]));
    __m256 a = _mm256_add_ps(_mm512_castps512_ps256(x), _mm512_extractf32x8_ps(x, 1));
    __m128 b = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    __m128 c = _mm_add_ps(b, _mm_movehl_ps(b, b));
    return _mm_cvtss_f32(_mm_add_ss(c, _mm_movehdup_ps(c)));
}

/* r[i] lane e <-> r[e] lane i */
SU_INLINE void vec_transpose(Vec r[VEC_LANES])
{
    __m512 t[16];
    SU_UNROLL
    for (int i = 0; i < 16; i += 2) {
        t[i] = _mm512_unpacklo_ps(r[i], r[i + 1]);
        t[i + 1] = _mm512_unpackhi_ps(r[i], r[i + 1]);
    }
    /* r[4 g + e]: element e of each 128-bit lane, rows 4 g … 4 g + 3 */
    SU_UNROLL
    for (int i = 0; i < 16; i += 4) {
        SU_UNROLL
        for (int j = 0; j < 2; j++) {
            __m512d a = _mm512_castps_pd(t[i + j]), b = _mm512_castps_pd(t[i + j + 2]);
            r[i + 2 * j] = _mm512_castpd_ps(_mm512_unpacklo_pd(a, b));
            r[i + 2 * j + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(a, b));
        }
    }
    SU_UNROLL
    for (int e = 0; e < 4; e++) {
        __m512 low = _mm512_shuffle_f32x4(r[e], r[4 + e], 0x88),
               high = _mm512_shuffle_f32x4(r[e], r[4 + e], 0xdd);
        __m512 low2 = _mm512_shuffle_f32x4(r[8 + e], r[12 + e], 0x88);
        __m512 high2 = _mm512_shuffle_f32x4(r[8 + e], r[12 + e], 0xdd);
        t[e] = _mm512_shuffle_f32x4(low, low2, 0x88);
        t[4 + e] = _mm512_shuffle_f32x4(high, high2, 0x88);
        t[8 + e] = _mm512_shuffle_f32x4(low, low2, 0xdd);
        t[12 + e] = _mm512_shuffle_f32x4(high, high2, 0xdd);
    }
    SU_UNROLL
    for (int i = 0; i < 16; i++) r[i] = t[i];
}

#endif
