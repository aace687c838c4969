/* bench_shims.h - clocks around the kernels of an encoder that is at work.
 *
 * su_bench_shims_install puts a timing function in front of every entry of an encoder's kernel
 * table; the engine then runs as always, and each thread adds up what it spends in each operation.
 * Nothing is compiled into the engine. Installing, removing, resetting and reading need the engine
 * idle, and one user at a time in the process: the functions that the shims stand for are kept in
 * one place. */
#ifndef SU_BENCH_SHIMS_H
#define SU_BENCH_SHIMS_H

#include "encoder/encoder.h"

enum { SU_BENCH_MAX_THREADS = 1024 };

typedef enum SuBenchStage {
    SU_BENCH_EMBED = 0, /* token, type and position rows, and their norm */
    SU_BENCH_QKV,
    SU_BENCH_ATTENTION,
    SU_BENCH_ATTENTION_OUT, /* + residual */
    SU_BENCH_ATTENTION_NORM,
    SU_BENCH_UP,   /* + activation */
    SU_BENCH_DOWN, /* + residual */
    SU_BENCH_FFN_NORM,
    SU_BENCH_CONVERT, /* rows to bf16 or int8 */
    SU_BENCH_OUTPUT,  /* pooling, L2 */
    SU_BENCH_STAGES
} SuBenchStage;

const char *su_bench_stage_name(SuBenchStage stage);

typedef struct SuBenchStageTime {
    uint64_t ticks, calls; /* of all threads together */
    double flops;
} SuBenchStageTime;

/* The encoder's weights tell its operations apart. */
void su_bench_shims_install(SuEncoder *encoder);
void su_bench_shims_remove(SuEncoder *encoder);
void su_bench_shims_reset(void);
void su_bench_shims_read(SuBenchStageTime times[SU_BENCH_STAGES]);

/* The clock that the shims read: cheap, of a rate that is to be found beside su_clock_ns. */
uint64_t su_bench_ticks(void);

#endif
