#include "kernels/kernels.h"

void su_kernels_init(SuKernels *kernels, SuIsa isa)
{
    *kernels = (SuKernels){.isa = isa};
    su_kernels_init_ref(kernels);
#if defined(__x86_64__)
    if (isa >= SU_ISA_AVX2) su_kernels_init_avx2(kernels);
    if (isa >= SU_ISA_AVX512) su_kernels_init_avx512(kernels);
#endif
}

void su_gemm_pack_f32(const float *row, size_t feature, size_t k, uint32_t nr, float *b)
{
    float *to = b + feature / nr * nr * k + feature % nr;
    for (size_t p = 0; p < k; p++) to[p * nr] = row[p];
}
