#include "kernels/x86/vec_avx2.h"

#define CHAINS 12
#include "bench_peak_vectors.h"

double su_bench_fma_avx2(size_t rounds) { return run_fma(rounds); }
float su_bench_read_avx2(const float *x, size_t n) { return run_read(x, n); }
void su_bench_copy_avx2(const float *x, size_t n, float *y) { run_copy(x, n, y); }

/* Bytes widened to 16 bits: a step is two instructions. */
typedef __m256i DotSum;
typedef __m256i DotOperand;
#define DOT_CHAINS 12
#define DOT_OPERATIONS 32
#define DOT_REGISTER "x"
SU_INLINE DotSum dot_zero(void) { return _mm256_setzero_si256(); }
SU_INLINE DotOperand dot_operand(int seed) { return _mm256_set1_epi32(seed); }
SU_INLINE DotSum dot_step(DotSum sum, DotOperand a, DotOperand b)
{
    return _mm256_add_epi32(sum, _mm256_madd_epi16(a, b));
}
SU_INLINE int dot_first(DotSum sum) { return _mm256_cvtsi256_si32(sum); }
#include "bench_peak_dots.h"

double su_bench_dot_int8_avx2(size_t rounds) { return run_dots(rounds); }
