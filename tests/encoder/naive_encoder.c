/* The encoder in double, an operation at a time. */
#include "random_encoder.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* y [rows, out] = x [rows, in] x weight^T + bias, if it has one */
static double *linear(const RandomEncoder *encoder, SutraRole weight, uint32_t layer,
                      const double *x, size_t rows, size_t in, size_t out)
{
    const float *w = random_encoder_find(encoder, weight, layer);
    const float *bias = random_encoder_find(encoder, (SutraRole)(weight + 1), layer);
    double *y = malloc(rows * out * sizeof *y);
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < out; j++) {
            double sum = bias ? (double)bias[j] : 0;
            for (size_t p = 0; p < in; p++) sum += x[i * in + p] * (double)w[j * in + p];
            y[i * out + j] = sum;
        }
    return y;
}

static void add_rows(double *x, const double *y, size_t count)
{
    for (size_t i = 0; i < count; i++) x[i] += y[i];
}

/* y = norm(x), y being x or apart from it; x itself where there is no such norm */
static void norm(const RandomEncoder *encoder, SutraRole weight, uint32_t layer, const double *x,
                 double *y, size_t rows)
{
    size_t n = encoder->spec.hidden_size;
    const float *gamma = random_encoder_find(encoder, weight, layer);
    const float *beta = random_encoder_find(encoder, (SutraRole)(weight + 1), layer);
    for (size_t i = 0; i < rows; i++, x += n, y += n) {
        double mean = 0, variance = 0;
        for (size_t j = 0; j < n; j++) mean += x[j] / (double)n;
        for (size_t j = 0; j < n; j++) variance += (x[j] - mean) * (x[j] - mean);
        double rstd = 1 / sqrt(variance / (double)n + (double)encoder->spec.norm_eps);
        for (size_t j = 0; j < n; j++)
            y[j] = gamma ? (x[j] - mean) * rstd * (double)gamma[j] + (beta ? (double)beta[j] : 0)
                         : x[j];
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

/* Of the first `power of two` heads 2^(-8 k / power), of the others those of twice as many (ALiBi). */
static double alibi(const RandomEncoder *encoder, size_t query, size_t key, size_t head)
{
    static const double six[] = {0.25, 0.0625, 0.015625, 0.00390625, 0.5, 0.125};
    double distance = key > query ? (double)(key - query) : (double)(query - key);
    if (encoder->spec.position != SUTRA_POSITION_ALIBI) return 0;
    assert(encoder->spec.num_heads == 6);
    return -six[head] * distance;
}

/* Each pair (i, i + half) of every head turned by its position. */
static void turn(const RandomEncoder *encoder, uint32_t layer, double *x, size_t n)
{
    size_t size = encoder->spec.head_size, half = size / 2, heads = encoder->spec.num_heads;
    if (encoder->spec.position != SUTRA_POSITION_ROPE) return;
    for (size_t t = 0; t < n; t++)
        for (size_t head = 0; head < heads; head++, x += size)
            for (size_t i = 0; i < half; i++) {
                double frequency =
                    pow((double)encoder->spec.rope_base[layer], -2.0 * (double)i / (double)size);
                double angle = (double)t * frequency / (double)encoder->spec.rope_divisor;
                double first = x[i], second = x[half + i];
                x[i] = first * cos(angle) - second * sin(angle);
                x[half + i] = second * cos(angle) + first * sin(angle);
            }
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
        score = score / sqrt((double)size) + relative_bias(encoder, query, key, head) +
                alibi(encoder, query, key, head);
        weight[key] = sees(&encoder->spec, layer, query, key) ? exp(score) : 0;
        sum += weight[key];
    }
    for (size_t e = 0; e < size; e++) {
        double mix = 0;
        for (size_t key = 0; key < n; key++) mix += weight[key] * v[key * width + e];
        out[query * width + e] = mix / sum;
    }
}

static double *copy(const double *x, size_t count)
{
    double *y = malloc(count * sizeof *y);
    memcpy(y, x, count * sizeof *y);
    return y;
}

static void self_attention(const RandomEncoder *encoder, uint32_t layer, double *x, size_t n)
{
    size_t hidden = encoder->spec.hidden_size, size = encoder->spec.head_size,
           width = size * encoder->spec.num_heads;
    bool pre = encoder->spec.norm == SUTRA_NORM_PRE;
    double *input = copy(x, n * hidden);
    if (pre) norm(encoder, SUTRA_ROLE_ATTENTION_NORM_WEIGHT, layer, x, input, n);
    double *q = linear(encoder, SUTRA_ROLE_QUERY_WEIGHT, layer, input, n, hidden, width);
    double *k = linear(encoder, SUTRA_ROLE_KEY_WEIGHT, layer, input, n, hidden, width);
    double *v = linear(encoder, SUTRA_ROLE_VALUE_WEIGHT, layer, input, n, hidden, width);
    double *out = malloc(n * width * sizeof *out), *weight = malloc(n * sizeof *weight);
    turn(encoder, layer, q, n);
    turn(encoder, layer, k, n);
    for (size_t at = 0; at < width; at += size)
        for (size_t query = 0; query < n; query++)
            attend(encoder, layer, n, query, at / size, q + at, k + at, v + at, weight, out + at);
    double *y = linear(encoder, SUTRA_ROLE_ATTENTION_OUT_WEIGHT, layer, out, n, width, hidden);
    add_rows(x, y, n * hidden);
    if (!pre) norm(encoder, SUTRA_ROLE_ATTENTION_NORM_WEIGHT, layer, x, x, n);
    free(input), free(q), free(k), free(v), free(out), free(weight), free(y);
}

static double activate(SutraActivation activation, double x)
{
    return activation == SUTRA_ACT_SILU ? x / (1 + exp(-x))
                                        : 0.5 * x * (1 + erf(x * 0.70710678118654752));
}

static void feed_forward(const RandomEncoder *encoder, uint32_t layer, double *x, size_t n)
{
    size_t hidden = encoder->spec.hidden_size, ffn = encoder->spec.ffn_size;
    SutraActivation activation = (SutraActivation)encoder->spec.activation;
    bool pre = encoder->spec.norm == SUTRA_NORM_PRE, gated = encoder->spec.gated;
    double *input = copy(x, n * hidden);
    if (pre) norm(encoder, SUTRA_ROLE_FFN_NORM_WEIGHT, layer, x, input, n);
    double *up = linear(encoder, SUTRA_ROLE_FFN_UP_WEIGHT, layer, input, n, hidden, ffn);
    double *gate = gated ? linear(encoder, SUTRA_ROLE_FFN_GATE_WEIGHT, layer, input, n, hidden, ffn)
                         : copy(up, n * ffn);
    for (size_t i = 0; i < n * ffn; i++)
        up[i] = activate(activation, gate[i]) * (gated ? up[i] : 1);
    double *y = linear(encoder, SUTRA_ROLE_FFN_DOWN_WEIGHT, layer, up, n, ffn, hidden);
    add_rows(x, y, n * hidden);
    if (!pre) norm(encoder, SUTRA_ROLE_FFN_NORM_WEIGHT, layer, x, x, n);
    free(input), free(up), free(gate), free(y);
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
    norm(encoder, SUTRA_ROLE_EMBEDDING_NORM_WEIGHT, 0, x, x, n);
    for (uint32_t i = 0; i < encoder->spec.num_layers; i++) {
        self_attention(encoder, i, x, n);
        feed_forward(encoder, i, x, n);
    }
    if (encoder->spec.norm == SUTRA_NORM_PRE)
        norm(encoder, SUTRA_ROLE_FINAL_NORM_WEIGHT, 0, x, x, n);
}
