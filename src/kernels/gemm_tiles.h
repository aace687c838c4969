/* gemm_tiles.h - the register tile of the GEMM, for any vector type and kind of element.
 *
 * Included by one file for each ISA, after its vec_….h, with MR (rows: a multiple of 3, at most 12)
 * and GELU_ROWS (rows of a tile whose GELU is computed in step) defined, and what a word of a and w
 * is:
 *
 *   Acc, Word                        vectors: sums, words
 *   acc_zero, word_load, word_set1   the last: the word at an address in all lanes
 *   PARTS                            2: a word of w meets two of a, part by part; else 1
 *   acc_step(acc, a, w)              acc + a w
 *   acc_value(acc, tile, row, v)     the product, with bias, of vector v of a row
 *   ELEMENT, A_ELEMENT, WORD, PANEL, ROW_BYTES   see SuGemmTiles
 *
 * A tile is MR rows by two vectors:
 * 2 MR accumulators; a step of k loads two vectors of w and broadcasts MR elements of a for 2 MR
 * fma.
 *
 * Rows of a are read in place through pointers to rows 0, 3, 6, 9 and the offsets 0, lda, 2 lda: no
 * packing of a, no pointer spills. A panel of w (k x NR) is used by all rows of a block before the
 * next one; the block of rows stays in L2. */
#ifndef SU_GEMM_TILES_H
#define SU_GEMM_TILES_H

#include "kernels/gemm_finish.h"

/* sum += a w for one word of w, or one part of it, row being those of rows 0, 3, 6, 9 */
SU_INLINE void step_rows(Acc sum[MR][2], const char *const row[4], size_t lda, const char *b,
                         const int part, const int rows)
{
    Word b0 = word_load(b, part), b1 = word_load(b + VEC_LANES * WORD, part);
    SU_UNROLL
    for (int i = 0; i < rows; i++) {
        Word x = word_set1(row[i / 3] + (size_t)(i % 3) * lda + 4 * part);
        sum[i][0] = acc_step(sum[i][0], x, b0);
        sum[i][1] = acc_step(sum[i][1], x, b1);
    }
}

/* c [rows, columns] = a x panel + bias; rows is a constant */
SU_INLINE void compute_rows(const SuGemmTile *tile, const int rows)
{
    Acc sum[MR][2];
    SU_UNROLL
    for (int i = 0; i < rows; i++) sum[i][0] = sum[i][1] = acc_zero();

    const size_t lda = tile->lda;
    const char *row[4] = {tile->a};
    SU_UNROLL
    for (int i = 1; i < 4; i++) row[i] = rows > 3 * i ? row[i - 1] + 3 * lda : row[0];
    const char *b = tile->b;
    for (size_t p = tile->words; p > 0; p--) {
        SU_UNROLL
        for (int part = 0; part < PARTS; part++) step_rows(sum, row, lda, b, part, rows);
        su_gemm_fetch_ahead(b, NR * WORD);
        b += PANEL * WORD;
        SU_UNROLL
        for (int i = 0; i < 4; i++) row[i] += 4 * PARTS;
    }
    if (PARTS > 1 && tile->odd) step_rows(sum, row, lda, b, 0, rows);

    SU_UNROLL
    for (int i = 0; i < rows; i++) {
        Vec x[2] = {acc_value(sum[i][0], tile, i, 0), acc_value(sum[i][1], tile, i, 1)};
        store_row(tile->c + (size_t)i * tile->ldc, x, tile->columns);
    }
}

static void compute_tile(const SuGemmTile *tile, size_t rows)
{
    switch (rows) {
#define ROWS(n)                \
    case n:                    \
        compute_rows(tile, n); \
        break
        ROWS(1);
        ROWS(2);
#if MR > 3
        ROWS(3);
        ROWS(4);
        ROWS(5);
#endif
#if MR > 6
        ROWS(6);
        ROWS(7);
        ROWS(8);
#endif
#if MR > 9
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

static void run(const SuGemmArgs *args)
{
    const SuGemmTiles tiles = {.mr = MR,
                               .nr = NR,
                               .panel = PANEL,
                               .element = ELEMENT,
                               .a_element = A_ELEMENT,
                               .word = WORD,
                               .row_bytes = ROW_BYTES,
                               .parts = PARTS,
                               .compute = compute_tile,
                               .finish = finish_tile};
    su_gemm_drive(args, &tiles);
}

#endif
