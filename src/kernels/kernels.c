#include "kernels/kernels.h"

#include "kernels/arm/kernels_arm.h"
#include "kernels/gemm_driver.h"
#include "kernels/ref/kernels_ref.h"
#include "kernels/x86/kernels_x86.h"

#include <math.h>
#include <string.h>

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

void su_gemm_pack_f32(const float *row, size_t feature, size_t k, uint32_t nr, float *b)
{
    float *to = b + feature / nr * nr * k + feature % nr;
    for (size_t p = 0; p < k; p++) to[p * nr] = row[p];
}

/* Where element p of row `feature` lies, its elements having `size` bytes. */
static unsigned char *element_at(void *b, size_t feature, size_t k, size_t p, size_t size)
{
    size_t panel = feature / SU_PANEL * SU_PANEL * su_gemm_words(k, size) * 4;
    return (unsigned char *)b + panel + p * size / 4 * 4 * SU_PANEL + feature % SU_PANEL * 4 +
           p * size % 4;
}

void su_gemm_pack_bf16(const float *row, size_t feature, size_t k, void *b)
{
    for (size_t p = 0; p < su_gemm_words(k, 2) * 2; p++) {
        uint16_t half = 0;
        if (p < k) su_narrow_bf16_ref(&row[p], 1, &half);
        memcpy(element_at(b, feature, k, p, 2), &half, sizeof half);
    }
}

void su_gemm_pack_int8(const float *row, size_t feature, size_t k, void *b, float *scale,
                       int32_t *sum)
{
    float most = 0.0f;
    bool finite = true;
    for (size_t p = 0; p < k; p++) {
        finite = finite && isfinite(row[p]);
        most = fmaxf(most, fabsf(row[p]));
    }
    float step = most / 127.0f, inverse = step >= 0x1p-126f ? 1.0f / step : 0.0f;
    *scale = !finite ? NAN : inverse > 0.0f ? step : 1.0f;
    *sum = 0;
    for (size_t p = 0; p < su_gemm_words(k, 1) * 4; p++) {
        int q = p < k && finite ? (int)rintf(row[p] * inverse) : 0;
        *sum += q;
        *element_at(b, feature, k, p, 1) = (unsigned char)(int8_t)(q > 127    ? 127
                                                                   : q < -127 ? -127
                                                                              : q);
    }
}
