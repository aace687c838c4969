/* sutra bench ablation: what each step brings, on one sample of texts.
 *
 *   steps    from a naive encoder upwards, each step added to those before it
 *   without  everything on, one step left out
 *   start    from nothing to the first vector: folder, bundle, loaded model
 *   output   rows to their output form, in one pass and in several
 *   flash    long texts, beside attention that keeps all scores
 *
 * Times are of the encoder, from token ids to vectors; every variant's vectors are compared with
 * the engine's. */
#include "bench_ablation.h"
#include "base/clock.h"
#include "bench_options.h"
#include "bench_sampler.h"
#include "bench_texts.h"
#include "tools/report.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum {
    SAMPLE_TEXTS = 16,
    SHORTEST = 8,
    LONGEST = 96,
    QUICK_TEXTS = 4,
    QUICK_LONGEST = 24,
    MOST_REPEATS = 7
};
static const uint64_t enough_ns = 1000000000; /* of repeats of one variant */
static const double least_cosine = 0.99999;

/* Tokenises the texts; their ids are what every variant and the engine get. */
static SutraStatus gather_ids(SuBenchAblation *bench, const SutraInput *inputs, size_t n,
                              SuTokenizerScratch *scratch, SutraError *err)
{
    size_t capacity = n * (size_t)bench->model->max_tokens;
    bench->ids = su_alloc(capacity, sizeof *bench->ids);
    bench->cu_seqlens = su_calloc(n + 1, sizeof *bench->cu_seqlens);
    if (!bench->ids || !bench->cu_seqlens)
        SU_RAISE(err, SUTRA_E_MEMORY, "out of memory for %zu texts", n);
    bench->texts = (SuBenchSampleTexts){bench->ids, bench->cu_seqlens, n, 0};
    for (size_t i = 0; i < n; i++) {
        SuEncoding encoding;
        SuEncodeRequest request = {.text = inputs[i].text,
                                   .text_size = inputs[i].text_size,
                                   .max_tokens = bench->model->max_tokens};
        SU_TRY(su_tokenizer_encode(bench->model->tokenizer, scratch, &request, &encoding, err));
        uint32_t tokens = (uint32_t)encoding.num_tokens;
        if (!tokens) SU_RAISE(err, SUTRA_E_ARGUMENT, "text %zu has no tokens", i + 1);
        memcpy(bench->ids + bench->cu_seqlens[i], encoding.token_ids, tokens * sizeof *bench->ids);
        bench->cu_seqlens[i + 1] = bench->cu_seqlens[i] + tokens;
        if (tokens > bench->texts.longest) bench->texts.longest = tokens;
    }
    return SUTRA_OK;
}

static SutraStatus gather_sample(SuBenchAblation *bench, SutraError *err)
{
    const SutraBenchOptions *options = bench->options;
    SuTokenizerScratch *scratch = NULL;
    SuBenchTexts texts = {0};
    uint32_t lengths[SAMPLE_TEXTS];
    size_t n = options->quick ? QUICK_TEXTS : SAMPLE_TEXTS;
    uint32_t longest = options->quick ? QUICK_LONGEST : LONGEST;
    if (longest > bench->model->max_tokens) longest = bench->model->max_tokens;
    /* lengths in no order, the longest among them */
    for (size_t i = 0; i < n; i++)
        lengths[i] =
            SHORTEST + (longest - SHORTEST) * (uint32_t)((i * 7 + 3) % n) / (uint32_t)(n - 1);
    SU_TRY(su_tokenizer_scratch_create(&scratch, err));
    SutraStatus status = SUTRA_OK;
    if (!options->num_inputs)
        status = su_bench_texts_create(bench->model->tokenizer, lengths, n, 5, &texts, err);
    if (status == SUTRA_OK)
        status = options->num_inputs
                     ? gather_ids(bench, options->inputs, options->num_inputs, scratch, err)
                     : gather_ids(bench, texts.inputs, n, scratch, err);
    su_bench_texts_free(&texts);
    su_tokenizer_scratch_free(scratch);
    return status;
}

