/* bench_session.h - what a benchmark of the whole engine works with: options, ceilings, a report,
 * and the model with an engine and room for vectors.
 *
 *   su_bench_session_begin -> su_bench_session_open -> measure -> su_bench_session_end */
#ifndef SU_BENCH_SESSION_H
#define SU_BENCH_SESSION_H

#include "bench_sampler.h"
#include "model/model.h"
#include "tools/report.h"

typedef struct SuBenchSession {
    SutraBenchOptions options; /* strings and inputs are the caller's */
    SuBenchSampler sampler;
    SutraBenchReport *report;
    SutraModel *model;
    SutraEngine *engine;
    double open_s;
    float *out;       /* [capacity, hidden] */
    SutraItem *items; /* [capacity] */
} SuBenchSession;

/* Whatever begin returns, su_bench_session_end comes next. Errors: ABI, ARGUMENT, MEMORY, LIMIT. */
SutraStatus su_bench_session_begin(const SutraBenchOptions *given, SuBenchSession *session,
                                   SutraError *err);
/* Opens the model and makes an engine of the sampler's threads. Errors: ARGUMENT (no model), those
 * of sutra_model_open. */
SutraStatus su_bench_session_open(SuBenchSession *session, SutraError *err);
/* Room for the vectors of so many texts; once. Errors: MEMORY. */
SutraStatus su_bench_session_reserve(SuBenchSession *session, size_t capacity, SutraError *err);
/* Frees all but the report, which goes to *report if status, that of the work so far, is OK.
 * Returns status. */
SutraStatus su_bench_session_end(SuBenchSession *session, SutraStatus status,
                                 SutraBenchReport **report);

/* A fact of the report: the ceiling of the model's precision, of which shares are. */
void su_bench_session_peak(const SuBenchSession *session);

/* Table "warm sessions": opening, warm-up and the first request of sessions made anew. After
 * reserve. */
SutraStatus su_bench_warm_sessions(SuBenchSession *session, SutraError *err);

#endif
