/* int8 GEMM by vpdpbusd, register tile 12 x 32 as in fp32, four elements of k a step. */
#include "kernels/x86/gemm_words_int8_avx512.h"

#define MR 12
#define GELU_ROWS 4

/* In assembler: gcc 12 copies the accumulator of the intrinsic before each use. */
SU_INLINE Acc acc_step(Acc acc, Word a, Word w)
{
    __asm__("vpdpbusd %2, %1, %0" : "+v"(acc) : "v"(a), "v"(w));
    return acc;
}

#include "kernels/gemm_tiles.h"

const SuGemm su_gemm_int8_12x32_avx512vnni = {.layout = SU_LAYOUT_INT8_32,
                                              .mr = MR,
                                              .nr = PANEL,
                                              .a_size = A_ELEMENT,
                                              .name = "gemm_int8_12x32_avx512vnni",
                                              .run = run};
