/* Statistics of what each linear reads, and the recipes that follow from them. */
#include "base/memory.h"
#include "quantize.h"
#include "sample_texts.h"

#include <math.h>
#include <string.h>

enum { MOST_ROWS = 512, FEWEST_ROWS = 32, SAMPLE_BYTES = 96 << 20 };

/* Algorithm R: every row seen has the same chance; the sequence is fixed, so that runs agree. */
static size_t place_of(SuLinearStats *stats, uint64_t *random)
{
    if (stats->num_rows < stats->capacity) return stats->num_rows++;
    *random ^= *random << 13;
    *random ^= *random >> 7;
    *random ^= *random << 17;
    return (size_t)(*random % stats->seen);
}

typedef struct Observer {
    SuQuantizer *quantizer;
    uint64_t random;
} Observer;

static void see_row(Observer *observer, SuLinearStats *stats, const float *x)
{
    stats->seen++;
    for (size_t i = 0; i < stats->in; i++) {
        stats->low[i] = fminf(stats->low[i], x[i]);
        stats->high[i] = fmaxf(stats->high[i], x[i]);
    }
    size_t at = place_of(stats, &observer->random);
    if (at < stats->capacity) memcpy(stats->rows + at * stats->in, x, stats->in * sizeof *x);
}

static void see(void *user, const SuLinear *linear, const float *x, size_t rows)
{
    Observer *observer = user;
    const SuQuantizer *quantizer = observer->quantizer;
    for (size_t i = 0; i < quantizer->num_linears; i++) {
        if (su_quantize_linear(quantizer->exact, i) != linear) continue;
        for (size_t row = 0; row < rows; row++)
            see_row(observer, &quantizer->stats[i], x + row * linear->in);
        return;
    }
}

static SutraStatus weight_maxima(const SuQuantizer *quantizer, size_t index, SuLinearStats *stats,
                                 SutraError *err)
{
    float *weights;
    size_t in, out;
    SU_TRY(su_quantize_weights(quantizer, index, &weights, &in, &out, err));
    for (size_t i = 0; i < in * out; i++)
        stats->weight_max[i % in] = fmaxf(stats->weight_max[i % in], fabsf(weights[i]));
    su_free(weights);
    return SUTRA_OK;
}

static SutraStatus create_stats(SuQuantizer *quantizer, SutraError *err)
{
    size_t elements = 1;
    quantizer->stats = su_calloc(quantizer->num_linears, sizeof *quantizer->stats);
    if (!quantizer->stats) SU_RAISE(err, SUTRA_E_MEMORY, "out of memory for statistics");
    for (size_t i = 0; i < quantizer->num_linears; i++)
        elements += su_quantize_linear(quantizer->exact, i)->in;
    size_t capacity = SAMPLE_BYTES / sizeof(float) / elements;
    capacity = capacity > MOST_ROWS ? MOST_ROWS : capacity < FEWEST_ROWS ? FEWEST_ROWS : capacity;
    for (size_t i = 0; i < quantizer->num_linears; i++) {
        SuLinearStats *stats = &quantizer->stats[i];
        size_t in = su_quantize_linear(quantizer->exact, i)->in;
        *stats = (SuLinearStats){.in = in, .capacity = capacity};
        stats->low = su_calloc(4 * in, sizeof(float)); /* and high, weight_max, factor */
        stats->rows = su_alloc(capacity * in, sizeof(float));
        if (!stats->low || !stats->rows)
            SU_RAISE(err, SUTRA_E_MEMORY, "out of memory for statistics");
        stats->high = stats->low + in;
        stats->weight_max = stats->high + in;
        stats->factor = stats->weight_max + in;
        SU_TRY(weight_maxima(quantizer, i, stats, err));
    }
    return SUTRA_OK;
}

static SutraStatus collect(SuQuantizer *quantizer, SutraError *err)
{
    SuTextRange range = {&quantizer->texts, 0, 2};
    Observer observer = {.quantizer = quantizer, .random = UINT64_C(0x9e3779b97f4a7c15)};
    SuRowObserver rows = {see, &observer};
    if (quantizer->texts.count < 2)
        SU_RAISE(err, SUTRA_E_ARGUMENT, "one calibration text is not enough: give two or more");
    SU_TRY(create_stats(quantizer, err));
    su_quantize_progress(quantizer, "calibrating on %zu texts", su_text_range_count(&range));
    float *unused = su_alloc(su_text_range_count(&range) *
                                 su_model_features(quantizer->model, SUTRA_OUT_POOLED),
                             sizeof *unused);
    if (!unused) SU_RAISE(err, SUTRA_E_MEMORY, "out of memory for vectors");
    SutraStatus status = su_quantize_embed(quantizer->model, quantizer->exact, &range,
                                           quantizer->pool, &rows, unused, err);
    su_free(unused);
    return status;
}

