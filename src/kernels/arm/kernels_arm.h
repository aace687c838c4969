/* kernels_arm.h - the Arm kernels; contracts in kernels/kernels.h. */
#ifndef SU_KERNELS_ARM_H
#define SU_KERNELS_ARM_H

#include "kernels/kernels.h"

extern const SuGemm su_gemm_f32_12x8_neon;
extern const SuGemm su_gemm_f16_12x8_neon;
extern const SuGemm su_gemm_bf16_9x8_neon;
extern const SuGemm su_gemm_int8_9x8_neon;
extern const SuGemm su_gemm_int8_9x8_dotprod;
extern const SuGemm su_gemm_int8_9x8_i8mm;
extern const SuAttentionF32 su_attention_f32_neon;

/* Fills in dots_f32, dots_s8 and differing_bits. */
void su_dots_init_neon(SuKernels *kernels);

#endif
