/* int8 GEMM on AVX-512 without VNNI, register tile 12 x 32, four elements of k a step. */
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
/* vpmaddubsw would saturate at 16 bits: even and odd bytes are widened to 16 bits and multiplied apart. */
SU_INLINE Acc acc_step(Acc acc, Word a, Word w)
{
    __m512i even = _mm512_and_si512(a, _mm512_set1_epi16(0xff)), odd = _mm512_srli_epi16(a, 8);
    __m512i w_even = _mm512_srai_epi16(_mm512_slli_epi16(w, 8), 8), w_odd = _mm512_srai_epi16(w, 8);
    acc = _mm512_add_epi32(acc, _mm512_madd_epi16(even, w_even));
    return _mm512_add_epi32(acc, _mm512_madd_epi16(odd, w_odd));
}

#include "kernels/gemm_tiles.h"

const SuGemm su_gemm_int8_12x32_avx512 = {
    .mr = MR, .nr = PANEL, .a_size = A_ELEMENT, .name = "gemm_int8_12x32_avx512", .run = run};
