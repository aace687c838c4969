#include "random_encoder.h"

#include "support/tiny_model.h"

#include <stdlib.h>

static void add(RandomEncoder *encoder, SutraRole role, uint32_t layer, size_t rows, size_t columns,
                float middle, float spread, uint32_t *random)
{
    size_t i = encoder->num_tensors++, count = rows * (columns ? columns : 1);
    encoder->data[i] = malloc(count * sizeof(float));
    for (size_t j = 0; j < count; j++) {
        float unit = (float)(tiny_random(random) % 20001) / 10000.0f - 1.0f;
        encoder->data[i][j] = middle + spread * unit;
    }
    encoder->tensors[i] = (SutraTensor){.role = role,
                                        .layer = layer,
                                        .dtype = SUTRA_TENSOR_F32,
                                        .num_dims = columns ? 2 : 1,
                                        .shape = {rows, columns},
                                        .data = encoder->data[i],
                                        .size = count * sizeof(float)};
}

/* A weight and the bias that is the next role, if it has one. */
static void add_linear(RandomEncoder *encoder, SutraRole role, uint32_t layer, uint32_t bias,
                       size_t out, size_t in, float spread, uint32_t *random)
{
    add(encoder, role, layer, out, in, 0, spread, random);
    if (!(encoder->spec.without_bias & bias))
        add(encoder, (SutraRole)(role + 1), layer, out, 0, 0, 0.12f, random);
}

static void add_norm(RandomEncoder *encoder, SutraRole role, uint32_t layer, float spread,
                     uint32_t *random)
{
    add(encoder, role, layer, encoder->spec.hidden_size, 0, 1, spread, random);
    if (!(encoder->spec.without_bias & SUTRA_BIAS_NORM))
        add(encoder, (SutraRole)(role + 1), layer, encoder->spec.hidden_size, 0, 0, spread, random);
}

static void add_layer(RandomEncoder *encoder, uint32_t layer, uint32_t *random)
{
    const SutraSpec *spec = &encoder->spec;
    size_t hidden = spec->hidden_size, ffn = spec->ffn_size;
    size_t width = (size_t)spec->num_heads * spec->head_size;
    float peaked = 3.0f / (float)hidden * 6.0f, usual = 0.12f;
    add_linear(encoder, SUTRA_ROLE_QUERY_WEIGHT, layer, SUTRA_BIAS_QKV, width, hidden, peaked,
               random);
    add_linear(encoder, SUTRA_ROLE_KEY_WEIGHT, layer, SUTRA_BIAS_QKV, width, hidden, peaked,
               random);
    add_linear(encoder, SUTRA_ROLE_VALUE_WEIGHT, layer, SUTRA_BIAS_QKV, width, hidden, usual,
               random);
    add_linear(encoder, SUTRA_ROLE_ATTENTION_OUT_WEIGHT, layer, SUTRA_BIAS_ATTENTION_OUT, hidden,
               width, usual, random);
    if (layer > 0 || !spec->bare_start)
        add_norm(encoder, SUTRA_ROLE_ATTENTION_NORM_WEIGHT, layer, usual, random);
    add_linear(encoder, SUTRA_ROLE_FFN_UP_WEIGHT, layer, SUTRA_BIAS_FFN_UP, ffn, hidden, usual,
               random);
    if (spec->gated)
        add_linear(encoder, SUTRA_ROLE_FFN_GATE_WEIGHT, layer, SUTRA_BIAS_FFN_UP, ffn, hidden,
                   usual, random);
    add_linear(encoder, SUTRA_ROLE_FFN_DOWN_WEIGHT, layer, SUTRA_BIAS_FFN_DOWN, hidden, ffn, usual,
               random);
    add_norm(encoder, SUTRA_ROLE_FFN_NORM_WEIGHT, layer, usual, random);
}

void random_encoder_fill(RandomEncoder *encoder, const SutraSpec *spec, uint32_t seed)
{
    uint32_t random = seed * 2654435761u + 1;
    *encoder = (RandomEncoder){.spec = *spec};
    encoder->spec.struct_size = sizeof *spec;
    encoder->spec.vocab_size = RANDOM_VOCAB;
    encoder->spec.num_kv_heads = spec->num_heads;
    encoder->spec.norm_eps = 1e-12f;
    if (!spec->activation) encoder->spec.activation = SUTRA_ACT_GELU_ERF;
    size_t hidden = spec->hidden_size;
    add(encoder, SUTRA_ROLE_TOKEN_EMBEDDING, 0, RANDOM_VOCAB, hidden, 0, 1, &random);
    if (spec->position == SUTRA_POSITION_LEARNED)
        add(encoder, SUTRA_ROLE_POSITION_EMBEDDING, 0, spec->max_positions, hidden, 0, 1, &random);
    if (spec->relative_buckets)
        add(encoder, SUTRA_ROLE_RELATIVE_BIAS, 0, spec->relative_buckets, spec->num_heads, 0, 2,
            &random);
    add_norm(encoder, SUTRA_ROLE_EMBEDDING_NORM_WEIGHT, 0, 0.1f, &random);
    if (spec->norm == SUTRA_NORM_PRE)
        add_norm(encoder, SUTRA_ROLE_FINAL_NORM_WEIGHT, 0, 0.1f, &random);
    for (uint32_t i = 0; i < spec->num_layers; i++) add_layer(encoder, i, &random);
}

void random_encoder_free(RandomEncoder *encoder)
{
    for (size_t i = 0; i < encoder->num_tensors; i++) free(encoder->data[i]);
}

const float *random_encoder_find(const RandomEncoder *encoder, SutraRole role, uint32_t layer)
{
    for (size_t i = 0; i < encoder->num_tensors; i++)
        if (encoder->tensors[i].role == role && encoder->tensors[i].layer == layer)
            return encoder->data[i];
    return NULL;
}
