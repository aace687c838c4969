/* cuda_model.h - a model's weights on a device, and the memory of a run. */
#ifndef SU_CUDA_MODEL_H
#define SU_CUDA_MODEL_H

#include "cuda_device.h"
#include "cuda_kernels.h"

typedef struct SuCudaModel {
    uint32_t device;
    SuCudaDevice facts;
    SuCudaPlan plan;
    unsigned char *weights; /* [plan.bytes] on the device */
    SuCudaGarbage *garbage; /* made ahead, so that unload can't fail */
} SuCudaModel;

/* Memory of one run at a time. On the device, one block:
 *
 *   x [tokens, hidden] | qkv [tokens, 3 width], the output's flags and rows at the end |
 *   attention [tokens, widest of width and hidden], which is norm(x) too | ffn [tokens, ffn_size] |
 *   pooled [2][seqs, widest head] fp32 | input
 *
 * input and output are copied from and to pinned memory of the host; of one short text the kernels
 * themselves read and write it. */
typedef struct SuCudaContext {
    SuCudaModel *model;
    uint32_t max_tokens, max_seqs;
    cudaStream_t stream;
    unsigned char *memory;
    unsigned char *x, *qkv, *attention, *ffn, *output;
    float *pooled[2];
    uint32_t *input, *host_input;
    unsigned char *host_output;
    size_t host_output_size; /* grows with the largest output that was asked for */
    SuCudaGraphTable *graphs;
    SuCudaPadding padding;
    SuCudaGarbage *garbage;
} SuCudaContext;

static inline size_t su_cuda_aligned(size_t bytes)
{
    return (bytes + SU_CUDA_ALIGNMENT - 1) / SU_CUDA_ALIGNMENT * SU_CUDA_ALIGNMENT;
}

SutraStatus su_cuda_load(uint32_t device, const SutraSpec *spec, const SutraTensor *tensors,
                         size_t n, SutraCompute compute, void **model, SutraError *err);
void su_cuda_unload(void *model);
SutraStatus su_cuda_context_create(void *model, uint32_t max_tokens, uint32_t max_seqs,
                                   uint32_t max_team, void **context, SutraError *err);
void su_cuda_context_free(void *context);
/* Pinned memory for an output of so many bytes. */
SutraStatus su_cuda_context_room(SuCudaContext *context, size_t bytes, SutraError *err);
SutraStatus su_cuda_run(void *context, const SutraBatch *batch, SutraResultView *view,
                        SutraError *err);

#endif
