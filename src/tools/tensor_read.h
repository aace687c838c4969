/* tensor_read.h - stored weights as floats. */
#ifndef SU_TENSOR_READ_H
#define SU_TENSOR_READ_H

#include "kernels/kernels.h"

size_t su_tensor_elements(const SutraTensor *tensor);

/* Elements first … first + count - 1 of a tensor of F32, F16 or BF16, which may be unaligned, or of
 * I8, without its scales. */
void su_tensor_read(const SuKernels *kernels, const SutraTensor *tensor, size_t first, size_t count,
                    float *to);

#endif
