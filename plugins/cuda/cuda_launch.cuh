/* cuda_launch.cuh - launches of kernels that begin while the one before them on the stream ends. */
#ifndef SU_CUDA_LAUNCH_CUH
#define SU_CUDA_LAUNCH_CUH

#include <atomic>
#include <cuda_runtime.h>

/* Until the kernels before this one have ended and what they wrote is there. Every thread of every
 * kernel that launch_kernel() starts calls it once, before it reads what another kernel writes or
 * writes anything; what a load put there may be read before. From here on the kernel after this one
 * may take up free places. Before Hopper kernels follow each other anyway. */
static __device__ inline void after_previous()
{
#if __CUDA_ARCH__ >= 900
    asm volatile("griddepcontrol.launch_dependents;\n"
                 "griddepcontrol.wait;" ::
                     : "memory");
#endif
}

/* What of a kernel has been asked for on a device, so that it is not asked again. */
struct Prepared {
    std::atomic<bool> known, early; /* early: the device can start it before its predecessor ends */
    std::atomic<size_t> shared;
};

enum { LAUNCH_DEVICES = 64 }; /* those beyond are asked each time */

/* KERNEL on the calling thread's device. shared: bytes beside what it declares. */
template <auto KERNEL, typename... Arguments>
static cudaError_t launch_kernel(dim3 grid, uint32_t threads, size_t shared, cudaStream_t stream,
                                 const Arguments &...arguments)
{
    static Prepared all[LAUNCH_DEVICES];
    Prepared other = {}, *prepared = &other;
    int device = 0, major = 0;
    cudaError_t status = cudaGetDevice(&device);
    if (status != cudaSuccess) return status;
    if (device < LAUNCH_DEVICES) prepared = &all[device];
    if (!prepared->known) {
        status = cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, device);
        if (status != cudaSuccess) return status;
        prepared->early = major >= 9;
        prepared->known = true;
    }
    if (shared > 48 * 1024 && shared > prepared->shared) {
        status =
            cudaFuncSetAttribute(KERNEL, cudaFuncAttributeMaxDynamicSharedMemorySize, (int)shared);
        if (status != cudaSuccess) return status;
        prepared->shared = shared;
    }
    cudaLaunchAttribute attribute = {};
    attribute.id = cudaLaunchAttributeProgrammaticStreamSerialization;
    attribute.val.programmaticStreamSerializationAllowed = 1;
    cudaLaunchConfig_t config = {};
    config.gridDim = grid;
    config.blockDim = dim3(threads);
    config.dynamicSmemBytes = shared;
    config.stream = stream;
    config.attrs = &attribute;
    config.numAttrs = prepared->early ? 1 : 0;
    return cudaLaunchKernelEx(&config, KERNEL, arguments...);
}

#endif
