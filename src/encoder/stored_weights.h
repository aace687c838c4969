/* stored_weights.h - tensors as a model stores them: found by role, checked, read as floats. */
#ifndef SU_STORED_WEIGHTS_H
#define SU_STORED_WEIGHTS_H

#include "kernels/kernels.h"
#include "sutra_backend.h"

typedef struct SuStoredWeights {
    const SutraTensor *tensors; /* [count] */
    size_t count;
    const SuKernels *kernels;
} SuStoredWeights;

static inline size_t su_stored_element_size(uint32_t dtype)
{
    return dtype == SUTRA_TENSOR_F32 ? 4 : dtype == SUTRA_TENSOR_I8 ? 1 : 2;
}

/* NULL if there is none. */
const SutraTensor *su_stored_find(const SuStoredWeights *weights, SutraRole role, uint32_t layer);

/* columns 0: a vector [rows]. Errors: FORMAT (missing, or another shape), UNSUPPORTED (type). */
SutraStatus su_stored_require(const SuStoredWeights *weights, SutraRole role, uint32_t layer,
                              uint64_t rows, uint64_t columns, const SutraTensor **tensor,
                              SutraError *err);

/* Row of n elements as floats; stored data may be unaligned. Not of I8. */
void su_stored_read_row(const SuStoredWeights *weights, const SutraTensor *tensor, size_t row,
                        size_t n, float *to);

#endif
