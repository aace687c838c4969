/* sum_rows_vectors.h - sums of rows of a table, for any vector type. Included by one file for each
 * ISA, after its vec_….h. Eight vectors of columns stay in registers while all rows go by. */
#ifndef SU_SUM_ROWS_VECTORS_H
#define SU_SUM_ROWS_VECTORS_H

#include "kernels/ref/kernels_ref.h"
#include "kernels/unroll.h"

#include <math.h>

enum { SUM_VECTORS = 8 };

typedef enum RowKind { ROW_F32 = 0, ROW_F16, ROW_BF16, ROW_S8 } RowKind;

SU_INLINE Vec load_elements(const RowKind kind, const void *table, size_t at)
{
    if (kind == ROW_F32) return vec_load((const float *)table + at);
    if (kind == ROW_F16) return vec_load_f16((const uint16_t *)table + at);
    return kind == ROW_BF16 ? vec_load_bf16((const uint16_t *)table + at)
                            : vec_load_s8((const int8_t *)table + at);
}

SU_INLINE float load_element(const RowKind kind, const void *table, size_t at)
{
    float value = 0.0f;
    if (kind == ROW_F32) return ((const float *)table)[at];
    if (kind == ROW_S8) return (float)((const int8_t *)table)[at];
    if (kind == ROW_F16)
        su_widen_f16_ref((const uint16_t *)table + at, 1, &value);
    else
        su_widen_bf16_ref((const uint16_t *)table + at, 1, &value);
    return value;
}

/* Columns from i on. kind and vectors are constants. */
SU_INLINE void sum_block(const RowKind kind, const int vectors, const SuRowSumArgs *args, size_t i)
{
    Vec sum[SUM_VECTORS];
    SU_UNROLL
    for (int v = 0; v < vectors; v++) sum[v] = vec_zero();
    for (size_t t = 0; t < args->count; t++) {
        const Vec factor = vec_set1(args->factors[t]);
        const size_t at = args->rows[t] * args->n + i;
        SU_UNROLL
        for (int v = 0; v < vectors; v++)
            sum[v] = vec_fma(factor, load_elements(kind, args->table, at + VEC_LANES * (size_t)v),
                             sum[v]);
    }
    SU_UNROLL
    for (int v = 0; v < vectors; v++) vec_store(args->out + i + VEC_LANES * (size_t)v, sum[v]);
}

SU_INLINE void sum_columns(const RowKind kind, const SuRowSumArgs *args)
{
    size_t i = 0, n = args->n;
    for (; i + SUM_VECTORS * VEC_LANES <= n; i += SUM_VECTORS * VEC_LANES)
        sum_block(kind, SUM_VECTORS, args, i);
    for (; i + VEC_LANES <= n; i += VEC_LANES) sum_block(kind, 1, args, i);
    for (; i < n; i++) {
        float sum = 0.0f;
        for (size_t t = 0; t < args->count; t++)
            sum =
                fmaf(args->factors[t], load_element(kind, args->table, args->rows[t] * n + i), sum);
        args->out[i] = sum;
    }
}

static void sum_rows_f32(const SuRowSumArgs *args) { sum_columns(ROW_F32, args); }
static void sum_rows_f16(const SuRowSumArgs *args) { sum_columns(ROW_F16, args); }
static void sum_rows_bf16(const SuRowSumArgs *args) { sum_columns(ROW_BF16, args); }
static void sum_rows_s8(const SuRowSumArgs *args) { sum_columns(ROW_S8, args); }

static void init_sums(SuKernels *kernels)
{
    kernels->sum_rows_f32 = sum_rows_f32;
    kernels->sum_rows_f16 = sum_rows_f16;
    kernels->sum_rows_bf16 = sum_rows_bf16;
    kernels->sum_rows_s8 = sum_rows_s8;
}

#endif
