#include "backend/cpu_backend.h"

#include "base/memory.h"
#include "base/status.h"
#include "batch/row_bytes.h"
#include "encoder/encoder.h"

#include <stdio.h>

static SutraStatus device_count(uint32_t *count, SutraError *err)
{
    (void)err;
    *count = 1;
    return SUTRA_OK;
}

static SutraStatus check_device(uint32_t device, SutraError *err)
{
    if (device != 0)
        SU_RAISE(err, SUTRA_E_DEVICE, "cpu:%u does not exist: there is only cpu:0", device);
    return SUTRA_OK;
}

/* Precisions in which this processor is about as fast as in fp32 or faster; in the others it
 * computes too, slowly. */
static uint32_t computes_of(SuIsa isa)
{
    uint32_t computes = 1u << SUTRA_COMPUTE_FP32;
    bool dots = isa == SU_ISA_AVXVNNI || (isa >= SU_ISA_AVX512VNNI && isa != SU_ISA_NEON);
    if (dots) computes |= 1u << SUTRA_COMPUTE_INT8;
    if (isa != SU_ISA_SCALAR) computes |= 1u << SUTRA_COMPUTE_BF16 | 1u << SUTRA_COMPUTE_FP16;
    return computes;
}

static SutraStatus device_info(uint32_t device, SutraDeviceInfo *info, SutraError *err)
{
    SuIsa isa;
    SU_TRY(check_device(device, err));
    SU_TRY(su_isa_select(&isa, err));
    snprintf(info->name, sizeof info->name, "cpu (%s)", su_isa_name(isa));
    su_physical_memory(&info->memory_total, &info->memory_free);
    info->computes = computes_of(isa);
    info->numa_node = 0;
    info->preferred_tokens = SU_CPU_RUN_TOKENS;
    info->one_run_a_core = 1;
    return SUTRA_OK;
}

static SutraStatus check_compute(SutraCompute compute, SutraError *err)
{
    if (compute > SUTRA_COMPUTE_INT8)
        SU_RAISE(err, SUTRA_E_UNSUPPORTED,
                 "the cpu backend computes in fp32, bf16, fp16 and int8 only");
    return SUTRA_OK;
}

static SuFormat format_of(SutraCompute compute)
{
    return compute == SUTRA_COMPUTE_BF16   ? SU_FORMAT_BF16
           : compute == SUTRA_COMPUTE_FP16 ? SU_FORMAT_F16
           : compute == SUTRA_COMPUTE_INT8 ? SU_FORMAT_INT8
                                           : SU_FORMAT_F32;
}

static SutraStatus check_model(uint32_t device, const SutraSpec *spec, SutraCompute compute,
                               SutraError *err)
{
    SU_TRY(check_device(device, err));
    SU_TRY(su_encoder_check_spec(spec, err));
    return check_compute(compute, err);
}

static SutraStatus supports(uint32_t device, const SutraSpec *spec, SutraCompute compute,
                            SutraOutput output, SutraError *err)
{
    SU_TRY(check_model(device, spec, compute, err));
    uint32_t last = spec->heads ? spec->num_heads_out : 0;
    bool scores = last && spec->heads[last - 1].kind == SUTRA_HEAD_SCORE;
    if (output == SUTRA_OUT_SPARSE || (output == SUTRA_OUT_SCORES && !scores))
        SU_RAISE(err, SUTRA_E_UNSUPPORTED, "this model has no head for %s output",
                 output == SUTRA_OUT_SPARSE ? "sparse" : "score");
    if (scores && output != SUTRA_OUT_SCORES)
        SU_RAISE(err, SUTRA_E_UNSUPPORTED, "this model gives scores only");
    if (su_spec_is_static(spec) && output != SUTRA_OUT_POOLED)
        SU_RAISE(err, SUTRA_E_UNSUPPORTED, "a static model gives pooled vectors only");
    return SUTRA_OK;
}

