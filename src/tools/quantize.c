/* sutra_quantize: opens a folder, decides how each linear is packed, writes the bundle. */
#include "quantize.h"

#include "backend/cpu_backend.h"
#include "base/memory.h"
#include "model/bundle.h"
#include "report.h"

#include <stdio.h>
#include <string.h>

/* Do the options of calibration go together? */
static SutraStatus check_calibration(const SutraQuantizeOptions *options, SutraError *err)
{
    bool int8 = options->compute == SUTRA_COMPUTE_INT8;
    bool asked = options->scales || options->smooth != 0 || options->compare;
    if (options->num_inputs && !options->inputs)
        SU_RAISE(err, SUTRA_E_ARGUMENT, "quantize: inputs is NULL");
    if ((uint32_t)options->scales > SUTRA_SCALES_ENTROPY)
        SU_RAISE(err, SUTRA_E_ARGUMENT, "quantize: unknown scales %u", (unsigned)options->scales);
    if (!(options->smooth >= 0 && options->smooth <= 1))
        SU_RAISE(err, SUTRA_E_ARGUMENT, "quantize: smooth %g is not in 0 to 1", options->smooth);
    if (!(options->keep >= 0 && options->keep <= 100))
        SU_RAISE(err, SUTRA_E_ARGUMENT, "quantize: keep %g is not in 0 to 100", options->keep);
    if (asked && !int8)
        SU_RAISE(err, SUTRA_E_ARGUMENT, "quantize: scales and smoothing are of int8 only");
    if (asked && !options->num_inputs)
        SU_RAISE(err, SUTRA_E_ARGUMENT,
                 "quantize: static scales, smoothing and the comparison need calibration texts");
    return SUTRA_OK;
}

static SutraStatus read_options(const SutraQuantizeOptions *given, SutraQuantizeOptions *options,
                                SutraError *err)
{
    *options = (SutraQuantizeOptions){0};
    if (!given) SU_RAISE(err, SUTRA_E_ARGUMENT, "quantize: options is NULL");
    if (given->struct_size < sizeof given->struct_size || given->struct_size > sizeof *options)
        SU_RAISE(err, SUTRA_E_ABI, "SutraQuantizeOptions: struct_size %u", given->struct_size);
    memcpy(options, given, given->struct_size);
    if (options->compute < SUTRA_COMPUTE_BF16 || options->compute > SUTRA_COMPUTE_INT8)
        SU_RAISE(err, SUTRA_E_UNSUPPORTED,
                 "quantize: this version quantises to int8, bf16 and fp16, not to %s",
                 sutra_compute_name(options->compute));
    SU_TRY(check_calibration(options, err));
    if ((uint32_t)options->embeddings > SUTRA_EMBEDDINGS_INT8)
        SU_RAISE(err, SUTRA_E_ARGUMENT, "quantize: unknown format of embeddings %u",
                 (unsigned)options->embeddings);
    if (!options->embeddings)
        options->embeddings = options->compute == SUTRA_COMPUTE_INT8 ? SUTRA_EMBEDDINGS_INT8
                                                                     : SUTRA_EMBEDDINGS_STORED;
    return SUTRA_OK;
}

static SutraStatus open_model(SuQuantizer *quantizer, const char *path, SutraError *err)
{
    SutraModelOptions options = {.struct_size = sizeof options};
    if (!su_bundle_is_path(path)) options.compute = quantizer->options.compute;
    SU_TRY(sutra_model_open(path, &options, &quantizer->model, err));
    const SutraModel *model = quantizer->model;
    if (model->bundle_digest && model->compute != SUTRA_COMPUTE_FP32)
        SU_RAISE(err, SUTRA_E_UNSUPPORTED,
                 "%s: already quantised (%s): give the folder that it was made from", path,
                 sutra_compute_name(model->compute));
    if (model->bundle_digest)
        SU_RAISE(err, SUTRA_E_UNSUPPORTED,
                 "%s: its weights are packed: give the folder that it was made from", path);
    const SutraQuantizeOptions *given = &quantizer->options;
    if (su_model_is_reranker(model) && (given->num_inputs || given->keep > 0))
        SU_RAISE(err, SUTRA_E_UNSUPPORTED,
                 "%s: a reranker is quantised without calibration texts and without keep: they go "
                 "by vectors, which it doesn't give",
                 path);
    return su_quantize_check_weights(quantizer, err);
}

