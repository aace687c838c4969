/* int8 GEMM by vpdpbusd of AVX-VNNI, register tile 6 x 16, four elements of k a step. */
#include "kernels/x86/gemm_words_int8_avx2.h"

#define MR 6
#define GELU_ROWS 2

/* In assembler: gcc 12 copies the accumulator of the intrinsic before each use. */
SU_INLINE Acc acc_step(Acc acc, Word a, Word w)
{
    __asm__("%{vex%} vpdpbusd %2, %1, %0" : "+x"(acc) : "x"(a), "x"(w));
    return acc;
}

#include "kernels/gemm_tiles.h"

const SuGemm su_gemm_int8_6x16_avxvnni = {.layout = SU_LAYOUT_INT8_32,
                                          .mr = MR,
                                          .nr = PANEL,
                                          .a_size = A_ELEMENT,
                                          .name = "gemm_int8_6x16_avxvnni",
                                          .run = run};
