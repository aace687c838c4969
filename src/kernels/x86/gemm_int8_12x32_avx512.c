/* int8 GEMM on AVX-512 without VNNI, register tile 12 x 32, four elements of k a step. */
#include "kernels/x86/gemm_words_int8_avx512.h"

#define MR 12
#define GELU_ROWS 4

/* vpmaddubsw would saturate at 16 bits: even and odd bytes are widened to 16 bits and multiplied
 * apart. */
SU_INLINE Acc acc_step(Acc acc, Word a, Word w)
{
    __m512i even = _mm512_and_si512(a, _mm512_set1_epi16(0xff)), odd = _mm512_srli_epi16(a, 8);
    __m512i w_even = _mm512_srai_epi16(_mm512_slli_epi16(w, 8), 8), w_odd = _mm512_srai_epi16(w, 8);
    acc = _mm512_add_epi32(acc, _mm512_madd_epi16(even, w_even));
    return _mm512_add_epi32(acc, _mm512_madd_epi16(odd, w_odd));
}

#include "kernels/gemm_tiles.h"

const SuGemm su_gemm_int8_12x32_avx512 = {.layout = SU_LAYOUT_INT8_32,
                                          .mr = MR,
                                          .nr = PANEL,
                                          .a_size = A_ELEMENT,
                                          .name = "gemm_int8_12x32_avx512",
                                          .run = run};
