/* fp32 GEMM, register tile 12 x 8: 24 accumulators, 2 vectors of w and a broadcast are 27 of the 32
 * registers; 24 independent chains cover a latency of 4 on up to four fma ports. */
#include "kernels/arm/vec_neon.h"

#define MR 12
#define GELU_ROWS 3
#define NARROW 0
#include "kernels/gemm_words_f32.h"

#include "kernels/gemm_tiles.h"

const SuGemm su_gemm_f32_12x8_neon = {.layout = SU_LAYOUT_F32_8,
                                      .mr = MR,
                                      .nr = NR,
                                      .a_size = A_ELEMENT,
                                      .name = "gemm_f32_12x8_neon",
                                      .run = run};
