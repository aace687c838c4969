/* GEMM of floats and weights in halves, register tile 12 x 8 as in fp32. */
#include "kernels/arm/vec_neon.h"

#define MR 12
#define GELU_ROWS 3
#define NARROW 0
#include "kernels/gemm_words_f16.h"

#include "kernels/gemm_tiles.h"

const SuGemm su_gemm_f16_12x8_neon = {.layout = SU_LAYOUT_F16_32,
                                      .mr = MR,
                                      .nr = PANEL,
                                      .a_size = A_ELEMENT,
                                      .name = "gemm_f16_12x8_neon",
                                      .run = run};
