/* gemm_int8_value_avx512.h - what a vector of sums of int8 products means. */
#ifndef SU_GEMM_INT8_VALUE_AVX512_H
#define SU_GEMM_INT8_VALUE_AVX512_H

#include "kernels/gemm_driver.h"
#include "kernels/x86/vec_avx512.h"

/* Vector v of a row of the tile, with bias. */
SU_INLINE Vec acc_value(__m512i acc, const SuGemmTile *tile, int row, int v)
{
    __m512i sum = _mm512_loadu_si512(tile->b_sum + v * VEC_LANES);
    acc =
        _mm512_sub_epi32(acc, _mm512_mullo_epi32(sum, _mm512_set1_epi32(tile->a_scale[row].zero)));
    Vec scale =
        vec_mul(vec_set1(tile->a_scale[row].scale), vec_load(tile->b_scale + v * VEC_LANES));
    return vec_fma(_mm512_cvtepi32_ps(acc), scale, vec_load(tile->bias + v * VEC_LANES));
}

#endif
