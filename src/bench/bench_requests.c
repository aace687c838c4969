/* sutra bench requests: the same texts in one call, and as requests of one text each from many
 * threads; and what the queue costs a lone query. Ways take turns, and a ratio is the median of
 * each round's own. */
#include "base/clock.h"
#include "base/memory.h"
#include "base/thread_pool.h"
#include "bench_options.h"
#include "bench_session.h"
#include "bench_texts.h"

#include <stdio.h>
#include <string.h>

enum {
    ROUNDS = 5,
    QUICK_ROUNDS = 1,
    PASSAGES = 1500,
    QUERIES = 4000,
    QUICK_TEXTS = 24,
    SHORTEST = 24, /* tokens of passages: 24 … 192, 108 in the mean */
    LONGEST = 192,
    QUERY_TOKENS = 11,
    LONE = 1000, /* turns of a lone query */
    QUICK_LONE = 12,
    MOST_THREADS = 64
};

/* Batches that an engine ran, and their tokens. */
typedef struct Runs {
    unsigned long long wide, wide_tokens, team, team_tokens;
} Runs;

/* Texts of one call, and the time it takes in each round. */
typedef struct Work {
    const char *name;
    const SutraInput *inputs;
    size_t n;
    double seconds[ROUNDS];
    Runs runs;          /* of all rounds */
    SuBenchTexts texts; /* the memory of generated ones */
} Work;

typedef struct Way {
    const char *name;
    uint32_t threads;
    Work *work;
    SuThreadBody body;
    double seconds[ROUNDS];
    Runs runs; /* of all rounds */
} Way;

typedef struct Bench {
    SuBenchSession session; /* first */
    SuThreadPool *callers;
    SutraJob **jobs; /* [most texts] */
    Work passages, queries;
    double into[LONE], embed[LONE], job[LONE];
} Bench;

/* One way in one round. */
typedef struct Round {
    Bench *bench;
    const Work *work;
    _Atomic size_t next;
    _Atomic int status; /* SutraStatus: the last failure */
    SutraError err;
} Round;

/* ---- ways ---- */

static Runs runs_of(const SutraEngine *engine)
{
    char json[16384];
    Runs runs = {0};
    const char *at;
    if (sutra_engine_stats(engine, json, sizeof json, NULL, NULL) != SUTRA_OK) return runs;
    if ((at = strstr(json, "\"wide\"")))
        sscanf(at, "\"wide\": {\"runs\": %llu, \"tokens\": %llu}", &runs.wide, &runs.wide_tokens);
    if ((at = strstr(json, "\"team\"")))
        sscanf(at, "\"team\": {\"runs\": %llu, \"tokens\": %llu}", &runs.team, &runs.team_tokens);
    return runs;
}

static void add_runs(const SutraEngine *engine, const Runs *before, Runs *sum)
{
    Runs now = runs_of(engine);
    sum->wide += now.wide - before->wide;
    sum->wide_tokens += now.wide_tokens - before->wide_tokens;
    sum->team += now.team - before->team;
    sum->team_tokens += now.team_tokens - before->team_tokens;
}

static void note(Round *round, SutraStatus status)
{
    if (status != SUTRA_OK) atomic_store(&round->status, (int)status);
}

static void submit_each(void *arg, uint32_t rank)
{
    Round *round = arg;
    SuBenchSession *session = &round->bench->session;
    size_t i;
    (void)rank;
    while ((i = atomic_fetch_add(&round->next, 1)) < round->work->n)
        note(round, sutra_submit(session->engine, session->model, &round->work->inputs[i], 1, NULL,
                                 NULL, NULL, &round->bench->jobs[i], NULL));
}

static void call_for_each(void *arg, uint32_t rank)
{
    Round *round = arg;
    SuBenchSession *session = &round->bench->session;
    size_t i;
    (void)rank;
    while ((i = atomic_fetch_add(&round->next, 1)) < round->work->n) {
        SutraResult *result = NULL;
        note(round, sutra_embed(session->engine, session->model, &round->work->inputs[i], 1, NULL,
                                &result, NULL));
        sutra_result_free(result);
    }
}

/* Calls of as many texts as there are threads in other ways, one after the other. */
static void call_for_many(void *arg, uint32_t rank)
{
    Round *round = arg;
    SuBenchSession *session = &round->bench->session;
    size_t bytes = session->model->spec.hidden_size * sizeof(float);
    (void)rank;
    for (size_t i = 0, n; i < round->work->n; i += n) {
        n = round->work->n - i < MOST_THREADS ? round->work->n - i : MOST_THREADS;
        note(round, sutra_embed_into(session->engine, session->model, &round->work->inputs[i], n,
                                     NULL, session->out, n * bytes, NULL, NULL));
    }
}

