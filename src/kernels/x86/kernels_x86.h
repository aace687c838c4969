/* kernels_x86.h - the x86 kernels; contracts in kernels/kernels.h. */
#ifndef SU_KERNELS_X86_H
#define SU_KERNELS_X86_H

#include "kernels/kernels.h"

extern const SuGemmF32 su_gemm_f32_6x16_avx2;
extern const SuGemmF32 su_gemm_f32_12x32_avx512;
extern const SuAttentionF32 su_attention_f32_avx2;
extern const SuAttentionF32 su_attention_f32_avx512;

#endif
