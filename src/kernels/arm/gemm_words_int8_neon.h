/* gemm_words_int8_neon.h - words of gemm_tiles.h for int8: four elements of k, summed in 32 bits.
 * The file that includes it says how a step multiplies them, and what A_SHIFT was subtracted from
 * the elements of a to make them signed: 128, the sums then lack 128 times those of w, or 0. */
#ifndef SU_GEMM_WORDS_INT8_NEON_H
#define SU_GEMM_WORDS_INT8_NEON_H

#include "kernels/arm/vec_neon.h"
#include "kernels/gemm_driver.h"

#define NARROW 1
enum {
    ELEMENT = 1,
    A_ELEMENT = 1,
    WORD = 4,
    PANEL = SU_PANEL,
    ROW_BYTES = SU_GEMM_ROW_BYTES,
    PARTS = 1
};

typedef int32x4_t Acc;
typedef int8x16_t Word; /* of a too, whatever its sign */

SU_INLINE Acc acc_zero(void) { return vdupq_n_s32(0); }
SU_INLINE Word word_load(const void *w, const int part)
{
    (void)part;
    return vreinterpretq_s8_f32(vld1q_f32(w));
}
SU_INLINE Word word_set1(const void *a)
{
    uint32_t word;
    memcpy(&word, a, sizeof word);
    uint8x16_t x = vreinterpretq_u8_u32(vdupq_n_u32(word));
    return vreinterpretq_s8_u8(A_SHIFT ? veorq_u8(x, vdupq_n_u8(A_SHIFT)) : x);
}

/* Vector v of a row of the tile, with bias. */
SU_INLINE Vec acc_value(Acc acc, const SuGemmTile *tile, int row, int v)
{
    int32x4_t sum = vld1q_s32(tile->b_sum + v * VEC_LANES);
    acc = vmlsq_s32(acc, sum, vdupq_n_s32(tile->a_scale[row].zero - A_SHIFT));
    Vec scale =
        vec_mul(vec_set1(tile->a_scale[row].scale), vec_load(tile->b_scale + v * VEC_LANES));
    return vec_fma(vcvtq_f32_s32(acc), scale, vec_load(tile->bias + v * VEC_LANES));
}

#endif
