/* gemm_finish.h - from products of the GEMM to c: activation, residual, rounding; for any vector
 * type.
 *
 * Included like gemm_tiles.h, after a vec_….h, with GELU_ROWS (rows of a tile whose GELU is
 * computed in step) and NARROW (1: GELU is the narrow one, for bf16 and int8) defined. A row of
 * products is NR floats. */
#ifndef SU_GEMM_FINISH_H
#define SU_GEMM_FINISH_H

#include "kernels/gemm_driver.h"
#include "kernels/vec_math.h"

enum { NR = 2 * VEC_LANES };

/* The tile's columns c, x being two vectors. */
SU_INLINE void store_row(float *c, const Vec x[2], size_t columns)
{
    if (columns == NR) {
        vec_store(c, x[0]);
        vec_store(c + VEC_LANES, x[1]);
        return;
    }
    size_t first = columns < VEC_LANES ? columns : VEC_LANES;
    vec_store_part(c, x[0], first);
    if (columns > first) vec_store_part(c + VEC_LANES, x[1], columns - first);
}

SU_INLINE Vec activate_vector(const SutraActivation activation, Vec x)
{
    if (!NARROW || activation != SUTRA_ACT_GELU_ERF) return vec_activate(activation, x);
    vec_gelu_narrow_in_step(&x, 1);
    return x;
}

/* One vector of c, its first n lanes, float or bf16. */
SU_INLINE void store_c(void *c, size_t at, Vec x, size_t n, const bool bf16)
{
    if (bf16)
        vec_store_bf16((uint16_t *)c + at, x, n);
    else if (n >= VEC_LANES)
        vec_store((float *)c + at, x);
    else
        vec_store_part((float *)c + at, x, n);
}

SU_INLINE void finish_as(const SuGemmArgs *args, const SutraActivation activation, const bool bf16,
                         const float *product, size_t rows, size_t columns, const float *residual,
                         void *c)
{
    for (size_t i = 0; i < rows; i++) {
        for (size_t j = 0; j < columns; j += VEC_LANES) {
            size_t left = columns - j < VEC_LANES ? columns - j : VEC_LANES;
            Vec x = activate_vector(activation, vec_load(product + i * NR + j));
            if (residual) {
                const float *r = residual + i * args->ldr + j;
                x = vec_add(x, left == VEC_LANES ? vec_load(r) : vec_load_part(r, left));
            }
            store_c(c, i * args->ldc + j, x, left, bf16);
        }
    }
}

/* GELU of whole rows of a tile, GELU_ROWS of them in step, c being where they go. */
SU_INLINE void gelu_rows(const float *product, size_t rows, void *c, size_t ldc, const bool bf16)
{
    for (size_t i = 0; i < rows; i += GELU_ROWS) {
        Vec x[2 * GELU_ROWS];
        SU_UNROLL
        for (size_t r = 0; r < GELU_ROWS; r++) {
            const float *from = product + (i + r < rows ? i + r : i) * NR;
            x[2 * r] = vec_load(from);
            x[2 * r + 1] = vec_load(from + VEC_LANES);
        }
        if (NARROW)
            vec_gelu_narrow_in_step(x, 2 * GELU_ROWS);
        else
            vec_gelu_in_step(x, 2 * GELU_ROWS);
        SU_UNROLL
        for (size_t r = 0; r < GELU_ROWS; r++) {
            size_t to = (i + r < rows ? i + r : i) * ldc;
            store_c(c, to, x[2 * r], VEC_LANES, bf16);
            store_c(c, to + VEC_LANES, x[2 * r + 1], VEC_LANES, bf16);
        }
    }
}

static void gelu_tile(const float *product, size_t rows, void *c, size_t ldc, bool bf16)
{
    if (bf16)
        gelu_rows(product, rows, c, ldc, true);
    else
        gelu_rows(product, rows, c, ldc, false);
}

