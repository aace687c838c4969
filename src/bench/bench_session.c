#include "bench_session.h"
#include "bench_options.h"

#include "base/clock.h"
#include "base/memory.h"

#include <stdio.h>

SutraStatus su_bench_session_begin(const SutraBenchOptions *given, SuBenchSession *session,
                                   SutraError *err)
{
    SuIsa isa;
    *session = (SuBenchSession){.open_s = 0};
    SU_TRY(su_bench_options_read(given, &session->options, err));
    SU_TRY(su_isa_select(&isa, err));
    SU_TRY(su_report_create(&session->report, err));
    uint32_t threads = session->options.num_threads;
    return su_bench_sampler_create(&session->sampler, isa, threads ? threads : su_cpu_count(),
                                   session->options.quick, 0, err);
}

SutraStatus su_bench_session_open(SuBenchSession *session, SutraError *err)
{
    SutraEngineOptions engine = {.struct_size = sizeof engine,
                                 .num_threads = session->sampler.threads};
    uint64_t start = su_clock_ns();
    if (!session->options.model) SU_RAISE(err, SUTRA_E_ARGUMENT, "bench: model is NULL");
    SutraModelOptions model = {.struct_size = sizeof model, .compute = session->options.compute};
    SU_TRY(sutra_model_open(session->options.model, &model, &session->model, err));
    session->sampler.ceiling = su_bench_ceiling(session->sampler.isa, session->model->compute);
    session->open_s = (double)(su_clock_ns() - start) * 1e-9;
    return sutra_engine_create(&engine, &session->engine, err);
}

SutraStatus su_bench_session_reserve(SuBenchSession *session, size_t capacity, SutraError *err)
{
    session->out = su_alloc(capacity, session->model->spec.hidden_size * sizeof(float));
    session->items = su_calloc(capacity, sizeof *session->items);
    if (!session->out || !session->items)
        SU_RAISE(err, SUTRA_E_MEMORY, "out of memory for %zu vectors", capacity);
    return SUTRA_OK;
}

void su_bench_session_peak(const SuBenchSession *session)
{
    const SuBenchSampler *sampler = &session->sampler;
    char what[64];
    snprintf(what, sizeof what, "%s peak, all threads at once", sampler->ceiling.name);
    su_report_fact(session->report, what, sampler->peak * 1e-9, sampler->ceiling.unit);
}

SutraStatus su_bench_session_end(SuBenchSession *session, SutraStatus status,
                                 SutraBenchReport **report)
{
    su_free(session->out);
    su_free(session->items);
    sutra_engine_free(session->engine);
    sutra_model_free(session->model);
    su_bench_sampler_free(&session->sampler);
    if (status == SUTRA_OK)
        *report = session->report;
    else
        sutra_bench_report_free(session->report);
    return status;
}
