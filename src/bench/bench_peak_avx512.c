#include "kernels/x86/vec_avx512.h"

#define CHAINS 12
#include "bench_peak_vectors.h"

double su_bench_fma_avx512(size_t rounds) { return run_fma(rounds); }
float su_bench_read_avx512(const float *x, size_t n) { return run_read(x, n); }
void su_bench_copy_avx512(const float *x, size_t n, float *y) { run_copy(x, n, y); }

/* Bytes widened to 16 bits: a step is two instructions. */
typedef __m512i DotSum;
typedef __m512i DotOperand;
#define DOT_CHAINS 12
#define DOT_OPERATIONS 64
#define DOT_REGISTER "v"
SU_INLINE DotSum dot_zero(void) { return _mm512_setzero_si512(); }
SU_INLINE DotOperand dot_operand(int seed) { return _mm512_set1_epi32(seed); }
SU_INLINE DotSum dot_step(DotSum sum, DotOperand a, DotOperand b)
{
    return _mm512_add_epi32(sum, _mm512_madd_epi16(a, b));
}
SU_INLINE int dot_first(DotSum sum) { return _mm512_cvtsi512_si32(sum); }
#include "bench_peak_dots.h"

double su_bench_dot_int8_avx512(size_t rounds) { return run_dots(rounds); }
