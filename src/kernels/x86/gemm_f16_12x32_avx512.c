/* GEMM of floats and weights in halves, register tile 12 x 32 as in fp32. */
#include "kernels/x86/vec_avx512.h"

#define MR 12
#define GELU_ROWS 4
#define NARROW 0
#include "kernels/gemm_words_f16.h"

#include "kernels/gemm_tiles.h"

const SuGemm su_gemm_f16_12x32_avx512 = {.layout = SU_LAYOUT_F16_32,
                                         .mr = MR,
                                         .nr = PANEL,
                                         .a_size = A_ELEMENT,
                                         .name = "gemm_f16_12x32_avx512",
                                         .run = run};
