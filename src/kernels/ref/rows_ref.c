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

static void pool_sum(const float *x, size_t stride, size_t num_tokens, size_t n, float divisor,
                     float *out)
{
    memset(out, 0, n * sizeof *out);
    for (size_t t = 0; t < num_tokens; t++)
        for (size_t i = 0; i < n; i++) out[i] = out[i] + x[t * stride + i];
    for (size_t i = 0; i < n; i++) out[i] = out[i] / divisor;
}

static void pool_weighted(const float *x, size_t stride, size_t num_tokens, size_t n, float *out)
{
    memset(out, 0, n * sizeof *out);
    for (size_t t = 0; t < num_tokens; t++)
        for (size_t i = 0; i < n; i++) out[i] = fmaf((float)(t + 1), x[t * stride + i], out[i]);
    float divisor = (float)((double)num_tokens * ((double)num_tokens + 1.0) / 2.0);
    for (size_t i = 0; i < n; i++) out[i] = out[i] / divisor;
}

static void pool_max(const float *x, size_t stride, size_t num_tokens, size_t n, float *out)
{
    memcpy(out, x, n * sizeof *out);
    for (size_t t = 1; t < num_tokens; t++)
        for (size_t i = 0; i < n; i++)
            if (!(out[i] >= x[t * stride + i]) && !isnan(out[i])) out[i] = x[t * stride + i];
}

void su_pool_f32_ref(SutraPooling pooling, const float *x, size_t stride, size_t num_tokens,
                     size_t n, float *out)
{
    switch (pooling) {
    case SUTRA_POOL_MEAN:
        pool_sum(x, stride, num_tokens, n, (float)num_tokens, out);
        break;
    case SUTRA_POOL_MEAN_SQRT:
        pool_sum(x, stride, num_tokens, n, sqrtf((float)num_tokens), out);
        break;
    case SUTRA_POOL_WEIGHTED_MEAN:
        pool_weighted(x, stride, num_tokens, n, out);
        break;
    case SUTRA_POOL_MAX:
        pool_max(x, stride, num_tokens, n, out);
        break;
    case SUTRA_POOL_LAST:
        memcpy(out, x + (num_tokens - 1) * stride, n * sizeof *out);
        break;
    case SUTRA_POOL_CLS:
    case SUTRA_POOL_MODEL:
        memcpy(out, x, n * sizeof *out);
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
