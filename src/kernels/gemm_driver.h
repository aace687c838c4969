/* gemm_driver.h - the loops around a register tile, shared by every ISA.
 *
 *   for each block of rows that stays in L2
 *     for each panel of w (k x nr)
 *       for each tile of up to mr rows
 *         the micro-kernel, then activation and residual while the tile is in L1
 */
#ifndef SU_GEMM_DRIVER_H
#define SU_GEMM_DRIVER_H

#include "kernels/kernels.h"

#include <stdint.h>

enum {
    SU_GEMM_MAX_TILE = 16 * 48,
    SU_GEMM_BLOCK_BYTES = 384 * 1024,
    SU_GEMM_LINE = 64,   /* bytes of a cache line */
    SU_GEMM_AHEAD = 4096 /* floats of w that are asked for ahead of use */
};

/* Asks for the nr floats of w that are due SU_GEMM_AHEAD floats after b. The processor's own prefetch
 * stops at each page, and a panel that no row has used yet comes from main memory: without this the
 * first tile of a panel waits there. Past a panel lies the next one; past the last, nothing is read. */
static inline __attribute__((always_inline)) void su_gemm_fetch_ahead(const float *b, size_t nr)
{
    uintptr_t ahead = (uintptr_t)b + SU_GEMM_AHEAD * sizeof *b;
    for (size_t i = 0; i < nr * sizeof *b; i += SU_GEMM_LINE)
        __builtin_prefetch((const void *)(ahead + i));
}

typedef struct SuGemmTile {
    const char *a; /* rows lda bytes apart */
    size_t lda;
    const float *b, *bias; /* one panel */
    float *c;
    size_t ldc, k;
    size_t columns; /* 1 … nr; those past it are not written */
} SuGemmTile;

typedef struct SuGemmTiles {
    size_t mr, nr;
    /* c = a x panel + bias for 1 … mr rows */
    void (*compute)(const SuGemmTile *tile, size_t rows);
    /* c [rows, columns] = act(product [rows, nr]) + residual */
    void (*finish)(SutraActivation activation, const float *product, size_t nr, size_t rows,
                   size_t columns, const float *residual, size_t ldr, float *c, size_t ldc);
} SuGemmTiles;

static inline void su_gemm_run_panel(const SuGemmF32Args *args, const SuGemmTiles *tiles,
                                     size_t begin, size_t end, size_t panel)
{
    size_t column = panel * tiles->nr, left = args->n - column;
    size_t columns = left < tiles->nr ? left : tiles->nr;
    float product[SU_GEMM_MAX_TILE];
    float *c_panel = args->c + (args->c_group ? column / args->c_group * args->c_group_stride +
                                                    column % args->c_group
                                              : column);
    bool plain = args->activation == SUTRA_ACT_NONE && !args->residual;
    SuGemmTile tile = {.lda = args->lda * sizeof(float),
                       .b = args->b + column * args->k,
                       .bias = args->bias + column,
                       .c = product,
                       .ldc = plain ? args->ldc : tiles->nr,
                       .k = args->k,
                       .columns = plain ? columns : tiles->nr};
    /* tiles of nearly equal height: one of few rows has too few chains to fill the fma ports */
    size_t num_tiles = (end - begin + tiles->mr - 1) / tiles->mr;
    for (size_t i = begin, rows; i < end; i += rows, num_tiles--) {
        rows = (end - i + num_tiles - 1) / num_tiles;
        float *c = c_panel + i * args->ldc;
        tile.a = (const char *)(args->a + i * args->lda);
        const float *residual = args->residual ? args->residual + i * args->ldr + column : NULL;
        if (plain) tile.c = c;
        for (size_t r = 0; residual && r < rows; r++) { /* arrives while the tile is computed */
            __builtin_prefetch(residual + r * args->ldr);
            __builtin_prefetch(residual + r * args->ldr + columns - 1);
        }
        tiles->compute(&tile, rows);
        if (plain) continue;
        tiles->finish(args->activation, product, tiles->nr, rows, columns, residual, args->ldr, c,
                      args->ldc);
    }
}

static inline void su_gemm_drive(const SuGemmF32Args *args, const SuGemmTiles *tiles)
{
    size_t block = SU_GEMM_BLOCK_BYTES / (args->k * sizeof(float)) / tiles->mr * tiles->mr;
    if (block < tiles->mr) block = tiles->mr;
    for (size_t begin = 0; begin < args->m; begin += block) {
        size_t end = args->m - begin < block ? args->m : begin + block;
        for (size_t panel = args->panel_begin; panel < args->panel_end; panel++)
            su_gemm_run_panel(args, tiles, begin, end, panel);
    }
}

#endif
