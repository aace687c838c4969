/* sutra.h: what this library and this machine are. */
#include "api/json_print.h"
#include "backend/cpu_backend.h"
#include "base/cpu_features.h"
#include "base/status.h"
#include "kernels/kernels.h"

int sutra_compute_is_native(SutraCompute compute)
{
    SutraDeviceInfo info = {.struct_size = sizeof info};
    SutraError ignored = {0};
    if (su_cpu_backend()->device_info(0, &info, &ignored) != SUTRA_OK) return 0;
    return (unsigned)compute < 32 && info.computes >> compute & 1;
}

SutraStatus sutra_system_describe(char *json, size_t capacity, size_t *size, SutraError *err)
{
    SuIsa isa;
    SuKernels kernels;
    SU_TRY(su_isa_select(&isa, err));
    su_kernels_init(&kernels, isa);
    return su_json_print(
        json, capacity, size, err,
        "{\"version\": \"%s\", \"isa\": \"%s\", \"isa_of_processor\": \"%s\", \"cores\": %u, "
        "\"kernels\": {\"gemm_f32\": \"%s\", \"gemm_f16\": \"%s\", \"gemm_bf16\": \"%s\", "
        "\"gemm_int8\": \"%s\", "
        "\"attention_f32\": \"%s\"}, \"backends\": [\"cpu\"]}",
        sutra_version(), su_isa_name(isa), su_isa_name(su_isa_detect()), su_cpu_count(),
        kernels.gemm_f32.name, kernels.gemm_f16.name, kernels.gemm_bf16.name,
        kernels.gemm_int8.name, kernels.attention_f32.name);
}
