/* gemm_words_f32.h - the fp32 words of gemm_tiles.h: one element of a and w each. */
#ifndef SU_GEMM_WORDS_F32_H
#define SU_GEMM_WORDS_F32_H

#include "kernels/gemm_words_float.h"

enum {
    ELEMENT = sizeof(float),
    A_ELEMENT = sizeof(float),
    WORD = 4,
    PANEL = 2 * VEC_LANES,
    ROW_BYTES = sizeof(float),
    PARTS = 1
};

SU_INLINE Word word_load(const void *w, const int part)
{
    (void)part;
    return vec_load(w);
}

#endif