static SutraStatus open_texts(SuQuantizer *quantizer, SutraError *err)
{
    SutraInput samples[SU_SAMPLE_TEXTS];
    const SutraQuantizeOptions *options = &quantizer->options;
    const SutraInput *inputs = options->num_inputs ? options->inputs : samples;
    size_t n = options->num_inputs ? options->num_inputs : SU_SAMPLE_TEXTS;
    memset(samples, 0, sizeof samples);
    for (size_t i = 0; i < SU_SAMPLE_TEXTS; i++) {
        samples[i].text = su_sample_texts[i];
        samples[i].text_size = strlen(su_sample_texts[i]);
    }
    return su_quantize_texts_open(quantizer->model, inputs, n, &quantizer->texts, err);
}

SutraStatus su_quantize_calibrate(SuQuantizer *quantizer, SutraError *err)
{
    const SutraModel *model = quantizer->model;
    bool given = quantizer->options.num_inputs > 0;
    uint32_t threads = quantizer->options.num_threads;
    SU_TRY(open_texts(quantizer, err));
    SU_TRY(su_thread_pool_create(threads ? threads : su_cpu_count(), &quantizer->pool, err));
    SU_TRY(su_encoder_create(&model->spec, model->tensors, model->num_tensors,
                             quantizer->kernels.isa, NULL, &quantizer->exact, err));
    if (given) SU_TRY(collect(quantizer, err));
    quantizer->held_out = (SuTextRange){&quantizer->texts, given ? 1 : 0, given ? 2 : 1};
    size_t elements =
        su_text_range_count(&quantizer->held_out) * su_model_features(model, SUTRA_OUT_POOLED);
    quantizer->exact_vectors = su_alloc(elements, sizeof(float));
    quantizer->vectors = su_alloc(elements, sizeof(float));
    if (!quantizer->exact_vectors || !quantizer->vectors)
        SU_RAISE(err, SUTRA_E_MEMORY, "out of memory for vectors");
    return su_quantize_embed(model, quantizer->exact, &quantizer->held_out, quantizer->pool, NULL,
                             quantizer->exact_vectors, err);
}

void su_quantize_calibration_free(SuQuantizer *quantizer)
{
    for (size_t i = 0; quantizer->stats && i < quantizer->num_linears; i++) {
        su_free(quantizer->stats[i].low);
        su_free(quantizer->stats[i].rows);
    }
    su_free(quantizer->stats);
    su_free(quantizer->vectors);
    su_free(quantizer->exact_vectors);
    su_quantize_texts_close(&quantizer->texts);
    su_encoder_free(quantizer->exact);
    su_thread_pool_free(quantizer->pool);
    quantizer->stats = NULL;
    quantizer->vectors = quantizer->exact_vectors = NULL;
    quantizer->exact = NULL;
    quantizer->pool = NULL;
}

static SuRowScale fixed_scale(const SuLinearStats *stats, const float *factor, SutraScales method)
{
    SuHistogram histogram = {.low = 0};
    for (size_t i = 0; i < stats->in; i++) {
        float by = factor ? factor[i] : 1.0f;
        histogram.low = fminf(histogram.low, stats->low[i] * by);
        histogram.high = fmaxf(histogram.high, stats->high[i] * by);
    }
    if (method != SUTRA_SCALES_MIN_MAX)
        su_histogram_add(&histogram, stats->rows, factor, stats->num_rows, stats->in);
    return su_scale_choose(method, &histogram);
}

static void smooth_linear(SuLinearStats *stats, double alpha)
{
    for (size_t i = 0; i < stats->in; i++) /* largest |x|, where the factor is to be */
        stats->factor[i] = fmaxf(stats->high[i], -stats->low[i]);
    su_smooth_factors(stats->factor, stats->weight_max, stats->in, alpha, stats->factor);
}

void su_quantize_plan(SuQuantizer *quantizer, SutraScales scales, double smooth)
{
    SutraCompute compute = quantizer->options.compute;
    bool int8 = compute == SUTRA_COMPUTE_INT8;
    SuFormat format = int8                            ? SU_FORMAT_INT8
                      : compute == SUTRA_COMPUTE_FP16 ? SU_FORMAT_F16
                                                      : SU_FORMAT_BF16;
    for (size_t i = 0; i < quantizer->num_linears; i++) {
        SuLinearRecipe *recipe = &quantizer->recipes[i];
        *recipe = (SuLinearRecipe){.format = format};
        if (!int8 || !quantizer->stats) continue;
        SuLinearStats *stats = &quantizer->stats[i];
        size_t kind = i % SU_LAYER_LINEARS;
        if (smooth > 0 && (kind == SU_LINEAR_QKV || kind == SU_LINEAR_UP)) {
            smooth_linear(stats, smooth);
            recipe->factor = stats->factor;
        }
        if (scales != SUTRA_SCALES_DYNAMIC)
            recipe->fixed = fixed_scale(stats, recipe->factor, scales);
    }
}
