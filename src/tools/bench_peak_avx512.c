#include "bench_peak.h"
#include "kernels/x86/kernels_x86.h"

#include <immintrin.h>

double su_bench_fma_avx512(size_t rounds)
{
    enum { CHAINS = 12, LANES = 16 };
    volatile float start = 0.25f;
    float lanes[LANES];
    for (int i = 0; i < LANES; i++) lanes[i] = -0.9f - 0.03f * start * (float)(i * 7 % LANES);
    __m512 factor = _mm512_loadu_ps(lanes), term = _mm512_mul_ps(factor, factor), chain[CHAINS];
    SU_UNROLL
    for (int i = 0; i < CHAINS; i++)
        chain[i] = _mm512_mul_ps(term, _mm512_set1_ps(start * (float)(5 * i + 1)));
    for (size_t r = 0; r < rounds; r++) {
        SU_UNROLL
        for (int i = 0; i < CHAINS; i++) chain[i] = _mm512_fmadd_ps(chain[i], factor, term);
    }
    __m512 sum = chain[0];
    SU_UNROLL
    for (int i = 1; i < CHAINS; i++) sum = _mm512_add_ps(sum, chain[i]);
    _mm512_storeu_ps(lanes, sum);
    start = lanes[0];
    return 2.0 * CHAINS * LANES * (double)rounds;
}

float su_bench_read_avx512(const float *x, size_t n)
{
    enum { STREAMS = 8, LANES = 16 };
    __m512 sum[STREAMS];
    SU_UNROLL
    for (int j = 0; j < STREAMS; j++) sum[j] = _mm512_setzero_ps();
    for (size_t i = 0; i < n; i += (size_t)STREAMS * LANES) {
        SU_UNROLL
        for (int j = 0; j < STREAMS; j++)
            sum[j] = _mm512_add_ps(sum[j], _mm512_loadu_ps(x + i + (size_t)j * LANES));
    }
    SU_UNROLL
    for (int j = 1; j < STREAMS; j++) sum[0] = _mm512_add_ps(sum[0], sum[j]);
    float lanes[LANES];
    _mm512_storeu_ps(lanes, sum[0]);
    return lanes[0];
}

void su_bench_copy_avx512(const float *x, size_t n, float *y)
{
    enum { STREAMS = 8, LANES = 16 };
    for (size_t i = 0; i < n; i += (size_t)STREAMS * LANES) {
        SU_UNROLL
        for (int j = 0; j < STREAMS; j++)
            _mm512_storeu_ps(y + i + (size_t)j * LANES, _mm512_loadu_ps(x + i + (size_t)j * LANES));
    }
}
