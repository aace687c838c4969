/* Kernels over rows, AVX2: norms, activations, pooling, sums; and the table of this ISA. */
#include "kernels/ref/kernels_ref.h"
#include "kernels/x86/kernels_x86.h"
#include "kernels/x86/math_avx2.h"

#include <math.h>

/* Elements i … i + 7 of x [n], zero from n on. */
SU_INLINE __m256 load(const float *x, size_t i, size_t n)
{
    if (i + 8 <= n) return _mm256_loadu_ps(x + i);
    return i < n ? _mm256_maskload_ps(x + i, tail_mask_avx2(n - i)) : _mm256_setzero_ps();
}

SU_INLINE void store(float *y, size_t i, size_t n, __m256 value)
{
    if (i + 8 <= n)
        _mm256_storeu_ps(y + i, value);
    else if (i < n)
        _mm256_maskstore_ps(y + i, tail_mask_avx2(n - i), value);
}

/* lanes(x): 64 elements a step; the tail goes into the lanes it belongs to */
static float sum_lanes(const float *x, size_t n)
{
    __m256 lane[8];
    for (int v = 0; v < 8; v++) lane[v] = _mm256_setzero_ps();
    size_t i = 0;
    for (; i + 64 <= n; i += 64)
        for (int v = 0; v < 8; v++)
            lane[v] = _mm256_add_ps(lane[v], _mm256_loadu_ps(x + i + 8 * v));
    for (int v = 0; v < 8; v++, i += 8)
        if (i < n) lane[v] = _mm256_add_ps(lane[v], load(x, i, n));
    return fold64_avx2(lane);
}

static float sum_square_differences(const float *x, float mean, size_t n)
{
    __m256 lane[8], m = _mm256_set1_ps(mean);
    for (int v = 0; v < 8; v++) lane[v] = _mm256_setzero_ps();
    size_t i = 0;
    for (; i + 64 <= n; i += 64) {
        for (int v = 0; v < 8; v++) {
            __m256 d = _mm256_sub_ps(_mm256_loadu_ps(x + i + 8 * v), m);
            lane[v] = _mm256_fmadd_ps(d, d, lane[v]);
        }
    }
    for (int v = 0; v < 8; v++, i += 8) {
        if (i >= n) continue;
        __m256 mask = _mm256_castsi256_ps(tail_mask_avx2(n - i < 8 ? n - i : 8));
        __m256 d = _mm256_and_ps(mask, _mm256_sub_ps(load(x, i, n), m));
        lane[v] = _mm256_fmadd_ps(d, d, lane[v]);
    }
    return fold64_avx2(lane);
}

static void layer_norm(const SuNormF32 *norm, const float *x, float *y)
{
    size_t n = norm->n;
    float mean = sum_lanes(x, n) / (float)n;
    float rstd = 1.0f / sqrtf(sum_square_differences(x, mean, n) / (float)n + norm->eps);
    __m256 m = _mm256_set1_ps(mean), r = _mm256_set1_ps(rstd);
    for (size_t i = 0; i < n; i += 8) {
        __m256 z = _mm256_mul_ps(_mm256_sub_ps(load(x, i, n), m), r);
        store(y, i, n, _mm256_fmadd_ps(z, load(norm->gamma, i, n), load(norm->beta, i, n)));
    }
}

static void embed_norm(const SuNormF32 *norm, const float *token, const float *type,
                       const float *position, float *y)
{
    size_t n = norm->n;
    for (size_t i = 0; i < n; i += 8) {
        __m256 x = load(token, i, n);
        if (type) x = _mm256_add_ps(x, load(type, i, n));
        if (position) x = _mm256_add_ps(x, load(position, i, n));
        store(y, i, n, x);
    }
    layer_norm(norm, y, y);
}

SU_INLINE void activate_all(SutraActivation activation, float *x, size_t n)
{
    for (size_t i = 0; i < n; i += 8) store(x, i, n, activate_avx2(activation, load(x, i, n)));
}

