/* Dot products of stored rows with queries, AVX2. */
#include "kernels/x86/vec_avx2.h"

#include "kernels/dots_f32_vectors.h"
#include "kernels/x86/dots_bits_x86.h"

/* 16 elements in 16 bits, zero past n */
SU_INLINE __m256i load_s16(const int8_t *x, size_t i, size_t n)
{
    int8_t part[16] = {0};
    if (n - i < 16) {
        memcpy(part, x + i, n - i);
        x = part;
        i = 0;
    }
    return _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)(const void *)(x + i)));
}

static int32_t sum_of_lanes(__m256i x)
{
    __m128i a = _mm_add_epi32(_mm256_castsi256_si128(x), _mm256_extracti128_si256(x, 1));
    a = _mm_add_epi32(a, _mm_shuffle_epi32(a, 0x4e));
    return _mm_cvtsi128_si32(_mm_add_epi32(a, _mm_shuffle_epi32(a, 0xb1)));
}

static void dots_s8(const int8_t *rows, size_t num_rows, const int8_t *queries, size_t num_queries,
                    size_t n, int32_t *out)
{
    for (size_t r = 0; r < num_rows; r++) {
        for (size_t q = 0; q < num_queries; q++) {
            __m256i sum[2] = {_mm256_setzero_si256(), _mm256_setzero_si256()};
            for (size_t i = 0, at = 0; i < n; i += 16, at ^= 1) {
                __m256i x = load_s16(rows + r * n, i, n), y = load_s16(queries + q * n, i, n);
                sum[at] = _mm256_add_epi32(sum[at], _mm256_madd_epi16(x, y));
            }
            out[r * num_queries + q] = sum_of_lanes(_mm256_add_epi32(sum[0], sum[1]));
        }
    }
}

void su_dots_init_avx2(SuKernels *kernels)
{
    kernels->dots_f32 = dots;
    kernels->dots_s8 = dots_s8;
    kernels->differing_bits = differing_bits;
}
