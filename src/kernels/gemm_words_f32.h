/* gemm_words_f32.h - the fp32 words of gemm_tiles.h: one element of a and w each. */
#ifndef SU_GEMM_WORDS_F32_H
#define SU_GEMM_WORDS_F32_H

#include "kernels/gemm_driver.h"

enum {
    ELEMENT = sizeof(float),
    A_ELEMENT = sizeof(float),
    WORD = 4,
    PANEL = 2 * VEC_LANES,
    ROW_BYTES = sizeof(float),
    PARTS = 1
};

typedef Vec Acc;
typedef Vec Word;

SU_INLINE Acc acc_zero(void) { return vec_zero(); }
SU_INLINE Word word_load(const void *w, const int part)
{
    (void)part;
    return vec_load(w);
}
SU_INLINE Word word_set1(const void *a) { return vec_set1(*(const float *)a); }
SU_INLINE Acc acc_step(Acc acc, Word a, Word w) { return vec_fma(a, w, acc); }

SU_INLINE Vec acc_value(Acc acc, const SuGemmTile *tile, int row, int v)
{
    (void)row;
    return vec_add(acc, vec_load(tile->bias + v * VEC_LANES));
}

#endif
