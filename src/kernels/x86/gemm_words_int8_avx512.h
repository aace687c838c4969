/* gemm_words_int8_avx512.h - words of gemm_tiles.h for int8: four elements of k, summed in 32 bits.
 * The file that includes it says how a step multiplies them. */
#ifndef SU_GEMM_WORDS_INT8_AVX512_H
#define SU_GEMM_WORDS_INT8_AVX512_H

#include "kernels/x86/gemm_int8_value_avx512.h"

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

typedef __m512i Acc;
typedef __m512i Word;

SU_INLINE Acc acc_zero(void) { return _mm512_setzero_si512(); }
SU_INLINE Word word_load(const void *w, const int part)
{
    (void)part;
    return _mm512_loadu_si512(w);
}
SU_INLINE Word word_set1(const void *a)
{
    int word;
    memcpy(&word, a, sizeof word);
    return _mm512_set1_epi32(word);
}

#endif
