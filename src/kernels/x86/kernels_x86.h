/* kernels_x86.h - the x86 kernels; contracts in kernels/kernels.h. */
#ifndef SU_KERNELS_X86_H
#define SU_KERNELS_X86_H

#include "kernels/kernels.h"

/* A kernel is one inline function over constants (rows, vectors), instantiated for each of them; its
 * arrays of vectors become registers once every loop over them is unrolled. */
#define SU_INLINE static inline __attribute__((always_inline))
#if defined(__clang__)
#define SU_UNROLL _Pragma("clang loop unroll(full)")
#else
#define SU_UNROLL _Pragma("GCC unroll 32")
#endif

extern const SuGemmF32 su_gemm_f32_6x16_avx2;
extern const SuGemmF32 su_gemm_f32_12x32_avx512;
extern const SuAttentionF32 su_attention_f32_avx2;
extern const SuAttentionF32 su_attention_f32_avx512;

#endif
