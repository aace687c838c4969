/* gemm_amx.h - the GEMM on tiles of AMX, for both kinds of element.
 *
 * Included by the file of a kind, after vec_avx512.h, with GELU_ROWS and ELEMENT defined, and
 *
 *   TILE_MULTIPLY(c, a, b)      the instruction: c += a b
 *   acc_load(sums)              a vector of sums
 *   acc_value(acc, tile, row, v)     see gemm_tiles.h
 *
 * A block of c is 32 rows by a panel; a step of k is 64 bytes of a row. Rows of a and words of w
 * are loaded where they lie:
 *
 *                 16 words of 32 features
 *                 B0 tmm6     B1 tmm7
 *   A0 tmm4       C00 tmm0    C01 tmm1       4 loads, 4 multiplications
 *   A1 tmm5       C10 tmm2    C11 tmm3
 *
 * Tiles keep the height they are configured with, once a call: 16 rows, or m if that is less. Where
 * m is no multiple of 16, the last tile starts at m - 16 and computes rows of the one before again,
 * to the same bits.
 *
 * The sums of a block go to scratch, and while the next block is multiplied its rows are finished,
 * GELU_ROWS of them at a time between two steps of k. A row is finished once, whatever was computed
 * twice.
 *
 * Rows of a block stay in L1 while the panels of a group, which stays in L2, pass by. Words of w
 * are loaded with the hint that they are read once: they leave the rows in L1. The first rows of a
 * group find them further away and ask for them ahead; for the others that costs more ports than it
 * saves time.
 *
 * Tiles and vectors share a port: a step takes 64 cycles of it, in whose shadow 64 operations on
 * vectors are free, not 128. */
#ifndef SU_GEMM_AMX_H
#define SU_GEMM_AMX_H

#include "kernels/gemm_finish.h"
#include "kernels/x86/tile_config.h"

enum { TILE_ROWS = 16, TILE_BYTES = 64, BLOCK_ROWS = 2 * TILE_ROWS, AHEAD_STEPS = 2 };

/* A block of c. */
typedef struct Block {
    SuGemmTile tile;      /* a: of the first tile of rows; c: unused */
    const char *a1;       /* of the second */
    float *sums0, *sums1; /* where theirs go: rows of NR floats */
    float *sums;          /* [rows, NR], of the rows of c */
    const float *residual;
    char *c; /* [rows, columns] */
    size_t rows, columns;
    size_t finished; /* rows */
    bool first;      /* of its panel */
} Block;

/* The next rows of a block, at most GELU_ROWS. */
static void finish_rows(const SuGemmArgs *args, Block *block)
{
    size_t i = block->finished, left = block->rows - i, rows = left < GELU_ROWS ? left : GELU_ROWS;
    bool plain = su_gemm_is_plain(args);
    float *sums = block->sums + i * NR;
    void *c = block->c + i * args->ldc * (args->c_bf16 ? 2 : 4);
    float *to = plain ? c : sums;
    size_t stride = plain ? args->ldc : NR, columns = plain ? block->columns : NR;
    for (size_t r = 0; r < rows; r++) {
        Acc first = acc_load(sums + r * NR), second = acc_load(sums + r * NR + VEC_LANES);
        Vec x[2] = {acc_value(first, &block->tile, (int)(i + r), 0),
                    acc_value(second, &block->tile, (int)(i + r), 1)};
        store_row(to + r * stride, x, columns);
    }
    const float *residual = block->residual ? block->residual + i * args->ldr : NULL;
    if (!plain) finish_tile(args, sums, rows, block->columns, residual, c);
    block->finished += rows;
}

/* Asks for the words of a step. */
SU_INLINE void fetch_step(const float *b)
{
    for (size_t i = 0; i < (size_t)TILE_ROWS * NR * sizeof *b; i += SU_GEMM_LINE)
        __builtin_prefetch((const char *)b + i);
}

