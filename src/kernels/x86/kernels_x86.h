/* kernels_x86.h - the x86 kernels; contracts in kernels/kernels.h. */
#ifndef SU_KERNELS_X86_H
#define SU_KERNELS_X86_H

#include "kernels/kernels.h"

extern const SuGemm su_gemm_f32_6x16_avx2;
extern const SuGemm su_gemm_f32_12x32_avx512;
extern const SuGemm su_gemm_f16_6x16_avx2;
extern const SuGemm su_gemm_f16_12x32_avx512;
extern const SuGemm su_gemm_bf16_6x16_avx2;
extern const SuGemm su_gemm_bf16_12x32_avx512;
extern const SuGemm su_gemm_bf16_12x32_avx512bf16;
extern const SuGemm su_gemm_bf16_32x32_amx;
extern const SuGemm su_gemm_int8_3x16_avx2;
extern const SuGemm su_gemm_int8_6x16_avxvnni;
extern const SuGemm su_gemm_int8_12x32_avx512;
extern const SuGemm su_gemm_int8_12x32_avx512vnni;
extern const SuGemm su_gemm_int8_32x32_amx;
extern const SuAttentionBf16 su_attention_bf16_amx;
extern const SuAttentionF32 su_attention_f32_avx2;
extern const SuAttentionF32 su_attention_f32_avx512;

/* Fill in dots_f32, dots_s8 and differing_bits. */
void su_dots_init_avx2(SuKernels *kernels);
void su_dots_init_avx512(SuKernels *kernels);

#endif
