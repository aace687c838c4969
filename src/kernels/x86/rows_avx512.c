/* Kernels over rows, AVX-512: norms, activations, pooling, sums; and the table of this ISA. */
#include "kernels/ref/kernels_ref.h"
#include "kernels/x86/kernels_x86.h"
#include "kernels/x86/math_avx512.h"

#include <math.h>

static __mmask16 mask_at(size_t i, size_t n) { return tail_mask(n - i < 16 ? n - i : 16); }

/* lanes(x): 64 elements a step, the tail one vector at a time into the lane it belongs to */
SU_INLINE float sum_lanes(const float *x, size_t n)
{
    __m512 lane[4] = {_mm512_setzero_ps(), _mm512_setzero_ps(), _mm512_setzero_ps(),
                      _mm512_setzero_ps()};
    size_t i = 0;
    for (; i + 64 <= n; i += 64)
        for (int v = 0; v < 4; v++)
            lane[v] = _mm512_add_ps(lane[v], _mm512_loadu_ps(x + i + 16 * v));
    for (int v = 0; v < 4; v++, i += 16)
        if (i < n) lane[v] = _mm512_add_ps(lane[v], _mm512_maskz_loadu_ps(mask_at(i, n), x + i));
    return fold64_avx512(lane);
}

SU_INLINE float sum_square_differences(const float *x, float mean, size_t n)
{
    __m512 lane[4] = {_mm512_setzero_ps(), _mm512_setzero_ps(), _mm512_setzero_ps(),
                      _mm512_setzero_ps()};
    __m512 m = _mm512_set1_ps(mean);
    size_t i = 0;
    for (; i + 64 <= n; i += 64) {
        for (int v = 0; v < 4; v++) {
            __m512 d = _mm512_sub_ps(_mm512_loadu_ps(x + i + 16 * v), m);
            lane[v] = _mm512_fmadd_ps(d, d, lane[v]);
        }
    }
    for (int v = 0; v < 4; v++, i += 16) {
        if (i >= n) continue;
        __mmask16 mask = mask_at(i, n);
        __m512 d = _mm512_maskz_sub_ps(mask, _mm512_maskz_loadu_ps(mask, x + i), m);
        lane[v] = _mm512_fmadd_ps(d, d, lane[v]);
    }
    return fold64_avx512(lane);
}

static void layer_norm(const SuNormF32 *norm, const float *x, float *y)
{
    size_t n = norm->n;
    float mean = sum_lanes(x, n) / (float)n;
    float rstd = 1.0f / sqrtf(sum_square_differences(x, mean, n) / (float)n + norm->eps);
    __m512 m = _mm512_set1_ps(mean), r = _mm512_set1_ps(rstd);
    for (size_t i = 0; i < n; i += 16) {
        __mmask16 mask = mask_at(i, n);
        __m512 z = _mm512_mul_ps(_mm512_sub_ps(_mm512_maskz_loadu_ps(mask, x + i), m), r);
        z = _mm512_fmadd_ps(z, _mm512_maskz_loadu_ps(mask, norm->gamma + i),
                            _mm512_maskz_loadu_ps(mask, norm->beta + i));
        _mm512_mask_storeu_ps(y + i, mask, z);
    }
}

static void embed_norm(const SuNormF32 *norm, const float *token, const float *type,
                       const float *position, float *y)
{
    for (size_t i = 0; i < norm->n; i += 16) {
        __mmask16 mask = mask_at(i, norm->n);
        __m512 x = _mm512_maskz_loadu_ps(mask, token + i);
        if (type) x = _mm512_add_ps(x, _mm512_maskz_loadu_ps(mask, type + i));
        if (position) x = _mm512_add_ps(x, _mm512_maskz_loadu_ps(mask, position + i));
        _mm512_mask_storeu_ps(y + i, mask, x);
    }
    layer_norm(norm, y, y);
}

static void activate(SutraActivation activation, float *x, size_t n)
{
    for (size_t i = 0; i < n; i += 16) {
        __mmask16 mask = mask_at(i, n);
        _mm512_mask_storeu_ps(x + i, mask,
                              activate_avx512(activation, _mm512_maskz_loadu_ps(mask, x + i)));
    }
}

static float dot(const float *x, const float *y, size_t n)
{
    __m512 lane[4] = {_mm512_setzero_ps(), _mm512_setzero_ps(), _mm512_setzero_ps(),
                      _mm512_setzero_ps()};
    size_t i = 0;
    for (; i + 64 <= n; i += 64)
        for (int v = 0; v < 4; v++)
            lane[v] = _mm512_fmadd_ps(_mm512_loadu_ps(x + i + 16 * v),
                                      _mm512_loadu_ps(y + i + 16 * v), lane[v]);
    for (int v = 0; v < 4; v++, i += 16) {
        if (i >= n) continue;
        __mmask16 mask = mask_at(i, n);
        lane[v] = _mm512_fmadd_ps(_mm512_maskz_loadu_ps(mask, x + i),
                                  _mm512_maskz_loadu_ps(mask, y + i), lane[v]);
    }
    return fold64_avx512(lane);
}

