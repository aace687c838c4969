/* cuda_device.h - devices, their errors in words, and memory that is given back later. */
#ifndef SU_CUDA_DEVICE_H
#define SU_CUDA_DEVICE_H

#include "cuda_graph.h"

#include <cuda_runtime.h>
#include <stdbool.h>

/* What happened on a device, as an error of the interface: names device, what was done and the
 * driver's reason. */
SutraStatus su_cuda_raise(SutraError *err, uint32_t device, cudaError_t status, const char *what);

#define CUDA_TRY(err, device, what, call)                                                       \
    do {                                                                                        \
        cudaError_t cuda_status_ = (call);                                                      \
        if (cuda_status_ != cudaSuccess) return su_cuda_raise(err, device, cuda_status_, what); \
    } while (0)

SutraStatus su_cuda_device_count(uint32_t *count, SutraError *err);
SutraStatus su_cuda_device_info(uint32_t device, SutraDeviceInfo *info, SutraError *err);

/* What decides between kernels. */
typedef struct SuCudaDevice {
    uint32_t multiprocessors;
    bool wgmma; /* of Hopper's generation */
} SuCudaDevice;

/* Makes it the calling thread's. Errors: DEVICE, UNSUPPORTED (it is older than this backend's
 * kernels). facts may be NULL. */
SutraStatus su_cuda_device_use(uint32_t device, SuCudaDevice *facts, SutraError *err);

/* What is to be freed: freeing waits for a device, which those who give back may not do. */
typedef struct SuCudaGarbage {
    uint32_t device;
    SuCudaGraphTable *graphs;
    void *memory, *pinned[2];
    cudaStream_t stream;
    struct SuCudaGarbage *next;
} SuCudaGarbage;

/* Takes it, which is of malloc, over. */
void su_cuda_leave(SuCudaGarbage *garbage);
/* Frees all that was left on a device, which is the calling thread's. */
void su_cuda_collect(uint32_t device);

#endif
