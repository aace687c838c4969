#include "kernels/arm/vec_neon.h"

#define CHAINS 24 /* processors of four fma ports need 16 */
#include "bench_peak_vectors.h"

double su_bench_fma_neon(size_t rounds) { return run_fma(rounds); }
float su_bench_read_neon(const float *x, size_t n) { return run_read(x, n); }
void su_bench_copy_neon(const float *x, size_t n, float *y) { run_copy(x, n, y); }

/* Bytes multiplied to 16 bits, added up in 32: a step is two instructions for 8 elements. */
typedef int32x4_t DotSum;
typedef int8x8_t DotOperand;
#define DOT_CHAINS 16
#define DOT_OPERATIONS 16
#define DOT_REGISTER "w"
SU_INLINE DotSum dot_zero(void) { return vdupq_n_s32(0); }
SU_INLINE DotOperand dot_operand(int seed) { return vreinterpret_s8_s32(vdup_n_s32(seed)); }
SU_INLINE DotSum dot_step(DotSum sum, DotOperand a, DotOperand b)
{
    return vpadalq_s16(sum, vmull_s8(a, b));
}
#include "bench_peak_dots.h"

double su_bench_dot_int8_neon(size_t rounds) { return run_dots(rounds); }