/* All linears in the format of one precision. */
static SutraStatus pack(const SutraSpec *spec, const SutraTensor *tensors, size_t n, SuIsa isa,
                        SutraCompute compute, SuEncoder **encoder, SutraError *err)
{
    size_t num_linears = (size_t)spec->num_layers * SU_LAYER_LINEARS;
    SuLinearRecipe *recipes = su_calloc(num_linears + 1, sizeof *recipes); /* static: no linears */
    if (!recipes) SU_RAISE(err, SUTRA_E_MEMORY, "out of memory for %u layers", spec->num_layers);
    for (size_t i = 0; i < num_linears; i++) recipes[i].format = format_of(compute);
    SutraStatus status = su_encoder_create(spec, tensors, n, isa, recipes, encoder, err);
    su_free(recipes);
    return status;
}

static SutraStatus attach(const SutraSpec *spec, const SutraTensor *tensors, size_t n,
                          const SutraTensor *packed, SuIsa isa, SutraCompute compute,
                          SuEncoder **encoder, SutraError *err)
{
    const char *made_for =
        packed->shape[2] < SU_ISA_COUNT ? su_isa_name((SuIsa)packed->shape[2]) : "another ISA";
    if (packed->shape[0] != SU_ENCODER_PACKED_VERSION)
        SU_RAISE(err, SUTRA_E_UNSUPPORTED,
                 "the weights are packed in version %llu, this library reads %u: convert the model "
                 "again",
                 (unsigned long long)packed->shape[0], SU_ENCODER_PACKED_VERSION);
    if (packed->shape[1] != compute)
        SU_RAISE(err, SUTRA_E_FORMAT, "the packed weights are of another precision than the model");
    SutraError why = {0};
    SutraStatus status =
        su_encoder_attach(spec, tensors, n, isa, packed->data, packed->size, encoder, &why);
    if (status == SUTRA_E_UNSUPPORTED) /* of the layout: check_model has passed the rest */
        SU_RAISE(err, status,
                 "the weights are packed for %s (%s), this is %s: convert the model "
                 "again",
                 made_for, why.message, su_isa_name(isa));
    if (status != SUTRA_OK) SU_RAISE(err, status, "%s", why.message);
    return SUTRA_OK;
}

/* Where the tensors bring weights that were packed before, those are used where they lie. */
static SutraStatus load(uint32_t device, const SutraSpec *spec, const SutraTensor *tensors,
                        size_t n, SutraCompute compute, void **model, SutraError *err)
{
    SuIsa isa;
    SuEncoder *encoder = NULL;
    *model = NULL;
    SU_TRY(check_model(device, spec, compute, err));
    if (compute == SUTRA_COMPUTE_DEFAULT) compute = SUTRA_COMPUTE_FP32;
    SU_TRY(su_isa_select(&isa, err));
    const SutraTensor *packed = NULL;
    for (size_t i = 0; i < n; i++)
        if (tensors[i].role == SUTRA_ROLE_PACKED_CPU) packed = &tensors[i];
    if (packed)
        SU_TRY(attach(spec, tensors, n, packed, isa, compute, &encoder, err));
    else
        SU_TRY(pack(spec, tensors, n, isa, compute, &encoder, err));
    *model = encoder;
    return SUTRA_OK;
}

SutraStatus su_cpu_backend_packing(SutraCompute compute, char name[SU_CPU_PACKING_NAME],
                                   SutraError *err)
{
    SuIsa isa;
    SU_TRY(check_compute(compute, err));
    SU_TRY(su_isa_select(&isa, err));
    if (compute == SUTRA_COMPUTE_DEFAULT) compute = SUTRA_COMPUTE_FP32;
    snprintf(name, SU_CPU_PACKING_NAME, "%s-%s-%u", su_isa_name(isa), sutra_compute_name(compute),
             SU_ENCODER_PACKED_VERSION);
    return SUTRA_OK;
}

void su_cpu_backend_packed(const void *model, SutraCompute compute, SutraTensor *packed)
{
    const SuEncoder *encoder = model;
    *packed = (SutraTensor){.role = SUTRA_ROLE_PACKED_CPU,
                            .dtype = SUTRA_TENSOR_F32,
                            .num_dims = 3,
                            .shape = {SU_ENCODER_PACKED_VERSION, compute, encoder->kernels.isa},
                            .data = encoder->packed,
                            .size = encoder->packed_size};
}

