/* The driver's function for tensor maps, which is looked up once, and a matrix in its terms. */
#include "cuda_tensor_map.h"

#include <cuda_runtime.h>
#include <pthread.h>

typedef CUresult (*Encode)(CUtensorMap *, CUtensorMapDataType, cuuint32_t, void *,
                           const cuuint64_t *, const cuuint64_t *, const cuuint32_t *,
                           const cuuint32_t *, CUtensorMapInterleave, CUtensorMapSwizzle,
                           CUtensorMapL2promotion, CUtensorMapFloatOOBfill);

static pthread_once_t once = PTHREAD_ONCE_INIT;
static Encode encode; /* of the driver; NULL: it has none */

static void look_up_encode()
{
    void *found = NULL;
    cudaDriverEntryPointQueryResult result;
    cudaError_t status = cudaGetDriverEntryPointByVersion("cuTensorMapEncodeTiled", &found, 12000,
                                                          cudaEnableDefault, &result);
    (void)cudaGetLastError();
    if (status == cudaSuccess && result == cudaDriverEntryPointSuccess) encode = (Encode)found;
}

bool su_cuda_can_map(void)
{
    pthread_once(&once, look_up_encode);
    return encode != NULL;
}

static CUtensorMapSwizzle swizzle_of(uint32_t columns)
{
    if (columns == 64) return CU_TENSOR_MAP_SWIZZLE_128B;
    if (columns == 32) return CU_TENSOR_MAP_SWIZZLE_64B;
    return CU_TENSOR_MAP_SWIZZLE_32B;
}

bool su_cuda_map(const SuCudaMatrix *matrix, CUtensorMap *map)
{
    cuuint64_t sizes[2] = {matrix->columns, matrix->rows}, strides[1] = {2 * matrix->pitch};
    cuuint32_t box[2] = {matrix->box_columns, matrix->box_rows}, steps[2] = {1, 1};
    CUtensorMapDataType type = matrix->type == SU_CUDA_F16 ? CU_TENSOR_MAP_DATA_TYPE_FLOAT16
                                                           : CU_TENSOR_MAP_DATA_TYPE_BFLOAT16;
    return su_cuda_can_map() &&
           encode(map, type, 2, (void *)matrix->data, sizes, strides, box, steps,
                  CU_TENSOR_MAP_INTERLEAVE_NONE, swizzle_of(matrix->box_columns),
                  CU_TENSOR_MAP_L2_PROMOTION_L2_256B,
                  CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE) == CUDA_SUCCESS;
}
