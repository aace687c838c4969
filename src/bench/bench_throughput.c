/* sutra bench: texts a second and latency of single texts, by length, on distinct texts. Rounds of
 * throughput and of the fma peak take turns; medians of the first beside the best of the second. */
#include "base/clock.h"
#include "base/memory.h"
#include "bench_costs.h"
#include "bench_options.h"
#include "bench_session.h"
#include "bench_texts.h"

enum {
    ROUNDS = 5,
    QUICK_ROUNDS = 2,
    BATCH_TOKENS = 16384, /* of one round */
    QUICK_BATCH_TOKENS = 512,
    SINGLES = 400,
    QUICK_SINGLES = 12,
    SINGLE_TOKENS = 40000, /* fewer singles where texts are long */
    FEWEST_SINGLES = 100,
    LONGEST = 512
};

/* Truncated where the model can go no further, not where it would by default. */
static SutraEmbedOptions embed_options(const SuBenchSession *bench)
{
    uint32_t limit = bench->model->max_positions;
    return (SutraEmbedOptions){.struct_size = sizeof(SutraEmbedOptions),
                               .max_tokens = limit && limit < LONGEST ? limit : LONGEST};
}

static SutraStatus embed(SuBenchSession *bench, const SutraInput *inputs, size_t n, double *seconds,
                         SutraError *err)
{
    SutraEmbedOptions embed = embed_options(bench);
    size_t bytes = n * bench->model->spec.hidden_size * sizeof(float);
    uint64_t start = su_clock_ns();
    SU_TRY(sutra_embed_into(bench->engine, bench->model, inputs, n, &embed, bench->out, bytes,
                            bench->items, err));
    *seconds = (double)(su_clock_ns() - start) * 1e-9;
    return SUTRA_OK;
}

typedef struct Length {
    double seconds[ROUNDS]; /* of a batch */
    double single[SINGLES]; /* latencies */
    double tokens, flops;   /* of a batch */
    size_t batch, singles, rounds;
} Length;

static SutraStatus measure_length(SuBenchSession *bench, const SuBenchTexts *texts, Length *length,
                                  SutraError *err)
{
    double warm;
    SU_TRY(embed(bench, texts->inputs, length->batch, &warm, err));
    for (size_t round = 0; round < length->rounds; round++) {
        su_bench_sample_peak(&bench->sampler);
        SU_TRY(embed(bench, texts->inputs, length->batch, &length->seconds[round], err));
        su_bench_sample_peak(&bench->sampler);
    }
    for (size_t i = 0; i < length->batch; i++) {
        double tokens = bench->items[i].tokens_used;
        length->tokens += tokens;
        length->flops += su_bench_flops_of_text(&bench->model->spec, tokens);
    }
    for (size_t i = 0; i < length->singles; i++)
        SU_TRY(embed(bench, &texts->inputs[length->batch + i], 1, &length->single[i], err));
    return SUTRA_OK;
}

static void report_length(SuBenchSession *bench, Length *length)
{
    double time = su_bench_quantile(length->seconds, length->rounds, 0.5);
    double rate = length->flops / time, share = rate / bench->sampler.peak;
    double texts = (double)length->batch, single = length->flops / texts;
    double p50 = su_bench_quantile(length->single, length->singles, 0.5);
    SutraBenchReport *report = bench->report;
    su_report_number(report, length->tokens / texts);
    su_report_number(report, texts);
    su_report_number(report, texts / time);
    su_report_number(report, length->tokens / time);
    su_report_number(report, rate * 1e-9);
    su_report_number(report, 100 * share);
    su_report_number(report, p50 * 1e3);
    su_report_number(report, su_bench_quantile(length->single, length->singles, 0.9) * 1e3);
    su_report_number(report, su_bench_quantile(length->single, length->singles, 0.99) * 1e3);
    double single_share = single / p50 / bench->sampler.peak;
    su_report_number(report, 100 * single_share);
    if (single_share > share) share = single_share;
    su_report_text(report, "%s", su_bench_note(share, 1));
}

