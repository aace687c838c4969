/* bench_ablation.h - what the parts of sutra bench ablation share. */
#ifndef SU_BENCH_ABLATION_H
#define SU_BENCH_ABLATION_H

#include "bench_forward.h"
#include "sutra_tools.h"

typedef struct SuBenchAblation {
    const SutraBenchOptions *options;
    SuIsa isa;
    uint32_t threads;
    SutraModel *model;
    SutraEngine *engine;
    SuThreadPool *pool;
    SuBenchWeights weights;
    SutraBenchReport *report;
    int32_t *ids;
    uint32_t *cu_seqlens; /* [n + 1] */
    SuBenchSampleTexts texts;
    float *out, *reference; /* [n, hidden] of a variant; of the engine */
    double first_seconds;   /* of the naive variant */
} SuBenchAblation;

/* Table "start": time from nothing to the first vector. */
SutraStatus su_bench_ablation_start(SuBenchAblation *bench, SutraError *err);
/* Table "output": rows to their output form, in one pass and in several. Errors: NUMERIC when the
 * two ways do not agree. */
SutraStatus su_bench_ablation_output(SuBenchAblation *bench, SutraError *err);
/* Table "flash": attention by length. Errors: NUMERIC when the two ways do not agree. */
SutraStatus su_bench_ablation_flash(SuBenchAblation *bench, SutraError *err);

#endif
