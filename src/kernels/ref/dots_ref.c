/* Dot products of stored rows with queries in plain C. */
#include "kernels/ref/kernels_ref.h"

#include <math.h>

void su_dots_f32_ref(const float *rows, size_t stride, size_t num_rows, const float *queries,
                     size_t num_queries, size_t n, float *out)
{
    for (size_t r = 0; r < num_rows; r++) {
        for (size_t q = 0; q < num_queries; q++) {
            float sum = 0;
            for (size_t i = 0; i < n; i++)
                sum = fmaf(rows[r * stride + i], queries[q * n + i], sum);
            out[r * num_queries + q] = sum + 0.0f;
        }
    }
}

void su_dots_s8_ref(const int8_t *rows, size_t num_rows, const int8_t *queries, size_t num_queries,
                    size_t n, int32_t *out)
{
    for (size_t r = 0; r < num_rows; r++) {
        for (size_t q = 0; q < num_queries; q++) {
            int32_t sum = 0;
            for (size_t i = 0; i < n; i++) sum += rows[r * n + i] * queries[q * n + i];
            out[r * num_queries + q] = sum;
        }
    }
}

void su_differing_bits_ref(const uint8_t *rows, size_t num_rows, const uint8_t *queries,
                           size_t num_queries, size_t n, int32_t *out)
{
    for (size_t r = 0; r < num_rows; r++) {
        for (size_t q = 0; q < num_queries; q++) {
            int32_t sum = 0;
            for (size_t i = 0; i < n; i++) {
                unsigned bits = rows[r * n + i] ^ queries[q * n + i];
                for (; bits; bits &= bits - 1) sum++;
            }
            out[r * num_queries + q] = sum;
        }
    }
}
