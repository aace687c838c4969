#include "backend/cpu_backend.h"

#include "base/status.h"
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

static SutraStatus device_info(uint32_t device, SutraDeviceInfo *info, SutraError *err)
{
    SuIsa isa;
    SU_TRY(check_device(device, err));
    SU_TRY(su_isa_select(&isa, err));
    snprintf(info->name, sizeof info->name, "cpu (%s)", su_isa_name(isa));
    su_physical_memory(&info->memory_total, &info->memory_free);
    info->computes = 1u << SUTRA_COMPUTE_FP32;
    info->numa_node = 0;
    return SUTRA_OK;
}

static SutraStatus check_compute(SutraCompute compute, SutraError *err)
{
    if (compute != SUTRA_COMPUTE_DEFAULT && compute != SUTRA_COMPUTE_FP32)
        SU_RAISE(err, SUTRA_E_UNSUPPORTED, "the cpu backend computes in fp32 only");
    return SUTRA_OK;
}

static SutraStatus supports(uint32_t device, const SutraSpec *spec, SutraCompute compute,
                            SutraOutput output, SutraError *err)
{
    (void)spec;
    SU_TRY(check_device(device, err));
    SU_TRY(check_compute(compute, err));
    if (output != SUTRA_OUT_POOLED && output != SUTRA_OUT_TOKENS)
        SU_RAISE(err, SUTRA_E_UNSUPPORTED, "this model has no head for %s output",
                 output == SUTRA_OUT_SPARSE ? "sparse" : "score");
    return SUTRA_OK;
}

/* Where the tensors bring weights that were packed before, those are used where they lie. */
static SutraStatus attach(const SutraSpec *spec, const SutraTensor *tensors, size_t n,
                          const SutraTensor *packed, SuIsa isa, SuEncoder **encoder,
                          SutraError *err)
{
    SuKernels kernels;
    su_kernels_init(&kernels, isa);
    const char *made_for =
        packed->shape[3] < SU_ISA_COUNT ? su_isa_name((SuIsa)packed->shape[3]) : "another ISA";
    if (packed->shape[0] != SU_ENCODER_PACKED_VERSION)
        SU_RAISE(err, SUTRA_E_UNSUPPORTED,
                 "the weights are packed in layout %llu, this library reads %u: convert the model "
                 "again",
                 (unsigned long long)packed->shape[0], SU_ENCODER_PACKED_VERSION);
    if (packed->shape[1] != kernels.gemm_f32.nr || packed->shape[2] != SUTRA_COMPUTE_FP32)
        SU_RAISE(err, SUTRA_E_UNSUPPORTED,
                 "the weights are packed for %s, this is %s: convert the model again", made_for,
                 su_isa_name(isa));
    return su_encoder_attach(spec, tensors, n, isa, packed->data, packed->size, encoder, err);
}

static SutraStatus load(uint32_t device, const SutraSpec *spec, const SutraTensor *tensors,
                        size_t n, SutraCompute compute, void **model, SutraError *err)
{
    SuIsa isa;
    SuEncoder *encoder = NULL;
    *model = NULL;
    SU_TRY(supports(device, spec, compute, SUTRA_OUT_POOLED, err));
    SU_TRY(su_isa_select(&isa, err));
    const SutraTensor *packed = NULL;
    for (size_t i = 0; i < n; i++)
        if (tensors[i].role == SUTRA_ROLE_PACKED_CPU) packed = &tensors[i];
    if (packed)
        SU_TRY(attach(spec, tensors, n, packed, isa, &encoder, err));
    else
        SU_TRY(su_encoder_create(spec, tensors, n, isa, &encoder, err));
    *model = encoder;
    return SUTRA_OK;
}

SutraStatus su_cpu_backend_packing(SutraCompute compute, char name[SU_CPU_PACKING_NAME],
                                   SutraError *err)
{
    SuIsa isa;
    SU_TRY(check_compute(compute, err));
    SU_TRY(su_isa_select(&isa, err));
    snprintf(name, SU_CPU_PACKING_NAME, "%s-fp32-%u", su_isa_name(isa), SU_ENCODER_PACKED_VERSION);
    return SUTRA_OK;
}

void su_cpu_backend_packed(const void *model, SutraTensor *packed)
{
    const SuEncoder *encoder = model;
    *packed = (SutraTensor){.role = SUTRA_ROLE_PACKED_CPU,
                            .dtype = SUTRA_TENSOR_F32,
                            .num_dims = 4,
                            .shape = {SU_ENCODER_PACKED_VERSION, encoder->kernels.gemm_f32.nr,
                                      SUTRA_COMPUTE_FP32, encoder->kernels.isa},
                            .data = encoder->packed,
                            .size = encoder->packed_size};
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
    if (batch->num_tokens > context->max_tokens || batch->num_seqs > context->max_seqs ||
        (batch->team && batch->team->size > context->max_team))
        SU_RAISE(err, SUTRA_E_LIMIT, "a batch of %u tokens in %u texts is larger than its context",
                 batch->num_tokens, batch->num_seqs);
    if (batch->dim == 0 || batch->dim > spec->hidden_size ||
        !sutra_row_bytes(batch->dtype, batch->dim))
        SU_RAISE(err, SUTRA_E_ARGUMENT,
                 "dim %u is not valid for %u hidden elements and this output type", batch->dim,
                 spec->hidden_size);
    if (spec->position == SUTRA_POSITION_LEARNED &&
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
    view->row_bytes = sutra_row_bytes(batch->dtype, batch->dim);
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
