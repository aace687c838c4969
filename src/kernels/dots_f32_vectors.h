/* dots_f32_vectors.h - dot products of many rows with few queries, for any vector type. Included by
 * one file for each ISA, after its vec_….h.
 *
 * A lane is a row: VEC_LANES elements of VEC_LANES rows are transposed in registers, and meet the
 * queries one element after the other, so that each product is one chain, as gemm_f32's, however
 * many queries there are. */
#ifndef SU_DOTS_F32_VECTORS_H
#define SU_DOTS_F32_VECTORS_H

#include "kernels/kernels.h"

enum { DOTS_QUERIES = 4 }; /* that rows are transposed for at a time */

/* Elements k … k + VEC_LANES - 1 of `num_rows` rows, transposed; zero past n and num_rows. */
SU_INLINE void load_columns(const float *rows, size_t stride, size_t num_rows, size_t k, size_t n,
                            Vec column[VEC_LANES])
{
    size_t left = n - k;
    SU_UNROLL
    for (size_t i = 0; i < VEC_LANES; i++) {
        const float *row = rows + i * stride + k;
        /* So many streams are more than processors follow by themselves. */
        __builtin_prefetch(row + VEC_LANES * stride);
        __builtin_prefetch(row + 3 * VEC_LANES * stride, 0, 2);
        if (i >= num_rows)
            column[i] = vec_zero();
        else
            column[i] = left >= VEC_LANES ? vec_load(row) : vec_load_part(row, left);
    }
    vec_transpose(column);
}

/* VEC_LANES rows, or as many as there are, and `count` queries. */
SU_INLINE void dots_of_rows(const float *rows, size_t stride, size_t num_rows, const float *queries,
                            const size_t count, size_t n, float *out, size_t out_stride)
{
    Vec sum[DOTS_QUERIES];
    SU_UNROLL
    for (size_t q = 0; q < count; q++) sum[q] = vec_zero();
    for (size_t k = 0; k < n; k += VEC_LANES) {
        Vec column[VEC_LANES];
        size_t steps = n - k < VEC_LANES ? n - k : VEC_LANES;
        load_columns(rows, stride, num_rows, k, n, column);
        if (steps == VEC_LANES) {
            SU_UNROLL
            for (size_t e = 0; e < VEC_LANES; e++) {
                SU_UNROLL
                for (size_t q = 0; q < count; q++)
                    sum[q] = vec_fma(column[e], vec_set1(queries[q * n + k + e]), sum[q]);
            }
        } else {
            for (size_t e = 0; e < steps; e++)
                for (size_t q = 0; q < count; q++)
                    sum[q] = vec_fma(column[e], vec_set1(queries[q * n + k + e]), sum[q]);
        }
    }
    for (size_t q = 0; q < count; q++) {
        float lanes[VEC_LANES];
        vec_store(lanes, vec_add(sum[q], vec_zero()));
        for (size_t i = 0; i < num_rows; i++) out[i * out_stride + q] = lanes[i];
    }
}

static void dots(const float *rows, size_t stride, size_t num_rows, const float *queries,
                 size_t num_queries, size_t n, float *out)
{
    for (size_t r = 0; r < num_rows; r += VEC_LANES) {
        const float *row = rows + r * stride;
        size_t count = num_rows - r < VEC_LANES ? num_rows - r : VEC_LANES, q = 0;
        float *to = out + r * num_queries;
        for (; q + DOTS_QUERIES <= num_queries; q += DOTS_QUERIES)
            dots_of_rows(row, stride, count, queries + q * n, DOTS_QUERIES, n, to + q, num_queries);
        for (; q < num_queries; q++)
            dots_of_rows(row, stride, count, queries + q * n, 1, n, to + q, num_queries);
    }
}

#endif
