/* dots_bits_x86.h - bits that differ, by popcnt, which AVX2 and all above it have. */
#ifndef SU_DOTS_BITS_X86_H
#define SU_DOTS_BITS_X86_H

#include "kernels/unroll.h"

#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Bytes i … of x [n], zero from n on. */
SU_INLINE uint64_t load_word(const uint8_t *x, size_t i, size_t n)
{
    uint64_t word = 0;
    memcpy(&word, x + i, n - i < sizeof word ? n - i : sizeof word);
    return word;
}

static void differing_bits(const uint8_t *rows, size_t num_rows, const uint8_t *queries,
                           size_t num_queries, size_t n, int32_t *out)
{
    size_t whole = n / 8 * 8;
    for (size_t r = 0; r < num_rows; r++) {
        const uint8_t *row = rows + r * n;
        for (size_t q = 0; q < num_queries; q++) {
            const uint8_t *query = queries + q * n;
            long long sum = 0;
            for (size_t i = 0; i < whole; i += 8) {
                uint64_t x, y;
                memcpy(&x, row + i, sizeof x);
                memcpy(&y, query + i, sizeof y);
                sum += _mm_popcnt_u64(x ^ y);
            }
            if (whole < n)
                sum += _mm_popcnt_u64(load_word(row, whole, n) ^ load_word(query, whole, n));
            out[r * num_queries + q] = (int32_t)sum;
        }
    }
}

#endif