/* The engine's vectors [n, hidden], not normalised like the variants'. */
static SutraStatus run_engine(SuBenchAblation *bench, float *out, double *seconds, SutraError *err)
{
    size_t n = bench->texts.n, dim = bench->model->spec.hidden_size;
    SutraInput *inputs = su_calloc(n, sizeof *inputs);
    if (!inputs) SU_RAISE(err, SUTRA_E_MEMORY, "out of memory for %zu texts", n);
    for (size_t i = 0; i < n; i++) {
        inputs[i].token_ids = bench->ids + bench->cu_seqlens[i];
        inputs[i].num_token_ids = bench->cu_seqlens[i + 1] - bench->cu_seqlens[i];
    }
    SutraEmbedOptions embed = {.struct_size = sizeof embed, .normalize = SUTRA_NORMALIZE_NO};
    uint64_t start = su_clock_ns();
    SutraStatus status = sutra_embed_into(bench->engine, bench->model, inputs, n, &embed, out,
                                          n * dim * sizeof *out, NULL, err);
    *seconds = (double)(su_clock_ns() - start) * 1e-9;
    su_free(inputs);
    return status;
}

static double cosine(const float *a, const float *b, size_t n)
{
    double ab = 0, aa = 0, bb = 0;
    for (size_t i = 0; i < n; i++) {
        ab += (double)a[i] * (double)b[i];
        aa += (double)a[i] * (double)a[i];
        bb += (double)b[i] * (double)b[i];
    }
    return ab / sqrt(aa * bb);
}

/* The least cosine of a text's vector with the engine's. */
static SutraStatus compare(const SuBenchAblation *bench, const char *name, double *least,
                           SutraError *err)
{
    size_t dim = bench->model->spec.hidden_size;
    *least = 1;
    for (size_t i = 0; i < bench->texts.n; i++) {
        double value = cosine(bench->out + i * dim, bench->reference + i * dim, dim);
        if (!(value > least_cosine))
            SU_RAISE(err, SUTRA_E_NUMERIC,
                     "bench ablation: %s: text %zu has cosine %.7f with the engine's vector", name,
                     i + 1, value);
        if (value < *least) *least = value;
    }
    return SUTRA_OK;
}

/* Opens the model for a variant that reloads, and packs. */
static SutraStatus reload(SuBenchAblation *bench, const SuBenchVariant *variant,
                          SuGemmLayout layout, SuBenchWeights *weights, SutraError *err)
{
    SutraModel *model = NULL;
    SU_TRY(sutra_model_open(bench->options->model, NULL, &model, err));
    SutraStatus status = su_bench_weights_load(model, weights, err);
    if (status == SUTRA_OK && !variant->plain) status = su_bench_weights_pack(weights, layout, err);
    if (status != SUTRA_OK) su_bench_weights_free(weights);
    sutra_model_free(model);
    return status;
}

static SutraStatus run_once(SuBenchAblation *bench, const SuBenchVariant *variant, SutraError *err)
{
    SuKernels kernels;
    su_kernels_init(&kernels, variant->plain ? SU_ISA_SCALAR : variant->isa);
    SuBenchForward forward = {&bench->weights, &kernels, variant, bench->pool};
    size_t n = bench->texts.n, step = variant->one_by_one && variant->reload ? 1 : n;
    for (size_t i = 0; i < n; i += step) {
        SuBenchWeights loaded = {0};
        size_t last = i + step < n ? i + step : n;
        if (variant->reload) {
            SU_TRY(reload(bench, variant, kernels.gemm_f32.layout, &loaded, err));
            forward.weights = &loaded;
        }
        SutraStatus status = su_bench_forward(&forward, &bench->texts, i, last, bench->out, err);
        su_bench_weights_free(&loaded);
        if (status != SUTRA_OK) return status;
    }
    return SUTRA_OK;
}

/* Best of some runs, and checks what they gave. */
static SutraStatus run_variant(SuBenchAblation *bench, const SuBenchVariant *variant,
                               double *seconds, double *least, SutraError *err)
{
    SuKernels kernels;
    su_kernels_init(&kernels, variant->isa);
    su_bench_progress(bench->options, "ablation: %s", variant->name);
    if (!variant->plain)
        SU_TRY(su_bench_weights_pack(&bench->weights, kernels.gemm_f32.layout, err));
    uint64_t begin = su_clock_ns();
    *seconds = INFINITY;
    for (int i = 0; i < MOST_REPEATS; i++) {
        uint64_t start = su_clock_ns();
        SU_TRY(run_once(bench, variant, err));
        double took = (double)(su_clock_ns() - start) * 1e-9;
        if (took < *seconds) *seconds = took;
        if (bench->options->quick || su_clock_ns() - begin > enough_ns) break;
    }
    return compare(bench, variant->name, least, err);
}

