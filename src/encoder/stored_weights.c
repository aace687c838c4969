#include "encoder/stored_weights.h"

#include "base/status.h"

#include <string.h>

const SutraTensor *su_stored_find(const SuStoredWeights *weights, SutraRole role, uint32_t layer)
{
    for (size_t i = 0; i < weights->count; i++)
        if (weights->tensors[i].role == (uint32_t)role && weights->tensors[i].layer == layer)
            return &weights->tensors[i];
    return NULL;
}

SutraStatus su_stored_require(const SuStoredWeights *weights, SutraRole role, uint32_t layer,
                              uint64_t rows, uint64_t columns, const SutraTensor **out,
                              SutraError *err)
{
    const SutraTensor *tensor = su_stored_find(weights, role, layer);
    if (!tensor)
        SU_RAISE(err, SUTRA_E_FORMAT, "tensor of role %d, layer %u is missing", (int)role, layer);
    bool scaled = role == SUTRA_ROLE_TOKEN_EMBEDDING || role == SUTRA_ROLE_POSITION_EMBEDDING;
    if (tensor->dtype > (scaled ? SUTRA_TENSOR_I8 : SUTRA_TENSOR_BF16))
        SU_RAISE(err, SUTRA_E_UNSUPPORTED,
                 "tensor of role %d, layer %u: element type %u is not supported", (int)role, layer,
                 tensor->dtype);
    bool matrix = columns != 0;
    if (tensor->num_dims != (matrix ? 2u : 1u) || tensor->shape[0] != rows ||
        (matrix && tensor->shape[1] != columns) ||
        tensor->size != rows * (matrix ? columns : 1) * su_stored_element_size(tensor->dtype))
        SU_RAISE(err, SUTRA_E_FORMAT,
                 "tensor of role %d, layer %u has another shape than [%llu, %llu]", (int)role,
                 layer, (unsigned long long)rows, (unsigned long long)columns);
    *out = tensor;
    return SUTRA_OK;
}

void su_stored_read_row(const SuStoredWeights *weights, const SutraTensor *tensor, size_t row,
                        size_t n, float *to)
{
    const unsigned char *from =
        (const unsigned char *)tensor->data + row * n * su_stored_element_size(tensor->dtype);
    if (tensor->dtype == SUTRA_TENSOR_F32) {
        memcpy(to, from, n * sizeof *to);
        return;
    }
    uint16_t block[256];
    for (size_t i = 0; i < n; i += 256) {
        size_t count = n - i < 256 ? n - i : 256;
        memcpy(block, from + 2 * i, 2 * count);
        if (tensor->dtype == SUTRA_TENSOR_F16)
            weights->kernels->widen_f16(block, count, to + i);
        else
            weights->kernels->widen_bf16(block, count, to + i);
    }
}
