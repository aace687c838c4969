#include "kernels/arm/vec_neon.h"

#define CHAINS 24 /* processors of four fma ports need 16 */
#include "bench_peak_vectors.h"

double su_bench_fma_neon(size_t rounds) { return run_fma(rounds); }
float su_bench_read_neon(const float *x, size_t n) { return run_read(x, n); }
void su_bench_copy_neon(const float *x, size_t n, float *y) { run_copy(x, n, y); }
