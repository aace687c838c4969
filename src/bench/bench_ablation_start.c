/* The table "start" of sutra bench ablation. */
#include "base/clock.h"
#include "base/status.h"
#include "bench_ablation.h"
#include "bench_options.h"
#include "tools/report.h"

/* ---- start ---- */

typedef struct Opened {
    double open_ms, vector_ms, next_ms;
} Opened;

static SutraStatus first_vectors(SuBenchAblation *bench, const SutraModel *model, double *first,
                                 double *next, SutraError *err)
{
    SutraEngine *engine = NULL;
    SutraEngineOptions options = {.struct_size = sizeof options, .num_threads = bench->threads};
    SutraInput input = {.token_ids = bench->ids, .num_token_ids = bench->cu_seqlens[1]};
    size_t bytes = bench->model->spec.hidden_size * sizeof *bench->out;
    uint64_t start = su_clock_ns();
    SutraStatus status = sutra_engine_create(&options, &engine, err);
    if (status == SUTRA_OK)
        status = sutra_embed_into(engine, model, &input, 1, NULL, bench->out, bytes, NULL, err);
    *first = (double)(su_clock_ns() - start) * 1e-6;
    start = su_clock_ns();
    if (status == SUTRA_OK)
        status = sutra_embed_into(engine, model, &input, 1, NULL, bench->out, bytes, NULL, err);
    *next = (double)(su_clock_ns() - start) * 1e-6;
    sutra_engine_free(engine);
    return status;
}

static SutraStatus open_once(SuBenchAblation *bench, const char *cache_dir, Opened *opened,
                             SutraError *err)
{
    SutraModel *model = NULL;
    SutraModelOptions options = {.struct_size = sizeof options, .cache_dir = cache_dir};
    uint64_t start = su_clock_ns();
    SU_TRY(sutra_model_open(bench->options->model, &options, &model, err));
    opened->open_ms = (double)(su_clock_ns() - start) * 1e-6;
    SutraStatus status = first_vectors(bench, model, &opened->vector_ms, &opened->next_ms, err);
    sutra_model_free(model);
    return status;
}

static void report_opened(SutraBenchReport *report, const char *what, const Opened *opened)
{
    su_report_text(report, "%s", what);
    su_report_number(report, opened->open_ms);
    su_report_number(report, opened->vector_ms);
    su_report_number(report, opened->open_ms + opened->vector_ms);
    su_report_number(report, opened->next_ms);
}

/* The quickest of a few. */
static SutraStatus open_best(SuBenchAblation *bench, const char *cache_dir, Opened *best,
                             SutraError *err)
{
    enum { REPEATS = 5 };
    for (int i = 0; i < REPEATS; i++) {
        Opened opened;
        SU_TRY(open_once(bench, cache_dir, &opened, err));
        if (i == 0 || opened.open_ms + opened.vector_ms < best->open_ms + best->vector_ms)
            *best = opened;
    }
    return SUTRA_OK;
}

SutraStatus su_bench_ablation_start(SuBenchAblation *bench, SutraError *err)
{
    Opened opened;
    const char *cache_dir = bench->options->cache_dir;
    su_bench_progress(bench->options, "ablation: start");
    su_report_table(bench->report, "start", "from|open ms|first vector ms|both ms|next vector ms");
    SU_TRY(open_best(bench, NULL, &opened, err));
    report_opened(bench->report, "folder", &opened);
    if (!cache_dir || !*cache_dir) return SUTRA_OK;
    SU_TRY(open_once(bench, cache_dir, &opened, err));
    report_opened(bench->report, "folder, making the bundle", &opened);
    SU_TRY(open_best(bench, cache_dir, &opened, err));
    report_opened(bench->report, "bundle", &opened);
    return SUTRA_OK;
}
