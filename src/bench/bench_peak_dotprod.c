#include "kernels/unroll.h"

#include <arm_neon.h>

typedef int32x4_t DotSum;
typedef int8x16_t DotOperand;
#define DOT_CHAINS 16
#define DOT_OPERATIONS 32
#define DOT_REGISTER "w"
SU_INLINE DotSum dot_zero(void) { return vdupq_n_s32(0); }
SU_INLINE DotOperand dot_operand(int seed) { return vreinterpretq_s8_s32(vdupq_n_s32(seed)); }
SU_INLINE DotSum dot_step(DotSum sum, DotOperand a, DotOperand b) { return vdotq_s32(sum, a, b); }
#include "bench_peak_dots.h"

double su_bench_dot_int8_dotprod(size_t rounds) { return run_dots(rounds); }
