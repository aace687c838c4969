/* Attention in plain C: one query at a time over tiles of 64 keys with a running maximum. */
#include "kernels/ref/kernels_ref.h"
#include "kernels/ref/math_ref.h"

enum { MAX_HEAD_SIZE = 256 };

void su_attention_pack_keys_f32_ref(const float *k, size_t k_stride, size_t num_keys,
                                    size_t head_size, float *k_packed)
{
    size_t padded = (num_keys + SU_KEY_TILE - 1) / SU_KEY_TILE * SU_KEY_TILE;
    for (size_t j = 0; j < padded; j++) {
        float *to = k_packed + j / SU_KEY_TILE * SU_KEY_TILE * head_size + j % SU_KEY_TILE;
        for (size_t e = 0; e < head_size; e++)
            to[e * SU_KEY_TILE] = j < num_keys ? k[j * k_stride + e] : 0.0f;
    }
}

/* Running state of one query. */
typedef struct State {
    float maximum;
    float sum[16];
    float out[MAX_HEAD_SIZE];
} State;

static void scores_of_tile(const float *q, const float *k_tile, size_t count, size_t head_size,
                           float *scores)
{
    for (size_t j = 0; j < count; j++) {
        float chain = 0.0f;
        for (size_t e = 0; e < head_size; e++)
            chain = fmaf(q[e], k_tile[e * SU_KEY_TILE + j], chain);
        scores[j] = chain;
    }
}

static void add_tile(State *state, const float *scores, size_t count, const float *v,
                     size_t v_stride, size_t head_size)
{
    float maximum = state->maximum;
    for (size_t j = 0; j < count; j++)
        if (!(maximum >= scores[j])) maximum = scores[j]; /* a NaN score becomes the maximum */
    float scale = exp2_ref(state->maximum - maximum);
    state->maximum = maximum;

    float p[SU_KEY_TILE] = {0};
    for (size_t j = 0; j < count; j++) p[j] = exp2_ref(scores[j] - maximum);
    for (int i = 0; i < 16; i++)
        state->sum[i] = fmaf(state->sum[i], scale, ((p[i] + p[i + 16]) + p[i + 32]) + p[i + 48]);
    for (size_t e = 0; e < head_size; e++) {
        float chain = state->out[e] * scale;
        for (size_t j = 0; j < count; j++) chain = fmaf(p[j], v[j * v_stride + e], chain);
        state->out[e] = chain;
    }
}

void su_attention_f32_ref(const SuAttentionF32Args *args)
{
    for (size_t i = 0; i < args->num_queries; i++) {
        State state = {.maximum = -INFINITY};
        for (size_t first = 0; first < args->num_keys; first += SU_KEY_TILE) {
            size_t left = args->num_keys - first;
            size_t count = left < SU_KEY_TILE ? left : SU_KEY_TILE;
            float scores[SU_KEY_TILE];
            scores_of_tile(args->q + i * args->q_stride, args->k_packed + first * args->head_size,
                           count, args->head_size, scores);
            add_tile(&state, scores, count, args->v + first * args->v_stride, args->v_stride,
                     args->head_size);
        }
        float inverse = 1.0f / fold16_ref(state.sum);
        for (size_t e = 0; e < args->head_size; e++)
            args->out[i * args->out_stride + e] = state.out[e] * inverse;
    }
}