static SutraStatus run_way(Bench *bench, Way *way, size_t turn, SutraError *err)
{
    Round round = {.bench = bench, .work = way->work};
    Runs before = runs_of(bench->session.engine);
    for (size_t i = 0; i < way->work->n; i++) bench->jobs[i] = NULL;
    uint64_t start = su_clock_ns();
    su_thread_pool_run(bench->callers, way->threads, way->body, &round);
    for (size_t i = 0; i < way->work->n; i++) {
        if (!bench->jobs[i]) continue;
        note(&round, sutra_job_wait(bench->jobs[i], UINT64_MAX, NULL, NULL));
        sutra_job_free(bench->jobs[i]);
    }
    way->seconds[turn] = (double)(su_clock_ns() - start) * 1e-9;
    add_runs(bench->session.engine, &before, &way->runs);
    SutraStatus status = (SutraStatus)atomic_load(&round.status);
    if (status != SUTRA_OK)
        SU_RAISE(err, status, "%s of %u threads failed: %s", way->name, way->threads,
                 sutra_status_name(status));
    return SUTRA_OK;
}

static SutraStatus run_call(Bench *bench, Work *work, size_t round, SutraError *err)
{
    SuBenchSession *session = &bench->session;
    Runs before = runs_of(session->engine);
    uint64_t start = su_clock_ns();
    SU_TRY(sutra_embed_into(
        session->engine, session->model, work->inputs, work->n, NULL, session->out,
        work->n * session->model->spec.hidden_size * sizeof(float), session->items, err));
    work->seconds[round] = (double)(su_clock_ns() - start) * 1e-9;
    add_runs(session->engine, &before, &work->runs);
    return SUTRA_OK;
}

/* ---- a lone query ---- */

static SutraStatus time_lone(Bench *bench, size_t turn, SutraError *err)
{
    SuBenchSession *session = &bench->session;
    const SutraInput *query = &bench->queries.inputs[turn % bench->queries.n];
    size_t bytes = session->model->spec.hidden_size * sizeof(float);
    SutraResult *result = NULL;
    SutraJob *job = NULL;
    uint64_t start = su_clock_ns();
    SU_TRY(sutra_embed_into(session->engine, session->model, query, 1, NULL, session->out, bytes,
                            NULL, err));
    uint64_t into = su_clock_ns();
    SU_TRY(sutra_embed(session->engine, session->model, query, 1, NULL, &result, err));
    sutra_result_free(result);
    uint64_t embed = su_clock_ns();
    SU_TRY(sutra_submit(session->engine, session->model, query, 1, NULL, NULL, NULL, &job, err));
    SutraStatus status = sutra_job_wait(job, UINT64_MAX, &result, err);
    sutra_result_free(result);
    sutra_job_free(job);
    bench->into[turn] = (double)(into - start) * 1e-9;
    bench->embed[turn] = (double)(embed - into) * 1e-9;
    bench->job[turn] = (double)(su_clock_ns() - embed) * 1e-9;
    return status;
}

/* ---- the report ---- */

static void report_way(Bench *bench, const char *name, uint32_t threads, const Work *work,
                       const double *seconds, const Runs *runs, size_t rounds)
{
    double ratios[ROUNDS], own[ROUNDS]; /* quantiles sort */
    for (size_t r = 0; r < rounds; r++) {
        own[r] = seconds[r];
        ratios[r] = work->seconds[r] / seconds[r];
    }
    SutraBenchReport *report = bench->session.report;
    su_report_text(report, "%s", name);
    su_report_number(report, threads);
    su_report_text(report, "%s", work->name);
    su_report_number(report, (double)work->n);
    su_report_number(report, (double)work->n / su_bench_quantile(own, rounds, 0.5));
    su_report_number(report, su_bench_quantile(ratios, rounds, 0.5));
    su_report_number(report, su_bench_quantile(ratios, rounds, 0.0));
    su_report_number(report, su_bench_quantile(ratios, rounds, 1.0));
    unsigned long long batches = runs->wide + runs->team;
    unsigned long long tokens = runs->wide_tokens + runs->team_tokens;
    su_report_number(report, batches ? (double)tokens / (double)batches : 0);
    su_report_number(report, batches ? (double)runs->team / (double)batches : 0);
}

static void report_lone(Bench *bench, const char *name, double *seconds, size_t n, double base)
{
    SutraBenchReport *report = bench->session.report;
    double p50 = su_bench_quantile(seconds, n, 0.5);
    su_report_text(report, "%s", name);
    su_report_number(report, p50 * 1e6);
    su_report_number(report, su_bench_quantile(seconds, n, 0.9) * 1e6);
    su_report_number(report, su_bench_quantile(seconds, n, 0.99) * 1e6);
    su_report_number(report, (p50 - base) * 1e6);
}

/* ---- all of it ---- */