SU_INLINE void activate_in_step(const SutraActivation activation, Vec *x, const int count)
{
    if (activation == SUTRA_ACT_GELU_ERF && NARROW) {
        vec_gelu_narrow_in_step(x, count);
    } else if (activation == SUTRA_ACT_GELU_ERF) {
        vec_gelu_in_step(x, count);
    } else {
        SU_UNROLL
        for (int i = 0; i < count; i++) x[i] = vec_activate(activation, x[i]);
    }
}

/* Gates of `count` rows of a tile in step, of which `rows` are there. A row of products is two
 * vectors, in which gates and what they gate take turns; of c it is one, its first `columns` lanes.
 */
SU_INLINE void gate_in_step(const SutraActivation activation, const bool bf16, const float *product,
                            size_t rows, size_t columns, void *c, size_t ldc, const int count)
{
    Vec gate[2 * GELU_ROWS], gated[2 * GELU_ROWS];
    SU_UNROLL
    for (int r = 0; r < count; r++) {
        const float *from = product + ((size_t)r < rows ? (size_t)r : 0) * NR;
        Vec first = vec_load(from), second = vec_load(from + VEC_LANES);
        gate[r] = vec_even_lanes(first, second);
        gated[r] = vec_odd_lanes(first, second);
    }
    activate_in_step(activation, gate, count);
    SU_UNROLL
    for (int r = 0; r < count; r++)
        store_c(c, ((size_t)r < rows ? (size_t)r : 0) * ldc, vec_mul(gate[r], gated[r]), columns,
                bf16);
}

SU_INLINE void gate_as(const SutraActivation activation, const bool bf16, const float *product,
                       size_t rows, size_t columns, void *c, size_t ldc)
{
    const size_t size = bf16 ? 2 : 4;
    for (; rows > GELU_ROWS; rows -= rows < 2 * GELU_ROWS ? rows : 2 * GELU_ROWS) {
        gate_in_step(activation, bf16, product, rows, columns, c, ldc, 2 * GELU_ROWS);
        product += 2 * GELU_ROWS * NR;
        c = (char *)c + 2 * GELU_ROWS * ldc * size;
    }
    if (rows > 0) gate_in_step(activation, bf16, product, rows, columns, c, ldc, GELU_ROWS);
}

SU_INLINE void gate_rows(const SuGemmArgs *args, const SutraActivation activation,
                         const float *product, size_t rows, size_t columns, void *c)
{
    if (args->c_bf16)
        gate_as(activation, true, product, rows, columns, c, args->ldc);
    else
        gate_as(activation, false, product, rows, columns, c, args->ldc);
}

static void gate_tile(const SuGemmArgs *args, const float *product, size_t rows, size_t columns,
                      void *c)
{
    if (args->activation == SUTRA_ACT_GELU_ERF)
        gate_rows(args, SUTRA_ACT_GELU_ERF, product, rows, columns, c);
    else if (args->activation == SUTRA_ACT_SILU)
        gate_rows(args, SUTRA_ACT_SILU, product, rows, columns, c);
    else
        gate_rows(args, args->activation, product, rows, columns, c);
}

static void finish_tile(const SuGemmArgs *args, const float *product, size_t rows, size_t columns,
                        const float *residual, void *c)
{
    SutraActivation activation = args->activation;
    if (args->gated)
        gate_tile(args, product, rows, columns / 2, c);
    else if (activation == SUTRA_ACT_GELU_ERF && columns == NR && !residual)
        gelu_tile(product, rows, c, args->ldc, args->c_bf16);
    else if (args->c_bf16 && activation == SUTRA_ACT_NONE)
        finish_as(args, SUTRA_ACT_NONE, true, product, rows, columns, residual, c);
    else if (activation == SUTRA_ACT_NONE)
        finish_as(args, SUTRA_ACT_NONE, false, product, rows, columns, residual, c);
    else
        finish_as(args, activation, args->c_bf16, product, rows, columns, residual, c);
}

#endif
