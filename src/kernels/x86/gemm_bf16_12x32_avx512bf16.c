/* bf16 GEMM by vdpbf16ps, register tile 12 x 32 as in fp32, two elements of k a step. */
#include "kernels/x86/vec_avx512.h"

#include "kernels/gemm_driver.h"

#include <string.h>

#define MR 12
#define GELU_ROWS 4
#define NARROW 1
enum {
    ELEMENT = 2,
    A_ELEMENT = 2,
    WORD = 4,
    PANEL = SU_PANEL,
    ROW_BYTES = SU_GEMM_ROW_BYTES,
    PARTS = 1
};

typedef __m512 Acc;
typedef __m512bh Word;

SU_INLINE Acc acc_zero(void) { return _mm512_setzero_ps(); }
SU_INLINE Word word_load(const void *w, const int part)
{
    (void)part;
    return (__m512bh)_mm512_loadu_si512(w);
}
SU_INLINE Word word_set1(const void *a)
{
    int word;
    memcpy(&word, a, sizeof word);
    return (__m512bh)_mm512_set1_epi32(word);
}
SU_INLINE Acc acc_step(Acc acc, Word a, Word w) { return _mm512_dpbf16_ps(acc, a, w); }

SU_INLINE Vec acc_value(Acc acc, const SuGemmTile *tile, int row, int v)
{
    (void)row;
    return vec_add(acc, vec_load(tile->bias + v * VEC_LANES));
}

#include "kernels/gemm_tiles.h"

const SuGemm su_gemm_bf16_12x32_avx512bf16 = {.layout = SU_LAYOUT_BF16_32,
                                              .mr = MR,
                                              .nr = PANEL,
                                              .a_size = A_ELEMENT,
                                              .name = "gemm_bf16_12x32_avx512bf16",
                                              .run = run};
