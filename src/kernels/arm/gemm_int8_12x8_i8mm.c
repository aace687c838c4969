/* int8 GEMM by USDOT of FEAT_I8MM, register tile 12 x 8 as in fp32, four elements of k a step. */
#define A_SHIFT 0
#include "kernels/arm/gemm_words_int8_neon.h"

#define MR 12
#define GELU_ROWS 4

SU_INLINE Acc acc_step(Acc acc, Word a, Word w)
{
    return vusdotq_s32(acc, vreinterpretq_u8_s8(a), w);
}

#include "kernels/gemm_tiles.h"

const SuGemm su_gemm_int8_12x8_i8mm = {
    .mr = MR, .nr = PANEL, .a_size = A_ELEMENT, .name = "gemm_int8_12x8_i8mm", .run = run};