static SutraStatus generate(Bench *bench, SutraError *err)
{
    bool quick = bench->session.options.quick;
    size_t n = quick ? QUICK_TEXTS : PASSAGES;
    const SuTokenizer *tokenizer = bench->session.model->tokenizer;
    uint32_t lengths[PASSAGES], random = 1;
    for (size_t i = 0; i < n; i++) {
        random = random * 1664525u + 1013904223u;
        lengths[i] = SHORTEST + (random >> 8) % (LONGEST - SHORTEST + 1);
    }
    if (bench->session.options.num_inputs) {
        bench->passages.inputs = bench->session.options.inputs;
        bench->passages.n = bench->session.options.num_inputs;
    } else {
        SU_TRY(su_bench_texts_create(tokenizer, lengths, n, 11, &bench->passages.texts, err));
        bench->passages.inputs = bench->passages.texts.inputs;
        bench->passages.n = n;
    }
    bench->queries.n = quick ? QUICK_TEXTS : QUERIES;
    SU_TRY(su_bench_texts_of_length(tokenizer, QUERY_TOKENS, bench->queries.n, 12,
                                    &bench->queries.texts, err));
    bench->queries.inputs = bench->queries.texts.inputs;
    size_t most = bench->passages.n > bench->queries.n ? bench->passages.n : bench->queries.n;
    bench->jobs = su_calloc(most, sizeof(SutraJob *));
    if (!bench->jobs) SU_RAISE(err, SUTRA_E_MEMORY, "out of memory for %zu jobs", most);
    return su_bench_session_reserve(&bench->session, most, err);
}

static SutraStatus measure(Bench *bench, SutraError *err)
{
    SuBenchSession *session = &bench->session;
    bool quick = session->options.quick;
    size_t rounds = quick ? QUICK_ROUNDS : ROUNDS, lone = quick ? QUICK_LONE : LONE;
    SU_TRY(su_thread_pool_create(MOST_THREADS, &bench->callers, err));
    SU_TRY(su_bench_session_open(session, err));
    SU_TRY(sutra_model_warmup(session->engine, session->model, NULL, err));
    SU_TRY(generate(bench, err));
    Work *works[] = {&bench->passages, &bench->queries};
    Way ways[] = {{"jobs", 1, works[0], submit_each, {0}, {0}},
                  {"jobs", 8, works[0], submit_each, {0}, {0}},
                  {"jobs", 64, works[0], submit_each, {0}, {0}},
                  {"calls", 64, works[0], call_for_each, {0}, {0}},
                  {"calls of 64 texts", 1, works[1], call_for_many, {0}, {0}},
                  {"calls", 8, works[1], call_for_each, {0}, {0}},
                  {"calls", 64, works[1], call_for_each, {0}, {0}}};
    enum { NUM_WAYS = sizeof ways / sizeof ways[0] };
    for (size_t r = 0; r < rounds; r++) {
        su_bench_progress(&session->options, "requests: round %zu of %zu", r + 1, rounds);
        for (size_t w = 0; w < NUM_WAYS; w++) {
            if (w == 0 || ways[w].work != ways[w - 1].work)
                SU_TRY(run_call(bench, ways[w].work, r, err));
            SU_TRY(run_way(bench, &ways[w], r, err));
        }
    }
    su_bench_progress(&session->options, "requests: a lone query");
    for (size_t i = 0; i < lone; i++) SU_TRY(time_lone(bench, i, err));
    su_report_table(session->report, "requests of one text each, beside one call",
                    "way|threads|texts|number|texts/s|beside one call|lowest|highest|tokens a "
                    "batch|of teams");
    for (size_t w = 0; w < NUM_WAYS; w++) {
        if (w == 0 || ways[w].work != ways[w - 1].work)
            report_way(bench, "one call", 1, ways[w].work, ways[w].work->seconds,
                       &ways[w].work->runs, rounds);
        report_way(bench, ways[w].name, ways[w].threads, ways[w].work, ways[w].seconds,
                   &ways[w].runs, rounds);
    }
    double base = su_bench_quantile(bench->into, lone, 0.5);
    su_report_table(session->report, "a lone query", "way|p50 us|p90 us|p99 us|over the first us");
    report_lone(bench, "sutra_embed_into", bench->into, lone, base);
    report_lone(bench, "sutra_embed", bench->embed, lone, base);
    report_lone(bench, "sutra_submit, sutra_job_wait", bench->job, lone, base);
    su_report_table(session->report, "machine", "what|value|unit");
    su_report_fact(session->report, "threads", session->sampler.threads, "");
    return su_report_status(session->report, err);
}

SutraStatus sutra_bench_requests(const SutraBenchOptions *options, SutraBenchReport **report,
                                 SutraError *err)
{
    Bench *bench = su_calloc(1, sizeof *bench);
    if (!bench) SU_RAISE(err, SUTRA_E_MEMORY, "out of memory for samples");
    bench->passages.name = "passages";
    bench->queries.name = "queries";
    SutraStatus status = su_bench_session_begin(options, &bench->session, err);
    if (status == SUTRA_OK) status = measure(bench, err);
    status = su_bench_session_end(&bench->session, status, report);
    su_bench_texts_free(&bench->passages.texts);
    su_bench_texts_free(&bench->queries.texts);
    su_thread_pool_free(bench->callers);
    su_free(bench->jobs);
    su_free(bench);
    return status;
}
