/* fp32 GEMM, register tile 6 x 16 (tile_avx2.h). Rows of a are read in place. */
#include "kernels/gemm_driver.h"
#include "kernels/x86/kernels_x86.h"
#include "kernels/x86/tile_avx2.h"

#include <string.h>

enum { MR = SU_TILE_ROWS, NR = SU_TILE_COLUMNS };

/* c [rows, columns] = a x panel + bias */
SU_INLINE void compute_rows(const SuGemmTile *tile, const int rows)
{
    __m256 sum[MR][2];
    SU_UNROLL
    for (int i = 0; i < rows; i++) sum[i][0] = sum[i][1] = _mm256_setzero_ps();
    multiply_tile_avx2(sum, (const float *)(const void *)tile->a, tile->lda, tile->b, NR, tile->k,
                       rows, 2);

    bool whole = tile->columns == NR;
    float edge[MR * NR], *c = whole ? tile->c : edge;
    size_t ldc = whole ? tile->ldc : NR;
    __m256 bias0 = _mm256_loadu_ps(tile->bias), bias1 = _mm256_loadu_ps(tile->bias + 8);
    SU_UNROLL
    for (int i = 0; i < rows; i++) {
        _mm256_storeu_ps(c + (size_t)i * ldc, _mm256_add_ps(sum[i][0], bias0));
        _mm256_storeu_ps(c + (size_t)i * ldc + 8, _mm256_add_ps(sum[i][1], bias1));
    }
    if (whole) return;
    for (int i = 0; i < rows; i++)
        memcpy(tile->c + (size_t)i * tile->ldc, edge + i * NR, tile->columns * sizeof *c);
}

static void compute_tile(const SuGemmTile *tile, size_t rows)
{
    switch (rows) {
    case 1:
        compute_rows(tile, 1);
        break;
    case 2:
        compute_rows(tile, 2);
        break;
    case 3:
        compute_rows(tile, 3);
        break;
    case 4:
        compute_rows(tile, 4);
        break;
    case 5:
        compute_rows(tile, 5);
        break;
    default:
        compute_rows(tile, MR);
        break;
    }
}

SU_INLINE void finish(SutraActivation activation, const float *product, size_t rows, size_t columns,
                      const float *residual, size_t ldr, float *c, size_t ldc)
{
    for (size_t i = 0; i < rows; i++) {
        for (size_t j = 0; j < columns; j += 8) {
            size_t left = columns - j;
            __m256i mask = tail_mask_avx2(left < 8 ? left : 8);
            __m256 x = activate_avx2(activation, _mm256_loadu_ps(product + i * NR + j));
            if (residual) {
                const float *r = residual + i * ldr + j;
                x = _mm256_add_ps(x, left < 8 ? _mm256_maskload_ps(r, mask) : _mm256_loadu_ps(r));
            }
            if (left < 8)
                _mm256_maskstore_ps(c + i * ldc + j, mask, x);
            else
                _mm256_storeu_ps(c + i * ldc + j, x);
        }
    }
}

/* GELU of whole rows of a tile, 2 rows (4 vectors) in step, c being where they go. */
static void gelu_tile(const float *product, size_t rows, float *c, size_t ldc)
{
    for (size_t i = 0; i < rows; i += 2) {
        size_t other = i + 1 < rows ? i + 1 : i;
        const float *from[2] = {product + i * NR, product + other * NR};
        float *to[2] = {c + i * ldc, c + other * ldc};
        __m256 x[4];
        SU_UNROLL
        for (int v = 0; v < 4; v++) x[v] = _mm256_loadu_ps(from[v / 2] + v % 2 * 8);
        gelu_in_step_avx2(x, 4);
        SU_UNROLL
        for (int v = 0; v < 4; v++) _mm256_storeu_ps(to[v / 2] + v % 2 * 8, x[v]);
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

const SuGemmF32 su_gemm_f32_6x16_avx2 = {
    .mr = MR, .nr = NR, .name = "gemm_f32_6x16_avx2", .run = run};
