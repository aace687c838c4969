/* tile_avx2.h - the inner loop that GEMM and attention share: 6 rows by 16 columns in registers.
 *
 * One step of k: 2 vectors of b, 6 broadcasts of a, 12 fma. 12 accumulators, 2 vectors of b and one
 * broadcast are 15 of the 16 registers; 12 independent chains cover the latency of two fma ports.
 */
#ifndef SU_TILE_AVX2_H
#define SU_TILE_AVX2_H

#include "kernels/gemm_driver.h"
#include "kernels/x86/math_avx2.h"

enum { SU_TILE_ROWS = 6, SU_TILE_COLUMNS = 16 };

/* sum [rows, 8 vectors] += a [rows, k] x b [k, 8 vectors], one fma an element of k, ascending.
 * Rows of a are lda bytes apart and are reached through two pointers (rows 0 and 3) and the offsets
 * 0, lda, 2 lda; rows of b are ldb floats apart. rows and vectors (1 or 2) are constants. */
SU_INLINE void multiply_tile_avx2(__m256 sum[SU_TILE_ROWS][2], const float *a, size_t lda,
                                  const float *b, size_t ldb, size_t k, const int rows,
                                  const int vectors)
{
    const char *a0 = (const char *)a, *a3 = rows > 3 ? a0 + 3 * lda : a0;
    for (; k > 0; k--) {
        __m256 b0 = _mm256_loadu_ps(b), b1 = vectors == 2 ? _mm256_loadu_ps(b + 8) : b0;
        SU_UNROLL
        for (int i = 0; i < rows; i++) {
            const char *row = (i < 3 ? a0 : a3) + (size_t)(i % 3) * lda;
            __m256 x = _mm256_broadcast_ss((const float *)(const void *)row);
            sum[i][0] = _mm256_fmadd_ps(x, b0, sum[i][0]);
            if (vectors == 2) sum[i][1] = _mm256_fmadd_ps(x, b1, sum[i][1]);
        }
        su_gemm_fetch_ahead(b, ldb);
        b += ldb;
        a0 += sizeof(float);
        a3 += sizeof(float);
    }
}

#endif
