/* Attention in bf16, in plain C: one query at a time over tiles of 64 keys with a running maximum.
 */
#include "kernels/math_constants.h"
#include "kernels/ref/tile_sums.h"

enum { MAX_HEAD_SIZE = SU_MAX_HEAD };

/* Running state of one query. */
typedef struct State {
    float maximum, sum;
    float out[MAX_HEAD_SIZE];
} State;

/* Keys begin … end - 1 are seen, all of one tile, which starts at key `tile`. */
typedef struct Seen {
    size_t tile, begin, end;
} Seen;

static float exp2_narrow(float x)
{
    if (isnan(x) || x == -INFINITY) return isnan(x) ? x : 0.0f;
    float whole = floorf(x), f = x - whole, p = SU_EXP2_NARROW_3;
    if (whole == -1.0f && f - 1.0f > x) f = nextafterf(f, 0.0f); /* f is rounded down */
    p = fmaf(p, f, SU_EXP2_NARROW_2);
    p = fmaf(p, f, SU_EXP2_NARROW_1);
    p = fmaf(p, f, SU_EXP2_NARROW_0);
    return ldexpf(p, whole < -400.0f ? -400 : (int)whole);
}

static float score(const SuAttentionBf16Args *args, const uint16_t *q, const uint16_t *k)
{
    float sum = 0.0f;
    for (size_t e = 0; e < args->head_size; e += SU_TILE_STEP)
        sum = add_tile_step(sum, q + e, k + e);
    return sum;
}

/* The order of kernels.h; elements that are not seen are zeros. */
static float fold(const float p[SU_KEY_TILE])
{
    float place[16], four[4];
    for (int i = 0; i < 16; i++) place[i] = (p[i] + p[16 + i]) + (p[32 + i] + p[48 + i]);
    for (int i = 0; i < 4; i++)
        four[i] = (place[4 * i] + place[4 * i + 2]) + (place[4 * i + 1] + place[4 * i + 3]);
    return (four[0] + four[1]) + (four[2] + four[3]);
}

static void add_values(State *state, const SuAttentionBf16Args *args, const Seen *seen,
                       const float *p)
{
    size_t left = args->num_keys - seen->tile, count = left < SU_KEY_TILE ? left : SU_KEY_TILE;
    for (size_t e = 0; e < args->head_size; e++)
        for (size_t begin = 0; begin < count; begin += SU_TILE_STEP) {
            uint16_t weights[SU_TILE_STEP], values[SU_TILE_STEP] = {0};
            su_narrow_bf16_ref(p + begin, SU_TILE_STEP, weights);
            for (size_t j = 0; j < SU_TILE_STEP && begin + j < count; j++)
                values[j] = args->v[(seen->tile + begin + j) * args->v_stride + e];
            state->out[e] = add_tile_step(state->out[e], weights, values);
        }
}

static void add_tile(State *state, const SuAttentionBf16Args *args, const uint16_t *q,
                     const Seen *seen)
{
    float p[SU_KEY_TILE], maximum = state->maximum;
    for (size_t j = 0; j < SU_KEY_TILE; j++) {
        size_t key = seen->tile + j;
        bool in_sight = key >= seen->begin && key < seen->end;
        p[j] = in_sight ? score(args, q, args->k + key * args->k_stride) : -INFINITY;
        if (p[j] > maximum) maximum = p[j];
    }
    float scale = state->maximum == maximum ? 1.0f : exp2_narrow(state->maximum - maximum);
    state->maximum = maximum;
    for (size_t j = 0; j < SU_KEY_TILE; j++)
        p[j] = p[j] == -INFINITY ? 0.0f : exp2_narrow(p[j] - maximum);
    state->sum = fmaf(state->sum, scale, fold(p));
    for (size_t e = 0; e < args->head_size; e++) state->out[e] = state->out[e] * scale;
    add_values(state, args, seen, p);
}

void su_attention_bf16_ref(const SuAttentionBf16Args *args)
{
    for (size_t i = 0; i < args->num_queries; i++) {
        size_t position = args->first_query + i, begin = 0, end = args->num_keys;
        if (args->local && position > args->before) begin = position - args->before;
        if (args->local && args->after < end - position - 1) end = position + args->after + 1;
        State state = {.maximum = -INFINITY};
        for (size_t tile = begin / SU_KEY_TILE * SU_KEY_TILE; tile < end; tile += SU_KEY_TILE)
            add_tile(&state, args, args->q + i * args->q_stride,
                     &(Seen){.tile = tile, .begin = begin, .end = end});
        float inverse = 1.0f / state.sum;
        for (size_t e = 0; e < args->head_size; e++)
            args->out[i * args->out_stride + e] = state.out[e] * inverse;
    }
}
