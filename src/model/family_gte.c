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

#define VECTOR SU_EXTENT_HIDDEN, SU_EXTENT_NONE, SU_WHOLE
#define EMBEDDINGS                                                                              \
    {"embeddings.word_embeddings.weight", SUTRA_ROLE_TOKEN_EMBEDDING, SU_EXTENT_VOCAB,          \
     SU_EXTENT_HIDDEN, SU_WHOLE},                                                               \
        {"embeddings.token_type_embeddings.weight", SUTRA_ROLE_TYPE_EMBEDDING, SU_EXTENT_TYPES, \
         SU_EXTENT_HIDDEN, SU_IF_THERE},                                                        \
        {"embeddings.LayerNorm.weight", SUTRA_ROLE_EMBEDDING_NORM_WEIGHT, VECTOR},              \
    {                                                                                           \
        "embeddings.LayerNorm.bias", SUTRA_ROLE_EMBEDDING_NORM_BIAS, VECTOR                     \
    }

#define LAYER "layers.#."
static const SuFamilyTensor tensors[] = {
    EMBEDDINGS,
    {LAYER "self_attn.q_proj.weight", SUTRA_ROLE_QUERY_WEIGHT, SU_EXTENT_QUERY, SU_EXTENT_HIDDEN,
     SU_WHOLE},
    {LAYER "self_attn.q_proj.bias", SUTRA_ROLE_QUERY_BIAS, SU_EXTENT_QUERY, SU_EXTENT_NONE,
     SU_WHOLE},
    {LAYER "self_attn.k_proj.weight", SUTRA_ROLE_KEY_WEIGHT, SU_EXTENT_KEYVALUE, SU_EXTENT_HIDDEN,
     SU_WHOLE},
    {LAYER "self_attn.k_proj.bias", SUTRA_ROLE_KEY_BIAS, SU_EXTENT_KEYVALUE, SU_EXTENT_NONE,
     SU_WHOLE},
    {LAYER "self_attn.v_proj.weight", SUTRA_ROLE_VALUE_WEIGHT, SU_EXTENT_KEYVALUE, SU_EXTENT_HIDDEN,
     SU_WHOLE},
    {LAYER "self_attn.v_proj.bias", SUTRA_ROLE_VALUE_BIAS, SU_EXTENT_KEYVALUE, SU_EXTENT_NONE,
     SU_WHOLE},
    {LAYER "self_attn.o_proj.weight", SUTRA_ROLE_ATTENTION_OUT_WEIGHT, SU_EXTENT_HIDDEN,
     SU_EXTENT_QUERY, SU_WHOLE},
    {LAYER "self_attn.o_proj.bias", SUTRA_ROLE_ATTENTION_OUT_BIAS, VECTOR},
    {LAYER "post_attention_layernorm.weight", SUTRA_ROLE_ATTENTION_NORM_WEIGHT, VECTOR},
    {LAYER "post_attention_layernorm.bias", SUTRA_ROLE_ATTENTION_NORM_BIAS, VECTOR},
    {LAYER "mlp.gate_proj.weight", SUTRA_ROLE_FFN_GATE_WEIGHT, SU_EXTENT_FFN, SU_EXTENT_HIDDEN,
     SU_WHOLE},
    {LAYER "mlp.up_proj.weight", SUTRA_ROLE_FFN_UP_WEIGHT, SU_EXTENT_FFN, SU_EXTENT_HIDDEN,
     SU_WHOLE},
    {LAYER "mlp.down_proj.weight", SUTRA_ROLE_FFN_DOWN_WEIGHT, SU_EXTENT_HIDDEN, SU_EXTENT_FFN,
     SU_WHOLE},
    {LAYER "mlp.down_proj.bias", SUTRA_ROLE_FFN_DOWN_BIAS, VECTOR},
    {LAYER "post_mlp_layernorm.bias", SUTRA_ROLE_FFN_NORM_BIAS, VECTOR},
    {LAYER "post_mlp_layernorm.weight", SUTRA_ROLE_FFN_NORM_WEIGHT, VECTOR},
};
#undef LAYER

#define LAYER "encoder.layer.#."
static const SuFamilyTensor published[] = {
    EMBEDDINGS,
    {LAYER "attention.qkv_proj.weight", SUTRA_ROLE_QUERY_WEIGHT, SU_EXTENT_QUERY, SU_EXTENT_HIDDEN,
     SU_FIRST_OF_THREE},
    {LAYER "attention.qkv_proj.weight", SUTRA_ROLE_KEY_WEIGHT, SU_EXTENT_KEYVALUE, SU_EXTENT_HIDDEN,
     SU_SECOND_OF_THREE},
    {LAYER "attention.qkv_proj.weight", SUTRA_ROLE_VALUE_WEIGHT, SU_EXTENT_KEYVALUE,
     SU_EXTENT_HIDDEN, SU_THIRD_OF_THREE},
    {LAYER "attention.qkv_proj.bias", SUTRA_ROLE_QUERY_BIAS, SU_EXTENT_QUERY, SU_EXTENT_NONE,
     SU_FIRST_OF_THREE},
    {LAYER "attention.qkv_proj.bias", SUTRA_ROLE_KEY_BIAS, SU_EXTENT_KEYVALUE, SU_EXTENT_NONE,
     SU_SECOND_OF_THREE},
    {LAYER "attention.qkv_proj.bias", SUTRA_ROLE_VALUE_BIAS, SU_EXTENT_KEYVALUE, SU_EXTENT_NONE,
     SU_THIRD_OF_THREE},
    {LAYER "attention.o_proj.weight", SUTRA_ROLE_ATTENTION_OUT_WEIGHT, SU_EXTENT_HIDDEN,
     SU_EXTENT_QUERY, SU_WHOLE},
    {LAYER "attention.o_proj.bias", SUTRA_ROLE_ATTENTION_OUT_BIAS, VECTOR},
    {LAYER "attn_ln.weight", SUTRA_ROLE_ATTENTION_NORM_WEIGHT, VECTOR},
    {LAYER "attn_ln.bias", SUTRA_ROLE_ATTENTION_NORM_BIAS, VECTOR},
    {LAYER "mlp.up_gate_proj.weight", SUTRA_ROLE_FFN_UP_WEIGHT, SU_EXTENT_FFN, SU_EXTENT_HIDDEN,
     SU_FIRST_OF_TWO},
    {LAYER "mlp.up_gate_proj.weight", SUTRA_ROLE_FFN_GATE_WEIGHT, SU_EXTENT_FFN, SU_EXTENT_HIDDEN,
     SU_SECOND_OF_TWO},
    {LAYER "mlp.down_proj.weight", SUTRA_ROLE_FFN_DOWN_WEIGHT, SU_EXTENT_HIDDEN, SU_EXTENT_FFN,
     SU_WHOLE},
    {LAYER "mlp.down_proj.bias", SUTRA_ROLE_FFN_DOWN_BIAS, VECTOR},
    {LAYER "mlp_ln.bias", SUTRA_ROLE_FFN_NORM_BIAS, VECTOR},
    {LAYER "mlp_ln.weight", SUTRA_ROLE_FFN_NORM_WEIGHT, VECTOR},
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
