/* vec_avx2.h - the vector type that kernels shared by several ISAs are written in, on AVX2; see
 * vec_avx512.h. */
#ifndef SU_VEC_AVX2_H
#define SU_VEC_AVX2_H

#include "kernels/unroll.h"
#include "kernels/x86/kernels_x86.h"

#include <immintrin.h>
#include <string.h>

typedef __m256 Vec;
enum { VEC_LANES = 8 };

SU_INLINE __m256i lanes_below(size_t n)
{
    return _mm256_cmpgt_epi32(_mm256_set1_epi32((int)n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

SU_INLINE Vec vec_zero(void) { return _mm256_setzero_ps(); }
SU_INLINE Vec vec_set1(float x) { return _mm256_set1_ps(x); }
SU_INLINE Vec vec_load(const float *x) { return _mm256_loadu_ps(x); }
SU_INLINE void vec_store(float *x, Vec v) { _mm256_storeu_ps(x, v); }
SU_INLINE Vec vec_load_part(const float *x, size_t n)
{
    return _mm256_maskload_ps(x, lanes_below(n));
}
SU_INLINE void vec_store_part(float *x, Vec v, size_t n)
{
    _mm256_maskstore_ps(x, lanes_below(n), v);
}
SU_INLINE void vec_store_bf16(uint16_t *x, Vec v, size_t n)
{
    __m256i bits = _mm256_castps_si256(v);
    __m256i odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
    __m256i nan = _mm256_castps_si256(_mm256_cmp_ps(v, v, _CMP_UNORD_Q));
    __m256i half = _mm256_andnot_si256(nan, _mm256_add_epi32(odd, _mm256_set1_epi32(0x7fff)));
    bits = _mm256_or_si256(bits, _mm256_and_si256(nan, _mm256_set1_epi32(0x400000)));
    __m256i rounded = _mm256_srli_epi32(_mm256_add_epi32(bits, half), 16);
    __m128i low =
        _mm_packus_epi32(_mm256_castsi256_si128(rounded), _mm256_extracti128_si256(rounded, 1));
    if (n >= VEC_LANES)
        _mm_storeu_si128((__m128i *)(void *)x, low);
    else
        memcpy(x, &low, n * sizeof *x);
}
SU_INLINE void vec_store_f16(uint16_t *x, Vec v, size_t n)
{
    __m128i halves = _mm256_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    if (n >= VEC_LANES)
        _mm_storeu_si128((__m128i *)(void *)x, halves);
    else
        memcpy(x, &halves, n * sizeof *x);
}
SU_INLINE void vec_store_flipped_u8(uint8_t *x, const Vec v[4], int32_t zero, uint8_t flip,
                                    size_t n)
{
    const __m256i shift = _mm256_set1_epi32(zero);
    __m256i q[4];
    SU_UNROLL
    for (int i = 0; i < 4; i++) q[i] = _mm256_add_epi32(_mm256_cvtps_epi32(v[i]), shift);
    __m256i bytes =
        _mm256_packus_epi16(_mm256_packs_epi32(q[0], q[1]), _mm256_packs_epi32(q[2], q[3]));
    bytes = _mm256_permutevar8x32_epi32(bytes, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
    bytes = _mm256_xor_si256(bytes, _mm256_set1_epi8((char)flip));
    if (n >= 4 * VEC_LANES)
        _mm256_storeu_si256((__m256i *)(void *)x, bytes);
    else
        memcpy(x, &bytes, n);
}
SU_INLINE void vec_store_u8(uint8_t *x, const Vec v[4], int32_t zero, size_t n)
{
    vec_store_flipped_u8(x, v, zero, 0, n);
}
SU_INLINE uint64_t vec_positive_bits(const Vec v[4])
{
    const __m256i order = _mm256_setr_epi32(7, 6, 5, 4, 3, 2, 1, 0);
    uint64_t bits = 0;
    SU_UNROLL
    for (int i = 0; i < 4; i++) {
        __m256 turned = _mm256_permutevar8x32_ps(v[i], order);
        __m256 above = _mm256_cmp_ps(turned, _mm256_setzero_ps(), _CMP_GT_OQ);
        bits |= (uint64_t)(unsigned)_mm256_movemask_ps(above) << (VEC_LANES * i);
    }
    return bits;
}
SU_INLINE Vec vec_load_half(const float *words, const int part)
{
    __m256i word = _mm256_loadu_si256((const __m256i *)(const void *)words);
    return _mm256_castsi256_ps(part ? _mm256_and_si256(word, _mm256_set1_epi32((int)0xffff0000u))
                                    : _mm256_slli_epi32(word, 16));
}
SU_INLINE Vec vec_load_f16(const void *halves) { return _mm256_cvtph_ps(_mm_loadu_si128(halves)); }
SU_INLINE Vec vec_load_bf16(const uint16_t *halves)
{
    __m128i stored = _mm_loadu_si128((const __m128i *)(const void *)halves);
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(stored), 16));
}
SU_INLINE Vec vec_load_s8(const int8_t *x)
{
    __m128i stored = _mm_loadl_epi64((const __m128i *)(const void *)x);
    return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(stored));
}
SU_INLINE Vec vec_even_lanes(Vec a, Vec b)
{
    __m256d pairs = _mm256_castps_pd(_mm256_shuffle_ps(a, b, 0x88));
    return _mm256_castpd_ps(_mm256_permute4x64_pd(pairs, 0xd8));
}
SU_INLINE Vec vec_odd_lanes(Vec a, Vec b)
{
    __m256d pairs = _mm256_castps_pd(_mm256_shuffle_ps(a, b, 0xdd));
    return _mm256_castpd_ps(_mm256_permute4x64_pd(pairs, 0xd8));
}
SU_INLINE Vec vec_add(Vec a, Vec b) { return _mm256_add_ps(a, b); }
SU_INLINE Vec vec_sub(Vec a, Vec b) { return _mm256_sub_ps(a, b); }
SU_INLINE Vec vec_mul(Vec a, Vec b) { return _mm256_mul_ps(a, b); }
SU_INLINE Vec vec_div(Vec a, Vec b) { return _mm256_div_ps(a, b); }
SU_INLINE Vec vec_max(Vec a, Vec b) { return _mm256_max_ps(a, b); }
SU_INLINE Vec vec_min(Vec a, Vec b) { return _mm256_min_ps(a, b); }
SU_INLINE Vec vec_fma(Vec a, Vec b, Vec c) { return _mm256_fmadd_ps(a, b, c); }
SU_INLINE Vec vec_abs(Vec x) { return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), x); }
SU_INLINE Vec vec_negate(Vec x) { return _mm256_xor_ps(x, _mm256_set1_ps(-0.0f)); }
SU_INLINE Vec vec_round(Vec x)
{
    return _mm256_round_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
SU_INLINE Vec vec_floor(Vec x)
{
    return _mm256_round_ps(x, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC);
}
/* One addition to the exponent; a NaN converts to the integer whose low bits are 0. */
SU_INLINE Vec vec_scale2(Vec x, Vec n)
{
    __m256i exponent = _mm256_slli_epi32(_mm256_cvtps_epi32(n), 23);
    return _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(x), exponent));
}
SU_INLINE Vec vec_select(Vec x, Vec other, size_t first, size_t last)
{
    __m256i mask = _mm256_andnot_si256(lanes_below(first), lanes_below(last));
    return _mm256_blendv_ps(other, x, _mm256_castsi256_ps(mask));
}
SU_INLINE Vec vec_where_equal(Vec x, Vec limit, Vec then, Vec otherwise)
{
    return _mm256_blendv_ps(otherwise, then, _mm256_cmp_ps(x, limit, _CMP_EQ_OQ));
}
SU_INLINE Vec vec_where_positive(Vec x, Vec then, Vec otherwise)
{
    return _mm256_blendv_ps(otherwise, then, _mm256_cmp_ps(x, _mm256_setzero_ps(), _CMP_GT_OQ));
}
SU_INLINE Vec vec_relu(Vec x) { return vec_max(vec_zero(), x); }
SU_INLINE Vec vec_max_or_nan(Vec most, Vec x)
{
    __m256 take =
        _mm256_and_ps(_mm256_cmp_ps(most, x, _CMP_NGE_UQ), _mm256_cmp_ps(most, most, _CMP_ORD_Q));
    return _mm256_blendv_ps(most, x, take);
}

