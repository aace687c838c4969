/* Loading: stored tensors go to the device as they are, through one staging block, and are
 * converted there. */
#include "cuda_model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { STAGING_BYTES = 32 << 20 };

/* What a load holds until it ends. */
typedef struct Loader {
    SuCudaModel *model;
    SutraError *err;
    unsigned char *staging; /* [STAGING_BYTES], and the flag behind it */
    uint32_t *overflowed;
} Loader;

static SutraStatus copy_block(const Loader *loader, const SuCudaCopy *copy, uint64_t row,
                              uint64_t rows)
{
    const SuCudaModel *model = loader->model;
    size_t size = copy->from->dtype == SUTRA_TENSOR_F32 ? 4 : 2;
    size_t row_bytes = (size_t)copy->columns * size;
    CUDA_TRY(loader->err, model->device, "weights can't be copied",
             cudaMemcpy(loader->staging, (const char *)copy->from->data + row * row_bytes,
                        rows * row_bytes, cudaMemcpyHostToDevice));
    SuCudaConvert convert = {};
    convert.from = loader->staging;
    convert.from_type = copy->from->dtype;
    convert.type = copy->type;
    convert.to = model->weights + copy->offset;
    convert.rows = rows;
    convert.columns = copy->columns;
    convert.first = copy->first + row * copy->step;
    convert.step = copy->step;
    convert.overflowed = loader->overflowed;
    CUDA_TRY(loader->err, model->device, "weights can't be converted",
             su_cuda_convert(&convert, 0));
    return SUTRA_OK;
}

static_assert(STAGING_BYTES / 4 >= SU_CUDA_MAX_FEATURES, "the staging block holds any row");

static SutraStatus copy_tensor(const Loader *loader, const SuCudaCopy *copy)
{
    size_t row_bytes = (size_t)copy->columns * (copy->from->dtype == SUTRA_TENSOR_F32 ? 4 : 2);
    uint64_t most = STAGING_BYTES / row_bytes;
    for (uint64_t row = 0; row < copy->rows; row += most) {
        uint64_t rows = copy->rows - row < most ? copy->rows - row : most;
        SutraStatus status = copy_block(loader, copy, row, rows);
        if (status != SUTRA_OK) return status;
    }
    return SUTRA_OK;
}

static SutraStatus upload(const Loader *loader, const float *numbers, size_t count, size_t offset)
{
    const SuCudaModel *model = loader->model;
    CUDA_TRY(loader->err, model->device, "tables can't be copied",
             cudaMemcpy(model->weights + offset, numbers, count * sizeof *numbers,
                        cudaMemcpyHostToDevice));
    return SUTRA_OK;
}

static SutraStatus out_of_memory(SutraError *err, size_t bytes)
{
    snprintf(err->message, sizeof err->message, "out of memory for %zu bytes", bytes);
    return err->status = SUTRA_E_MEMORY;
}

static SutraStatus load_turns(const Loader *loader)
{
    const SuCudaPlan *plan = &loader->model->plan;
    size_t count = (size_t)plan->spec.max_positions * plan->spec.head_size;
    if (!plan->num_ropes) return SUTRA_OK;
    float *turns = (float *)malloc(count * sizeof *turns);
    if (!turns) return out_of_memory(loader->err, count * sizeof *turns);
    SutraStatus status = SUTRA_OK;
    for (uint32_t i = 0; i < plan->num_ropes && status == SUTRA_OK; i++) {
        su_cuda_fill_turns(plan, plan->rope_base[i], plan->spec.max_positions, turns);
        status = upload(loader, turns, count, plan->turns + i * count * sizeof *turns);
    }
    free(turns);
    return status;
}

