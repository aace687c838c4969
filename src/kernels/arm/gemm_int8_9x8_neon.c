/* int8 GEMM on NEON without dot products, register tile 9 x 8, four elements of k a step. */
#define A_SHIFT 128
#include "kernels/arm/gemm_words_int8_neon.h"

#define MR 9
#define GELU_ROWS 3

/* Two products of 16 bits add up to at most 2 x 128 x 127 = 32,512: w is -127 … 127. */
SU_INLINE Acc acc_step(Acc acc, Word a, Word w)
{
    int16x8_t low = vmull_s8(vget_low_s8(a), vget_low_s8(w)), high = vmull_high_s8(a, w);
    return vpadalq_s16(acc, vpaddq_s16(low, high));
}

#include "kernels/gemm_tiles.h"

const SuGemm su_gemm_int8_9x8_neon = {.layout = SU_LAYOUT_INT8_32,
                                      .mr = MR,
                                      .nr = PANEL,
                                      .a_size = A_ELEMENT,
                                      .name = "gemm_int8_9x8_neon",
                                      .run = run};
