/* GEMM of floats and weights in halves, register tile 6 x 16 as in fp32. */
#include "kernels/x86/vec_avx2.h"

#define MR 6
#define GELU_ROWS 2
#define NARROW 0
#include "kernels/gemm_words_f16.h"

#include "kernels/gemm_tiles.h"

const SuGemm su_gemm_f16_6x16_avx2 = {.layout = SU_LAYOUT_F16_32,
                                      .mr = MR,
                                      .nr = PANEL,
                                      .a_size = A_ELEMENT,
                                      .name = "gemm_f16_6x16_avx2",
                                      .run = run};
