/* Dot products of stored rows with queries, NEON. */
#include "kernels/arm/vec_neon.h"

#include "kernels/dots_f32_vectors.h"

#include <string.h>

/* Bytes i … i + 15 of x [n], zero from n on. */
SU_INLINE uint8x16_t load_bytes(const void *x, size_t i, size_t n)
{
    const uint8_t *bytes = (const uint8_t *)x + i;
    uint8_t part[16] = {0};
    if (n - i >= 16) return vld1q_u8(bytes);
    memcpy(part, bytes, n - i);
    return vld1q_u8(part);
}

static void dots_s8(const int8_t *rows, size_t num_rows, const int8_t *queries, size_t num_queries,
                    size_t n, int32_t *out)
{
    for (size_t r = 0; r < num_rows; r++) {
        for (size_t q = 0; q < num_queries; q++) {
            int32x4_t sum = vdupq_n_s32(0);
            for (size_t i = 0; i < n; i += 16) {
                int8x16_t x = vreinterpretq_s8_u8(load_bytes(rows + r * n, i, n));
                int8x16_t y = vreinterpretq_s8_u8(load_bytes(queries + q * n, i, n));
                sum = vpadalq_s16(sum, vmull_s8(vget_low_s8(x), vget_low_s8(y)));
                sum = vpadalq_s16(sum, vmull_high_s8(x, y));
            }
            out[r * num_queries + q] = vaddvq_s32(sum);
        }
    }
}

static void differing_bits(const uint8_t *rows, size_t num_rows, const uint8_t *queries,
                           size_t num_queries, size_t n, int32_t *out)
{
    for (size_t r = 0; r < num_rows; r++) {
        for (size_t q = 0; q < num_queries; q++) {
            uint32x4_t sum = vdupq_n_u32(0);
            for (size_t i = 0; i < n; i += 16) {
                uint8x16_t bits =
                    veorq_u8(load_bytes(rows + r * n, i, n), load_bytes(queries + q * n, i, n));
                sum = vpadalq_u16(sum, vpaddlq_u8(vcntq_u8(bits)));
            }
            out[r * num_queries + q] = (int32_t)vaddvq_u32(sum);
        }
    }
}

void su_dots_init_neon(SuKernels *kernels)
{
    kernels->dots_f32 = dots;
    kernels->dots_s8 = dots_s8;
    kernels->differing_bits = differing_bits;
}
