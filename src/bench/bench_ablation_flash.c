/* The table "flash" of sutra bench ablation: whole texts of 512 … 8,192 tokens through the model's
 * layers, without its positions (they end sooner), on one thread:
 *
 *   flash       the engine's encoder
 *   window      the same, each token seeing WINDOW tokens to either side in every layer
 *   all scores  the same kernels, but attention that keeps all heads' scores, as frameworks do
 *
 * MB: activations of the run, and what attention keeps besides. */
#include "base/clock.h"
#include "base/cpu_features.h"
#include "base/status.h"
#include "bench_ablation.h"
#include "bench_options.h"
#include "encoder/encoder.h"
#include "tools/report.h"

#include <math.h>
#include <string.h>

enum { WINDOW = 64, REPEATS = 2, LONGEST = 8192 };

typedef struct Flash {
    SuBenchAblation *bench;
    SutraSpec spec;
    SuEncoder *all, *local; /* each token sees all; WINDOW to either side */
    SuBenchWeights weights; /* the bench's own, without positions */
    SuKernels kernels;
    int32_t *ids;         /* [LONGEST] */
    float *vector, *kept; /* [hidden] */
} Flash;

/* One text through the encoder: milliseconds, the best of a few. */
static SutraStatus time_encoder(const Flash *flash, const SuEncoder *encoder, uint32_t tokens,
                                double *ms, double *megabytes, SutraError *err)
{
    SuEncoderContext *context = NULL;
    uint32_t cu_seqlens[2] = {0, tokens};
    uint8_t numeric_error = 0;
    SutraBatch batch = {.struct_size = sizeof batch,
                        .num_seqs = 1,
                        .num_tokens = tokens,
                        .max_seqlen = tokens,
                        .token_ids = flash->ids,
                        .cu_seqlens = cu_seqlens,
                        .dim = flash->spec.hidden_size,
                        .pooling = flash->weights.pooling,
                        .numeric_error = &numeric_error};
    SU_TRY(su_encoder_context_create(encoder, tokens, 1, 1, &context, err));
    *ms = INFINITY;
    for (int i = 0; i < REPEATS; i++) {
        uint64_t start = su_clock_ns();
        su_encoder_run(context, &batch);
        double took = (double)(su_clock_ns() - start) * 1e-6;
        if (took < *ms) *ms = took;
    }
    *megabytes =
        1e-6 * (double)(context->memory_size + encoder->kernels.attention_f32.scratch_bytes);
    memcpy(flash->vector, context->qkv, flash->spec.hidden_size * sizeof *flash->vector);
    su_encoder_context_free(context);
    return SUTRA_OK;
}

static SutraStatus time_all_scores(const Flash *flash, uint32_t tokens, double *ms, SutraError *err)
{
    uint32_t cu_seqlens[2] = {0, tokens};
    SuBenchSampleTexts text = {flash->ids, cu_seqlens, 1, tokens};
    SuBenchVariant variant = {.isa = flash->kernels.isa, .threads = 1, .materialised = true};
    SuBenchForward forward = {.weights = &flash->weights,
                              .kernels = &flash->kernels,
                              .variant = &variant,
                              .pool = flash->bench->pool};
    *ms = INFINITY;
    for (int i = 0; i < REPEATS; i++) {
        uint64_t start = su_clock_ns();
        SU_TRY(su_bench_forward(&forward, &text, 0, 1, flash->kept, err));
        double took = (double)(su_clock_ns() - start) * 1e-6;
        if (took < *ms) *ms = took;
    }
    return SUTRA_OK;
}

static SutraStatus compare(const Flash *flash, uint32_t tokens, SutraError *err)
{
    double difference = 0, length = 0;
    for (size_t i = 0; i < flash->spec.hidden_size; i++) {
        double d = (double)flash->vector[i] - (double)flash->kept[i];
        difference += d * d;
        length += (double)flash->kept[i] * (double)flash->kept[i];
    }
    if (!(difference <= 1e-10 * length))
        SU_RAISE(err, SUTRA_E_NUMERIC, "bench ablation: a text of %u tokens differs by %g", tokens,
                 sqrt(difference / length));
    return SUTRA_OK;
}

