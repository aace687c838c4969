#include "bench_peak.h"

#include <math.h>
#include <string.h>

/* fmaf of the C library, as the plain C kernels call it. */
double su_bench_fma_scalar(size_t rounds)
{
    enum { CHAINS = 8 };
    volatile float start = 0.25f;
    float chain[CHAINS], factor[CHAINS], term[CHAINS];
    for (int i = 0; i < CHAINS; i++) {
        chain[i] = start * (float)(i + 1);
        factor[i] = -0.9f - start * 0.01f * (float)i;
        term[i] = start * (float)(3 * i + 1);
    }
    for (size_t r = 0; r < rounds; r++)
        for (int i = 0; i < CHAINS; i++) chain[i] = fmaf(chain[i], factor[i], term[i]);
    for (int i = 0; i < CHAINS; i++) start = chain[i];
    return 2.0 * CHAINS * (double)rounds;
}

float su_bench_read_scalar(const float *x, size_t n)
{
    float sum[8] = {0};
    for (size_t i = 0; i < n; i += 8)
        for (size_t j = 0; j < 8; j++) sum[j] += x[i + j];
    return sum[0] + sum[1] + sum[2] + sum[3] + sum[4] + sum[5] + sum[6] + sum[7];
}

void su_bench_copy_scalar(const float *x, size_t n, float *y) { memcpy(y, x, n * sizeof *y); }
