#include "kernels/unroll.h"

#include <immintrin.h>

typedef __m256i DotSum;
typedef __m256i DotOperand;
#define DOT_CHAINS 12
#define DOT_OPERATIONS 64
#define DOT_REGISTER "x"
SU_INLINE DotSum dot_zero(void) { return _mm256_setzero_si256(); }
SU_INLINE DotOperand dot_operand(int seed) { return _mm256_set1_epi32(seed); }
SU_INLINE DotSum dot_step(DotSum sum, DotOperand a, DotOperand b)
{
    return _mm256_dpbusd_avx_epi32(sum, a, b);
}
SU_INLINE int dot_first(DotSum sum) { return _mm256_cvtsi256_si32(sum); }
#include "bench_peak_dots.h"

double su_bench_dot_int8_avxvnni(size_t rounds) { return run_dots(rounds); }