/* Of one row, so plain C does, which has the bits of all ISAs. */
bool su_cpu_backend_convert(const SutraBatch *form, const float *vector, uint32_t size,
                            float *steps, void *out)
{
    SuKernels kernels;
    su_kernels_init(&kernels, SU_ISA_SCALAR);
    su_output_steps(form, steps);
    return su_output_row(&kernels, vector, size, form, steps, out);
}

static void unload(void *model) { su_encoder_free(model); }

static SutraStatus context_create(void *model, uint32_t max_tokens, uint32_t max_seqs,
                                  uint32_t max_team, void **context, SutraError *err)
{
    SuEncoderContext *created = NULL;
    SutraStatus status =
        su_encoder_context_create(model, max_tokens, max_seqs, max_team, &created, err);
    *context = created;
    return status;
}

static void context_free(void *context) { su_encoder_context_free(context); }

static SutraStatus check_batch(const SuEncoderContext *context, const SutraBatch *batch,
                               SutraError *err)
{
    const SutraSpec *spec = &context->encoder->spec;
    bool any_length = su_spec_is_static(spec);
    if ((batch->num_tokens > context->max_tokens && !any_length) ||
        batch->num_seqs > context->max_seqs ||
        (batch->team && batch->team->size > context->max_team))
        SU_RAISE(err, SUTRA_E_LIMIT, "a batch of %u tokens in %u texts is larger than its context",
                 batch->num_tokens, batch->num_seqs);
    uint32_t features =
        su_output_is_pooled(batch->output) ? context->encoder->pooled_size : spec->hidden_size;
    if (batch->dim == 0 || batch->dim > features || !su_row_bytes(batch->dtype, batch->dim))
        SU_RAISE(err, SUTRA_E_ARGUMENT, "dim %u is not valid for %u elements and this output type",
                 batch->dim, features);
    if (spec->position != SUTRA_POSITION_NONE &&
        (uint64_t)batch->max_seqlen + spec->position_offset > spec->max_positions)
        SU_RAISE(err, SUTRA_E_LIMIT, "a text of %u tokens is longer than the model's %u positions",
                 batch->max_seqlen, spec->max_positions - spec->position_offset);
    for (uint32_t t = 0; t < batch->num_tokens; t++) {
        if ((uint32_t)batch->token_ids[t] >= spec->vocab_size)
            SU_RAISE(err, SUTRA_E_ARGUMENT, "token id %d is outside the vocabulary of %u",
                     batch->token_ids[t], spec->vocab_size);
        if (batch->type_ids && spec->num_types && (uint32_t)batch->type_ids[t] >= spec->num_types)
            SU_RAISE(err, SUTRA_E_ARGUMENT, "token type %d is outside the model's %u types",
                     batch->type_ids[t], spec->num_types);
    }
    return SUTRA_OK;
}

static SutraStatus run(void *opaque, const SutraBatch *batch, SutraResultView *view,
                       SutraError *err)
{
    SuEncoderContext *context = opaque;
    SU_TRY(check_batch(context, batch, err));
    su_encoder_run(context, batch);
    view->output = batch->output;
    view->dtype = batch->dtype;
    view->dim = batch->dim;
    view->num_items = batch->num_seqs;
    view->row_bytes = su_row_bytes(batch->dtype, batch->dim);
    view->data = context->qkv;
    view->offsets = NULL;
    view->indices = NULL;
    view->items = NULL;
    return SUTRA_OK;
}

const SutraBackend *su_cpu_backend(void)
{
    static const SutraBackend backend = {
        .struct_size = sizeof backend,
        .abi = SUTRA_BACKEND_ABI,
        .name = "cpu",
        .device_count = device_count,
        .device_info = device_info,
        .supports = supports,
        .load = load,
        .unload = unload,
        .context_create = context_create,
        .run = run,
        .context_free = context_free,
    };
    return &backend;
}
