#include "kernels/kernels.h"

#include "kernels/arm/kernels_arm.h"
#include "kernels/gemm_driver.h"
#include "kernels/ref/kernels_ref.h"
#include "kernels/x86/kernels_x86.h"

/* Three eighths of L2: measured with 1 and 2 MiB (docs/KERNELS.md). */
static size_t gemm_block_bytes(void)
{
    size_t caches[3];
    su_cache_sizes(caches);
    size_t bytes = caches[1] / 8 * 3;
    return bytes > SU_GEMM_BLOCK_BYTES ? bytes : SU_GEMM_BLOCK_BYTES;
}

void su_kernels_init(SuKernels *kernels, SuIsa isa)
{
    *kernels = (SuKernels){.isa = isa, .gemm_block_bytes = gemm_block_bytes()};
    su_kernels_init_ref(kernels);
#if defined(__x86_64__)
    if (isa >= SU_ISA_AVX2) su_kernels_init_avx2(kernels);
    if (isa == SU_ISA_AVXVNNI) kernels->gemm_int8 = su_gemm_int8_6x16_avxvnni;
    if (isa >= SU_ISA_AVX512) su_kernels_init_avx512(kernels);
    if (isa >= SU_ISA_AVX512VNNI) kernels->gemm_int8 = su_gemm_int8_12x32_avx512vnni;
    if (isa >= SU_ISA_AVX512BF16) kernels->gemm_bf16 = su_gemm_bf16_12x32_avx512bf16;
    if (isa >= SU_ISA_AMX) {
        kernels->gemm_bf16 = su_gemm_bf16_32x32_amx;
        kernels->gemm_int8 = su_gemm_int8_32x32_amx;
        kernels->attention_bf16 = su_attention_bf16_amx;
    }
#elif defined(__aarch64__)
    if (isa >= SU_ISA_NEON) su_kernels_init_neon(kernels);
    if (isa >= SU_ISA_DOTPROD) kernels->gemm_int8 = su_gemm_int8_9x8_dotprod;
    if (isa >= SU_ISA_I8MM) kernels->gemm_int8 = su_gemm_int8_9x8_i8mm;
#endif
}
