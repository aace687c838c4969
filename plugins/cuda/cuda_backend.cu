/* The table of the CUDA backend. */
#include "cuda_model.h"

static SutraStatus supports(uint32_t device, const SutraSpec *spec, SutraCompute compute,
                            SutraOutput output, SutraError *err)
{
    SutraStatus status = su_cuda_device_use(device, NULL, err);
    if (status == SUTRA_OK) status = su_cuda_check_spec(spec, compute, err);
    return status == SUTRA_OK ? su_cuda_check_output(spec, output, err) : status;
}

extern "C" SUTRA_API const SutraBackend *sutra_backend_entry(const SutraHost *host)
{
    static const SutraBackend backend = {
        sizeof backend,       SUTRA_BACKEND_ABI,   "cuda",
        su_cuda_device_count, su_cuda_device_info, supports,
        su_cuda_load,         su_cuda_unload,      su_cuda_context_create,
        su_cuda_run,          su_cuda_context_free};
    return host->abi == SUTRA_BACKEND_ABI ? &backend : NULL;
}
