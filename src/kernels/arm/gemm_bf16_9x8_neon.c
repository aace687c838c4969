/* GEMM of floats and weights in bf16, register tile 9 x 8. BFDOT gives other bits than
 * SU_SUMS_CHAIN: it rounds to odd and takes denormals for zeros, unless the processor has
 * FEAT_EBF16 and the process has asked for it. */
#include "kernels/arm/vec_neon.h"

#define MR 9
#define GELU_ROWS 3
#define NARROW 1
#include "kernels/gemm_words_bf16.h"

#include "kernels/gemm_tiles.h"

const SuGemm su_gemm_bf16_9x8_neon = {.layout = SU_LAYOUT_BF16_32,
                                      .mr = MR,
                                      .nr = PANEL,
                                      .a_size = A_ELEMENT,
                                      .name = "gemm_bf16_9x8_neon",
                                      .run = run};
