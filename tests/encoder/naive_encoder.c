/* The encoder in double, an operation at a time. */
#include "random_encoder.h"

#include <math.h>
#include <stdlib.h>

/* y [rows, out] = x [rows, in] x weight^T + bias */
static double *linear(const RandomEncoder *encoder, SutraRole weight, uint32_t layer,
                      const double *x, size_t rows, size_t in, size_t out)
{
    const float *w = random_encoder_find(encoder, weight, layer);
    const float *bias = random_encoder_find(encoder, (SutraRole)(weight + 1), layer);
    double *y = malloc(rows * out * sizeof *y);
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < out; j++) {
            double sum = (double)bias[j];
            for (size_t p = 0; p < in; p++) sum += x[i * in + p] * (double)w[j * in + p];
            y[i * out + j] = sum;
        }
    return y;
}

/* x = norm(x + y); y NULL: x alone */
static void add_norm(const RandomEncoder *encoder, SutraRole weight, uint32_t layer, double *x,
                     const double *y, size_t rows)
{
    size_t n = encoder->spec.hidden_size;
    const float *gamma = random_encoder_find(encoder, weight, layer);
    const float *beta = random_encoder_find(encoder, (SutraRole)(weight + 1), layer);
    for (size_t i = 0; i < rows; i++, x += n) {
        double mean = 0, variance = 0;
        for (size_t j = 0; j < n; j++) mean += x[j] += y ? y[i * n + j] : 0;
        mean /= (double)n;
        for (size_t j = 0; j < n; j++) variance += (x[j] - mean) * (x[j] - mean);
        double rstd = 1 / sqrt(variance / (double)n + (double)encoder->spec.norm_eps);
        for (size_t j = 0; j < n; j++)
            x[j] = (x[j] - mean) * rstd * (double)gamma[j] + (double)beta[j];
    }
}

static bool sees(const SutraSpec *spec, uint32_t layer, size_t query, size_t key)
{
    size_t window = spec->window ? spec->window[layer] : 0;
    if (spec->causal && key > query) return false;
    size_t distance = key > query ? key - query : query - key;
    return window == 0 || distance <= window;
}

/* Buckets of 32 up to a distance of 128, by where each begins (transformers, MPNet). */
static double relative_bias(const RandomEncoder *encoder, size_t query, size_t key, size_t head)
{
    static const size_t starts[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 12, 16, 23, 32, 46, 64, 91};
    const float *bias = random_encoder_find(encoder, SUTRA_ROLE_RELATIVE_BIAS, 0);
    size_t distance = key > query ? key - query : query - key, bucket = 15;
    if (!bias) return 0;
    while (starts[bucket] > distance) bucket--;
    return (double)bias[(bucket + (key > query ? 16 : 0)) * encoder->spec.num_heads + head];
}

/* One query of one head; q, k and v are the head's. */
static void attend(const RandomEncoder *encoder, uint32_t layer, size_t n, size_t query,
                   size_t head, const double *q, const double *k, const double *v, double *weight,
                   double *out)
{
    size_t size = encoder->spec.head_size, width = size * encoder->spec.num_heads;
    double sum = 0;
    for (size_t key = 0; key < n; key++) {
        double score = 0;
        for (size_t e = 0; e < size; e++) score += q[query * width + e] * k[key * width + e];
        score = score / sqrt((double)size) + relative_bias(encoder, query, key, head);
        weight[key] = sees(&encoder->spec, layer, query, key) ? exp(score) : 0;
        sum += weight[key];
    }
    for (size_t e = 0; e < size; e++) {
        double mix = 0;
        for (size_t key = 0; key < n; key++) mix += weight[key] * v[key * width + e];
        out[query * width + e] = mix / sum;
    }
}

static void self_attention(const RandomEncoder *encoder, uint32_t layer, double *x, size_t n)
{
    size_t hidden = encoder->spec.hidden_size, size = encoder->spec.head_size,
           width = size * encoder->spec.num_heads;
    double *q = linear(encoder, SUTRA_ROLE_QUERY_WEIGHT, layer, x, n, hidden, width);
    double *k = linear(encoder, SUTRA_ROLE_KEY_WEIGHT, layer, x, n, hidden, width);
    double *v = linear(encoder, SUTRA_ROLE_VALUE_WEIGHT, layer, x, n, hidden, width);
    double *out = malloc(n * width * sizeof *out), *weight = malloc(n * sizeof *weight);
    for (size_t at = 0; at < width; at += size)
        for (size_t query = 0; query < n; query++)
            attend(encoder, layer, n, query, at / size, q + at, k + at, v + at, weight, out + at);
    double *y = linear(encoder, SUTRA_ROLE_ATTENTION_OUT_WEIGHT, layer, out, n, width, hidden);
    add_norm(encoder, SUTRA_ROLE_ATTENTION_NORM_WEIGHT, layer, x, y, n);
    free(q), free(k), free(v), free(out), free(weight), free(y);
}

static void feed_forward(const RandomEncoder *encoder, uint32_t layer, double *x, size_t n)
{
    size_t hidden = encoder->spec.hidden_size, ffn = encoder->spec.ffn_size;
    double *up = linear(encoder, SUTRA_ROLE_FFN_UP_WEIGHT, layer, x, n, hidden, ffn);
    for (size_t i = 0; i < n * ffn; i++) up[i] *= 0.5 * (1 + erf(up[i] * 0.70710678118654752));
    double *y = linear(encoder, SUTRA_ROLE_FFN_DOWN_WEIGHT, layer, up, n, ffn, hidden);
    add_norm(encoder, SUTRA_ROLE_FFN_NORM_WEIGHT, layer, x, y, n);
    free(up), free(y);
}

void naive_encoder_run(const RandomEncoder *encoder, const int32_t *ids, size_t n, double *x)
{
    size_t hidden = encoder->spec.hidden_size;
    const float *token = random_encoder_find(encoder, SUTRA_ROLE_TOKEN_EMBEDDING, 0);
    const float *position = random_encoder_find(encoder, SUTRA_ROLE_POSITION_EMBEDDING, 0);
    size_t offset = encoder->spec.position_offset, place = offset;
    for (size_t t = 0; t < n; t++) {
        bool padding = offset && (size_t)ids[t] == offset - 1;
        size_t at = padding ? offset - 1 : place++;
        const float *row = position ? position + at * hidden : NULL;
        for (size_t j = 0; j < hidden; j++)
            x[t * hidden + j] =
                (double)token[(size_t)ids[t] * hidden + j] + (row ? (double)row[j] : 0);
    }
    add_norm(encoder, SUTRA_ROLE_EMBEDDING_NORM_WEIGHT, 0, x, NULL, n);
    for (uint32_t i = 0; i < encoder->spec.num_layers; i++) {
        self_attention(encoder, i, x, n);
        feed_forward(encoder, i, x, n);
    }
}
