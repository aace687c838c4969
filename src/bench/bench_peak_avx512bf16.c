#include "kernels/unroll.h"

#include <immintrin.h>

typedef __m512 DotSum;
typedef __m512bh DotOperand;
#define DOT_CHAINS 12
#define DOT_OPERATIONS 64
#define DOT_REGISTER "v"
SU_INLINE DotSum dot_zero(void) { return _mm512_setzero_ps(); }
SU_INLINE DotOperand dot_operand(int seed)
{
    __m512 x = _mm512_set1_ps((float)(seed & 255) * 1e-3f);
    return _mm512_cvtne2ps_pbh(x, x);
}
SU_INLINE DotSum dot_step(DotSum sum, DotOperand a, DotOperand b)
{
    return _mm512_dpbf16_ps(sum, a, b);
}
#include "bench_peak_dots.h"

double su_bench_dot_bf16_avx512bf16(size_t rounds) { return run_dots(rounds); }