static void activate(SutraActivation activation, float *x, size_t n)
{
    if (activation == SUTRA_ACT_GELU_ERF)
        activate_all(SUTRA_ACT_GELU_ERF, x, n);
    else
        activate_all(activation, x, n);
}

static float dot(const float *x, const float *y, size_t n)
{
    __m256 lane[8];
    for (int v = 0; v < 8; v++) lane[v] = _mm256_setzero_ps();
    size_t i = 0;
    for (; i + 64 <= n; i += 64)
        for (int v = 0; v < 8; v++)
            lane[v] = _mm256_fmadd_ps(_mm256_loadu_ps(x + i + 8 * v),
                                      _mm256_loadu_ps(y + i + 8 * v), lane[v]);
    for (int v = 0; v < 8; v++, i += 8)
        if (i < n) lane[v] = _mm256_fmadd_ps(load(x, i, n), load(y, i, n), lane[v]);
    return fold64_avx2(lane);
}

static float sum_of_squares(const float *x, size_t n) { return dot(x, x, n); }

static void scale(const float *x, float factor, size_t n, float *y)
{
    __m256 f = _mm256_set1_ps(factor);
    for (size_t i = 0; i < n; i += 8) store(y, i, n, _mm256_mul_ps(load(x, i, n), f));
}

/* One step of a pooled sum. A maximum that is NaN stays; a NaN element becomes the maximum. */
SU_INLINE __m256 pool_step(const SutraPooling kind, __m256 sum, __m256 element, __m256 weight)
{
    if (kind == SUTRA_POOL_WEIGHTED_MEAN) return _mm256_fmadd_ps(weight, element, sum);
    if (kind != SUTRA_POOL_MAX) return _mm256_add_ps(sum, element);
    __m256 take = _mm256_and_ps(_mm256_cmp_ps(sum, element, _CMP_NGE_UQ),
                                _mm256_cmp_ps(sum, sum, _CMP_ORD_Q));
    return _mm256_blendv_ps(sum, element, take);
}

/* Columns of 8 * vectors elements, all tokens: the sums stay in registers. kind and vectors are
 * constants. */
SU_INLINE void pool_block(const SutraPooling kind, const int vectors, const float *x, size_t stride,
                          size_t first, size_t num_tokens, size_t i, size_t n, float divisor,
                          float *out)
{
    __m256 sum[8];
    for (int v = 0; v < vectors; v++)
        sum[v] = kind == SUTRA_POOL_MAX ? load(x + first * stride, i + 8 * (size_t)v, n)
                                        : _mm256_setzero_ps();
    for (size_t t = first; t < num_tokens; t++) {
        __m256 weight = _mm256_set1_ps((float)(t + 1));
        for (int v = 0; v < vectors; v++)
            sum[v] = pool_step(kind, sum[v], load(x + t * stride, i + 8 * (size_t)v, n), weight);
    }
    for (int v = 0; v < vectors; v++) {
        if (kind != SUTRA_POOL_MAX) sum[v] = _mm256_div_ps(sum[v], _mm256_set1_ps(divisor));
        store(out, i + 8 * (size_t)v, n, sum[v]);
    }
}

SU_INLINE void pool_columns(const SutraPooling kind, const float *x, size_t stride, size_t first,
                            size_t num_tokens, size_t n, float divisor, float *out)
{
    size_t i = 0;
    for (; i + 64 <= n; i += 64)
        pool_block(kind, 8, x, stride, first, num_tokens, i, i + 64, divisor, out);
    for (; i < n; i += 8) pool_block(kind, 1, x, stride, first, num_tokens, i, n, divisor, out);
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

void su_kernels_init_avx2(SuKernels *kernels)
{
    kernels->gemm_f32 = su_gemm_f32_6x16_avx2;
    kernels->attention_f32 = su_attention_f32_avx2;
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
