/* int8 GEMM on AVX2, register tile 3 x 16: 6 accumulators leave room for the widened words. */
#include "kernels/x86/gemm_words_int8_avx2.h"

#define MR 3
#define GELU_ROWS 1

/* vpmaddubsw would saturate at 16 bits: even and odd bytes are widened to 16 bits and multiplied
 * apart. */
SU_INLINE Acc acc_step(Acc acc, Word a, Word w)
{
    __m256i even = _mm256_and_si256(a, _mm256_set1_epi16(0xff)), odd = _mm256_srli_epi16(a, 8);
    __m256i w_even = _mm256_srai_epi16(_mm256_slli_epi16(w, 8), 8), w_odd = _mm256_srai_epi16(w, 8);
    acc = _mm256_add_epi32(acc, _mm256_madd_epi16(even, w_even));
    return _mm256_add_epi32(acc, _mm256_madd_epi16(odd, w_odd));
}

#include "kernels/gemm_tiles.h"

const SuGemm su_gemm_int8_3x16_avx2 = {.layout = SU_LAYOUT_INT8_32,
                                       .mr = MR,
                                       .nr = PANEL,
                                       .a_size = A_ELEMENT,
                                       .name = "gemm_int8_3x16_avx2",
                                       .run = run};