static void report_variant(SuBenchAblation *bench, const char *name, double seconds, double before,
                           double attention_bytes, double least)
{
    SutraBenchReport *report = bench->report;
    su_report_text(report, "%s", name);
    su_report_number(report, seconds * 1e3);
    su_report_number(report, (double)bench->texts.n / seconds);
    su_report_number(report, before / seconds);
    su_report_number(report, bench->first_seconds / seconds);
    su_report_number(report, attention_bytes * 1e-6);
    su_report_number(report, least);
}

static double attention_bytes(const SuBenchAblation *bench, const SuBenchVariant *variant)
{
    return (double)su_bench_attention_bytes(variant, &bench->model->spec, bench->texts.longest);
}

enum { MAX_STEPS = 12 };

/* Each step switches on one thing more. */
static size_t plan_steps(const SuBenchAblation *bench, SuBenchVariant steps[MAX_STEPS])
{
    SuBenchVariant at = {.name = "naive", .plain = true, .reload = true, .padded = true};
    size_t n = 0;
    at.one_by_one = at.separate = at.materialised = true;
    at.threads = 1;
    steps[n++] = at;
    at.name = "+ model kept loaded";
    at.reload = false;
    steps[n++] = at;
    at.name = "+ packing, no padding";
    at.padded = false;
    steps[n++] = at;
    at.name = "+ batching";
    at.one_by_one = false;
    steps[n++] = at;
    at.plain = false;
    for (int isa = SU_ISA_SCALAR + (bench->isa > SU_ISA_SCALAR); isa < SU_ISA_COUNT; isa++) {
        if (isa > (int)bench->isa) break;
        static const char *const names[SU_ISA_COUNT] = {
            [SU_ISA_SCALAR] = "+ kernels: scalar",
            [SU_ISA_AVX2] = "+ SIMD: avx2",
            [SU_ISA_AVX512] = "+ SIMD: avx512",
            [SU_ISA_NEON] = "+ SIMD: neon",
        };
        if (!names[isa] || !su_isa_available((SuIsa)isa)) continue; /* brings nothing to fp32 */
        at.name = names[isa];
        at.isa = (SuIsa)isa;
        steps[n++] = at;
    }
    at.name = "+ fusion";
    at.separate = false;
    steps[n++] = at;
    at.name = "+ flash attention";
    at.materialised = false;
    steps[n++] = at;
    at.name = "+ threads";
    at.threads = bench->threads;
    steps[n++] = at;
    return n;
}

/* `all` with one thing switched off. */
static size_t plan_without(const SuBenchVariant *all, SuBenchVariant variants[MAX_STEPS])
{
    static const struct {
        const char *name;
        SuIsa isa, above; /* what is left; the least level that this leaves out */
    } isas[] = {{"without SIMD: scalar", SU_ISA_SCALAR, SU_ISA_SCALAR + 1},
                {"without avx512: avx2", SU_ISA_AVX2, SU_ISA_AVX512}};
    size_t n = 0;
    for (size_t i = 0; i < 6; i++) variants[i] = *all;
    variants[n].name = "without a loaded model (once for all)";
    variants[n++].reload = true;
    variants[n].name = "without packing: padded";
    variants[n++].padded = true;
    variants[n].name = "without batching";
    variants[n++].one_by_one = true;
    variants[n].name = "without fusion";
    variants[n++].separate = true;
    variants[n].name = "without flash attention";
    variants[n++].materialised = true;
    if (all->threads > 1) {
        variants[n].name = "without threads";
        variants[n++].threads = 1;
    }
    for (size_t i = 0; i < 2; i++) {
        if (all->isa < isas[i].above || !su_isa_available(isas[i].isa)) continue;
        variants[n] = *all;
        variants[n].name = isas[i].name;
        variants[n++].isa = isas[i].isa;
    }
    return n;
}

static const char columns[] = "variant|ms|texts/s|times the one before|times naive|attention MB|"
                              "least cosine";
static const char without_columns[] = "variant|ms|texts/s|part of everything|times naive|"
                                      "attention MB|least cosine";

