/* cpu_backend.h - the CPU as a backend: fills the plugin table over src/encoder. */
#ifndef SU_CPU_BACKEND_H
#define SU_CPU_BACKEND_H

#include "sutra_backend.h"

#include <stdbool.h>

#define SU_CPU_PACKING_NAME 64u
/* Tokens that a thread takes through the layers at a time: their activations fit L2 beside a panel
 * of weights. */
#define SU_CPU_RUN_TOKENS 256u

const SutraBackend *su_cpu_backend(void);

/* A float vector [size], whole, to the form that dtype, dim, normalize and ranges of `form` ask
 * for, with the bits that a run would give. steps [form->dim] is overwritten. False: it holds NaN
 * or infinity; out is zero then. */
bool su_cpu_backend_convert(const SutraBatch *form, const float *vector, uint32_t size,
                            float *steps, void *out);

/* The packed weights of a model that this backend loaded, as a tensor of SUTRA_ROLE_PACKED_CPU:
 * given to load() instead of the weights, they are used where they lie. Borrowed until unload. */
void su_cpu_backend_packed(const void *model, SutraCompute compute, SutraTensor *packed);

/* A name for how this process packs weights, "avx512-fp32-1": weights packed under one name can be
 * used wherever the name is the same. Errors: as su_isa_select; UNSUPPORTED. */
SutraStatus su_cpu_backend_packing(SutraCompute compute, char name[SU_CPU_PACKING_NAME],
                                   SutraError *err);

#endif
