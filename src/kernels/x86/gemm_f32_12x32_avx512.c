/* fp32 GEMM, register tile 12 x 32: 24 accumulators, 2 vectors of w and a broadcast are 27 of the
 * 32 registers. A step of k is 24 fma against 16 loads and prefetches: the two fma ports are the
 * limit, not the load ports. */
#include "kernels/x86/vec_avx512.h"

#define MR 12
#define GELU_ROWS 4
#define NARROW 0
#include "kernels/gemm_words_f32.h"

#include "kernels/gemm_tiles.h"

const SuGemm su_gemm_f32_12x32_avx512 = {.layout = SU_LAYOUT_F32_32,
                                         .mr = MR,
                                         .nr = NR,
                                         .a_size = A_ELEMENT,
                                         .name = "gemm_f32_12x32_avx512",
                                         .run = run};
