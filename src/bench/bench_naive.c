#include "bench_naive.h"

#include <math.h>

void su_naive_matmul(const float *x, size_t rows, size_t in, const float *weight, size_t out,
                     float *y)
{
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < out; j++) {
            float sum = 0;
            for (size_t p = 0; p < in; p++) sum += x[i * in + p] * weight[j * in + p];
            y[i * out + j] = sum;
        }
}

void su_naive_add_bias(float *y, size_t rows, size_t n, const float *bias)
{
    for (size_t i = 0; i < rows; i++) su_naive_add(y + i * n, bias, n);
}

void su_naive_add(float *y, const float *x, size_t n)
{
    for (size_t i = 0; i < n; i++) y[i] += x[i];
}

static float activate(SutraActivation activation, float x)
{
    switch (activation) {
    case SUTRA_ACT_GELU_ERF:
        return 0.5f * x * (1.0f + erff(x * 0.70710678f));
    case SUTRA_ACT_GELU_TANH:
        return 0.5f * x * (1.0f + tanhf(0.79788456f * (x + 0.044715f * x * x * x)));
    case SUTRA_ACT_RELU:
        return x > 0 ? x : 0;
    case SUTRA_ACT_SILU:
        return x / (1.0f + expf(-x));
    case SUTRA_ACT_TANH:
        return tanhf(x);
    case SUTRA_ACT_SIGMOID:
        return 1.0f / (1.0f + expf(-x));
    case SUTRA_ACT_NONE:
        break;
    }
    return x;
}

void su_naive_activate(SutraActivation activation, float *x, size_t n)
{
    for (size_t i = 0; i < n; i++) x[i] = activate(activation, x[i]);
}

void su_naive_norm(float *x, size_t rows, size_t n, const float *gamma, const float *beta,
                   float eps)
{
    for (size_t i = 0; i < rows; i++, x += n) {
        float mean = 0, variance = 0;
        for (size_t j = 0; j < n; j++) mean += x[j];
        mean /= (float)n;
        for (size_t j = 0; j < n; j++) variance += (x[j] - mean) * (x[j] - mean);
        float scale = 1.0f / sqrtf(variance / (float)n + eps);
        for (size_t j = 0; j < n; j++) x[j] = (x[j] - mean) * scale * gamma[j] + beta[j];
    }
}

void su_naive_softmax(float *x, size_t rows, size_t n, int binary)
{
    for (size_t i = 0; i < rows; i++, x += n) {
        float largest = x[0], sum = 0;
        for (size_t j = 1; j < n; j++) largest = x[j] > largest ? x[j] : largest;
        for (size_t j = 0; j < n; j++) {
            x[j] = binary ? exp2f(x[j] - largest) : expf(x[j] - largest);
            sum += x[j];
        }
        for (size_t j = 0; j < n; j++) x[j] /= sum;
    }
}

/* One head; q, k, v: rows `stride` apart. */
static void attend(const float *q, const float *k, const float *v, size_t stride, size_t rows,
                   size_t keys, size_t head_size, float *scores, float *out, size_t out_stride)
{
    float scale = 1.0f / sqrtf((float)head_size);
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < keys; j++) {
            float sum = 0;
            for (size_t d = 0; d < head_size; d++) sum += q[i * stride + d] * k[j * stride + d];
            scores[i * keys + j] = sum * scale;
        }
    su_naive_softmax(scores, rows, keys, 0);
    for (size_t i = 0; i < rows; i++)
        for (size_t d = 0; d < head_size; d++) {
            float sum = 0;
            for (size_t j = 0; j < keys; j++) sum += scores[i * keys + j] * v[j * stride + d];
            out[i * out_stride + d] = sum;
        }
}

void su_naive_attention(const float *qkv, size_t rows, size_t keys, size_t heads, size_t head_size,
                        float *scores, float *out)
{
    size_t width = heads * head_size;
    for (size_t h = 0; h < heads; h++) {
        const float *q = qkv + h * head_size;
        attend(q, q + width, q + 2 * width, 3 * width, rows, keys, head_size,
               scores + h * rows * keys, out + h * head_size, width);
    }
}
