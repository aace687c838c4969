/* fp32 GEMM, register tile 12 x 32: 24 accumulators, 2 vectors of w and a broadcast are 27 of the 32
 * registers. A step of k is 24 fma against 16 loads and prefetches: the two fma ports are the limit,
 * not the load ports. */
#include "kernels/x86/vec_avx512.h"

#define MR 12
#define GELU_ROWS 4
#include "kernels/gemm_f32_tiles.h"

const SuGemmF32 su_gemm_f32_12x32_avx512 = {
    .mr = MR, .nr = NR, .name = "gemm_f32_12x32_avx512", .run = run};