static SutraStatus measure_steps(SuBenchAblation *bench, SuBenchVariant *all, double *all_seconds,
                                 SutraError *err)
{
    SuBenchVariant steps[MAX_STEPS];
    double seconds = 0, before = 0, least = 1;
    size_t n = plan_steps(bench, steps);
    su_report_table(bench->report, "steps", columns);
    for (size_t i = 0; i < n; i++) {
        SU_TRY(run_variant(bench, &steps[i], &seconds, &least, err));
        if (i == 0) bench->first_seconds = before = seconds;
        report_variant(bench, steps[i].name, seconds, before, attention_bytes(bench, &steps[i]),
                       least);
        before = seconds;
    }
    *all = steps[n - 1];
    *all_seconds = seconds;
    double best = INFINITY, took;
    for (int i = 0; i < MOST_REPEATS; i++) {
        SU_TRY(run_engine(bench, bench->out, &took, err));
        if (took < best) best = took;
    }
    SU_TRY(compare(bench, "engine", &least, err));
    report_variant(bench, "the engine itself", best, before, attention_bytes(bench, all), least);
    return SUTRA_OK;
}

static SutraStatus measure_without(SuBenchAblation *bench, const SuBenchVariant *all,
                                   double all_seconds, SutraError *err)
{
    SuBenchVariant variants[MAX_STEPS];
    size_t n = plan_without(all, variants);
    su_report_table(bench->report, "without", without_columns);
    for (size_t i = 0; i < n; i++) {
        double seconds = 0, least = 1;
        SU_TRY(run_variant(bench, &variants[i], &seconds, &least, err));
        report_variant(bench, variants[i].name, seconds, all_seconds,
                       attention_bytes(bench, &variants[i]), least);
    }
    return SUTRA_OK;
}

static SutraStatus start(SuBenchAblation *bench, SutraError *err)
{
    double seconds;
    if (!bench->options->model) SU_RAISE(err, SUTRA_E_ARGUMENT, "bench: model is NULL");
    SU_TRY(sutra_model_open(bench->options->model, NULL, &bench->model, err));
    SutraEngineOptions engine = {.struct_size = sizeof engine, .num_threads = bench->threads};
    SU_TRY(sutra_engine_create(&engine, &bench->engine, err));
    SU_TRY(su_thread_pool_create(bench->threads, &bench->pool, err));
    SU_TRY(su_bench_weights_load(bench->model, &bench->weights, err));
    SU_TRY(gather_sample(bench, err));
    size_t floats = bench->texts.n * bench->model->spec.hidden_size;
    bench->out = su_alloc(floats, sizeof *bench->out);
    bench->reference = su_alloc(floats, sizeof *bench->reference);
    if (!bench->out || !bench->reference)
        SU_RAISE(err, SUTRA_E_MEMORY, "out of memory for %zu vectors", bench->texts.n);
    return run_engine(bench, bench->reference, &seconds, err);
}

static SutraStatus measure(SuBenchAblation *bench, SutraError *err)
{
    SuBenchVariant all;
    double seconds = 0;
    SutraBenchReport *report = bench->report;
    SU_TRY(start(bench, err));
    su_report_table(report, "sample", "what|value|unit");
    su_report_fact(report, "texts", (double)bench->texts.n, "");
    su_report_fact(report, "tokens", bench->cu_seqlens[bench->texts.n], "");
    su_report_fact(report, "longest", bench->texts.longest, "tokens");
    su_report_fact(report, "threads", bench->threads, "");
    SU_TRY(measure_steps(bench, &all, &seconds, err));
    SU_TRY(measure_without(bench, &all, seconds, err));
    SU_TRY(su_bench_ablation_start(bench, err));
    SU_TRY(su_bench_ablation_output(bench, err));
    SU_TRY(su_bench_ablation_flash(bench, err));
    return su_report_status(report, err);
}

SutraStatus sutra_bench_ablation(const SutraBenchOptions *given, SutraBenchReport **out,
                                 SutraError *err)
{
    SutraBenchOptions options;
    SuBenchAblation bench = {.options = &options};
    SU_TRY(su_bench_options_read(given, &options, err));
    SU_TRY(su_isa_select(&bench.isa, err));
    bench.threads = options.num_threads ? options.num_threads : su_cpu_count();
    SU_TRY(su_report_create(&bench.report, err));
    SutraStatus status = measure(&bench, err);
    su_bench_weights_free(&bench.weights);
    su_free(bench.ids);
    su_free(bench.cu_seqlens);
    su_free(bench.out);
    su_free(bench.reference);
    su_thread_pool_free(bench.pool);
    sutra_engine_free(bench.engine);
    sutra_model_free(bench.model);
    if (status == SUTRA_OK)
        *out = bench.report;
    else
        sutra_bench_report_free(bench.report);
    return status;
}
