/* cuda_tensor_map.h - descriptions of matrices by which Hopper's tensor copies find their boxes. */
#ifndef SU_CUDA_TENSOR_MAP_H
#define SU_CUDA_TENSOR_MAP_H

#include "cuda_plan.h"

#include <cuda.h>

/* Rows of `columns` elements of 2 bytes (SU_CUDA_F16 or _BF16), `pitch` elements apart, in boxes of
 * box_rows (at most 256) x box_columns. A box's rows lie in shared memory as rows of 32, 64 or 128
 * bytes, swizzled over as many. data is aligned to 16 bytes and pitch a multiple of 8. */
typedef struct SuCudaMatrix {
    SuCudaType type;
    const void *data; /* [rows, columns] */
    uint64_t rows, columns, pitch;
    uint32_t box_rows, box_columns; /* 16, 32 or 64 columns */
} SuCudaMatrix;

/* Whether the driver can make them. Asks it once. */
bool su_cuda_can_map(void);
/* false: the driver refuses it, or can make none. */
bool su_cuda_map(const SuCudaMatrix *matrix, CUtensorMap *map);

#endif
