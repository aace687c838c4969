#include "kernels/x86/vec_avx512.h"

#define CHAINS 12
#include "bench_peak_vectors.h"

double su_bench_fma_avx512(size_t rounds) { return run_fma(rounds); }
float su_bench_read_avx512(const float *x, size_t n) { return run_read(x, n); }
void su_bench_copy_avx512(const float *x, size_t n, float *y) { run_copy(x, n, y); }
