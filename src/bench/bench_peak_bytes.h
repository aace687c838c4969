/* bench_peak_bytes.h - the loop of bench_peak_dots.h on vectors of 32-bit sums of an x86 processor:
 * included with DOT_BYTES (of a vector), DOT_PRODUCTS (of two elements, that an element of the sum
 * gains in a step) and DOT_STEP(sum, a, b) defined. */
#ifndef SU_BENCH_PEAK_BYTES_H
#define SU_BENCH_PEAK_BYTES_H

#include "kernels/unroll.h"

#include <immintrin.h>
#include <stdint.h>

typedef uint32_t DotSum __attribute__((vector_size(DOT_BYTES)));
typedef DotSum DotOperand;
#define DOT_CHAINS 12
enum { DOT_OPERATIONS = 2 * DOT_PRODUCTS * DOT_BYTES / 4 };
#define DOT_REGISTER "v"
SU_INLINE DotSum dot_zero(void) { return (DotSum){0}; }
SU_INLINE DotOperand dot_operand(int seed) { return dot_zero() + (uint32_t)seed; }
SU_INLINE DotSum dot_step(DotSum sum, DotOperand a, DotOperand b)
{
    return (DotSum)DOT_STEP(sum, a, b);
}
#include "bench_peak_dots.h"

#endif
