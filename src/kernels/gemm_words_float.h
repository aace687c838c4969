/* gemm_words_float.h - what the words of gemm_tiles.h have alike where rows of a are floats: sums
 * of fp32, one fused multiply-add an element of k. Included by the file of a kind of weights, which
 * gives word_load and the sizes. */
#ifndef SU_GEMM_WORDS_FLOAT_H
#define SU_GEMM_WORDS_FLOAT_H

#include "kernels/gemm_driver.h"

typedef Vec Acc;
typedef Vec Word;

SU_INLINE Acc acc_zero(void) { return vec_zero(); }
SU_INLINE Word word_set1(const void *a) { return vec_set1(*(const float *)a); }
SU_INLINE Acc acc_step(Acc acc, Word a, Word w) { return vec_fma(a, w, acc); }

SU_INLINE Vec acc_value(Acc acc, const SuGemmTile *tile, int row, int v)
{
    (void)row;
    return vec_add(acc, vec_load(tile->bias + v * VEC_LANES));
}

#endif
