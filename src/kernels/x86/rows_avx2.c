/* Kernels over rows, AVX2, and the table of this ISA. */
#include "kernels/x86/vec_avx2.h"

#include "kernels/rows_f32_vectors.h"

#include "kernels/output_f32_vectors.h"
#include "kernels/sum_rows_vectors.h"

static void widen_f16(const uint16_t *x, size_t n, float *y)
{
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        __m128i half = _mm_loadu_si128((const __m128i *)(const void *)(x + i));
        _mm256_storeu_ps(y + i, _mm256_cvtph_ps(half));
    }
    for (; i < n; i++) y[i] = _mm_cvtss_f32(_mm_cvtph_ps(_mm_cvtsi32_si128(x[i])));
}

static void widen_bf16(const uint16_t *x, size_t n, float *y)
{
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        __m256i wide =
            _mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)(const void *)(x + i)));
        _mm256_storeu_ps(y + i, _mm256_castsi256_ps(_mm256_slli_epi32(wide, 16)));
    }
    su_widen_bf16_ref(x + i, n - i, y + i);
}

static void widen_s8(const int8_t *x, float scale, size_t n, float *y)
{
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        __m256i wide =
            _mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)(const void *)(x + i)));
        _mm256_storeu_ps(y + i, _mm256_mul_ps(_mm256_cvtepi32_ps(wide), _mm256_set1_ps(scale)));
    }
    su_widen_s8_ref(x + i, scale, n - i, y + i);
}

void su_kernels_init_avx2(SuKernels *kernels)
{
    init_rows(kernels);
    init_output(kernels);
    init_sums(kernels);
    su_dots_init_avx2(kernels);
    kernels->gemm_f32 = su_gemm_f32_6x16_avx2;
    kernels->gemm_f16 = su_gemm_f16_6x16_avx2;
    kernels->gemm_bf16 = su_gemm_bf16_6x16_avx2;
    kernels->gemm_int8 = su_gemm_int8_3x16_avx2;
    kernels->attention_f32 = su_attention_f32_avx2;
    kernels->widen_f16 = widen_f16;
    kernels->widen_bf16 = widen_bf16;
    kernels->widen_s8 = widen_s8;
}
