/* Attention in plain C: one query at a time over tiles of 64 keys with a running maximum. */
#include "kernels/ref/kernels_ref.h"
#include "kernels/ref/math_ref.h"

enum { MAX_HEAD_SIZE = SU_MAX_HEAD };

/* Running state of one query. */
typedef struct State {
    float maximum, sum;
    float out[MAX_HEAD_SIZE];
} State;

/* Keys begin … end - 1, all of one tile, which starts at key `tile`. */
static void add_tile(State *state, const SuAttentionF32Args *args, size_t query, size_t tile,
                     size_t begin, size_t end)
{
    const float *q = args->q + query * args->q_stride;
    ptrdiff_t position = (ptrdiff_t)(args->first_query + query);
    float p[SU_KEY_TILE], maximum = state->maximum, sums[4] = {0};
    for (size_t j = begin; j < end; j++) {
        float chain = args->bias ? args->bias[position - (ptrdiff_t)j] : 0.0f;
        for (size_t e = 0; e < args->head_size; e++)
            chain = fmaf(q[e], args->k[j * args->k_stride + e], chain);
        if (!(maximum >= chain)) maximum = chain; /* a NaN score becomes the maximum */
        p[j - tile] = chain;
    }
    float scale = exp2_ref(state->maximum - maximum);
    state->maximum = maximum;
    for (size_t j = begin; j < end; j++) {
        p[j - tile] = exp2_ref(p[j - tile] - maximum);
        sums[(j - tile) % 4] = sums[(j - tile) % 4] + p[j - tile];
    }
    state->sum = fmaf(state->sum, scale, (sums[0] + sums[1]) + (sums[2] + sums[3]));
    for (size_t e = 0; e < args->head_size; e++) {
        float chain = state->out[e] * scale;
        for (size_t j = begin; j < end; j++)
            chain = fmaf(p[j - tile], args->v[j * args->v_stride + e], chain);
        state->out[e] = chain;
    }
}

void su_attention_f32_ref(const SuAttentionF32Args *args)
{
    for (size_t i = 0; i < args->num_queries; i++) {
        size_t position = args->first_query + i, begin = 0, end = args->num_keys;
        if (args->local && position > args->before) begin = position - args->before;
        if (args->local && args->after < end - position - 1) end = position + args->after + 1;
        State state = {.maximum = -INFINITY};
        for (size_t tile = begin / SU_KEY_TILE * SU_KEY_TILE; tile < end; tile += SU_KEY_TILE)
            add_tile(&state, args, i, tile, begin > tile ? begin : tile,
                     end - tile < SU_KEY_TILE ? end : tile + SU_KEY_TILE);
        float inverse = 1.0f / state.sum;
        for (size_t e = 0; e < args->head_size; e++)
            args->out[i * args->out_stride + e] = state.out[e] * inverse;
    }
}
