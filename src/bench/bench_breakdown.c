/* sutra bench breakdown: the time of each operation while the engine works.
 *
 * The engine is the real one: its encoder's kernel table gets shims (bench_shims.h) for every
 * second run; the runs between go without, and show what the shims cost. Of the runs the fastest
 * counts.
 *
 *   threads x wall time = sum of the operations + tokenisation + everything else
 *
 * Everything else: work shared out and waited for, rows copied, batches put together, idle ends. */
#include "base/clock.h"
#include "bench_costs.h"
#include "bench_options.h"
#include "bench_session.h"
#include "bench_shims.h"
#include "bench_texts.h"
#include "encoder/encoder.h"

#include <math.h>
#include <pthread.h>
#include <string.h>

enum { ROUNDS = 4, QUICK_ROUNDS = 1, MAX_WORK = 4 };

static pthread_mutex_t shims_lock = PTHREAD_MUTEX_INITIALIZER;

/* One of the rows of the report. */
typedef struct Work {
    const char *name;
    const SutraInput *inputs;
    size_t n;
    bool one_by_one; /* a call for each text */

    double tokens, flops;
    double plain_s, timed_s; /* wall time of the fastest run */
    double tokenize_s;       /* of all threads; of the fastest timed run, like what follows */
    double seconds_a_tick;
    SuBenchStageTime times[SU_BENCH_STAGES];
} Work;

typedef struct Bench {
    SuBenchSession session;
    SuEncoder *encoder; /* of the session's engine */
    SuBenchTexts texts[MAX_WORK];
    Work work[MAX_WORK];
    size_t num_work;
} Bench;

static SutraStatus embed(Bench *bench, const Work *work, double *seconds, SutraError *err)
{
    size_t dim = bench->session.model->spec.hidden_size, row = dim * sizeof(float);
    size_t step = work->one_by_one ? 1 : work->n;
    uint64_t start = su_clock_ns();
    for (size_t i = 0; i < work->n; i += step)
        SU_TRY(sutra_embed_into(bench->session.engine, bench->session.model, work->inputs + i, step,
                                NULL, bench->session.out + i * dim, step * row,
                                bench->session.items + i, err));
    *seconds = (double)(su_clock_ns() - start) * 1e-9;
    return SUTRA_OK;
}

static SutraStatus run_plain(Bench *bench, Work *work, SutraError *err)
{
    double seconds;
    SU_TRY(embed(bench, work, &seconds, err));
    if (work->plain_s == 0 || seconds < work->plain_s) work->plain_s = seconds;
    return SUTRA_OK;
}

static SutraStatus run_timed(Bench *bench, Work *work, SutraError *err)
{
    double seconds;
    su_bench_shims_install(bench->encoder);
    uint64_t start = su_bench_ticks();
    SutraStatus status = embed(bench, work, &seconds, err);
    uint64_t ticks = su_bench_ticks() - start;
    su_bench_shims_remove(bench->encoder);
    if (status != SUTRA_OK) return status;
    if (work->timed_s != 0 && seconds >= work->timed_s) return SUTRA_OK;
    work->timed_s = seconds;
    work->seconds_a_tick = seconds / (double)(ticks ? ticks : 1);
    su_bench_shims_read(work->times);
    work->tokenize_s = 0;
    for (size_t i = 0; i < work->n; i++)
        work->tokenize_s += (double)bench->session.items[i].tokenize_ns * 1e-9;
    return SUTRA_OK;
}

static SutraStatus measure_work(Bench *bench, Work *work, SutraError *err)
{
    double warm;
    SU_TRY(embed(bench, work, &warm, err));
    for (size_t i = 0; i < work->n; i++) {
        work->tokens += bench->session.items[i].tokens_used;
        work->flops += su_bench_flops_of_text(&bench->session.model->spec,
                                              bench->session.items[i].tokens_used);
    }
    int rounds = bench->session.options.quick ? QUICK_ROUNDS : ROUNDS;
    for (int round = 0; round < rounds; round++) {
        su_bench_sample_peak(&bench->session.sampler);
        SU_TRY(run_plain(bench, work, err));
        su_bench_sample_peak(&bench->session.sampler);
        SU_TRY(run_timed(bench, work, err));
        su_bench_sample_peak(&bench->session.sampler);
    }
    return SUTRA_OK;
}

/* seconds: of all threads together; flops NAN: no rate */
static void report_operation(Bench *bench, const Work *work, const char *name, double seconds,
                             double calls, double flops)
{
    SutraBenchReport *report = bench->session.report;
    double wall = seconds / bench->session.sampler.threads;
    double rate = flops / wall, share = rate / bench->session.sampler.peak;
    su_report_text(report, "%s", work->name);
    su_report_text(report, "%s", name);
    su_report_number(report, wall * 1e3);
    su_report_number(report, 100 * wall / work->timed_s);
    su_report_number(report, wall / (double)work->n * 1e6);
    su_report_number(report, calls);
    su_report_number(report, rate * 1e-9);
    su_report_number(report, 100 * share);
    su_report_text(report, "%s", isnan(flops) ? "" : su_bench_note(share, 1));
}

