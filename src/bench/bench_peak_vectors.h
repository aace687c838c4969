/* bench_peak_vectors.h - the loops of bench_peak.h on the vectors of one ISA: included after its
 * vec_….h, with CHAINS (of fma, independent, all in registers) defined, by the file that gives them
 * their names. */
#ifndef SU_BENCH_PEAK_VECTORS_H
#define SU_BENCH_PEAK_VECTORS_H

#include "bench_peak.h"

enum { STREAMS = 8, STREAMED = STREAMS * VEC_LANES };

SU_INLINE Vec sum_of(Vec *x, const int count)
{
    SU_UNROLL
    for (int i = 1; i < count; i++) x[0] = vec_add(x[0], x[i]);
    return x[0];
}

SU_INLINE double run_fma(size_t rounds)
{
    volatile float start = 0.25f;
    float lanes[VEC_LANES];
    for (int i = 0; i < VEC_LANES; i++)
        lanes[i] = -0.9f - 0.03f * start * (float)(i * 7 % VEC_LANES);
    Vec factor = vec_load(lanes), term = vec_mul(factor, factor), chain[CHAINS];
    SU_UNROLL
    for (int i = 0; i < CHAINS; i++) chain[i] = vec_mul(term, vec_set1(start * (float)(5 * i + 1)));
    for (size_t r = 0; r < rounds; r++) {
        SU_UNROLL
        for (int i = 0; i < CHAINS; i++) chain[i] = vec_fma(chain[i], factor, term);
    }
    vec_store(lanes, sum_of(chain, CHAINS));
    start = lanes[0];
    return 2.0 * CHAINS * VEC_LANES * (double)rounds;
}

SU_INLINE float run_read(const float *x, size_t n)
{
    Vec sum[STREAMS];
    float lanes[VEC_LANES];
    SU_UNROLL
    for (int j = 0; j < STREAMS; j++) sum[j] = vec_zero();
    for (size_t i = 0; i < n; i += STREAMED) {
        SU_UNROLL
        for (int j = 0; j < STREAMS; j++)
            sum[j] = vec_add(sum[j], vec_load(x + i + (size_t)j * VEC_LANES));
    }
    vec_store(lanes, sum_of(sum, STREAMS));
    return lanes[0];
}

SU_INLINE void run_copy(const float *x, size_t n, float *y)
{
    for (size_t i = 0; i < n; i += STREAMED) {
        SU_UNROLL
        for (int j = 0; j < STREAMS; j++)
            vec_store(y + i + (size_t)j * VEC_LANES, vec_load(x + i + (size_t)j * VEC_LANES));
    }
}

#endif
