/* JinaBERT (Günther et al. 2023), jina-embeddings-v2: BERT with ALiBi on both sides in place of
 * positions, and GeGLU. config.json says "bert" and names the code. */
#include "model/family.h"

#include <string.h>

static const SuFamilyField fields[] = {
    {"num_hidden_layers", offsetof(SutraSpec, num_layers), 1, 1024, 12, NULL},
    {"hidden_size", offsetof(SutraSpec, hidden_size), 1, 1u << 16, 768, NULL},
    {"num_attention_heads", offsetof(SutraSpec, num_heads), 1, 4096, 12, NULL},
    {"intermediate_size", offsetof(SutraSpec, ffn_size), 1, 1u << 19, 3072, NULL},
    {"vocab_size", offsetof(SutraSpec, vocab_size), 1, 1u << 24, 30522, NULL},
    {"max_position_embeddings", offsetof(SutraSpec, max_positions), 1, 1u << 20, 512, NULL},
    {"type_vocab_size", offsetof(SutraSpec, num_types), 0, 1024, 2, NULL},
};

#define LAYER "encoder.layer.#."
#define VECTOR SU_EXTENT_HIDDEN, SU_EXTENT_NONE, SU_WHOLE
static const SuFamilyTensor tensors[] = {
    {"embeddings.word_embeddings.weight", SUTRA_ROLE_TOKEN_EMBEDDING, SU_EXTENT_VOCAB,
     SU_EXTENT_HIDDEN, SU_WHOLE},
    {"embeddings.token_type_embeddings.weight", SUTRA_ROLE_TYPE_EMBEDDING, SU_EXTENT_TYPES,
     SU_EXTENT_HIDDEN, SU_IF_THERE},
    {"embeddings.LayerNorm.weight", SUTRA_ROLE_EMBEDDING_NORM_WEIGHT, VECTOR},
    {"embeddings.LayerNorm.bias", SUTRA_ROLE_EMBEDDING_NORM_BIAS, VECTOR},
    {LAYER "attention.self.query.weight", SUTRA_ROLE_QUERY_WEIGHT, SU_EXTENT_QUERY,
     SU_EXTENT_HIDDEN, SU_WHOLE},
    {LAYER "attention.self.query.bias", SUTRA_ROLE_QUERY_BIAS, SU_EXTENT_QUERY, SU_EXTENT_NONE,
     SU_WHOLE},
    {LAYER "attention.self.key.weight", SUTRA_ROLE_KEY_WEIGHT, SU_EXTENT_KEYVALUE, SU_EXTENT_HIDDEN,
     SU_WHOLE},
    {LAYER "attention.self.key.bias", SUTRA_ROLE_KEY_BIAS, SU_EXTENT_KEYVALUE, SU_EXTENT_NONE,
     SU_WHOLE},
    {LAYER "attention.self.value.weight", SUTRA_ROLE_VALUE_WEIGHT, SU_EXTENT_KEYVALUE,
     SU_EXTENT_HIDDEN, SU_WHOLE},
    {LAYER "attention.self.value.bias", SUTRA_ROLE_VALUE_BIAS, SU_EXTENT_KEYVALUE, SU_EXTENT_NONE,
     SU_WHOLE},
    {LAYER "attention.output.dense.weight", SUTRA_ROLE_ATTENTION_OUT_WEIGHT, SU_EXTENT_HIDDEN,
     SU_EXTENT_QUERY, SU_WHOLE},
    {LAYER "attention.output.dense.bias", SUTRA_ROLE_ATTENTION_OUT_BIAS, VECTOR},
    {LAYER "attention.output.LayerNorm.weight", SUTRA_ROLE_ATTENTION_NORM_WEIGHT, VECTOR},
    {LAYER "attention.output.LayerNorm.bias", SUTRA_ROLE_ATTENTION_NORM_BIAS, VECTOR},
    {LAYER "mlp.gated_layers.weight", SUTRA_ROLE_FFN_GATE_WEIGHT, SU_EXTENT_FFN, SU_EXTENT_HIDDEN,
     SU_FIRST_OF_TWO},
    {LAYER "mlp.gated_layers.weight", SUTRA_ROLE_FFN_UP_WEIGHT, SU_EXTENT_FFN, SU_EXTENT_HIDDEN,
     SU_SECOND_OF_TWO},
    {LAYER "mlp.wo.weight", SUTRA_ROLE_FFN_DOWN_WEIGHT, SU_EXTENT_HIDDEN, SU_EXTENT_FFN, SU_WHOLE},
    {LAYER "mlp.wo.bias", SUTRA_ROLE_FFN_DOWN_BIAS, VECTOR},
    {LAYER "mlp.layernorm.bias", SUTRA_ROLE_FFN_NORM_BIAS, VECTOR},
    {LAYER "mlp.layernorm.weight", SUTRA_ROLE_FFN_NORM_WEIGHT, VECTOR},
};

static SutraStatus configure(const json_t *config, const char *where, SutraSpec *spec,
                             SutraError *err)
{
    const char *kind = "original";
    spec->position = SUTRA_POSITION_ALIBI;
    spec->gated = 1;
    spec->without_bias = SUTRA_BIAS_FFN_UP;
    SU_TRY(su_family_require_text(config, where, "position_embedding_type", "alibi", err));
    SU_TRY(su_family_require_bool(config, where, "is_decoder", false, err));
    SU_TRY(su_json_get_string(config, "feed_forward_type", where, &kind, err));
    if (strcmp(kind, "geglu") != 0 && strcmp(kind, "reglu") != 0)
        SU_RAISE(err, SUTRA_E_UNSUPPORTED,
                 "%s: feed_forward_type \"%.40s\" is not supported; known: geglu, reglu", where,
                 kind);
    spec->activation = strcmp(kind, "geglu") == 0 ? SUTRA_ACT_GELU_ERF : SUTRA_ACT_RELU;
    return SUTRA_OK;
}

const SuFamily su_family_jina = {
    .name = "jina_bert",
    .tokenizer_class = "BertTokenizer",
    .model_types = SU_NAMES("jina_bert"),
    .architectures = SU_NAMES("JinaBert"),
    .custom_code = SU_NAMES("JinaBertModel", "JinaBertConfig"),
    .prefixes = SU_NAMES("", "bert."),
    .fields = fields,
    .num_fields = sizeof fields / sizeof *fields,
    .activation_key = "hidden_act",
    .activation_default = "gelu",
    .norm_eps_key = "layer_norm_eps",
    .norm_eps_default = 1e-12,
    .layouts = {SU_LAYOUT_OF(tensors)},
    .configure = configure,
};
