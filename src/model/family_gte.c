/* GTE (Zhang et al. 2024): post-norm, RoPE, GeGLU whose linears have no biases. Two layouts: that
 * of transformers, and that of the code the models were published with (model_type "new"). */
#include "model/family.h"

static const SuFamilyField fields[] = {
    {"num_hidden_layers", offsetof(SutraSpec, num_layers), 1, 1024, 12, NULL},
    {"hidden_size", offsetof(SutraSpec, hidden_size), 1, 1u << 16, 768, NULL},
    {"num_attention_heads", offsetof(SutraSpec, num_heads), 1, 4096, 12, NULL},
    {"intermediate_size", offsetof(SutraSpec, ffn_size), 1, 1u << 19, 3072, NULL},
    {"vocab_size", offsetof(SutraSpec, vocab_size), 1, 1u << 24, 250048, NULL},
    {"max_position_embeddings", offsetof(SutraSpec, max_positions), 1, 1u << 24, 8192, NULL},
    {"type_vocab_size", offsetof(SutraSpec, num_types), 0, 1024, 1, NULL},
};

#define LAYER "layers.#."
static const SuFamilyTensor tensors[] = {
    SU_TOKENS("embeddings.word_embeddings"),
    SU_TYPES("embeddings.token_type_embeddings"),
    SU_NORM("embeddings.LayerNorm", EMBEDDING),
    SU_QUERY(LAYER "self_attn.q_proj"),
    SU_KEY(LAYER "self_attn.k_proj"),
    SU_VALUE(LAYER "self_attn.v_proj"),
    SU_ATTENTION_OUT(LAYER "self_attn.o_proj"),
    SU_NORM(LAYER "post_attention_layernorm", ATTENTION),
    SU_GATE(LAYER "mlp.gate_proj"),
    SU_UP(LAYER "mlp.up_proj"),
    SU_DOWN(LAYER "mlp.down_proj"),
    SU_NORM(LAYER "post_mlp_layernorm", FFN),
};
#undef LAYER

#define LAYER "encoder.layer.#."
static const SuFamilyTensor published[] = {
    SU_TOKENS("embeddings.word_embeddings"),
    SU_TYPES("embeddings.token_type_embeddings"),
    SU_NORM("embeddings.LayerNorm", EMBEDDING),
    SU_QUERY_KEY_VALUE(LAYER "attention.qkv_proj"),
    SU_ATTENTION_OUT(LAYER "attention.o_proj"),
    SU_NORM(LAYER "attn_ln", ATTENTION),
    SU_UP_GATE(LAYER "mlp.up_gate_proj"),
    SU_DOWN(LAYER "mlp.down_proj"),
    SU_NORM(LAYER "mlp_ln", FFN),
};

static SutraStatus configure(const json_t *config, const char *where, SutraSpec *spec,
                             SutraError *err)
{
    spec->gated = 1;
    spec->without_bias = SUTRA_BIAS_FFN_UP;
    SU_TRY(su_family_require_text(config, where, "position_embedding_type", "rope", err));
    SU_TRY(su_family_require_text(config, where, "layer_norm_type", "layer_norm", err));
    SU_TRY(su_family_require_bool(config, where, "logn_attention_scale", false, err));
    SU_TRY(su_family_require_bool(config, where, "pack_qkv", true, err));
    return su_family_read_rope(config, where, 160000, spec, err);
}

const SuFamily su_family_gte = {
    .name = "gte",
    .tokenizer_class = "XLMRobertaTokenizer",
    .model_types = SU_NAMES("gte", "new"),
    .architectures = SU_NAMES("Gte", "New"),
    .custom_code = SU_NAMES("NewModel", "NewConfig", "GteModel", "GteConfig"),
    .prefixes = SU_NAMES("", "gte.", "new."),
    .fields = fields,
    .num_fields = sizeof fields / sizeof *fields,
    .activation_key = "hidden_act",
    .activation_default = "gelu",
    .norm_eps_key = "layer_norm_eps",
    .norm_eps_default = 1e-12,
    .layouts = {SU_LAYOUT_OF(tensors), SU_LAYOUT_OF(published)},
    .configure = configure,
};
