/* int8 GEMM by tdpbusd, a block of 32 x 32, 64 elements of k a step. */
#include "kernels/x86/vec_avx512.h"

#include "kernels/x86/gemm_int8_value_avx512.h"

#define GELU_ROWS 4
#define NARROW 1
#define TILE_MULTIPLY(c, a, b) _tile_dpbusd(c, a, b)
enum { ELEMENT = 1 };

typedef __m512i Acc;

SU_INLINE Acc acc_load(const float *sums) { return _mm512_loadu_si512(sums); }

#include "kernels/x86/gemm_amx.h"

const SuGemm su_gemm_int8_32x32_amx = {.layout = SU_LAYOUT_INT8_32,
                                       .mr = BLOCK_ROWS,
                                       .nr = SU_PANEL,
                                       .a_size = ELEMENT,
                                       .name = "gemm_int8_32x32_amx",
                                       .run = run};
