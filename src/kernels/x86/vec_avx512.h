/* vec_avx512.h - the vector type that kernels shared by several ISAs are written in, on AVX-512. */
#ifndef SU_VEC_AVX512_H
#define SU_VEC_AVX512_H

#include "kernels/x86/math_avx512.h"

typedef __m512 Vec;
enum { VEC_LANES = 16 };

SU_INLINE Vec vec_zero(void) { return _mm512_setzero_ps(); }
SU_INLINE Vec vec_set1(float x) { return _mm512_set1_ps(x); }
SU_INLINE Vec vec_load(const float *x) { return _mm512_loadu_ps(x); }
SU_INLINE void vec_store(float *x, Vec v) { _mm512_storeu_ps(x, v); }
/* The first n lanes (0 … VEC_LANES); the others are zero, and are not written. */
SU_INLINE Vec vec_load_part(const float *x, size_t n)
{
    return _mm512_maskz_loadu_ps(tail_mask(n), x);
}
SU_INLINE void vec_store_part(float *x, Vec v, size_t n)
{
    _mm512_mask_storeu_ps(x, tail_mask(n), v);
}
SU_INLINE Vec vec_add(Vec a, Vec b) { return _mm512_add_ps(a, b); }
SU_INLINE Vec vec_sub(Vec a, Vec b) { return _mm512_sub_ps(a, b); }
SU_INLINE Vec vec_mul(Vec a, Vec b) { return _mm512_mul_ps(a, b); }
SU_INLINE Vec vec_div(Vec a, Vec b) { return _mm512_div_ps(a, b); }
SU_INLINE Vec vec_max(Vec a, Vec b) { return _mm512_max_ps(a, b); }
SU_INLINE Vec vec_fma(Vec a, Vec b, Vec c) { return _mm512_fmadd_ps(a, b, c); }
SU_INLINE Vec vec_exp2(Vec x) { return exp2_avx512(x); }
/* x in the lanes first … last - 1, `other` in the rest */
SU_INLINE Vec vec_select(Vec x, Vec other, size_t first, size_t last)
{
    __mmask16 mask = (__mmask16)(tail_mask(last) & ~tail_mask(first));
    return _mm512_mask_mov_ps(other, mask, x);
}
/* `then` where x == limit, `otherwise` elsewhere */
SU_INLINE Vec vec_where_equal(Vec x, Vec limit, Vec then, Vec otherwise)
{
    return _mm512_mask_mov_ps(otherwise, _mm512_cmp_ps_mask(x, limit, _CMP_EQ_OQ), then);
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
