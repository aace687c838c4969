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
static const SuFamilyTensor tensors[] = {
    SU_TOKENS("embeddings.word_embeddings"),
    SU_TYPES("embeddings.token_type_embeddings"),
    SU_NORM("embeddings.LayerNorm", EMBEDDING),
    SU_QUERY(LAYER "attention.self.query"),
    SU_KEY(LAYER "attention.self.key"),
    SU_VALUE(LAYER "attention.self.value"),
    SU_ATTENTION_OUT(LAYER "attention.output.dense"),
    SU_NORM(LAYER "attention.output.LayerNorm", ATTENTION),
    SU_GATE_UP(LAYER "mlp.gated_layers"),
    SU_DOWN(LAYER "mlp.wo"),
    SU_NORM(LAYER "mlp.layernorm", FFN),
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
