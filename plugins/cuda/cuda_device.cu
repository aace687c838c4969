#include "cuda_device.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OLDEST_MAJOR = 8, RUN_TOKENS = 16384, IN_FLIGHT = 3 };

SutraStatus su_cuda_raise(SutraError *err, uint32_t device, cudaError_t status, const char *what)
{
    (void)cudaGetLastError(); /* or the next call would be told of it once more */
    snprintf(err->message, sizeof err->message, "cuda:%u: %s: %s (%s)", device, what,
             cudaGetErrorString(status), cudaGetErrorName(status));
    err->status = status == cudaErrorMemoryAllocation ? SUTRA_E_MEMORY : SUTRA_E_DEVICE;
    return err->status;
}

SutraStatus su_cuda_device_count(uint32_t *count, SutraError *err)
{
    int found = 0;
    *count = 0;
    cudaError_t status = cudaGetDeviceCount(&found);
    if (status == cudaSuccess && found > 0) {
        *count = (uint32_t)found;
        return SUTRA_OK;
    }
    (void)cudaGetLastError();
    int version = 0;
    cudaRuntimeGetVersion(&version);
    if (status == cudaErrorInsufficientDriver)
        snprintf(err->message, sizeof err->message,
                 "cuda: there is no NVIDIA driver, or it is older than CUDA %d.%d needs",
                 version / 1000, version % 1000 / 10);
    else if (status == cudaErrorNoDevice || status == cudaSuccess)
        snprintf(err->message, sizeof err->message, "cuda: the driver finds no GPU");
    else
        snprintf(err->message, sizeof err->message, "cuda: GPUs can't be counted: %s (%s)",
                 cudaGetErrorString(status), cudaGetErrorName(status));
    return err->status = SUTRA_E_DEVICE;
}

SutraStatus su_cuda_device_use(uint32_t device, SuCudaDevice *facts, SutraError *err)
{
    int major = 0, minor = 0, count = 0;
    CUDA_TRY(err, device, "it can't be used", cudaSetDevice((int)device));
    CUDA_TRY(err, device, "it does not say what it is",
             cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, (int)device));
    CUDA_TRY(err, device, "it does not say what it is",
             cudaDeviceGetAttribute(&minor, cudaDevAttrComputeCapabilityMinor, (int)device));
    CUDA_TRY(err, device, "it does not say what it is",
             cudaDeviceGetAttribute(&count, cudaDevAttrMultiProcessorCount, (int)device));
    if (major < OLDEST_MAJOR) {
        snprintf(err->message, sizeof err->message,
                 "cuda:%u has compute capability %d.%d, the kernels need %d.0 (Ampere) or later",
                 device, major, minor, OLDEST_MAJOR);
        return err->status = SUTRA_E_UNSUPPORTED;
    }
    if (facts) *facts = {(uint32_t)count, major == 9};
    return SUTRA_OK;
}

SutraStatus su_cuda_device_info(uint32_t device, SutraDeviceInfo *info, SutraError *err)
{
    cudaDeviceProp facts;
    size_t free_bytes = 0, total = 0;
    SutraStatus status = su_cuda_device_use(device, NULL, err);
    if (status != SUTRA_OK) return status;
    CUDA_TRY(err, device, "it does not say what it is",
             cudaGetDeviceProperties(&facts, (int)device));
    CUDA_TRY(err, device, "it does not answer", cudaMemGetInfo(&free_bytes, &total));
    snprintf(info->name, sizeof info->name, "%.63s", facts.name);
    info->memory_total = total;
    info->memory_free = free_bytes;
    info->computes = 1u << SUTRA_COMPUTE_FP32 | 1u << SUTRA_COMPUTE_FP16 | 1u << SUTRA_COMPUTE_BF16;
    info->numa_node = 0;
    info->max_in_flight = IN_FLIGHT;
    info->preferred_tokens = RUN_TOKENS;
    info->one_run_a_core = 0;
    return SUTRA_OK;
}

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static SuCudaGarbage *left;

void su_cuda_leave(SuCudaGarbage *garbage)
{
    pthread_mutex_lock(&lock);
    garbage->next = left;
    left = garbage;
    pthread_mutex_unlock(&lock);
}

static SuCudaGarbage *take_of(uint32_t device)
{
    pthread_mutex_lock(&lock);
    SuCudaGarbage **at = &left;
    while (*at && (*at)->device != device) at = &(*at)->next;
    SuCudaGarbage *found = *at;
    if (found) *at = found->next;
    pthread_mutex_unlock(&lock);
    return found;
}

void su_cuda_collect(uint32_t device)
{
    SuCudaGarbage *garbage;
    while ((garbage = take_of(device))) {
        su_cuda_graphs_free(garbage->graphs);
        if (garbage->stream) cudaStreamDestroy(garbage->stream);
        cudaFree(garbage->memory);
        cudaFreeHost(garbage->pinned[0]);
        cudaFreeHost(garbage->pinned[1]);
        free(garbage);
    }
    (void)cudaGetLastError(); /* a launch to come would be blamed for it */
}
