/* What became of each linear, and of the whole. */
#include "base/clock.h"
#include "base/memory.h"
#include "quantize.h"
#include "report.h"

#include <math.h>
#include <string.h>

static const char *format_name(SuFormat format)
{
    static const char *const names[SU_FORMAT_COUNT] = {"fp32", "bf16", "int8", "fp16"};
    return names[format];
}

static uint64_t linear_bytes(const SuEncoder *encoder, const SuLinear *linear)
{
    const SuGemm *gemm = su_linear_gemm(&encoder->kernels, linear->format);
    size_t out = su_round_up(linear->out, gemm->nr);
    uint64_t bytes = su_gemm_packed_size(gemm->layout, linear->out, linear->in);
    bytes += out * sizeof(float);
    if (linear->format != SU_FORMAT_INT8) return bytes;
    bytes += out * (sizeof(float) + sizeof(int32_t));
    return bytes + (linear->factor ? linear->in * sizeof(float) : 0);
}

/* y = linear of x [rows, in], converted as it reads them. */
static SutraStatus apply(const SuEncoder *encoder, const SuLinear *linear, const float *x,
                         size_t rows, float *y, SutraError *err)
{
    SuParallelRegion region;
    su_parallel_region_init(&region);
    SuRegionThread thread = {.size = 1, .region = &region};
    SuLinearIo io = {.rows = rows, .c = y, .a = {.data = (void *)x}};
    unsigned char *converted = su_alloc_aligned(rows * su_linear_row_bytes(linear));
    SuRowScale *scales = su_alloc(rows, sizeof *scales);
    bool complete = converted && scales;
    if (complete && !su_linear_reads_floats(linear)) {
        io.a = (SuRows){.data = converted, .scales = scales};
        for (size_t i = 0; i < rows; i++)
            su_linear_convert_row(&encoder->kernels, linear, x + i * linear->in, io.a, i);
    }
    if (complete) su_linear_run(&encoder->kernels, linear, &thread, &io);
    su_free_aligned(converted);
    su_free(scales);
    if (!complete) SU_RAISE(err, SUTRA_E_MEMORY, "out of memory for rows of a linear");
    return SUTRA_OK;
}

/* Of what the linear makes of the sample of its rows. */
static SutraStatus output_error(const SuQuantizer *quantizer, size_t index, double *error,
                                SutraError *err)
{
    const SuLinear *exact = su_quantize_linear(quantizer->exact, index);
    const SuLinearStats *stats = &quantizer->stats[index];
    size_t elements = stats->num_rows * exact->out;
    float *y = su_alloc(2 * elements, sizeof *y);
    if (!y) SU_RAISE(err, SUTRA_E_MEMORY, "out of memory for rows of a linear");
    SutraStatus status = apply(quantizer->exact, exact, stats->rows, stats->num_rows, y, err);
    if (status == SUTRA_OK)
        status = apply(quantizer->encoder, su_quantize_linear(quantizer->encoder, index),
                       stats->rows, stats->num_rows, y + elements, err);
    double wrong = 0, all = 0;
    for (size_t i = 0; status == SUTRA_OK && i < elements; i++) {
        double off = (double)y[elements + i] - y[i];
        wrong += off * off;
        all += (double)y[i] * y[i];
    }
    *error = all > 0 ? sqrt(wrong / all) : 0;
    su_free(y);
    return status;
}

static SutraStatus weight_error(const SuQuantizer *quantizer, size_t index, double *error,
                                SutraError *err)
{
    float *weights;
    size_t in, out;
    SU_TRY(su_quantize_weights(quantizer, index, &weights, &in, &out, err));
    SutraStatus status = su_quantize_weight_error(&quantizer->kernels, &quantizer->recipes[index],
                                                  weights, in, out, error, err);
    su_free(weights);
    return status;
}

static SutraStatus report_linear(SuQuantizer *quantizer, size_t index, uint64_t *total,
                                 SutraError *err)
{
    const SuLinear *linear = su_quantize_linear(quantizer->encoder, index);
    SutraBenchReport *report = quantizer->report;
    size_t layer = index / SU_LAYER_LINEARS;
    double error = 0, alone = quantizer->alone[index];
    uint64_t start = su_clock_ns(), bytes = linear_bytes(quantizer->encoder, linear);
    if (quantizer->stats)
        SU_TRY(output_error(quantizer, index, &error, err));
    else
        SU_TRY(weight_error(quantizer, index, &error, err));
    su_report_number(report, (double)layer);
    su_report_text(report, "%s", su_quantize_linear_name(index));
    su_report_text(report, "%s", format_name(linear->format));
    su_report_number(report, 100 * error);
    su_report_number(report, alone < 0 ? NAN : 100 * alone);
    su_report_number(report, (double)bytes);
    su_report_number(report, (double)(su_clock_ns() - start) * 1e-6);
    *total += bytes;
    return SUTRA_OK;
}

static SutraStatus report_quality(SuQuantizer *quantizer, SutraError *err)
{
    SuQuality quality = {0};
    size_t kept = 0;
    SU_TRY(su_quantize_quality(quantizer, quantizer->recipes, true, &quality, err));
    su_report_fact(quantizer->report, "quality (mean cosine to fp32)", 100 * quality.mean, "%");
    su_report_fact(quantizer->report, "least cosine to fp32", 100 * quality.least, "%");
    su_report_fact(quantizer->report, "measured on",
                   (double)su_text_range_count(&quantizer->held_out), "texts");
    for (size_t i = 0; i < quantizer->num_linears; i++)
        kept += quantizer->recipes[i].format == SU_FORMAT_BF16;
    if (quantizer->options.keep > 0 && quantizer->options.compute == SUTRA_COMPUTE_INT8)
        su_report_fact(quantizer->report, "kept in bf16", (double)kept, "linears");
    return SUTRA_OK;
}

SutraStatus su_quantize_report(SuQuantizer *quantizer, SutraError *err)
{
    uint64_t linears = 0, tables = 0;
    SutraBenchReport *report = quantizer->report;
    su_report_table(report, "linears", "layer|name|format|error %|alone %|bytes|ms");
    for (size_t i = 0; i < quantizer->num_linears; i++)
        SU_TRY(report_linear(quantizer, i, &linears, err));
    for (size_t i = 0; i < SU_QUANTIZED_TABLES; i++)
        tables += quantizer->tables[i].rows.size + quantizer->tables[i].scales.size;
    su_report_table(report, "totals", "what|value|unit");
    su_report_fact(report, "linears", (double)linears, "bytes");
    if (tables) su_report_fact(report, "embeddings in int8", (double)tables, "bytes");
    if (quantizer->exact) SU_TRY(report_quality(quantizer, err));
    return su_report_status(report, err);
}
