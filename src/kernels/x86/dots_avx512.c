/* Dot products of stored rows with queries, AVX-512. */
#include "kernels/x86/vec_avx512.h"

#include "kernels/dots_f32_vectors.h"
#include "kernels/x86/dots_bits_x86.h"

/* 32 elements in 16 bits, zero past n */
SU_INLINE __m512i load_s16(const int8_t *x, size_t i, size_t n)
{
    if (n - i >= 32)
        return _mm512_cvtepi8_epi16(_mm256_loadu_si256((const __m256i *)(const void *)(x + i)));
    return _mm512_cvtepi8_epi16(_mm256_maskz_loadu_epi8((__mmask32)((1ull << (n - i)) - 1), x + i));
}

static void dots_s8(const int8_t *rows, size_t num_rows, const int8_t *queries, size_t num_queries,
                    size_t n, int32_t *out)
{
    for (size_t r = 0; r < num_rows; r++) {
        for (size_t q = 0; q < num_queries; q++) {
            __m512i sum[2] = {_mm512_setzero_si512(), _mm512_setzero_si512()};
            for (size_t i = 0, at = 0; i < n; i += 32, at ^= 1) {
                __m512i x = load_s16(rows + r * n, i, n), y = load_s16(queries + q * n, i, n);
                sum[at] = _mm512_add_epi32(sum[at], _mm512_madd_epi16(x, y));
            }
            out[r * num_queries + q] = _mm512_reduce_add_epi32(_mm512_add_epi32(sum[0], sum[1]));
        }
    }
}

void su_dots_init_avx512(SuKernels *kernels)
{
    kernels->dots_f32 = dots;
    kernels->dots_s8 = dots_s8;
    kernels->differing_bits = differing_bits;
}
