/* sutra_onnx_write: a model as a graph of ONNX operators. */
#include "base/memory.h"
#include "encoder/encoder.h"
#include "onnx_builder.h"
#include "onnx_file.h"
#include "sutra_tools.h"

#include <stdio.h>
#include <string.h>

static SutraStatus read_options(const SutraOnnxOptions *given, SutraOnnxOptions *options,
                                SutraError *err)
{
    *options = (SutraOnnxOptions){.struct_size = sizeof *options};
    if (!given) return SUTRA_OK;
    if (given->struct_size < sizeof given->struct_size || given->struct_size > sizeof *options)
        SU_RAISE(err, SUTRA_E_ABI, "SutraOnnxOptions: struct_size %u", given->struct_size);
    memcpy(options, given, given->struct_size);
    if (options->compute > SUTRA_COMPUTE_FP32 && options->compute != SUTRA_COMPUTE_INT8)
        SU_RAISE(err, SUTRA_E_UNSUPPORTED, "ONNX files are written in fp32 and in int8, not in %s",
                 sutra_compute_name(options->compute));
    if (options->max_file_bytes > SU_ONNX_LARGEST)
        SU_RAISE(err, SUTRA_E_ARGUMENT, "ONNX: a file of %llu bytes: protobuf holds %u at most",
                 (unsigned long long)options->max_file_bytes, SU_ONNX_LARGEST);
    return SUTRA_OK;
}

static SutraStatus check_model(const SutraModel *model, SutraError *err)
{
    if (model->bundle_digest)
        SU_RAISE(err, SUTRA_E_UNSUPPORTED,
                 "%s: its weights are packed: give the folder that it was made from", model->path);
    SutraError reason = {0};
    SutraStatus status = su_encoder_check_spec(&model->spec, &reason);
    if (status != SUTRA_OK)
        SU_RAISE(err, status, "%s: cannot be written as ONNX: %.200s", model->path, reason.message);
    return SUTRA_OK;
}

/* ---- metadata ---- */

static void add_number(SuByteWriter *metadata, const char *key, uint64_t value)
{
    char text[32];
    snprintf(text, sizeof text, "%llu", (unsigned long long)value);
    su_onnx_metadata(metadata, key, text);
}

static void add_prompt(const SuPrompt *prompt, SuByteWriter *metadata)
{
    SuByteWriter key = {0};
    su_write_bytes(&key, "prompt.", strlen("prompt."));
    su_write_bytes(&key, prompt->name, strlen(prompt->name) + 1);
    if (!key.failed) su_onnx_metadata(metadata, (const char *)key.data, prompt->text);
    metadata->failed |= key.failed;
    su_byte_writer_free(&key);
}

static void add_prompts(const SutraModel *model, SuByteWriter *metadata)
{
    for (uint32_t i = 0; i < model->num_prompts; i++) add_prompt(&model->prompts[i], metadata);
    if (model->default_prompt) su_onnx_metadata(metadata, "default_prompt", model->default_prompt);
    if (model->num_prompts) add_number(metadata, "include_prompt", model->pool_prompt);
}

static SutraStatus add_metadata(const SutraModel *model, const SuOnnxBuilder *builder,
                                SuByteWriter *metadata, SutraError *err)
{
    SutraModelInfo info = {.struct_size = sizeof info};
    SU_TRY(sutra_model_info(model, &info, err));
    su_onnx_metadata(metadata, "model", info.name);
    if (*info.revision) su_onnx_metadata(metadata, "revision", info.revision);
    su_onnx_metadata(metadata, "digest", info.digest);
    su_onnx_metadata(metadata, "family", info.family);
    su_onnx_metadata(metadata, "weights", builder->int8 ? "int8" : "float32");
    add_number(metadata, "max_tokens", info.max_tokens);
    su_onnx_metadata(metadata, "pooling", info.pooling);
    if (*info.score_activation) {
        su_onnx_metadata(metadata, "score_activation", info.score_activation);
        return SUTRA_OK;
    }
    add_number(metadata, "normalize", model->normalize);
    add_number(metadata, "dim", info.dim);
    add_prompts(model, metadata);
    return SUTRA_OK;
}

/* ---- the whole ---- */

static SutraStatus write_graph(SuOnnxBuilder *builder, const char *output,
                               const SutraOnnxOptions *options, SutraError *err)
{
    const SutraModel *model = builder->model;
    SuByteWriter metadata = {0};
    builder->bias = su_calloc(model->spec.num_layers, sizeof *builder->bias);
    if (!builder->bias) SU_RAISE(err, SUTRA_E_MEMORY, "out of memory for the graph");
    su_onnx_build(builder);
    SutraStatus status = builder->graph.status;
    if (status == SUTRA_OK) status = add_metadata(model, builder, &metadata, err);
    if (status == SUTRA_OK)
        status = su_onnx_write_file(&builder->graph, model->family, &metadata, output,
                                    options->max_file_bytes, err);
    su_byte_writer_free(&metadata);
    return status;
}

SutraStatus sutra_onnx_write(const SutraModel *model, const char *output,
                             const SutraOnnxOptions *options, SutraError *err)
{
    SutraOnnxOptions o;
    SuKernels kernels;
    SuIsa isa;
    if (!model || !output || !*output)
        SU_RAISE(err, SUTRA_E_ARGUMENT, "ONNX: model or output is NULL or empty");
    SU_TRY(read_options(options, &o, err));
    SU_TRY(check_model(model, err));
    SU_TRY(su_isa_select(&isa, err));
    su_kernels_init(&kernels, isa);
    SuOnnxBuilder builder = {.graph = {.kernels = &kernels, .err = err},
                             .model = model,
                             .spec = &model->spec,
                             .int8 = o.compute == SUTRA_COMPUTE_INT8};
    SutraStatus status = write_graph(&builder, output, &o, err);
    su_free(builder.bias);
    su_onnx_graph_free(&builder.graph);
    return status;
}