static void report_operations(Bench *bench, const Work *work)
{
    double left = work->timed_s * bench->session.sampler.threads - work->tokenize_s;
    report_operation(bench, work, "tokenise", work->tokenize_s, (double)work->n, NAN);
    for (int stage = 0; stage < SU_BENCH_STAGES; stage++) {
        const SuBenchStageTime *time = &work->times[stage];
        double seconds = (double)time->ticks * work->seconds_a_tick;
        report_operation(bench, work, su_bench_stage_name((SuBenchStage)stage), seconds,
                         (double)time->calls, time->flops > 0 ? time->flops : NAN);
        left -= seconds;
    }
    report_operation(bench, work, "everything else", left, NAN, NAN);
    report_operation(bench, work, "all", work->timed_s * bench->session.sampler.threads, NAN,
                     work->flops);
}

static void report_all(Bench *bench)
{
    SutraBenchReport *report = bench->session.report;
    su_report_table(report, "machine", "what|value|unit");
    su_report_fact(report, "threads", bench->session.sampler.threads, "");
    su_bench_session_peak(&bench->session);
    su_report_table(report, "rows",
                    "row|texts|tokens each|ms|ms with clocks|texts/s|GFLOP/s|share %|note");
    for (size_t i = 0; i < bench->num_work; i++) {
        const Work *work = &bench->work[i];
        double rate = work->flops / work->plain_s, share = rate / bench->session.sampler.peak;
        su_report_text(report, "%s", work->name);
        su_report_number(report, (double)work->n);
        su_report_number(report, work->tokens / (double)work->n);
        su_report_number(report, work->plain_s * 1e3);
        su_report_number(report, work->timed_s * 1e3);
        su_report_number(report, (double)work->n / work->plain_s);
        su_report_number(report, rate * 1e-9);
        su_report_number(report, 100 * share);
        su_report_text(report, "%s", su_bench_note(share, 1));
    }
    su_report_table(report, "breakdown",
                    "row|operation|ms|part %|us a text|calls|GFLOP/s|share %|note");
    for (size_t i = 0; i < bench->num_work; i++) report_operations(bench, &bench->work[i]);
}

static SutraStatus add_generated(Bench *bench, const char *name, uint32_t tokens, size_t n,
                                 bool one_by_one, SutraError *err)
{
    SuBenchTexts *texts = &bench->texts[bench->num_work];
    SU_TRY(su_bench_texts_of_length(bench->session.model->tokenizer, tokens, n, 11 + tokens, texts,
                                    err));
    bench->work[bench->num_work++] =
        (Work){.name = name, .inputs = texts->inputs, .n = n, .one_by_one = one_by_one};
    return SUTRA_OK;
}

static SutraStatus gather_work(Bench *bench, SutraError *err)
{
    bool quick = bench->session.options.quick;
    SU_TRY(add_generated(bench, "128 tokens", 128, quick ? 6 : 256, false, err));
    SU_TRY(add_generated(bench, "16 tokens", 16, quick ? 24 : 1024, false, err));
    SU_TRY(add_generated(bench, "query of 11 tokens", 11, quick ? 6 : 400, true, err));
    if (bench->session.options.num_inputs)
        bench->work[bench->num_work++] = (Work){.name = "given texts",
                                                .inputs = bench->session.options.inputs,
                                                .n = bench->session.options.num_inputs};
    size_t most = 0;
    for (size_t i = 0; i < bench->num_work; i++)
        if (bench->work[i].n > most) most = bench->work[i].n;
    return su_bench_session_reserve(&bench->session, most, err);
}

/* Finds the encoder that the engine made. */
static SutraStatus find_encoder(Bench *bench, SutraError *err)
{
    for (SuResident *at = bench->session.model->residents; at; at = at->next)
        if (strcmp(at->backend->name, "cpu") == 0) bench->encoder = at->handle;
    if (!bench->encoder)
        SU_RAISE(err, SUTRA_E_UNSUPPORTED, "bench breakdown measures the cpu backend only");
    return SUTRA_OK;
}

static SutraStatus measure(Bench *bench, SutraError *err)
{
    SuBenchSession *session = &bench->session;
    SU_TRY(su_bench_session_open(session, err));
    SU_TRY(sutra_model_warmup(session->engine, session->model, NULL, err));
    SU_TRY(find_encoder(bench, err));
    SU_TRY(gather_work(bench, err));
    for (size_t i = 0; i < bench->num_work; i++) {
        su_bench_progress(&session->options, "breakdown: %s", bench->work[i].name);
        SU_TRY(measure_work(bench, &bench->work[i], err));
    }
    report_all(bench);
    return su_report_status(session->report, err);
}

SutraStatus sutra_bench_breakdown(const SutraBenchOptions *options, SutraBenchReport **report,
                                  SutraError *err)
{
    Bench bench = {.num_work = 0};
    SutraStatus status = su_bench_session_begin(options, &bench.session, err);
    if (status == SUTRA_OK) {
        pthread_mutex_lock(&shims_lock);
        status = measure(&bench, err);
        pthread_mutex_unlock(&shims_lock);
    }
    for (size_t i = 0; i < MAX_WORK; i++) su_bench_texts_free(&bench.texts[i]);
    return su_bench_session_end(&bench.session, status, report);
}
