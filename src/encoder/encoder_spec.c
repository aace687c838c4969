/* What of a spec the encoder can run, and what it says of the rest. */
#include "base/status.h"
#include "encoder/encoder.h"

#include <math.h>

static SutraStatus check_rope(const SutraSpec *spec, SutraError *err)
{
    bool valid = spec->rope_base && spec->rope_divisor > 0 && spec->rope_divisor < INFINITY;
    for (uint32_t i = 0; valid && i < spec->num_layers; i++)
        valid = spec->rope_base[i] > 0 && spec->rope_base[i] < INFINITY;
    if (!valid) SU_RAISE(err, SUTRA_E_UNSUPPORTED, "RoPE without a base above 0 for each layer");
    return SUTRA_OK;
}

static SutraStatus check_positions(const SutraSpec *spec, SutraError *err)
{
    if (spec->position == SUTRA_POSITION_RELATIVE || spec->position > SUTRA_POSITION_NONE)
        SU_RAISE(err, SUTRA_E_UNSUPPORTED, "the cpu backend has no position scheme %u",
                 spec->position);
    if (spec->position == SUTRA_POSITION_ROPE) return check_rope(spec, err);
    if (spec->position == SUTRA_POSITION_NONE) return SUTRA_OK;
    if (spec->position_offset >= spec->max_positions)
        SU_RAISE(err, SUTRA_E_UNSUPPORTED, "the first position %u is not below the model's %u",
                 spec->position_offset, spec->max_positions);
    return SUTRA_OK;
}

static SutraStatus check_relative_bias(const SutraSpec *spec, SutraError *err)
{
    uint32_t buckets = spec->relative_buckets;
    if (buckets == 0) return SUTRA_OK;
    if (buckets % 4 || spec->relative_distance <= buckets / 4 ||
        spec->position != SUTRA_POSITION_LEARNED)
        SU_RAISE(err, SUTRA_E_UNSUPPORTED,
                 "the cpu backend has no relative bias of %u buckets up to a distance of %u",
                 buckets, spec->relative_distance);
    return SUTRA_OK;
}

/* Batches say how to pool and whether to normalise at the end; only dense heads and norms, which
 * come between the two, and the score head, after which nothing comes, are the encoder's. */
static SutraStatus check_heads(const SutraSpec *spec, SutraError *err)
{
    uint32_t features = spec->hidden_size;
    bool normalized = false, scored = false;
    for (uint32_t i = 0; spec->heads && i < spec->num_heads_out; i++) {
        const SutraHead *head = &spec->heads[i];
        bool linear = su_head_is_linear(head);
        if (head->kind > SUTRA_HEAD_NORM || head->in != features || head->out == 0 || scored ||
            (!linear && head->out != features) ||
            (su_head_computes(head) && (i == 0 || normalized)) ||
            (linear && head->activation > SUTRA_ACT_SIGMOID))
            SU_RAISE(err, SUTRA_E_UNSUPPORTED,
                     "the cpu backend has no head of kind %u from %u to %u features (head %u)",
                     head->kind, head->in, head->out, i);
        normalized = normalized || head->kind == SUTRA_HEAD_NORMALIZE;
        scored = head->kind == SUTRA_HEAD_SCORE;
        features = head->out;
    }
    return SUTRA_OK;
}

static SutraStatus check_static(const SutraSpec *spec, SutraError *err)
{
    if (spec->position != SUTRA_POSITION_NONE || spec->num_types || spec->relative_buckets ||
        spec->num_experts || !spec->hidden_size || !spec->vocab_size ||
        spec->dropped_token > spec->vocab_size)
        SU_RAISE(err, SUTRA_E_UNSUPPORTED,
                 "no layers, and more than a table of %u tokens to %u elements", spec->vocab_size,
                 spec->hidden_size);
    return check_heads(spec, err);
}

SutraStatus su_encoder_check_spec(const SutraSpec *spec, SutraError *err)
{
    if (su_spec_is_static(spec)) return check_static(spec, err);
    if (spec->token_rows || spec->dropped_token)
        SU_RAISE(err, SUTRA_E_UNSUPPORTED, "token rows are shared, or dropped, in %u layers",
                 spec->num_layers);
    SU_TRY(check_positions(spec, err));
    SU_TRY(check_relative_bias(spec, err));
    SU_TRY(check_heads(spec, err));
    if (spec->norm > SUTRA_NORM_PRE || (spec->bare_start && spec->norm != SUTRA_NORM_PRE))
        SU_RAISE(err, SUTRA_E_UNSUPPORTED, "the cpu backend has no norms in the order %u%s",
                 spec->norm, spec->bare_start ? " without the first one" : "");
    if (spec->without_bias & ~(uint32_t)SUTRA_BIAS_ALL)
        SU_RAISE(err, SUTRA_E_UNSUPPORTED, "the cpu backend does not know all biases of 0x%x",
                 spec->without_bias);
    if (spec->norm_kind != SUTRA_NORM_LAYER)
        SU_RAISE(err, SUTRA_E_UNSUPPORTED, "the cpu backend has layer norms only, no RMS norms");
    if (spec->gated > 1 || spec->causal > 1)
        SU_RAISE(err, SUTRA_E_UNSUPPORTED, "gated is %u and causal is %u, not 0 or 1", spec->gated,
                 spec->causal);
    if (spec->num_experts)
        SU_RAISE(err, SUTRA_E_UNSUPPORTED, "the cpu backend has no experts, the model has %u",
                 spec->num_experts);
    if (spec->num_kv_heads != spec->num_heads)
        SU_RAISE(err, SUTRA_E_UNSUPPORTED,
                 "the cpu backend takes as many key and value heads as heads, not %u for %u",
                 spec->num_kv_heads, spec->num_heads);
    if (spec->head_size % 8 || spec->head_size == 0 || spec->head_size > 256)
        SU_RAISE(err, SUTRA_E_UNSUPPORTED, "head size %u is not a multiple of 8 up to 256",
                 spec->head_size);
    if (!spec->num_layers || !spec->num_heads || !spec->hidden_size || !spec->ffn_size)
        SU_RAISE(err, SUTRA_E_UNSUPPORTED, "%u layers of %u elements with %u heads are no encoder",
                 spec->num_layers, spec->hidden_size, spec->num_heads);
    if (spec->activation > SUTRA_ACT_TANH)
        SU_RAISE(err, SUTRA_E_UNSUPPORTED, "the cpu backend has no activation %u",
                 spec->activation);
    return SUTRA_OK;
}
