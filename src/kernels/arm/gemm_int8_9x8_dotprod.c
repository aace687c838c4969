/* int8 GEMM by SDOT, register tile 9 x 8, four elements of k a step. */
#define A_SHIFT 128
#include "kernels/arm/gemm_words_int8_neon.h"

#define MR 9
#define GELU_ROWS 3

SU_INLINE Acc acc_step(Acc acc, Word a, Word w) { return vdotq_s32(acc, a, w); }

#include "kernels/gemm_tiles.h"

const SuGemm su_gemm_int8_9x8_dotprod = {.layout = SU_LAYOUT_INT8_32,
                                         .mr = MR,
                                         .nr = PANEL,
                                         .a_size = A_ELEMENT,
                                         .name = "gemm_int8_9x8_dotprod",
                                         .run = run};
