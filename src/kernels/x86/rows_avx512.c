/* Kernels over rows, AVX-512, and the table of this ISA. */
#include "kernels/x86/vec_avx512.h"

#include "kernels/rows_f32_vectors.h"

#include "kernels/output_f32_vectors.h"
#include "kernels/sum_rows_vectors.h"

static void widen_f16(const uint16_t *x, size_t n, float *y)
{
    for (size_t i = 0; i < n; i += 16) {
        __mmask16 mask = lanes_below(n - i < 16 ? n - i : 16);
        _mm512_mask_storeu_ps(y + i, mask, _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(mask, x + i)));
    }
}

static void widen_bf16(const uint16_t *x, size_t n, float *y)
{
    for (size_t i = 0; i < n; i += 16) {
        __mmask16 mask = lanes_below(n - i < 16 ? n - i : 16);
        __m512i bits =
            _mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(mask, x + i)), 16);
        _mm512_mask_storeu_ps(y + i, mask, _mm512_castsi512_ps(bits));
    }
}

static void widen_s8(const int8_t *x, float scale, size_t n, float *y)
{
    for (size_t i = 0; i < n; i += 16) {
        __mmask16 mask = lanes_below(n - i < 16 ? n - i : 16);
        __m512i wide = _mm512_cvtepi8_epi32(_mm_maskz_loadu_epi8(mask, x + i));
        _mm512_mask_storeu_ps(y + i, mask,
                              _mm512_mul_ps(_mm512_cvtepi32_ps(wide), _mm512_set1_ps(scale)));
    }
}

void su_kernels_init_avx512(SuKernels *kernels)
{
    init_rows(kernels);
    init_output(kernels);
    init_sums(kernels);
    su_dots_init_avx512(kernels);
    kernels->gemm_f32 = su_gemm_f32_12x32_avx512;
    kernels->gemm_f16 = su_gemm_f16_12x32_avx512;
    kernels->gemm_bf16 = su_gemm_bf16_12x32_avx512;
    kernels->gemm_int8 = su_gemm_int8_12x32_avx512;
    kernels->attention_f32 = su_attention_f32_avx512;
    kernels->widen_f16 = widen_f16;
    kernels->widen_bf16 = widen_bf16;
    kernels->widen_s8 = widen_s8;
}