static SutraStatus measure_length(const Flash *flash, uint32_t tokens, SutraError *err)
{
    SutraBenchReport *report = flash->bench->report;
    double flash_ms, window_ms, kept_ms = NAN, megabytes, window_megabytes;
    uint64_t memory = 0, free_memory = 0;
    size_t scores = (size_t)tokens * tokens * flash->spec.num_heads * sizeof(float);
    su_physical_memory(&memory, &free_memory);
    SU_TRY(time_encoder(flash, flash->local, tokens, &window_ms, &window_megabytes, err));
    SU_TRY(time_encoder(flash, flash->all, tokens, &flash_ms, &megabytes, err));
    if (scores < free_memory / 2) {
        SU_TRY(time_all_scores(flash, tokens, &kept_ms, err));
        SU_TRY(compare(flash, tokens, err));
    }
    su_report_number(report, tokens);
    su_report_number(report, flash_ms);
    su_report_number(report, window_ms);
    su_report_number(report, kept_ms);
    su_report_number(report, kept_ms / flash_ms);
    su_report_number(report, megabytes);
    su_report_number(report, megabytes + 1e-6 * (double)scores);
    return SUTRA_OK;
}

static SutraStatus create_encoders(Flash *flash, uint32_t *windows, SutraError *err)
{
    const SutraModel *model = flash->bench->model;
    SuIsa isa = flash->bench->isa;
    flash->spec = model->spec;
    flash->spec.position = SUTRA_POSITION_NONE;
    for (uint32_t i = 0; i < flash->spec.num_layers; i++) windows[i] = WINDOW;
    SU_TRY(su_encoder_create(&flash->spec, model->tensors, model->num_tensors, isa, NULL,
                             &flash->all, err));
    flash->spec.window = windows;
    return su_encoder_create(&flash->spec, model->tensors, model->num_tensors, isa, NULL,
                             &flash->local, err);
}

static SutraStatus measure(Flash *flash, uint32_t *windows, SutraError *err)
{
    static const uint32_t lengths[] = {512, 1024, 2048, 4096, LONGEST}, quick[] = {33, 128};
    SuBenchAblation *bench = flash->bench;
    const uint32_t *list = bench->options->quick ? quick : lengths;
    size_t n = bench->options->quick ? 2 : sizeof lengths / sizeof *lengths;
    SU_TRY(create_encoders(flash, windows, err));
    su_kernels_init(&flash->kernels, bench->isa);
    SU_TRY(su_bench_weights_pack(&bench->weights, flash->kernels.gemm_f32.layout, err));
    flash->weights = bench->weights;
    flash->weights.position = NULL;
    for (size_t i = 0; i < LONGEST; i++)
        flash->ids[i] = (int32_t)((i * 2654435761u >> 8) % flash->spec.vocab_size);
    su_report_table(bench->report, "flash",
                    "tokens|flash ms|window ms|all scores ms|times|flash MB|all scores MB");
    for (size_t i = 0; i < n; i++) {
        su_bench_progress(bench->options, "ablation: a text of %u tokens", list[i]);
        SU_TRY(measure_length(flash, list[i], err));
    }
    return SUTRA_OK;
}

SutraStatus su_bench_ablation_flash(SuBenchAblation *bench, SutraError *err)
{
    const SutraSpec *spec = &bench->model->spec;
    Flash flash = {.bench = bench,
                   .ids = su_alloc(LONGEST, sizeof *flash.ids),
                   .vector = su_alloc(spec->hidden_size, sizeof *flash.vector),
                   .kept = su_alloc(spec->hidden_size, sizeof *flash.kept)};
    uint32_t *windows = su_alloc(spec->num_layers, sizeof *windows);
    SutraStatus status = flash.ids && flash.vector && flash.kept && windows
                             ? measure(&flash, windows, err)
                             : su_error_set(err, SUTRA_E_MEMORY, "out of memory for a text");
    su_encoder_free(flash.all);
    su_encoder_free(flash.local);
    su_free(flash.ids);
    su_free(flash.vector);
    su_free(flash.kept);
    su_free(windows);
    return status;
}
