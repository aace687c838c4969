/* fp32 GEMM, register tile 12 x 32: 24 accumulators, 2 vectors of w, 12 broadcasts a step of k.
 *
 * One step is 24 fma against 14 loads, so that the two fma ports are the limit, not the load ports.
 * Rows of a are read in place through 4 pointers (rows 0, 3, 6, 9) and the offsets 0, lda, 2 lda:
 * no packing of a, no pointer spills. A panel of w (k x 32) is used by all rows of a block before
 * the next one; the block of rows stays in L2. */
#include "kernels/gemm_driver.h"
#include "kernels/x86/kernels_x86.h"
#include "kernels/x86/math_avx512.h"

enum { MR = 12, NR = 32 };

SU_INLINE __m512 broadcast(const char *row, size_t bytes)
{
    return _mm512_set1_ps(*(const float *)(const void *)(row + bytes));
}

/* c [rows, 32] = a x panel + bias */
SU_INLINE void compute_rows(const SuGemmTile *tile, const int rows)
{
    __m512 sum[MR][2];
    SU_UNROLL
    for (int i = 0; i < rows; i++) sum[i][0] = sum[i][1] = _mm512_setzero_ps();

    const size_t lda = tile->lda;
    const char *a0 = tile->a;
    const char *a3 = rows > 3 ? a0 + 3 * lda : a0;
    const char *a6 = rows > 6 ? a0 + 6 * lda : a0;
    const char *a9 = rows > 9 ? a0 + 9 * lda : a0;
    const float *b = tile->b;
    for (size_t p = tile->k; p > 0; p--) {
        __m512 b0 = _mm512_loadu_ps(b), b1 = _mm512_loadu_ps(b + 16);
        SU_UNROLL
        for (int i = 0; i < rows; i++) {
            const char *base = i < 3 ? a0 : i < 6 ? a3 : i < 9 ? a6 : a9;
            __m512 x = broadcast(base, (size_t)(i % 3) * lda);
            sum[i][0] = _mm512_fmadd_ps(x, b0, sum[i][0]);
            sum[i][1] = _mm512_fmadd_ps(x, b1, sum[i][1]);
        }
        su_gemm_fetch_ahead(b, NR);
        b += NR;
        a0 += sizeof(float);
        a3 += sizeof(float);
        a6 += sizeof(float);
        a9 += sizeof(float);
    }

    size_t columns = tile->columns;
    __mmask16 mask0 = tail_mask(columns < 16 ? columns : 16),
              mask1 = tail_mask(columns < 16 ? 0 : columns - 16);
    __m512 bias0 = _mm512_loadu_ps(tile->bias), bias1 = _mm512_loadu_ps(tile->bias + 16);
    SU_UNROLL
    for (int i = 0; i < rows; i++) {
        float *c = tile->c + (size_t)i * tile->ldc;
        _mm512_mask_storeu_ps(c, mask0, _mm512_add_ps(sum[i][0], bias0));
        _mm512_mask_storeu_ps(c + 16, mask1, _mm512_add_ps(sum[i][1], bias1));
    }
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
    case 6:
        compute_rows(tile, 6);
        break;
    case 7:
        compute_rows(tile, 7);
        break;
    case 8:
        compute_rows(tile, 8);
        break;
    case 9:
        compute_rows(tile, 9);
        break;
    case 10:
        compute_rows(tile, 10);
        break;
    case 11:
        compute_rows(tile, 11);
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
        for (size_t j = 0; j < columns; j += 16) {
            __mmask16 mask = tail_mask(columns - j < 16 ? columns - j : 16);
            __m512 x = activate_avx512(activation, _mm512_loadu_ps(product + i * NR + j));
            if (residual) x = _mm512_add_ps(x, _mm512_maskz_loadu_ps(mask, residual + i * ldr + j));
            _mm512_mask_storeu_ps(c + i * ldc + j, mask, x);
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
        __m512 x[4];
        SU_UNROLL
        for (int v = 0; v < 4; v++) x[v] = _mm512_loadu_ps(from[v / 2] + v % 2 * 16);
        gelu_in_step_avx512(x, 4);
        SU_UNROLL
        for (int v = 0; v < 4; v++) _mm512_storeu_ps(to[v / 2] + v % 2 * 16, x[v]);
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

const SuGemmF32 su_gemm_f32_12x32_avx512 = {
    .mr = MR, .nr = NR, .name = "gemm_f32_12x32_avx512", .run = run};
