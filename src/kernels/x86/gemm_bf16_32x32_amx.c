/* bf16 GEMM by tdpbf16ps, a block of 32 x 32, 32 elements of k a step. */
#include "kernels/x86/vec_avx512.h"

#include "kernels/gemm_driver.h"

#define GELU_ROWS 4
#define NARROW 1
#define TILE_MULTIPLY(c, a, b) _tile_dpbf16ps(c, a, b)
enum { ELEMENT = 2 };

typedef Vec Acc;

SU_INLINE Acc acc_load(const float *sums) { return vec_load(sums); }
SU_INLINE Vec acc_value(Acc acc, const SuGemmTile *tile, int row, int v)
{
    (void)row;
    return vec_add(acc, vec_load(tile->bias + v * VEC_LANES));
}

#include "kernels/x86/gemm_amx.h"

const SuGemm su_gemm_bf16_32x32_amx = {.layout = SU_LAYOUT_BF16_32,
                                       .mr = BLOCK_ROWS,
                                       .nr = SU_PANEL,
                                       .a_size = ELEMENT,
                                       .sums = SU_SUMS_TILES,
                                       .name = "gemm_bf16_32x32_amx",
                                       .run = run};
