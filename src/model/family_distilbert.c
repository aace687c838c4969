/* DistilBERT (Sanh et al. 2019): BERT without types, under names of its own. */
#include "model/family.h"

static const SuFamilyField fields[] = {
    {"n_layers", offsetof(SutraSpec, num_layers), 1, 1024, 6, "num_hidden_layers"},
    {"dim", offsetof(SutraSpec, hidden_size), 1, 1u << 16, 768, "hidden_size"},
    {"n_heads", offsetof(SutraSpec, num_heads), 1, 4096, 12, "num_attention_heads"},
    {"hidden_dim", offsetof(SutraSpec, ffn_size), 1, 1u << 20, 3072, NULL},
    {"vocab_size", offsetof(SutraSpec, vocab_size), 1, 1u << 24, 30522, NULL},
    {"max_position_embeddings", offsetof(SutraSpec, max_positions), 1, 1u << 24, 512, NULL},
};

#define LAYER "transformer.layer.#."
#define VECTOR SU_EXTENT_HIDDEN, SU_EXTENT_NONE, SU_WHOLE
static const SuFamilyTensor tensors[] = {
    {"embeddings.word_embeddings.weight", SUTRA_ROLE_TOKEN_EMBEDDING, SU_EXTENT_VOCAB,
     SU_EXTENT_HIDDEN, SU_WHOLE},
    {"embeddings.position_embeddings.weight", SUTRA_ROLE_POSITION_EMBEDDING, SU_EXTENT_POSITIONS,
     SU_EXTENT_HIDDEN, SU_WHOLE},
    {"embeddings.LayerNorm.weight", SUTRA_ROLE_EMBEDDING_NORM_WEIGHT, VECTOR},
    {"embeddings.LayerNorm.bias", SUTRA_ROLE_EMBEDDING_NORM_BIAS, VECTOR},
    {LAYER "attention.q_lin.weight", SUTRA_ROLE_QUERY_WEIGHT, SU_EXTENT_QUERY, SU_EXTENT_HIDDEN,
     SU_WHOLE},
    {LAYER "attention.q_lin.bias", SUTRA_ROLE_QUERY_BIAS, SU_EXTENT_QUERY, SU_EXTENT_NONE,
     SU_WHOLE},
    {LAYER "attention.k_lin.weight", SUTRA_ROLE_KEY_WEIGHT, SU_EXTENT_KEYVALUE, SU_EXTENT_HIDDEN,
     SU_WHOLE},
    {LAYER "attention.k_lin.bias", SUTRA_ROLE_KEY_BIAS, SU_EXTENT_KEYVALUE, SU_EXTENT_NONE,
     SU_WHOLE},
    {LAYER "attention.v_lin.weight", SUTRA_ROLE_VALUE_WEIGHT, SU_EXTENT_KEYVALUE, SU_EXTENT_HIDDEN,
     SU_WHOLE},
    {LAYER "attention.v_lin.bias", SUTRA_ROLE_VALUE_BIAS, SU_EXTENT_KEYVALUE, SU_EXTENT_NONE,
     SU_WHOLE},
    {LAYER "attention.out_lin.weight", SUTRA_ROLE_ATTENTION_OUT_WEIGHT, SU_EXTENT_HIDDEN,
     SU_EXTENT_QUERY, SU_WHOLE},
    {LAYER "attention.out_lin.bias", SUTRA_ROLE_ATTENTION_OUT_BIAS, VECTOR},
    {LAYER "sa_layer_norm.weight", SUTRA_ROLE_ATTENTION_NORM_WEIGHT, VECTOR},
    {LAYER "sa_layer_norm.bias", SUTRA_ROLE_ATTENTION_NORM_BIAS, VECTOR},
    {LAYER "ffn.lin1.weight", SUTRA_ROLE_FFN_UP_WEIGHT, SU_EXTENT_FFN, SU_EXTENT_HIDDEN, SU_WHOLE},
    {LAYER "ffn.lin1.bias", SUTRA_ROLE_FFN_UP_BIAS, SU_EXTENT_FFN, SU_EXTENT_NONE, SU_WHOLE},
    {LAYER "ffn.lin2.weight", SUTRA_ROLE_FFN_DOWN_WEIGHT, SU_EXTENT_HIDDEN, SU_EXTENT_FFN,
     SU_WHOLE},
    {LAYER "ffn.lin2.bias", SUTRA_ROLE_FFN_DOWN_BIAS, VECTOR},
    {LAYER "output_layer_norm.weight", SUTRA_ROLE_FFN_NORM_WEIGHT, VECTOR},
    {LAYER "output_layer_norm.bias", SUTRA_ROLE_FFN_NORM_BIAS, VECTOR},
};

static const SuFamilyHead heads[] = {{"pre_classifier", false, SUTRA_ACT_RELU, SU_HEAD_LINEAR},
                                     {"classifier", false, SUTRA_ACT_NONE, SU_HEAD_LINEAR}};

static SutraStatus configure(const json_t *config, const char *where, SutraSpec *spec,
                             SutraError *err)
{
    (void)config;
    (void)where;
    (void)err;
    spec->position = SUTRA_POSITION_LEARNED;
    spec->norm = SUTRA_NORM_POST;
    spec->norm_kind = SUTRA_NORM_LAYER;
    return SUTRA_OK;
}

const SuFamily su_family_distilbert = {
    .name = "distilbert",
    .tokenizer_class = "DistilBertTokenizer",
    .model_types = SU_NAMES("distilbert"),
    .architectures = SU_NAMES("DistilBert"),
    .prefixes = SU_NAMES("", "distilbert."),
    .fields = fields,
    .num_fields = sizeof fields / sizeof *fields,
    .activation_key = "activation",
    .activation_default = "gelu",
    .norm_eps_default = 1e-12,
    .layouts = {SU_LAYOUT_OF(tensors)},
    .heads = heads,
    .num_heads = sizeof heads / sizeof *heads,
    .configure = configure,
};