SU_INLINE float vec_least(Vec x)
{
    __m128 a = _mm_min_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
    a = _mm_min_ps(a, _mm_movehl_ps(a, a));
    return _mm_cvtss_f32(_mm_min_ss(a, _mm_movehdup_ps(a)));
}
SU_INLINE float vec_most(Vec x)
{
    __m128 a = _mm_max_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
    a = _mm_max_ps(a, _mm_movehl_ps(a, a));
    return _mm_cvtss_f32(_mm_max_ss(a, _mm_movehdup_ps(a)));
}
SU_INLINE bool vec_has_nan(Vec x)
{
    return _mm256_movemask_ps(_mm256_cmp_ps(x, x, _CMP_UNORD_Q)) != 0;
}

SU_INLINE float vec_fold64(const Vec lane[64 / VEC_LANES])
{
    __m256 low = _mm256_add_ps(_mm256_add_ps(lane[0], lane[2]), _mm256_add_ps(lane[4], lane[6]));
    __m256 high = _mm256_add_ps(_mm256_add_ps(lane[1], lane[3]), _mm256_add_ps(lane[5], lane[7]));
    __m256 a = _mm256_add_ps(low, high);
    __m128 b = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    __m128 c = _mm_add_ps(b, _mm_movehl_ps(b, b));
    return _mm_cvtss_f32(_mm_add_ss(c, _mm_movehdup_ps(c)));
}

/* r[i] lane e <-> r[e] lane i */
SU_INLINE void vec_transpose(Vec r[VEC_LANES])
{
    __m256 t[8];
    SU_UNROLL
    for (int i = 0; i < 8; i += 2) {
        t[i] = _mm256_unpacklo_ps(r[i], r[i + 1]);
        t[i + 1] = _mm256_unpackhi_ps(r[i], r[i + 1]);
    }
    /* r[4 g + e]: element e of each 128-bit half, rows 4 g … 4 g + 3 */
    SU_UNROLL
    for (int i = 0; i < 8; i += 4) {
        SU_UNROLL
        for (int j = 0; j < 2; j++) {
            r[i + 2 * j] = _mm256_shuffle_ps(t[i + j], t[i + j + 2], 0x44);
            r[i + 2 * j + 1] = _mm256_shuffle_ps(t[i + j], t[i + j + 2], 0xee);
        }
    }
    SU_UNROLL
    for (int e = 0; e < 4; e++) {
        t[e] = _mm256_permute2f128_ps(r[e], r[4 + e], 0x20);
        t[4 + e] = _mm256_permute2f128_ps(r[e], r[4 + e], 0x31);
    }
    SU_UNROLL
    for (int i = 0; i < 8; i++) r[i] = t[i];
}

#endif
