/* Kernels over rows, NEON, and the table of this ISA. */
#include "kernels/arm/vec_neon.h"

#include "kernels/rows_f32_vectors.h"

#include "kernels/output_f32_vectors.h"
#include "kernels/sum_rows_vectors.h"

static void widen_f16(const uint16_t *x, size_t n, float *y)
{
    size_t i = 0;
    for (; i + 4 <= n; i += 4)
        vst1q_f32(y + i, vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(x + i))));
    su_widen_f16_ref(x + i, n - i, y + i);
}

static void widen_bf16(const uint16_t *x, size_t n, float *y)
{
    size_t i = 0;
    for (; i + 4 <= n; i += 4)
        vst1q_f32(y + i, vreinterpretq_f32_u32(vshll_n_u16(vld1_u16(x + i), 16)));
    su_widen_bf16_ref(x + i, n - i, y + i);
}

static void widen_s8(const int8_t *x, float scale, size_t n, float *y)
{
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        int16x8_t wide = vmovl_s8(vld1_s8(x + i));
        Vec low = vcvtq_f32_s32(vmovl_s16(vget_low_s16(wide)));
        Vec high = vcvtq_f32_s32(vmovl_high_s16(wide));
        vst1q_f32(y + i, vmulq_n_f32(low, scale));
        vst1q_f32(y + i + VEC_LANES, vmulq_n_f32(high, scale));
    }
    su_widen_s8_ref(x + i, scale, n - i, y + i);
}

void su_kernels_init_neon(SuKernels *kernels)
{
    init_rows(kernels);
    init_output(kernels);
    init_sums(kernels);
    su_dots_init_neon(kernels);
    kernels->gemm_f32 = su_gemm_f32_12x8_neon;
    kernels->gemm_f16 = su_gemm_f16_12x8_neon;
    kernels->gemm_bf16 = su_gemm_bf16_9x8_neon;
    kernels->gemm_int8 = su_gemm_int8_9x8_neon;
    kernels->attention_f32 = su_attention_f32_neon;
    kernels->widen_f16 = widen_f16;
    kernels->widen_bf16 = widen_bf16;
    kernels->widen_s8 = widen_s8;
}
