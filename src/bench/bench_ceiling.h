/* bench_ceiling.h - the instruction that an engine's matrix products are made of, in a precision at
 * a level: what it can do at most is the ceiling that shares are of. */
#ifndef SU_BENCH_CEILING_H
#define SU_BENCH_CEILING_H

#include "base/cpu_features.h"
#include "sutra.h"

#include <stddef.h>

typedef struct SuBenchCeiling {
    const char *name, *unit;      /* "vpdpbusd", "Gop/s"; static */
    double (*run)(size_t rounds); /* nothing but it; returns the operations done */
} SuBenchCeiling;

/* compute: FP32, BF16, FP16 (widened: the ceiling of fp32) or INT8 */
SuBenchCeiling su_bench_ceiling(SuIsa isa, SutraCompute compute);

#endif
