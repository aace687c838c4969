/* ModernBERT (Warner et al. 2024): pre-norm without a first norm, GeGLU, RoPE; every third layer
 * sees the whole text, the others a window and with a base of their own. */
#include "model/family.h"

#include <string.h>

static const SuFamilyField fields[] = {
    {"num_hidden_layers", offsetof(SutraSpec, num_layers), 1, 1024, 22, NULL},
    {"hidden_size", offsetof(SutraSpec, hidden_size), 1, 1u << 16, 768, NULL},
    {"num_attention_heads", offsetof(SutraSpec, num_heads), 1, 4096, 12, NULL},
    {"intermediate_size", offsetof(SutraSpec, ffn_size), 1, 1u << 19, 1152, NULL},
    {"vocab_size", offsetof(SutraSpec, vocab_size), 1, 1u << 24, 50368, NULL},
    {"max_position_embeddings", offsetof(SutraSpec, max_positions), 1, 1u << 24, 8192, NULL},
};

#define LAYER "layers.#."
static const SuFamilyTensor tensors[] = {
    SU_TOKENS("embeddings.tok_embeddings"),
    SU_NORM("embeddings.norm", EMBEDDING),
    SU_PART_OF(LAYER "attn_norm", ATTENTION_NORM, SU_EXTENT_HIDDEN, SU_EXTENT_NONE,
               SU_NOT_IN_LAYER_0),
    SU_QUERY_KEY_VALUE(LAYER "attn.Wqkv"),
    SU_ATTENTION_OUT(LAYER "attn.Wo"),
    SU_NORM(LAYER "mlp_norm", FFN),
    SU_GATE_UP(LAYER "mlp.Wi"),
    SU_DOWN(LAYER "mlp.Wo"),
    SU_NORM("final_norm", FINAL),
};

/* "full_attention" or "sliding_attention" of a layer: layer_types, or every n-th is full. */
static SutraStatus read_layer_type(const json_t *config, const char *where, const SutraSpec *spec,
                                   uint32_t layer, bool *full, SutraError *err)
{
    const json_t *types = json_object_get(config, "layer_types");
    uint32_t every = 3;
    if (su_json_is_inactive(types)) {
        SU_TRY(
            su_json_get_u32(config, "global_attn_every_n_layers", where, 1, 1u << 16, &every, err));
        *full = layer % every == 0;
        return SUTRA_OK;
    }
    const char *type = json_string_value(json_array_get(types, layer));
    if (!type || json_array_size(types) != spec->num_layers)
        SU_RAISE(err, SUTRA_E_FORMAT, "%s: layer_types is not a list of %u names", where,
                 spec->num_layers);
    *full = strcmp(type, "full_attention") == 0;
    if (!*full && strcmp(type, "sliding_attention") != 0)
        SU_RAISE(err, SUTRA_E_UNSUPPORTED,
                 "%s: layer_types: \"%.40s\" is not supported; known: full_attention, "
                 "sliding_attention",
                 where, type);
    return SUTRA_OK;
}

/* The reference takes sliding_window, tokens to either side, before local_attention, both sides. */
static SutraStatus read_layers(const json_t *config, const char *where, SutraSpec *spec,
                               SutraError *err)
{
    const json_t *ropes = json_object_get(config, "rope_parameters");
    double base = 160000, local_base = 10000;
    uint32_t local = 128, side, *window;
    float *bases;
    SU_TRY(su_family_add_windows(where, spec, &window, err));
    SU_TRY(su_family_add_ropes(where, spec, &bases, err));
    SU_TRY(su_json_get_u32(config, "local_attention", where, 2, 1u << 24, &local, err));
    side = local / 2;
    SU_TRY(su_json_get_u32(config, "sliding_window", where, 1, 1u << 23, &side, err));
    SU_TRY(su_json_get_double(config, "global_rope_theta", where, &base, err));
    SU_TRY(su_json_get_double(config, "local_rope_theta", where, &local_base, err));
    if (!su_json_is_inactive(json_object_get(config, "rope_scaling")))
        SU_RAISE(err, SUTRA_E_UNSUPPORTED, "%s: rope_scaling is not supported", where);
    SU_TRY(su_family_read_rope_base(json_object_get(ropes, "full_attention"), where, &base, err));
    SU_TRY(su_family_read_rope_base(json_object_get(ropes, "sliding_attention"), where, &local_base,
                                    err));
    for (uint32_t i = 0; i < spec->num_layers; i++) {
        bool full = false;
        SU_TRY(read_layer_type(config, where, spec, i, &full, err));
        window[i] = full ? 0 : side;
        bases[i] = (float)(full ? base : local_base);
        if (!(bases[i] > 0 && bases[i] < 1e30f))
            SU_RAISE(err, SUTRA_E_FORMAT, "%s: the base of RoPE is %g", where, (double)bases[i]);
    }
    return SUTRA_OK;
}

static SutraStatus configure(const json_t *config, const char *where, SutraSpec *spec,
                             SutraError *err)
{
    spec->norm = SUTRA_NORM_PRE;
    spec->norm_kind = SUTRA_NORM_LAYER;
    spec->bare_start = spec->gated = 1;
    SU_TRY(su_family_read_bias(config, where, "attention_bias", false,
                               SUTRA_BIAS_QKV | SUTRA_BIAS_ATTENTION_OUT, spec, err));
    SU_TRY(su_family_read_bias(config, where, "mlp_bias", false,
                               SUTRA_BIAS_FFN_UP | SUTRA_BIAS_FFN_DOWN, spec, err));
    SU_TRY(su_family_read_bias(config, where, "norm_bias", false, SUTRA_BIAS_NORM, spec, err));
    return read_layers(config, where, spec, err);
}

static const SuFamilyHead heads[] = {{"head.dense", false, SUTRA_ACT_GELU_ERF, SU_HEAD_BARE},
                                     {"head.norm", false, SUTRA_ACT_NONE, SU_HEAD_NORM},
                                     {"classifier", false, SUTRA_ACT_NONE, SU_HEAD_LINEAR}};

static SutraStatus choose_head(const json_t *config, const char *where, SuHeadChoice *choice,
                               SutraError *err)
{
    const char *pooling = "cls";
    SU_TRY(su_json_get_string(config, "classifier_pooling", where, &pooling, err));
    if (strcmp(pooling, "cls") != 0 && strcmp(pooling, "mean") != 0)
        SU_RAISE(err, SUTRA_E_UNSUPPORTED,
                 "%s: classifier_pooling \"%.40s\" is not supported; known: cls, mean", where,
                 pooling);
    choice->pooling = strcmp(pooling, "cls") == 0 ? SUTRA_POOL_CLS : SUTRA_POOL_MEAN;
    return su_family_read_activation(config, where, "classifier_activation", "gelu",
                                     &choice->activation, err);
}

const SuFamily su_family_modernbert = {
    .name = "modernbert",
    .tokenizer_class = "PreTrainedTokenizerFast",
    .model_types = SU_NAMES("modernbert"),
    .architectures = SU_NAMES("ModernBert"),
    .prefixes = SU_NAMES("", "model."),
    .fields = fields,
    .num_fields = sizeof fields / sizeof *fields,
    .activation_key = "hidden_activation",
    .activation_default = "gelu",
    .norm_eps_key = "norm_eps",
    .norm_eps_default = 1e-5,
    .layouts = {SU_LAYOUT_OF(tensors)},
    .heads = heads,
    .num_heads = sizeof heads / sizeof *heads,
    .choose_head = choose_head,
    .configure = configure,
};