/* The sums of a block of one tile of rows or two; `before` is finished on the way. */
SU_INLINE void multiply_tiles(const SuGemmArgs *args, const Block *block, Block *before,
                              const int tiles)
{
    const char *a0 = block->tile.a, *a1 = block->a1;
    const float *b = block->tile.b;
    const size_t steps = block->tile.words / TILE_ROWS, lda = block->tile.lda;
    const size_t parts = (before->rows + GELU_ROWS - 1) / GELU_ROWS;
    _tile_zero(0);
    _tile_zero(1);
    if (tiles > 1) {
        _tile_zero(2);
        _tile_zero(3);
    }
    for (size_t step = steps, due = 0; step > 0; step--) {
        _tile_stream_loadd(6, b, NR * sizeof *b);
        _tile_loadd(4, a0, lda);
        TILE_MULTIPLY(0, 4, 6);
        _tile_stream_loadd(7, b + VEC_LANES, NR * sizeof *b);
        TILE_MULTIPLY(1, 4, 7);
        if (tiles > 1) {
            _tile_loadd(5, a1, lda);
            TILE_MULTIPLY(2, 5, 6);
            TILE_MULTIPLY(3, 5, 7);
        }
        if (block->first) fetch_step(b + AHEAD_STEPS * TILE_ROWS * NR);
        b += TILE_ROWS * NR;
        a0 += TILE_BYTES;
        a1 += TILE_BYTES;
        for (due += parts; due >= steps; due -= steps) finish_rows(args, before);
    }
    _tile_stored(0, block->sums0, NR * sizeof *b);
    _tile_stored(1, block->sums0 + VEC_LANES, NR * sizeof *b);
    if (tiles > 1) {
        _tile_stored(2, block->sums1, NR * sizeof *b);
        _tile_stored(3, block->sums1 + VEC_LANES, NR * sizeof *b);
    }
}

/* Two blocks under way, the one that is multiplied and the one before, whose sums are in scratch:
 * it is finished when those of the other follow. */
typedef struct Pipeline {
    _Alignas(64) float scratch[BLOCK_ROWS * NR];
    Block blocks[2];
    size_t current;
} Pipeline;

/* Columns `column` … of rows `row` …, at most BLOCK_ROWS of them. */
static void run_block(const SuGemmArgs *args, Pipeline *pipeline, size_t column, size_t row)
{
    Block *block = &pipeline->blocks[pipeline->current];
    Block *before = &pipeline->blocks[1 - pipeline->current];
    float *scratch = pipeline->scratch;
    size_t words = su_gemm_words(args->k, ELEMENT), lda = args->lda * ELEMENT;
    size_t last = args->m < TILE_ROWS ? 0 : args->m - TILE_ROWS; /* where the last tile starts */
    size_t first = row < last ? row : last,
           second = row + TILE_ROWS < last ? row + TILE_ROWS : last;
    *block =
        (Block){.tile = {.a = (const char *)args->a + first * lda,
                         .lda = lda,
                         .a_scale = args->a_scale ? args->a_scale + row : NULL,
                         .b = (const float *)args->b + column * words,
                         .bias = args->bias + column,
                         .b_scale = args->b_scale ? args->b_scale + column : NULL,
                         .b_sum = args->b_sum ? args->b_sum + column : NULL,
                         .words = words},
                .a1 = (const char *)args->a + second * lda,
                .sums0 = scratch,
                .sums1 = scratch + (second - first) * NR,
                .sums = scratch + (row - first) * NR,
                .residual = args->residual ? args->residual + row * args->ldr + column : NULL,
                .c = su_gemm_columns_of_c(args, column) + row * args->ldc * (args->c_bf16 ? 2 : 4),
                .rows = args->m - row < BLOCK_ROWS ? args->m - row : BLOCK_ROWS,
                .columns = args->n - column < NR ? args->n - column : NR,
                .first = row == 0};
    su_gemm_fetch_residual(args, block->residual, block->rows, block->columns);
    if (block->rows > TILE_ROWS)
        multiply_tiles(args, block, before, 2);
    else
        multiply_tiles(args, block, before, 1);
    pipeline->current = 1 - pipeline->current;
}

/* A group of panels: columns `column` … past - 1 of all rows. */
static void run_panels(const SuGemmArgs *args, Pipeline *pipeline, size_t column, size_t past)
{
    for (size_t row = 0; row < args->m; row += BLOCK_ROWS)
        for (size_t j = column; j < past; j += NR) run_block(args, pipeline, j, row);
}

static void run(const SuGemmArgs *args)
{
    Pipeline pipeline;
    size_t past = args->panel_end * NR < args->n ? args->panel_end * NR : args->n;
    size_t width = su_gemm_block_rows(SU_GEMM_BLOCK_BYTES, su_gemm_words(args->k, ELEMENT) * 4, NR);
    if (args->m == 0 || args->panel_begin == args->panel_end) return;
    pipeline.current = 0;
    pipeline.blocks[1].rows = pipeline.blocks[1].finished = 0;
    su_configure_tiles((uint8_t)(args->m < TILE_ROWS ? args->m : TILE_ROWS));
    for (size_t column = args->panel_begin * NR; column < past; column += width)
        run_panels(args, &pipeline, column, past - column < width ? past : column + width);
    _tile_release();
    Block *last = &pipeline.blocks[1 - pipeline.current];
    while (last->finished < last->rows) finish_rows(args, last);
}

#endif
