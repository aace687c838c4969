/* The table "warm sessions" of sutra bench: model and engine made anew some times, each time
 * opened, warmed up, and asked for one short text after another. Medians over the starts. */
#include "base/clock.h"
#include "bench_options.h"
#include "bench_session.h"
#include "bench_texts.h"

enum { STARTS = 11, QUICK_STARTS = 2, REQUESTS = 101, QUICK_REQUESTS = 5, TOKENS = 11 };

typedef struct Starts {
    double open[STARTS], warmup[STARTS], first[STARTS], p50[STARTS], ratio[STARTS];
} Starts;

static SutraStatus request(SuBenchSession *bench, SutraEngine *engine, const SutraModel *model,
                           const SutraInput *input, double *ms, SutraError *err)
{
    size_t bytes = bench->model->spec.hidden_size * sizeof(float);
    uint64_t start = su_clock_ns();
    SU_TRY(sutra_embed_into(engine, model, input, 1, NULL, bench->out, bytes, NULL, err));
    *ms = (double)(su_clock_ns() - start) * 1e-6;
    return SUTRA_OK;
}

static SutraStatus measure_start(SuBenchSession *bench, const SuBenchTexts *texts, size_t n,
                                 SutraModel **model, SutraEngine **engine, Starts *starts, size_t i,
                                 SutraError *err)
{
    double ms[REQUESTS];
    SutraModelOptions options = {.struct_size = sizeof options,
                                 .cache_dir = bench->options.cache_dir};
    SutraEngineOptions threads = {.struct_size = sizeof threads,
                                  .num_threads = bench->sampler.threads};
    uint64_t start = su_clock_ns();
    SU_TRY(sutra_model_open(bench->options.model, &options, model, err));
    starts->open[i] = (double)(su_clock_ns() - start) * 1e-6;
    SU_TRY(sutra_engine_create(&threads, engine, err));
    start = su_clock_ns();
    SU_TRY(sutra_model_warmup(*engine, *model, NULL, err));
    starts->warmup[i] = (double)(su_clock_ns() - start) * 1e-6;
    for (size_t r = 0; r < n; r++)
        SU_TRY(request(bench, *engine, *model, &texts->inputs[r], &ms[r], err));
    starts->first[i] = ms[0];
    starts->p50[i] = su_bench_quantile(ms + 1, n - 1, 0.5);
    starts->ratio[i] = starts->first[i] / starts->p50[i];
    return SUTRA_OK;
}

static void report_starts(SutraBenchReport *report, Starts *starts, size_t n)
{
    su_report_table(report, "warm sessions",
                    "starts|open ms|warm-up ms|first ms|p50 ms|first / p50|largest");
    su_report_number(report, (double)n);
    su_report_number(report, su_bench_quantile(starts->open, n, 0.5));
    su_report_number(report, su_bench_quantile(starts->warmup, n, 0.5));
    su_report_number(report, su_bench_quantile(starts->first, n, 0.5));
    su_report_number(report, su_bench_quantile(starts->p50, n, 0.5));
    su_report_number(report, su_bench_quantile(starts->ratio, n, 0.5));
    su_report_number(report, su_bench_quantile(starts->ratio, n, 1));
}

SutraStatus su_bench_warm_sessions(SuBenchSession *bench, SutraError *err)
{
    size_t n = bench->options.quick ? QUICK_STARTS : STARTS;
    size_t requests = bench->options.quick ? QUICK_REQUESTS : REQUESTS;
    Starts starts;
    SuBenchTexts texts;
    su_bench_progress(&bench->options, "warm sessions");
    SU_TRY(su_bench_texts_of_length(bench->model->tokenizer, TOKENS, requests, 77, &texts, err));
    SutraStatus status = SUTRA_OK;
    for (size_t i = 0; i < n && status == SUTRA_OK; i++) {
        SutraModel *model = NULL;
        SutraEngine *engine = NULL;
        status = measure_start(bench, &texts, requests, &model, &engine, &starts, i, err);
        sutra_engine_free(engine);
        sutra_model_free(model);
    }
    su_bench_texts_free(&texts);
    if (status == SUTRA_OK) report_starts(bench->report, &starts, n);
    return status;
}
