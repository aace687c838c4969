/* sutra bench kernels: every kernel on the shapes of a model, each beside its roofline.
 *
 *   ceiling    min(fma peak, flops / bytes x bandwidth), fma peak and bandwidth of as many threads
 *              at once
 *   bandwidth  of reading a working set of the kernel's own size; for kernels that write too, the
 *              better of reading and copying
 *
 * Every sample of a kernel has one of each ceiling right before and right after it. */
#include "base/clock.h"
#include "base/memory.h"
#include "bench_cases.h"
#include "bench_options.h"
#include "model/model.h"
#include "tools/report.h"

#include <stdio.h>

enum { FEWEST_ROUNDS = 2, BATCH_ROWS = 1024, TEXT_ROWS = 128 };
static const uint64_t longest_case_ns = 3000000000;

typedef struct Measured {
    SuBenchSample best;
    SuBenchBandwidth bandwidth;
} Measured;

static SuBenchShape shape_of(const SutraSpec *spec, SuIsa isa, bool quick)
{
    SuBenchShape shape = {.hidden = spec->hidden_size,
                          .width = (size_t)spec->num_heads * spec->head_size,
                          .ffn = spec->ffn_size,
                          .head_size = spec->head_size,
                          .activation = (SutraActivation)spec->activation,
                          .gated = spec->gated,
                          .max_tokens = spec->max_positions,
                          .max_rows = BATCH_ROWS};
    if (isa == SU_ISA_SCALAR || quick) shape.max_rows = TEXT_ROWS; /* else seconds a call */
    return shape;
}

/* The shapes of all-MiniLM-L6-v2, or of the model at options->model. */
static SutraStatus find_shape(const SutraBenchOptions *options, SuIsa isa, SuBenchShape *shape,
                              char *name, size_t capacity, SutraError *err)
{
    static const SutraSpec mini_lm = {.hidden_size = 384,
                                      .num_heads = 12,
                                      .head_size = 32,
                                      .ffn_size = 1536,
                                      .max_positions = 512,
                                      .activation = SUTRA_ACT_GELU_ERF};
    SutraModel *model = NULL;
    if (options->model) SU_TRY(sutra_model_open(options->model, NULL, &model, err));
    SutraStatus status = SUTRA_OK;
    if (model && su_model_is_static(model))
        status = su_error_set(err, SUTRA_E_UNSUPPORTED,
                              "%s: a static model has no layers, whose kernels could be measured",
                              model->path);
    *shape = shape_of(model ? &model->spec : &mini_lm, isa, options->quick);
    shape->block_bytes = (size_t)options->block_kib << 10;
    snprintf(name, capacity, "%s", model ? model->name : "all-MiniLM-L6-v2");
    sutra_model_free(model);
    return status;
}

static void sample_ceilings(SuBenchSampler *sampler, const SuBenchCase *at,
                            SuBenchBandwidth *bandwidth)
{
    su_bench_sample_peak(sampler);
    su_bench_sample_read(sampler, bandwidth);
    if (at->cost.written > 0) su_bench_sample_copy(sampler, bandwidth);
}

static Measured measure_case(SuBenchSampler *sampler, SuBenchCase *at)
{
    Measured measured = {.bandwidth = su_bench_bandwidth(at->cost.read + at->cost.written)};
    uint64_t start = su_clock_ns();
    size_t calls = su_bench_calls(sampler, su_bench_case_body, at);
    for (int round = 0; round < sampler->rounds; round++) {
        if (round >= FEWEST_ROUNDS && su_clock_ns() - start > longest_case_ns) break;
        sample_ceilings(sampler, at, &measured.bandwidth);
        su_bench_improve(sampler, su_bench_case_body, at, calls, &measured.best);
        sample_ceilings(sampler, at, &measured.bandwidth);
    }
    return measured;
}

/* "L1", "L2", "L3": the smallest cache of a core that holds so many bytes. */
static const char *level_of(double bytes)
{
    static const char *const names[] = {"L1", "L2", "L3"};
    size_t sizes[3];
    su_cache_sizes(sizes);
    for (size_t i = 0; i < 3; i++)
        if (bytes <= (double)sizes[i]) return names[i];
    return "memory";
}