static SutraStatus load_bias(const Loader *loader, const SutraTensor *tensors, size_t n)
{
    const SuCudaPlan *plan = &loader->model->plan;
    if (plan->bias == SU_CUDA_NONE) return SUTRA_OK;
    size_t count = plan->spec.num_heads * plan->bias_row;
    size_t stored = (size_t)plan->spec.relative_buckets * plan->spec.num_heads;
    float *bias = (float *)malloc((count + stored) * sizeof *bias);
    if (!bias) return out_of_memory(loader->err, count * sizeof *bias);
    for (size_t i = 0; i < n && stored; i++)
        if (tensors[i].role == SUTRA_ROLE_RELATIVE_BIAS)
            su_cuda_widen(&tensors[i], 0, stored, bias + count);
    su_cuda_spread_bias(plan, stored ? bias + count : NULL, bias);
    SutraStatus status = upload(loader, bias, count, plan->bias);
    free(bias);
    return status;
}

static SutraStatus load_all(const Loader *loader, const SutraTensor *tensors, size_t n)
{
    const SuCudaPlan *plan = &loader->model->plan;
    SutraError *err = loader->err;
    uint32_t device = loader->model->device, overflowed = 0;
    CUDA_TRY(err, device, "memory can't be cleared",
             cudaMemset(loader->overflowed, 0, sizeof overflowed));
    for (size_t i = 0; i < plan->num_copies; i++) {
        SutraStatus status = copy_tensor(loader, &plan->copies[i]);
        if (status != SUTRA_OK) return status;
    }
    SutraStatus status = load_turns(loader);
    if (status == SUTRA_OK) status = load_bias(loader, tensors, n);
    if (status != SUTRA_OK) return status;
    CUDA_TRY(
        err, device, "weights can't be loaded",
        cudaMemcpy(&overflowed, loader->overflowed, sizeof overflowed, cudaMemcpyDeviceToHost));
    if (!overflowed) return SUTRA_OK;
    snprintf(err->message, sizeof err->message,
             "a weight is too large for %s: its precision must be another",
             plan->type == SU_CUDA_F16 ? "fp16" : "bf16");
    return err->status = SUTRA_E_FORMAT;
}

static SutraStatus load(Loader *loader, const SutraSpec *spec, const SutraTensor *tensors, size_t n,
                        SutraCompute compute)
{
    SuCudaModel *model = loader->model;
    SutraError *err = loader->err;
    char what[96];
    SutraStatus status = su_cuda_plan_make(&model->plan, spec, tensors, n, compute, err);
    if (status != SUTRA_OK) return status;
    snprintf(what, sizeof what, "%zu MB for weights", model->plan.bytes >> 20);
    CUDA_TRY(err, model->device, what, cudaMalloc((void **)&model->weights, model->plan.bytes));
    CUDA_TRY(err, model->device, "memory for copying weights",
             cudaMalloc((void **)&loader->staging, STAGING_BYTES + 256));
    loader->overflowed = (uint32_t *)(loader->staging + STAGING_BYTES);
    return load_all(loader, tensors, n);
}

SutraStatus su_cuda_load(uint32_t device, const SutraSpec *spec, const SutraTensor *tensors,
                         size_t n, SutraCompute compute, void **out, SutraError *err)
{
    SuCudaDevice facts;
    *out = NULL;
    SutraStatus status = su_cuda_device_use(device, &facts, err);
    if (status != SUTRA_OK) return status;
    su_cuda_collect(device);
    SuCudaModel *model = (SuCudaModel *)calloc(1, sizeof *model);
    SuCudaGarbage *garbage = (SuCudaGarbage *)calloc(1, sizeof *garbage);
    if (!model || !garbage) {
        free(model);
        free(garbage);
        return out_of_memory(err, sizeof *model);
    }
    model->device = device;
    model->facts = facts;
    model->garbage = garbage;
    Loader loader = {model, err, NULL, NULL};
    status = load(&loader, spec, tensors, n, compute);
    cudaFree(loader.staging);
    if (status == SUTRA_OK) {
        *out = model;
    } else {
        su_cuda_unload(model);
        su_cuda_collect(device);
    }
    return status;
}

void su_cuda_unload(void *opaque)
{
    SuCudaModel *model = (SuCudaModel *)opaque;
    if (!model) return;
    model->garbage->device = model->device;
    model->garbage->memory = model->weights;
    su_cuda_leave(model->garbage);
    su_cuda_plan_free(&model->plan);
    free(model);
}
