#include "kernels/x86/vec_avx2.h"

#define CHAINS 12
#include "bench_peak_vectors.h"

double su_bench_fma_avx2(size_t rounds) { return run_fma(rounds); }
float su_bench_read_avx2(const float *x, size_t n) { return run_read(x, n); }
void su_bench_copy_avx2(const float *x, size_t n, float *y) { run_copy(x, n, y); }

/* Bytes widened to 16 bits: a step is two instructions. */
#define DOT_BYTES 32
#define DOT_PRODUCTS 2
#define DOT_STEP(sum, a, b) \
    _mm256_add_epi32((__m256i)(sum), _mm256_madd_epi16((__m256i)(a), (__m256i)(b)))
#include "bench_peak_bytes.h"

double su_bench_dot_int8_avx2(size_t rounds) { return run_dots(rounds); }
