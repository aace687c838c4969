/* int8 GEMM by vpdpbusd, register tile 12 x 32 as in fp32, four elements of k a step. */
#include "kernels/x86/vec_avx512.h"

#include "kernels/x86/gemm_int8_value_avx512.h"

#include <string.h>

#define MR 12
#define GELU_ROWS 4
#define NARROW 1
enum { ELEMENT = 1, A_ELEMENT = 1, PANEL = SU_PANEL, ROW_BYTES = SU_GEMM_ROW_BYTES, PARTS = 1 };

typedef __m512i Acc;
typedef __m512i Word;

SU_INLINE Acc acc_zero(void) { return _mm512_setzero_si512(); }
SU_INLINE Word word_load(const float *w, const int part)
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
/* In assembler: gcc 12 copies the accumulator of the intrinsic before each use. */
SU_INLINE Acc acc_step(Acc acc, Word a, Word w)
{
    __asm__("vpdpbusd %2, %1, %0" : "+v"(acc) : "v"(a), "v"(w));
    return acc;
}

#include "kernels/gemm_tiles.h"

const SuGemm su_gemm_int8_12x32_avx512vnni = {
    .mr = MR, .nr = PANEL, .a_size = A_ELEMENT, .name = "gemm_int8_12x32_avx512vnni", .run = run};
