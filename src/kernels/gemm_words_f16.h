/* gemm_words_f16.h - words of gemm_tiles.h for weights in halves and rows of floats: a word is one
 * half, widened as it is loaded, for a fused multiply-add as in fp32. A step of k costs two
 * conversions more than fp32, and reads half the bytes. */
#ifndef SU_GEMM_WORDS_F16_H
#define SU_GEMM_WORDS_F16_H

#include "kernels/gemm_words_float.h"

enum {
    ELEMENT = 2,
    A_ELEMENT = sizeof(float),
    WORD = 2,
    PANEL = SU_PANEL,
    ROW_BYTES = 2,
    PARTS = 1
};

SU_INLINE Word word_load(const void *w, const int part)
{
    (void)part;
    return vec_load_f16(w);
}

#endif
