#include "kernels/x86/vec_avx512.h"

#define CHAINS 12
#include "bench_peak_vectors.h"

double su_bench_fma_avx512(size_t rounds) { return run_fma(rounds); }
float su_bench_read_avx512(const float *x, size_t n) { return run_read(x, n); }
void su_bench_copy_avx512(const float *x, size_t n, float *y) { run_copy(x, n, y); }

/* Bytes widened to 16 bits: a step is two instructions. */
#define DOT_BYTES 64
#define DOT_PRODUCTS 2
#define DOT_STEP(sum, a, b) \
    _mm512_add_epi32((__m512i)(sum), _mm512_madd_epi16((__m512i)(a), (__m512i)(b)))
#include "bench_peak_bytes.h"

double su_bench_dot_int8_avx512(size_t rounds) { return run_dots(rounds); }
