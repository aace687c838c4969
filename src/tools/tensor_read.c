#include "tensor_read.h"

#include <string.h>

size_t su_tensor_elements(const SutraTensor *tensor)
{
    size_t count = 1;
    for (uint32_t i = 0; i < tensor->num_dims; i++) count *= (size_t)tensor->shape[i];
    return count;
}

void su_tensor_read(const SuKernels *kernels, const SutraTensor *tensor, size_t first, size_t count,
                    float *to)
{
    const unsigned char *from = tensor->data;
    uint16_t block[256];
    if (tensor->dtype == SUTRA_TENSOR_F32) {
        memcpy(to, from + 4 * first, count * sizeof *to);
        return;
    }
    for (size_t i = 0; tensor->dtype == SUTRA_TENSOR_I8 && i < count; i++)
        to[i] = (float)(int8_t)from[first + i];
    if (tensor->dtype == SUTRA_TENSOR_I8) return;
    from += 2 * first;
    for (size_t i = 0; i < count; i += 256) {
        size_t n = count - i < 256 ? count - i : 256;
        memcpy(block, from + 2 * i, 2 * n);
        if (tensor->dtype == SUTRA_TENSOR_F16)
            kernels->widen_f16(block, n, to + i);
        else
            kernels->widen_bf16(block, n, to + i);
    }
}
