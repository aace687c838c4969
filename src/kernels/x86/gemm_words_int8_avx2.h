/* gemm_words_int8_avx2.h - words of gemm_tiles.h for int8: four elements of k, summed in 32 bits.
 * The file that includes it says how a step multiplies them. */
#ifndef SU_GEMM_WORDS_INT8_AVX2_H
#define SU_GEMM_WORDS_INT8_AVX2_H

#include "kernels/gemm_driver.h"
#include "kernels/x86/vec_avx2.h"

#include <string.h>

#define NARROW 1
enum {
    ELEMENT = 1,
    A_ELEMENT = 1,
    WORD = 4,
    PANEL = SU_PANEL,
    ROW_BYTES = SU_GEMM_ROW_BYTES,
    PARTS = 1
};

typedef __m256i Acc;
typedef __m256i Word;

SU_INLINE Acc acc_zero(void) { return _mm256_setzero_si256(); }
SU_INLINE Word word_load(const void *w, const int part)
{
    (void)part;
    return _mm256_loadu_si256((const __m256i *)(const void *)w);
}
SU_INLINE Word word_set1(const void *a)
{
    int word;
    memcpy(&word, a, sizeof word);
    return _mm256_set1_epi32(word);
}

/* Vector v of a row of the tile, with bias. */
SU_INLINE Vec acc_value(Acc acc, const SuGemmTile *tile, int row, int v)
{
    __m256i sum = _mm256_loadu_si256((const __m256i *)(const void *)(tile->b_sum + v * VEC_LANES));
    acc =
        _mm256_sub_epi32(acc, _mm256_mullo_epi32(sum, _mm256_set1_epi32(tile->a_scale[row].zero)));
    Vec scale =
        vec_mul(vec_set1(tile->a_scale[row].scale), vec_load(tile->b_scale + v * VEC_LANES));
    return vec_fma(_mm256_cvtepi32_ps(acc), scale, vec_load(tile->bias + v * VEC_LANES));
}

#endif
