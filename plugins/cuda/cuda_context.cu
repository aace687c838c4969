/* The memory of a run. */
#include "cuda_model.h"

#include <stdio.h>
#include <stdlib.h>

static size_t most(size_t a, size_t b) { return a > b ? a : b; }

/* Lays the parts out from `base` on; NULL: only measures. */
static size_t lay_out(SuCudaContext *context, unsigned char *base)
{
    const SuCudaPlan *plan = &context->model->plan;
    size_t tokens = context->max_tokens, seqs = context->max_seqs;
    size_t size = su_cuda_type_size(plan->type), hidden = plan->spec.hidden_size;
    size_t widest = most(plan->widest_head, hidden);
    size_t rows = most(tokens * hidden, seqs * widest) * sizeof(float);
    size_t bytes[] = {
        su_cuda_aligned(tokens * hidden * size),
        su_cuda_aligned(most(tokens * 3 * plan->width * size, su_cuda_aligned(seqs) + rows)),
        su_cuda_aligned(tokens * most(plan->width, hidden) * size),
        su_cuda_aligned(tokens * plan->spec.ffn_size * size),
        su_cuda_aligned(seqs * widest * sizeof(float)),
        su_cuda_aligned(seqs * widest * sizeof(float)),
        su_cuda_aligned(4 * su_cuda_input_most(context->max_tokens, context->max_seqs,
                                               (uint32_t)widest,
                                               su_cuda_attention_rows(plan->type)))};
    unsigned char *parts[7];
    size_t used = 0;
    for (int i = 0; i < 7; i++) {
        parts[i] = base ? base + used : NULL;
        used += bytes[i];
    }
    context->x = parts[0];
    context->qkv = context->output = parts[1];
    context->attention = parts[2];
    context->ffn = parts[3];
    context->pooled[0] = (float *)parts[4];
    context->pooled[1] = (float *)parts[5];
    context->input = (uint32_t *)parts[6];
    return used;
}

static SutraStatus allocate(SuCudaContext *context, SutraError *err)
{
    const SuCudaPlan *plan = &context->model->plan;
    uint32_t device = context->model->device;
    size_t bytes = lay_out(context, NULL);
    char what[96];
    size_t words = su_cuda_input_most(context->max_tokens, context->max_seqs,
                                      (uint32_t)most(plan->widest_head, plan->spec.hidden_size),
                                      su_cuda_attention_rows(plan->type));
    snprintf(what, sizeof what, "%zu MB for runs of %u tokens", bytes >> 20, context->max_tokens);
    CUDA_TRY(err, device, what, cudaMalloc((void **)&context->memory, bytes));
    lay_out(context, context->memory);
    CUDA_TRY(err, device, "pinned memory",
             cudaMallocHost((void **)&context->host_input,
                            (words + 4) * sizeof *context->host_input)); /* read by fours */
    CUDA_TRY(err, device, "a stream",
             cudaStreamCreateWithFlags(&context->stream, cudaStreamNonBlocking));
    return SUTRA_OK;
}

SutraStatus su_cuda_context_create(void *model, uint32_t max_tokens, uint32_t max_seqs,
                                   uint32_t max_team, void **out, SutraError *err)
{
    SuCudaModel *owner = (SuCudaModel *)model;
    (void)max_team;
    *out = NULL;
    SutraStatus status = su_cuda_device_use(owner->device, NULL, err);
    if (status != SUTRA_OK) return status;
    su_cuda_collect(owner->device);
    SuCudaContext *context = (SuCudaContext *)calloc(1, sizeof *context);
    SuCudaGarbage *garbage = (SuCudaGarbage *)calloc(1, sizeof *garbage);
    SuCudaGraphTable *graphs = (SuCudaGraphTable *)calloc(1, sizeof *graphs);
    if (!context || !garbage || !graphs) {
        free(context);
        free(garbage);
        free(graphs);
        snprintf(err->message, sizeof err->message, "out of memory");
        return err->status = SUTRA_E_MEMORY;
    }
    context->model = owner;
    context->max_tokens = max_tokens;
    context->max_seqs = max_seqs;
    context->garbage = garbage;
    context->graphs = graphs;
    status = allocate(context, err);
    if (status == SUTRA_OK) {
        *out = context;
    } else {
        su_cuda_context_free(context);
        su_cuda_collect(owner->device);
    }
    return status;
}

void su_cuda_context_free(void *opaque)
{
    SuCudaContext *context = (SuCudaContext *)opaque;
    if (!context) return;
    SuCudaGarbage *garbage = context->garbage;
    garbage->device = context->model->device;
    garbage->memory = context->memory;
    garbage->pinned[0] = context->host_input;
    garbage->pinned[1] = context->host_output;
    garbage->stream = context->stream;
    garbage->graphs = context->graphs;
    su_cuda_leave(garbage);
    free(context);
}

SutraStatus su_cuda_context_room(SuCudaContext *context, size_t bytes, SutraError *err)
{
    uint32_t device = context->model->device;
    if (bytes <= context->host_output_size) return SUTRA_OK;
    size_t size = most(2 * context->host_output_size, su_cuda_aligned(bytes));
    CUDA_TRY(err, device, "pinned memory", cudaFreeHost(context->host_output));
    context->host_output = NULL;
    context->host_output_size = 0;
    CUDA_TRY(err, device, "pinned memory", cudaMallocHost((void **)&context->host_output, size));
    context->host_output_size = size;
    return SUTRA_OK;
}
