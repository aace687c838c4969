/* GEMM of floats and weights in bf16, register tile 6 x 16 as in fp32. */
#include "kernels/x86/vec_avx2.h"

#define MR 6
#define GELU_ROWS 2
#define NARROW 1
#include "kernels/gemm_words_bf16.h"

#include "kernels/gemm_tiles.h"

const SuGemm su_gemm_bf16_6x16_avx2 = {.layout = SU_LAYOUT_BF16_32,
                                       .mr = MR,
                                       .nr = PANEL,
                                       .a_size = A_ELEMENT,
                                       .name = "gemm_bf16_6x16_avx2",
                                       .run = run};
