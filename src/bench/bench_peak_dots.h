/* bench_peak_dots.h - a loop of sums of products, for any kind of vector: included with DOT_CHAINS,
 * DOT_OPERATIONS (of a step of one chain), DotSum, DotOperand, dot_zero(), dot_operand(seed),
 * dot_step(sum, a, b) and DOT_REGISTER, the constraint of a register of such a vector, defined. */
#ifndef SU_BENCH_PEAK_DOTS_H
#define SU_BENCH_PEAK_DOTS_H

#include "bench_peak.h"
#include "kernels/unroll.h"

#include <stdint.h>

/* Says that a register is read and has changed: its value is computed, and what is computed twice
 * alike is computed twice. */
#define DOT_APART(x) __asm__ volatile("" : "+" DOT_REGISTER(x))

SU_INLINE double run_dots(size_t rounds)
{
    volatile int32_t start = 0x01030205;
    DotSum chain[DOT_CHAINS];
    DotOperand a = dot_operand(start), b = dot_operand(start * 3);
    SU_UNROLL
    for (int i = 0; i < DOT_CHAINS; i++) {
        chain[i] = dot_zero();
        DOT_APART(chain[i]);
    }
    for (size_t r = 0; r < rounds; r++) {
        SU_UNROLL
        for (int i = 0; i < DOT_CHAINS; i++) {
            chain[i] = dot_step(chain[i], a, b);
            DOT_APART(a);
        }
    }
    SU_UNROLL
    for (int i = 0; i < DOT_CHAINS; i++) DOT_APART(chain[i]);
    return (double)DOT_OPERATIONS * DOT_CHAINS * (double)rounds;
}

#endif
