/* int8 GEMM by vpdpbusd of AVX-VNNI, register tile 6 x 16, four elements of k a step. */
#include "kernels/x86/vec_avx2.h"

#include "kernels/gemm_driver.h"

#include <string.h>

#define MR 6
#define GELU_ROWS 2
#define NARROW 1
enum { ELEMENT = 1, A_ELEMENT = 1, PANEL = SU_PANEL, ROW_BYTES = SU_GEMM_ROW_BYTES, PARTS = 1 };

typedef __m256i Acc;
typedef __m256i Word;

SU_INLINE Acc acc_zero(void) { return _mm256_setzero_si256(); }
SU_INLINE Word word_load(const float *w, const int part)
{
    (void)part;
    return _mm256_loadu_si256((const __m256i *)(const void *)w);
}
SU_INLINE Word word_set1(const void *a)
{
    int word;
    memcpy(&word, a, sizeof word);
    return _mm256_set1_epi32(word);
}
/* In assembler: gcc 12 copies the accumulator of the intrinsic before each use. */
SU_INLINE Acc acc_step(Acc acc, Word a, Word w)
{
    __asm__("%{vex%} vpdpbusd %2, %1, %0" : "+x"(acc) : "x"(a), "x"(w));
    return acc;
}

SU_INLINE Vec acc_value(Acc acc, const SuGemmTile *tile, int row, int v)
{
    __m256i sum = _mm256_loadu_si256((const __m256i *)(const void *)(tile->b_sum + v * VEC_LANES));
    acc =
        _mm256_sub_epi32(acc, _mm256_mullo_epi32(sum, _mm256_set1_epi32(tile->a_scale[row].zero)));
    Vec scale =
        vec_mul(vec_set1(tile->a_scale[row].scale), vec_load(tile->b_scale + v * VEC_LANES));
    return vec_fma(_mm256_cvtepi32_ps(acc), scale, vec_load(tile->bias + v * VEC_LANES));
}

#include "kernels/gemm_tiles.h"

const SuGemm su_gemm_int8_6x16_avxvnni = {
    .mr = MR, .nr = PANEL, .a_size = A_ELEMENT, .name = "gemm_int8_6x16_avxvnni", .run = run};