static void report_case(SutraBenchReport *report, const SuBenchSampler *sampler,
                        const SuBenchCase *at, const Measured *measured)
{
    /* a thread alone loses nothing by waiting */
    double at_once = sampler->threads > 1 ? measured->best.ran : 1;
    double bytes = at->cost.read + at->cost.written, rate = measured->best.calls_per_s;
    const SuBenchBandwidth *bandwidth = &measured->bandwidth;
    double traffic = bandwidth->copy > bandwidth->read ? bandwidth->copy : bandwidth->read;
    double intensity = at->cost.flops / bytes;
    bool by_memory = intensity * traffic < sampler->peak;
    double ceiling = by_memory ? intensity * traffic : sampler->peak;
    double share = at->cost.flops > 0 ? at->cost.flops * rate / ceiling : bytes * rate / traffic;
    su_report_text(report, "%s", at->kernel);
    su_report_text(report, "%s", at->use);
    su_report_number(report, (double)at->rows);
    su_report_number(report, (double)at->n);
    su_report_number(report, (double)at->k);
    su_report_number(report, sampler->threads / rate * 1e6);
    su_report_number(report, at->cost.flops);
    su_report_number(report, bytes);
    su_report_text(report, "%s", level_of(bytes));
    su_report_number(report, intensity);
    su_report_number(report, at->cost.flops * rate * 1e-9);
    su_report_number(report, bytes * rate * 1e-9);
    su_report_number(report, bandwidth->read * 1e-9);
    su_report_number(report, bandwidth->copy * 1e-9);
    su_report_number(report, ceiling * 1e-9);
    su_report_number(report, 100 * share);
    su_report_text(report, "%s", by_memory ? "memory" : "fma");
    su_report_number(report, 100 * measured->best.ran);
    su_report_text(report, "%s", su_bench_note(share, at_once));
}

static void report_machine(SutraBenchReport *report, SuBenchSampler *sampler, const char *model)
{
    su_report_table(report, "machine", "what|value|unit");
    su_report_text(report, "shapes of");
    su_report_text(report, "%s", model);
    su_report_text(report, "%s", "");
    su_report_text(report, "isa");
    su_report_text(report, "%s", su_isa_name(sampler->isa));
    su_report_text(report, "%s", "");
    su_report_fact(report, "threads at once", sampler->threads, "");
    su_report_fact(report, "fma peak", sampler->peak * 1e-9, "GFLOP/s");
    su_report_fact(report, "samples of the peak, of which the best", sampler->peak_samples, "");
    double bf16 = su_bench_tile_peak(sampler, false), int8 = su_bench_tile_peak(sampler, true);
    if (bf16 > 0) su_report_fact(report, "tile peak, bf16", bf16 * 1e-9, "GFLOP/s");
    if (int8 > 0) su_report_fact(report, "tile peak, int8", int8 * 1e-9, "Gop/s");
}

static void report_all(SutraBenchReport *report, SuBenchSampler *sampler, const SuBenchCases *cases,
                       const Measured *measured, const char *model)
{
    report_machine(report, sampler, model);
    su_report_table(report, "roofline",
                    "kernel|use|rows|n|k|us|flops|bytes|level|FLOP/byte|GFLOP/s|GB/s|read GB/s|"
                    "copy GB/s|ceiling GFLOP/s|share %|limit|ran %|note");
    for (size_t i = 0; i < cases->num_cases; i++)
        report_case(report, sampler, &cases->cases[i], &measured[i]);
}

static double largest(const SuBenchCases *cases)
{
    double most = 0;
    for (size_t i = 0; i < cases->num_cases; i++) {
        double bytes = cases->cases[i].cost.read + cases->cases[i].cost.written;
        if (bytes > most) most = bytes;
    }
    return most;
}

static SutraStatus measure(const SutraBenchOptions *options, SuIsa isa, SutraBenchReport *report,
                           SutraError *err)
{
    SuBenchShape shape;
    SuBenchSampler sampler = {0};
    SuBenchCases *cases = NULL;
    char model[64];
    uint32_t threads = options->num_threads ? options->num_threads : 1;
    SU_TRY(find_shape(options, isa, &shape, model, sizeof model, err));
    SU_TRY(su_bench_cases_create(isa, &shape, threads, &cases, err));
    Measured *measured = su_calloc(cases->num_cases, sizeof *measured);
    SutraStatus status = measured ? su_bench_sampler_create(&sampler, isa, threads, options->quick,
                                                            largest(cases), err)
                                  : su_error_set(err, SUTRA_E_MEMORY, "out of memory for samples");
    for (size_t i = 0; i < cases->num_cases && status == SUTRA_OK; i++) {
        su_bench_progress(options, "kernels: %zu of %zu", i + 1, cases->num_cases);
        measured[i] = measure_case(&sampler, &cases->cases[i]);
    }
    if (status == SUTRA_OK) {
        report_all(report, &sampler, cases, measured, model);
        status = su_report_status(report, err);
    }
    su_bench_sampler_free(&sampler);
    su_free(measured);
    su_bench_cases_free(cases);
    return status;
}

SutraStatus sutra_bench_kernels(const SutraBenchOptions *given, SutraBenchReport **out,
                                SutraError *err)
{
    SuIsa isa;
    SutraBenchOptions options;
    SutraBenchReport *report;
    SU_TRY(su_bench_options_read(given, &options, err));
    SU_TRY(su_isa_select(&isa, err));
    SU_TRY(su_report_create(&report, err));
    SutraStatus status = measure(&options, isa, report, err);
    if (status == SUTRA_OK)
        *out = report;
    else
        sutra_bench_report_free(report);
    return status;
}
