/* gemm_driver.h - the loops around a register tile, shared by every ISA.
 *
 *   for each block of rows that stays in L2
 *     for each panel of w (k x nr; narrow tiles take a panel in parts)
 *       for each tile of up to mr rows
 *         the micro-kernel, then activation and residual while the tile is in L1
 */
#ifndef SU_GEMM_DRIVER_H
#define SU_GEMM_DRIVER_H

#include "kernels/kernels.h"

#include <stdint.h>

enum {
    SU_GEMM_MAX_TILE = 16 * 48,
    SU_GEMM_BLOCK_BYTES = 384 * 1024, /* of rows that stay in L2 */
    SU_GEMM_LINE = 64,                /* bytes of a cache line */
    SU_GEMM_AHEAD = 16 * 1024         /* bytes of w that are asked for ahead of use */
};

/* Asks for the bytes of w that are due SU_GEMM_AHEAD after b. The processor's own
 * prefetch stops at each page, and a panel that no row has used yet comes from main memory: without
 * this the first tile of a panel waits there. Past a panel lies the next one; past the last,
 * nothing is read. */
static inline __attribute__((always_inline)) void su_gemm_fetch_ahead(const void *b, size_t bytes)
{
    uintptr_t ahead = (uintptr_t)b + SU_GEMM_AHEAD;
    for (size_t i = 0; i < bytes; i += SU_GEMM_LINE) __builtin_prefetch((const void *)(ahead + i));
}

typedef struct SuGemmTile {
    const char *a; /* rows lda bytes apart */
    size_t lda;
    const SuRowScale *a_scale;
    const void *b; /* the tile's columns of a panel: words */
    const float *bias, *b_scale;
    const int32_t *b_sum;
    float *c;
    size_t ldc, words; /* words: of a feature, to be computed */
    bool odd;          /* words of two parts: one element is left */
    size_t columns;    /* 1 … nr; those past it are not written */
} SuGemmTile;

typedef struct SuGemmTiles {
    size_t mr, nr, panel; /* panel: a multiple of nr */
    size_t element, word; /* bytes of an element of w, of a word of them */
    size_t row_bytes;     /* what a feature is padded to */
    size_t parts;         /* elements of a that meet a word of w one by one; 1: all at once */
    size_t a_element;     /* bytes of an element of a */
    /* c = a x panel + bias for 1 … mr rows */
    void (*compute)(const SuGemmTile *tile, size_t rows);
    /* c [rows, columns] = act(product [rows, nr]) + residual, c being float or bf16 */
    void (*finish)(const SuGemmArgs *args, const float *product, size_t rows, size_t columns,
                   const float *residual, void *c);
} SuGemmTiles;

/* Of a packed feature. */
static inline size_t su_gemm_words_of(const SuGemmArgs *args, const SuGemmTiles *tiles)
{
    return (args->k * tiles->element + tiles->row_bytes - 1) / tiles->row_bytes *
           (tiles->row_bytes / tiles->word);
}

/* The product needs nothing but its place in c. */
static inline bool su_gemm_is_plain(const SuGemmArgs *args)
{
    return args->activation == SUTRA_ACT_NONE && !args->residual && !args->c_bf16 && !args->gated;
}

/* Column `column` of the first row of c. */
static inline char *su_gemm_columns_of_c(const SuGemmArgs *args, size_t column)
{
    size_t at = args->c_group
                    ? column / args->c_group * args->c_group_stride + column % args->c_group
                    : column >> args->gated;
    return (char *)args->c + (args->c_bf16 ? 2 : 4) * at;
}

/* Asks for part of the residual, which then arrives while the tile is computed. */
static inline void su_gemm_fetch_residual(const SuGemmArgs *args, const float *residual,
                                          size_t rows, size_t columns)
{
    for (size_t r = 0; residual && r < rows; r++) {
        __builtin_prefetch(residual + r * args->ldr);
        __builtin_prefetch(residual + r * args->ldr + columns - 1);
    }
}

/* Rows of row_bytes each that fit, a multiple of mr. */
static inline size_t su_gemm_block_rows(size_t bytes, size_t row_bytes, size_t mr)
{
    size_t block = bytes / row_bytes / mr * mr;
    return block < mr ? mr : block;
}

/* Columns `column` … of rows begin … end - 1 */
static inline void su_gemm_run_columns(const SuGemmArgs *args, const SuGemmTiles *tiles,
                                       size_t begin, size_t end, size_t column)
{
    size_t left = args->n - column, words = su_gemm_words_of(args, tiles);
    size_t columns = left < tiles->nr ? left : tiles->nr;
    size_t in_panel = column % tiles->panel, c_size = args->c_bf16 ? 2 : 4;
    float product[SU_GEMM_MAX_TILE];
    char *c_columns = su_gemm_columns_of_c(args, column);
    bool plain = su_gemm_is_plain(args);
    size_t parts = tiles->parts;
    SuGemmTile tile = {.lda = args->lda * tiles->a_element,
                       .b = (const char *)args->b +
                            ((column - in_panel) * words + in_panel) * tiles->word,
                       .bias = args->bias + column,
                       .b_scale = args->b_scale ? args->b_scale + column : NULL,
                       .b_sum = args->b_sum ? args->b_sum + column : NULL,
                       .c = product,
                       .ldc = plain ? args->ldc : tiles->nr,
                       .words = parts > 1 ? args->k / parts : words,
                       .odd = parts > 1 && args->k % parts,
                       .columns = plain ? columns : tiles->nr};
    /* tiles of nearly equal height: one of few rows has too few chains to fill the fma ports */
    size_t num_tiles = (end - begin + tiles->mr - 1) / tiles->mr;
    for (size_t i = begin, rows; i < end; i += rows, num_tiles--) {
        rows = (end - i + num_tiles - 1) / num_tiles;
        void *c = c_columns + i * args->ldc * c_size;
        tile.a = (const char *)args->a + i * tile.lda;
        tile.a_scale = args->a_scale ? args->a_scale + i : NULL;
        const float *residual = args->residual ? args->residual + i * args->ldr + column : NULL;
        if (plain) tile.c = c;
        su_gemm_fetch_residual(args, residual, rows, columns);
        tiles->compute(&tile, rows);
        if (!plain) tiles->finish(args, product, rows, columns, residual, c);
    }
}

static inline void su_gemm_drive(const SuGemmArgs *args, const SuGemmTiles *tiles)
{
    size_t block = su_gemm_block_rows(args->block_bytes ? args->block_bytes : SU_GEMM_BLOCK_BYTES,
                                      args->k * tiles->a_element, tiles->mr);
    size_t past = args->panel_end * tiles->panel;
    if (past > args->n) past = args->n;
    for (size_t begin = 0; begin < args->m; begin += block) {
        size_t end = args->m - begin < block ? args->m : begin + block;
        for (size_t j = args->panel_begin * tiles->panel; j < past; j += tiles->nr)
            su_gemm_run_columns(args, tiles, begin, end, j);
    }
}

#endif