/* Numbers of texts of that length. */
static Length plan_length(const SuBenchSession *bench, uint32_t tokens)
{
    bool quick = bench->options.quick;
    size_t batch = (quick ? QUICK_BATCH_TOKENS : BATCH_TOKENS) / tokens;
    size_t singles = quick ? QUICK_SINGLES : SINGLE_TOKENS / tokens;
    if (!quick && singles < FEWEST_SINGLES) singles = FEWEST_SINGLES;
    return (Length){.batch = batch ? batch : 1,
                    .singles = singles < SINGLES ? singles : SINGLES,
                    .rounds = quick ? QUICK_ROUNDS : ROUNDS};
}

enum { NUM_LENGTHS = 5 };

static SutraStatus measure_all(SuBenchSession *bench, SutraError *err)
{
    static const uint32_t tokens[NUM_LENGTHS] = {16, 64, 128, 256, 512};
    Length *lengths = su_calloc(NUM_LENGTHS, sizeof *lengths);
    if (!lengths) SU_RAISE(err, SUTRA_E_MEMORY, "out of memory for samples");
    SutraStatus status = SUTRA_OK;
    size_t n = 0;
    for (; n < NUM_LENGTHS && status == SUTRA_OK; n++) {
        uint32_t limit = bench->model->max_positions;
        if (n && limit && tokens[n] > limit) break;
        SuBenchTexts texts;
        su_bench_progress(&bench->options, "texts of %u tokens", tokens[n]);
        lengths[n] = plan_length(bench, tokens[n]);
        status = su_bench_texts_of_length(bench->model->tokenizer, tokens[n],
                                          lengths[n].batch + lengths[n].singles, 1 + (uint32_t)n,
                                          &texts, err);
        if (status != SUTRA_OK) break;
        status = measure_length(bench, &texts, &lengths[n], err);
        su_bench_texts_free(&texts);
    }
    su_report_table(bench->report, "throughput",
                    "tokens each|texts|texts/s|tokens/s|GFLOP/s|share %|p50 ms|p90 ms|p99 ms|"
                    "p50 share %|note");
    for (size_t i = 0; i < n && status == SUTRA_OK; i++) report_length(bench, &lengths[i]);
    su_free(lengths);
    return status;
}

static void report_session(SuBenchSession *bench, double warm_s)
{
    SutraBenchReport *report = bench->report;
    su_report_table(report, "session", "what|value|unit");
    su_report_fact(report, "threads", bench->sampler.threads, "");
    su_report_fact(report, "open", bench->open_s * 1e3, "ms");
    su_report_fact(report, "warm-up", warm_s * 1e3, "ms");
    su_bench_session_peak(bench);
}

static SutraStatus measure(SuBenchSession *bench, SutraError *err)
{
    SU_TRY(su_bench_session_open(bench, err));
    SutraEmbedOptions embed = embed_options(bench);
    uint64_t start = su_clock_ns();
    SU_TRY(sutra_model_warmup(bench->engine, bench->model, &embed, err));
    double warm_s = (double)(su_clock_ns() - start) * 1e-9;
    SU_TRY(su_bench_session_reserve(bench, BATCH_TOKENS / 16, err));
    SU_TRY(measure_all(bench, err));
    SU_TRY(su_bench_warm_sessions(bench, err));
    report_session(bench, warm_s);
    return su_report_status(bench->report, err);
}

SutraStatus sutra_bench_throughput(const SutraBenchOptions *options, SutraBenchReport **report,
                                   SutraError *err)
{
    SuBenchSession bench;
    SutraStatus status = su_bench_session_begin(options, &bench, err);
    if (status == SUTRA_OK) status = measure(&bench, err);
    return su_bench_session_end(&bench, status, report);
}
