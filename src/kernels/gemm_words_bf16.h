/* gemm_words_bf16.h - words of gemm_tiles.h for weights in bf16 and rows of floats: of a word of w
 * first the one element is widened, then the other, each for a fused multiply-add as in fp32. A
 * step of k costs two operations for every four vectors of products more than fp32, and reads half
 * the bytes. */
#ifndef SU_GEMM_WORDS_BF16_H
#define SU_GEMM_WORDS_BF16_H

#include "kernels/gemm_words_float.h"

enum {
    ELEMENT = 2,
    A_ELEMENT = sizeof(float),
    WORD = 4,
    PANEL = SU_PANEL,
    ROW_BYTES = SU_GEMM_ROW_BYTES,
    PARTS = 2
};

SU_INLINE Word word_load(const void *w, const int part) { return vec_load_half(w, part); }

#endif
