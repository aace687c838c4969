#include "kernels/unroll.h"

#include <immintrin.h>

typedef __m512i DotSum;
typedef __m512i DotOperand;
#define DOT_CHAINS 12
#define DOT_OPERATIONS 128
#define DOT_REGISTER "v"
SU_INLINE DotSum dot_zero(void) { return _mm512_setzero_si512(); }
SU_INLINE DotOperand dot_operand(int seed) { return _mm512_set1_epi32(seed); }
SU_INLINE DotSum dot_step(DotSum sum, DotOperand a, DotOperand b)
{
    return _mm512_dpbusd_epi32(sum, a, b);
}
SU_INLINE int dot_first(DotSum sum) { return _mm512_cvtsi512_si32(sum); }
#include "bench_peak_dots.h"

double su_bench_dot_int8_avx512vnni(size_t rounds) { return run_dots(rounds); }
