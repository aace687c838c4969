/* gemm_f32_tiles.h - the register tile of the fp32 GEMM, for any vector type.
 *
 * Included by one file for each ISA, after its vec_….h, with MR (rows: a multiple of 3, at most 12) and
 * GELU_ROWS (rows of a tile whose GELU is computed in step) defined. A tile is MR rows by two vectors:
 * 2 MR accumulators; a step of k loads two vectors of w and broadcasts MR elements of a for 2 MR fma.
 *
 * Rows of a are read in place through pointers to rows 0, 3, 6, 9 and the offsets 0, lda, 2 lda: no
 * packing of a, no pointer spills. A panel of w (k x NR) is used by all rows of a block before the next
 * one; the block of rows stays in L2. */
#ifndef SU_GEMM_F32_TILES_H
#define SU_GEMM_F32_TILES_H

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

/* c [rows, columns] = a x panel + bias; rows is a constant */
SU_INLINE void compute_rows(const SuGemmTile *tile, const int rows)
{
    Vec sum[MR][2];
    SU_UNROLL
    for (int i = 0; i < rows; i++) sum[i][0] = sum[i][1] = vec_zero();

    const size_t lda = tile->lda;
    const char *a0 = tile->a;
    const char *a3 = rows > 3 ? a0 + 3 * lda : a0;
    const char *a6 = rows > 6 ? a0 + 6 * lda : a0;
    const char *a9 = rows > 9 ? a0 + 9 * lda : a0;
    const float *b = tile->b;
    for (size_t p = tile->k; p > 0; p--) {
        Vec b0 = vec_load(b), b1 = vec_load(b + VEC_LANES);
        SU_UNROLL
        for (int i = 0; i < rows; i++) {
            const char *base = i < 3 ? a0 : i < 6 ? a3 : i < 9 ? a6 : a9;
            Vec x = vec_set1(*(const float *)(const void *)(base + (size_t)(i % 3) * lda));
            sum[i][0] = vec_fma(x, b0, sum[i][0]);
            sum[i][1] = vec_fma(x, b1, sum[i][1]);
        }
        su_gemm_fetch_ahead(b, NR);
        b += NR;
        a0 += sizeof(float);
        a3 += sizeof(float);
        a6 += sizeof(float);
        a9 += sizeof(float);
    }

    Vec bias0 = vec_load(tile->bias), bias1 = vec_load(tile->bias + VEC_LANES);
    SU_UNROLL
    for (int i = 0; i < rows; i++) {
        sum[i][0] = vec_add(sum[i][0], bias0);
        sum[i][1] = vec_add(sum[i][1], bias1);
        store_row(tile->c + (size_t)i * tile->ldc, sum[i], tile->columns);
    }
}

static void compute_tile(const SuGemmTile *tile, size_t rows)
{
    switch (rows) {
#define ROWS(n)                              \
    case n:                                  \
        compute_rows(tile, n < MR ? n : MR); \
        break
        ROWS(1);
        ROWS(2);
        ROWS(3);
        ROWS(4);
        ROWS(5);
#if MR > 6
        ROWS(6);
        ROWS(7);
        ROWS(8);
        ROWS(9);
        ROWS(10);
        ROWS(11);
#endif
#undef ROWS
    default:
        compute_rows(tile, MR);
        break;
    }
}

SU_INLINE void finish(SutraActivation activation, const float *product, size_t rows, size_t columns,
                      const float *residual, size_t ldr, float *c, size_t ldc)
{
    for (size_t i = 0; i < rows; i++) {
        for (size_t j = 0; j < columns; j += VEC_LANES) {
            size_t left = columns - j;
            Vec x = vec_activate(activation, vec_load(product + i * NR + j));
            if (left >= VEC_LANES) {
                if (residual) x = vec_add(x, vec_load(residual + i * ldr + j));
                vec_store(c + i * ldc + j, x);
            } else {
                if (residual) x = vec_add(x, vec_load_part(residual + i * ldr + j, left));
                vec_store_part(c + i * ldc + j, x, left);
            }
        }
    }
}

/* GELU of whole rows of a tile, GELU_ROWS of them in step, c being where they go. */
static void gelu_tile(const float *product, size_t rows, float *c, size_t ldc)
{
    for (size_t i = 0; i < rows; i += GELU_ROWS) {
        Vec x[2 * GELU_ROWS];
        SU_UNROLL
        for (size_t r = 0; r < GELU_ROWS; r++) {
            const float *from = product + (i + r < rows ? i + r : i) * NR;
            x[2 * r] = vec_load(from);
            x[2 * r + 1] = vec_load(from + VEC_LANES);
        }
        vec_gelu_in_step(x, 2 * GELU_ROWS);
        SU_UNROLL
        for (size_t r = 0; r < GELU_ROWS; r++) {
            float *to = c + (i + r < rows ? i + r : i) * ldc;
            vec_store(to, x[2 * r]);
            vec_store(to + VEC_LANES, x[2 * r + 1]);
        }
    }
}

static void finish_tile(SutraActivation activation, const float *product, size_t nr, size_t rows,
                        size_t columns, const float *residual, size_t ldr, float *c, size_t ldc)
{
    (void)nr;
    if (activation == SUTRA_ACT_GELU_ERF && columns == NR && !residual)
        gelu_tile(product, rows, c, ldc);
    else if (activation == SUTRA_ACT_GELU_ERF)
        finish(SUTRA_ACT_GELU_ERF, product, rows, columns, residual, ldr, c, ldc);
    else if (activation == SUTRA_ACT_NONE)
        finish(SUTRA_ACT_NONE, product, rows, columns, residual, ldr, c, ldc);
    else
        finish(activation, product, rows, columns, residual, ldr, c, ldc);
}

static void run(const SuGemmF32Args *args)
{
    const SuGemmTiles tiles = {.mr = MR, .nr = NR, .compute = compute_tile, .finish = finish_tile};
    su_gemm_drive(args, &tiles);
}

#endif