/* The model's tensors with the tables that replace some of them. */
static SutraStatus replace_tables(SuQuantizer *quantizer, SutraError *err)
{
    const SutraModel *model = quantizer->model;
    quantizer->tensors =
        su_alloc(model->num_tensors + SU_QUANTIZED_TABLES, sizeof *quantizer->tensors);
    if (!quantizer->tensors) SU_RAISE(err, SUTRA_E_MEMORY, "out of memory for the tensors");
    size_t n = model->num_tensors;
    memcpy(quantizer->tensors, model->tensors, n * sizeof *quantizer->tensors);
    for (size_t t = 0; t < SU_QUANTIZED_TABLES; t++) {
        const SuQuantizedTable *table = &quantizer->tables[t];
        if (!table->rows.data) continue;
        for (size_t i = 0; i < model->num_tensors; i++)
            if (quantizer->tensors[i].role == table->rows.role) quantizer->tensors[i] = table->rows;
        quantizer->tensors[n++] = table->scales;
    }
    quantizer->num_tensors = n;
    return SUTRA_OK;
}

static SutraStatus prepare(SuQuantizer *quantizer, SutraError *err)
{
    const SutraQuantizeOptions *options = &quantizer->options;
    quantizer->num_linears = (size_t)quantizer->model->spec.num_layers * SU_LAYER_LINEARS;
    quantizer->recipes = su_calloc(quantizer->num_linears + 1, sizeof *quantizer->recipes);
    quantizer->alone = su_alloc(quantizer->num_linears + 1, sizeof *quantizer->alone);
    if (!quantizer->recipes || !quantizer->alone)
        SU_RAISE(err, SUTRA_E_MEMORY, "out of memory for the linears");
    for (size_t i = 0; i < quantizer->num_linears; i++) quantizer->alone[i] = -1;
    if (options->embeddings == SUTRA_EMBEDDINGS_INT8) SU_TRY(su_quantize_tables(quantizer, err));
    SU_TRY(replace_tables(quantizer, err));
    if (options->num_inputs || options->keep > 0) SU_TRY(su_quantize_calibrate(quantizer, err));
    return SUTRA_OK;
}

static SutraStatus pack(SuQuantizer *quantizer, SutraError *err)
{
    const SutraModel *model = quantizer->model;
    return su_encoder_create(&model->spec, model->tensors, model->num_tensors,
                             quantizer->kernels.isa, quantizer->recipes, &quantizer->encoder, err);
}

static SutraStatus write_bundle(SuQuantizer *quantizer, const char *output, SutraError *err)
{
    const SutraModel *model = quantizer->model;
    SutraTensor given[1 + 2 * SU_QUANTIZED_TABLES];
    SuByteWriter source = {0};
    size_t n = 1;
    su_cpu_backend_packed(quantizer->encoder, model->compute, &given[0]);
    for (size_t i = 0; i < SU_QUANTIZED_TABLES; i++) {
        if (!quantizer->tables[i].rows.data) continue;
        given[n++] = quantizer->tables[i].rows;
        given[n++] = quantizer->tables[i].scales;
    }
    return su_bundle_write(model, given, n, &source, output, err);
}

static void close_quantizer(SuQuantizer *quantizer)
{
    su_quantize_calibration_free(quantizer);
    for (size_t i = 0; i < SU_QUANTIZED_TABLES; i++) {
        su_free((void *)quantizer->tables[i].rows.data);
        su_free((void *)quantizer->tables[i].scales.data);
    }
    su_encoder_free(quantizer->encoder);
    su_free(quantizer->tensors);
    su_free(quantizer->alone);
    su_free(quantizer->recipes);
    sutra_model_free(quantizer->model);
}

static SutraStatus run(SuQuantizer *quantizer, const char *path, const char *output,
                       SutraError *err)
{
    const SutraQuantizeOptions *options = &quantizer->options;
    SU_TRY(open_model(quantizer, path, err));
    SU_TRY(prepare(quantizer, err));
    SU_TRY(su_report_create(&quantizer->report, err));
    if (options->compare) SU_TRY(su_quantize_compare(quantizer, err));
    su_quantize_plan(quantizer, options->scales, options->smooth);
    if (options->keep > 0) SU_TRY(su_quantize_keep(quantizer, err));
    SU_TRY(pack(quantizer, err));
    SU_TRY(su_quantize_report(quantizer, err));
    su_quantize_calibration_free(quantizer); /* its threads would take signals */
    if (options->writing) options->writing(options->user);
    return write_bundle(quantizer, output, err);
}

SutraStatus sutra_quantize(const char *path, const char *output,
                           const SutraQuantizeOptions *options, SutraBenchReport **report,
                           SutraError *err)
{
    SuIsa isa;
    SuQuantizer quantizer = {.model = NULL};
    if (report) *report = NULL;
    if (!path || !*path || !output || !*output)
        SU_RAISE(err, SUTRA_E_ARGUMENT, "quantize: path or output is NULL or empty");
    SU_TRY(read_options(options, &quantizer.options, err));
    SU_TRY(su_isa_select(&isa, err));
    su_kernels_init(&quantizer.kernels, isa);
    SutraStatus status = run(&quantizer, path, output, err);
    close_quantizer(&quantizer);
    if (status == SUTRA_OK && report)
        *report = quantizer.report;
    else
        sutra_bench_report_free(quantizer.report);
    return status;
}
