/* Kernels over rows in plain C: norms, activations, pooling, sums. */
#include "kernels/ref/kernels_ref.h"
#include "kernels/ref/math_ref.h"

void su_layer_norm_f32_ref(const SuNormF32 *norm, const float *x, float *y)
{
    float lane[64] = {0};
    for (size_t i = 0; i < norm->n; i++) lane[i % 64] = lane[i % 64] + x[i];
    float mean = fold64_ref(lane) / (float)norm->n;

    memset(lane, 0, sizeof lane);
    for (size_t i = 0; i < norm->n; i++)
        lane[i % 64] = fmaf(x[i] - mean, x[i] - mean, lane[i % 64]);
    float rstd = 1.0f / sqrtf(fold64_ref(lane) / (float)norm->n + norm->eps);

    for (size_t i = 0; i < norm->n; i++)
        y[i] = fmaf((x[i] - mean) * rstd, norm->gamma[i], norm->beta[i]);
}

void su_embed_norm_f32_ref(const SuNormF32 *norm, const float *token, const float *type,
                           const float *position, float *y)
{
    for (size_t i = 0; i < norm->n; i++) {
        float x = token[i];
        if (type) x = x + type[i];
        if (position) x = x + position[i];
        y[i] = x;
    }
    su_layer_norm_f32_ref(norm, y, y);
}

void su_activate_f32_ref(SutraActivation activation, float *x, size_t n)
{
    for (size_t i = 0; i < n; i++) x[i] = activate_ref(activation, x[i]);
}

static void rotate_row(float *x, const float *turns, size_t half)
{
    for (size_t i = 0; i < half; i++) {
        float first = x[i], second = x[half + i], cosine = turns[i], sine = turns[half + i];
        x[i] = fmaf(first, cosine, -(second * sine));
        x[half + i] = fmaf(second, cosine, first * sine);
    }
}

void su_rotate_f32_ref(float *x, size_t stride, const float *turns, size_t rows, size_t size)
{
    for (size_t i = 0; i < rows; i++) rotate_row(x + i * stride, turns + i * size, size / 2);
}

void su_rotate_bf16_ref(uint16_t *x, size_t stride, const float *turns, size_t rows, size_t size)
{
    float row[SU_MAX_HEAD];
    for (size_t i = 0; i < rows; i++, x += stride) {
        su_widen_bf16_ref(x, size, row);
        rotate_row(row, turns + i * size, size / 2);
        su_narrow_bf16_ref(row, size, x);
    }
}

float su_dot_f32_ref(const float *x, const float *y, size_t n)
{
    float lane[64] = {0};
    for (size_t i = 0; i < n; i++) lane[i % 64] = fmaf(x[i], y[i], lane[i % 64]);
    return fold64_ref(lane);
}

float su_sum_of_squares_f32_ref(const float *x, size_t n) { return su_dot_f32_ref(x, x, n); }

void su_scale_f32_ref(const float *x, float scale, size_t n, float *y)
{
    for (size_t i = 0; i < n; i++) y[i] = x[i] * scale;
}

typedef struct Pool {
    const float *x;
    size_t stride, first, num_tokens, n;
    float *out;
} Pool;

static void pool_sum(const Pool *pool, bool weighted, float divisor)
{
    memset(pool->out, 0, pool->n * sizeof *pool->out);
    for (size_t t = pool->first; t < pool->num_tokens; t++) {
        const float *row = pool->x + t * pool->stride;
        for (size_t i = 0; i < pool->n; i++)
            pool->out[i] =
                weighted ? fmaf((float)(t + 1), row[i], pool->out[i]) : pool->out[i] + row[i];
    }
    for (size_t i = 0; i < pool->n; i++) pool->out[i] = pool->out[i] / divisor;
}

static void pool_max(const Pool *pool)
{
    memcpy(pool->out, pool->x + pool->first * pool->stride, pool->n * sizeof *pool->out);
    for (size_t t = pool->first + 1; t < pool->num_tokens; t++) {
        const float *row = pool->x + t * pool->stride;
        for (size_t i = 0; i < pool->n; i++)
            if (!(pool->out[i] >= row[i]) && !isnan(pool->out[i])) pool->out[i] = row[i];
    }
}

void su_pool_f32_ref(SutraPooling pooling, const float *x, size_t stride, size_t first,
                     size_t num_tokens, size_t n, float *out)
{
    Pool pool = {x, stride, first, num_tokens, n, out};
    float tokens = (float)(num_tokens - first);
    switch (pooling) {
    case SUTRA_POOL_MEAN:
        pool_sum(&pool, false, tokens);
        break;
    case SUTRA_POOL_MEAN_SQRT:
        pool_sum(&pool, false, sqrtf(tokens));
        break;
    case SUTRA_POOL_WEIGHTED_MEAN:
        pool_sum(&pool, true, su_pool_weights(first, num_tokens));
        break;
    case SUTRA_POOL_MAX:
        pool_max(&pool);
        break;
    case SUTRA_POOL_LAST:
        memcpy(out, x + (num_tokens - 1) * stride, n * sizeof *out);
        break;
    case SUTRA_POOL_CLS:
    case SUTRA_POOL_MODEL:
        memcpy(out, x + first * stride, n * sizeof *out);
        break;
    }
}

static float half_to_float(uint16_t half)
{
    uint32_t sign = (uint32_t)(half & 0x8000u) << 16;
    uint32_t exponent = half >> 10 & 0x1fu, fraction = half & 0x3ffu;
    float value;
    if (exponent == 31) {
        uint32_t bits = sign | 0x7f800000u | fraction << 13 | (fraction ? 0x400000u : 0);
        memcpy(&value, &bits, sizeof value);
        return value;
    }
    value = exponent ? ldexpf((float)(fraction | 0x400u), (int)exponent - 25)
                     : ldexpf((float)fraction, -24);
    return sign ? -value : value;
}

void su_widen_f16_ref(const uint16_t *x, size_t n, float *y)
{
    for (size_t i = 0; i < n; i++) y[i] = half_to_float(x[i]);
}

void su_widen_bf16_ref(const uint16_t *x, size_t n, float *y)
{
    for (size_t i = 0; i < n; i++) {
        uint32_t bits = (uint32_t)x[i] << 16;
        memcpy(&y[i], &bits, sizeof y[i]);
    }
}

void su_widen_s8_ref(const int8_t *x, float scale, size_t n, float *y)
{
    for (size_t i = 0; i < n; i++) y[i] = (float)x[i] * scale;
}