static float sum_of_squares(const float *x, size_t n) { return dot(x, x, n); }

static void scale(const float *x, float factor, size_t n, float *y)
{
    __m512 f = _mm512_set1_ps(factor);
    for (size_t i = 0; i < n; i += 16) {
        __mmask16 mask = mask_at(i, n);
        _mm512_mask_storeu_ps(y + i, mask, _mm512_mul_ps(_mm512_maskz_loadu_ps(mask, x + i), f));
    }
}

/* Columns of 64 elements, all tokens: 4 sums in registers. kind is a constant wherever this is
 * inlined. */
SU_INLINE void pool_columns(const SutraPooling kind, const float *x, size_t stride, size_t first,
                            size_t num_tokens, size_t n, float divisor, float *out)
{
    for (size_t i = 0; i < n; i += 64) {
        __mmask16 mask[4];
        __m512 sum[4];
        for (int v = 0; v < 4; v++) {
            size_t at = i + 16 * (size_t)v;
            mask[v] = at < n ? mask_at(at, n) : 0;
            sum[v] = kind == SUTRA_POOL_MAX
                         ? _mm512_maskz_loadu_ps(mask[v], x + first * stride + at)
                         : _mm512_setzero_ps();
        }
        for (size_t t = first; t < num_tokens; t++) {
            const float *row = x + t * stride + i;
            for (int v = 0; v < 4; v++) {
                __m512 e = _mm512_maskz_loadu_ps(mask[v], row + 16 * v);
                if (kind == SUTRA_POOL_WEIGHTED_MEAN)
                    sum[v] = _mm512_fmadd_ps(_mm512_set1_ps((float)(t + 1)), e, sum[v]);
                else if (kind == SUTRA_POOL_MAX)
                    sum[v] = _mm512_mask_mov_ps(sum[v],
                                                _mm512_cmp_ps_mask(sum[v], e, _CMP_NGE_UQ) &
                                                    _mm512_cmp_ps_mask(sum[v], sum[v], _CMP_ORD_Q),
                                                e);
                else
                    sum[v] = _mm512_add_ps(sum[v], e);
            }
        }
        for (int v = 0; v < 4; v++) {
            if (kind != SUTRA_POOL_MAX) sum[v] = _mm512_div_ps(sum[v], _mm512_set1_ps(divisor));
            _mm512_mask_storeu_ps(out + i + 16 * v, mask[v], sum[v]);
        }
    }
}

static void pool(SutraPooling pooling, const float *x, size_t stride, size_t first,
                 size_t num_tokens, size_t n, float *out)
{
    float tokens = (float)(num_tokens - first), weights = su_pool_weights(first, num_tokens);
    switch (pooling) {
    case SUTRA_POOL_MEAN:
        pool_columns(SUTRA_POOL_MEAN, x, stride, first, num_tokens, n, tokens, out);
        break;
    case SUTRA_POOL_MEAN_SQRT:
        pool_columns(SUTRA_POOL_MEAN, x, stride, first, num_tokens, n, sqrtf(tokens), out);
        break;
    case SUTRA_POOL_WEIGHTED_MEAN:
        pool_columns(SUTRA_POOL_WEIGHTED_MEAN, x, stride, first, num_tokens, n, weights, out);
        break;
    case SUTRA_POOL_MAX:
        pool_columns(SUTRA_POOL_MAX, x, stride, first, num_tokens, n, 1.0f, out);
        break;
    default:
        su_pool_f32_ref(pooling, x, stride, first, num_tokens, n, out);
        break;
    }
}

static void widen_f16(const uint16_t *x, size_t n, float *y)
{
    for (size_t i = 0; i < n; i += 16) {
        __mmask16 mask = mask_at(i, n);
        _mm512_mask_storeu_ps(y + i, mask, _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(mask, x + i)));
    }
}

static void widen_bf16(const uint16_t *x, size_t n, float *y)
{
    for (size_t i = 0; i < n; i += 16) {
        __mmask16 mask = mask_at(i, n);
        __m512i bits =
            _mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(mask, x + i)), 16);
        _mm512_mask_storeu_ps(y + i, mask, _mm512_castsi512_ps(bits));
    }
}

void su_kernels_init_avx512(SuKernels *kernels)
{
    kernels->gemm_f32 = su_gemm_f32_12x32_avx512;
    kernels->attention_f32 = su_attention_f32_avx512;
    kernels->layer_norm_f32 = layer_norm;
    kernels->embed_norm_f32 = embed_norm;
    kernels->activate_f32 = activate;
    kernels->pool_f32 = pool;
    kernels->sum_of_squares_f32 = sum_of_squares;
    kernels->scale_f32 = scale;
    kernels->dot_f32 = dot;
    kernels->widen_f16 = widen_f16;
    kernels->widen_bf16 = widen_bf16;
}
