/* fp32 GEMM, register tile 6 x 16: 12 accumulators, 2 vectors of w and a broadcast are 15 of the 16
 * registers; 12 independent chains cover the latency of two fma ports. */
#include "kernels/x86/vec_avx2.h"

#define MR 6
#define GELU_ROWS 2
#define NARROW 0
#include "kernels/gemm_words_f32.h"

#include "kernels/gemm_tiles.h"

const SuGemm su_gemm_f32_6x16_avx2 = {.layout = SU_LAYOUT_F32_16,
                                      .mr = MR,
                                      .nr = NR,
                                      .a_size = A_ELEMENT,
                                      .name = "gemm_f32_6x16_avx2",
                                      .run = run};
