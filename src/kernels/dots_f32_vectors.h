/* dots_f32_vectors.h - dot products of many rows with few queries, for any vector type. Included by
 * one file for each ISA, after its vec_….h.
 *
 * A lane is a row: VEC_LANES elements of VEC_LANES rows are transposed in registers, and meet the
 * queries one element after the other, so that each product is one chain, as gemm_f32's, however
 * many queries there are. */
#ifndef SU_DOTS_F32_VECTORS_H
#define SU_DOTS_F32_VECTORS_H

#include "kernels/kernels.h"

enum {
    DOTS_QUERIES = 4, /* that rows are transposed for at a time */
    LINE_FLOATS = 16  /* of a cache line */
};

/* Elements k … k + left - 1 of `num_rows` rows, transposed; zero past those. Both are constants
 * where they are VEC_LANES. */
SU_INLINE void load_columns(const float *rows, size_t stride, size_t num_rows, size_t left,
                            Vec column[VEC_LANES])
{
    SU_UNROLL
    for (size_t i = 0; i < VEC_LANES; i++) {
        const float *row = rows + i * stride;
        if (i >= num_rows)
            column[i] = vec_zero();
        else
            column[i] = left == VEC_LANES ? vec_load(row) : vec_load_part(row, left);
    }
    vec_transpose(column);
}

/* VEC_LANES rows, or as many as there are, and `count` queries. Rows from memory are more streams
 * than processors see coming: the VEC_LANES n floats from `next` on, or none if NULL, are fetched
 * into L2 meanwhile, in the order in which they lie. */
SU_INLINE void dots_of_rows(const float *rows, size_t stride, const size_t num_rows,
                            const float *next, const float *queries, const size_t count, size_t n,
                            float *out, size_t out_stride)
{
    Vec sum[DOTS_QUERIES], column[VEC_LANES];
    size_t k = 0;
    SU_UNROLL
    for (size_t q = 0; q < count; q++) sum[q] = vec_zero();
    for (; n - k >= VEC_LANES; k += VEC_LANES) {
        load_columns(rows + k, stride, num_rows, VEC_LANES, column);
        if (next) {
            SU_UNROLL
            for (size_t i = 0; i < VEC_LANES * VEC_LANES; i += LINE_FLOATS)
                __builtin_prefetch(next + k * VEC_LANES + i, 0, 2);
        }
        SU_UNROLL
        for (size_t e = 0; e < VEC_LANES; e++) {
            SU_UNROLL
            for (size_t q = 0; q < count; q++)
                sum[q] = vec_fma(column[e], vec_set1(queries[q * n + k + e]), sum[q]);
        }
    }
    if (k < n) load_columns(rows + k, stride, num_rows, n - k, column);
    for (size_t e = 0; e < n - k; e++)
        for (size_t q = 0; q < count; q++)
            sum[q] = vec_fma(column[e], vec_set1(queries[q * n + k + e]), sum[q]);
    for (size_t q = 0; q < count; q++) {
        float lanes[VEC_LANES];
        vec_store(lanes, vec_add(sum[q], vec_zero()));
        for (size_t i = 0; i < num_rows; i++) out[i * out_stride + q] = lanes[i];
    }
}

SU_INLINE void dots_of_queries(const float *rows, size_t stride, const size_t num_rows,
                               const float *next, const float *queries, size_t num_queries,
                               size_t n, float *out)
{
    size_t q = 0;
    for (; q + DOTS_QUERIES <= num_queries; q += DOTS_QUERIES)
        dots_of_rows(rows, stride, num_rows, q ? NULL : next, queries + q * n, DOTS_QUERIES, n,
                     out + q, num_queries);
    const float *rest = queries + q * n, *fetched = q ? NULL : next;
    if (num_queries - q == 3)
        dots_of_rows(rows, stride, num_rows, fetched, rest, 3, n, out + q, num_queries);
    if (num_queries - q == 2)
        dots_of_rows(rows, stride, num_rows, fetched, rest, 2, n, out + q, num_queries);
    if (num_queries - q == 1)
        dots_of_rows(rows, stride, num_rows, fetched, rest, 1, n, out + q, num_queries);
}

static void dots(const float *rows, size_t stride, size_t num_rows, const float *queries,
                 size_t num_queries, size_t n, float *out)
{
    size_t r = 0;
    for (; num_rows - r >= VEC_LANES; r += VEC_LANES) {
        const float *row = rows + r * stride;
        bool fetches = stride == n && num_rows - r >= 2 * VEC_LANES;
        const float *next = fetches ? row + VEC_LANES * stride : NULL;
        dots_of_queries(row, stride, VEC_LANES, next, queries, num_queries, n,
                        out + r * num_queries);
    }
    if (r < num_rows)
        dots_of_queries(rows + r * stride, stride, num_rows - r, NULL, queries, num_queries, n,
                        out + r * num_queries);
}

#endif
