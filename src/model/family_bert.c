/* BERT (Devlin et al. 2018): learned positions, post-norm, plain feed-forward. RoBERTa (Liu et al.
 * 2019), XLM-RoBERTa and CamemBERT are the same with positions that begin after the pad id. The
 * heads for pre-training and embeddings.position_ids are not read, BERT's pooler by classifiers
 * alone. */
#include "model/family.h"

#include <string.h>

#define FIELDS(vocab)                                                                            \
    {"num_hidden_layers", offsetof(SutraSpec, num_layers), 1, 1024, 12, NULL},                   \
        {"hidden_size", offsetof(SutraSpec, hidden_size), 1, 1u << 16, 768, NULL},               \
        {"num_attention_heads", offsetof(SutraSpec, num_heads), 1, 4096, 12, NULL},              \
        {"intermediate_size", offsetof(SutraSpec, ffn_size), 1, 1u << 20, 3072, NULL},           \
        {"vocab_size", offsetof(SutraSpec, vocab_size), 1, 1u << 24, vocab, NULL},               \
        {"max_position_embeddings", offsetof(SutraSpec, max_positions), 1, 1u << 24, 512, NULL}, \
        {"type_vocab_size", offsetof(SutraSpec, num_types), 0, 1024, 2, NULL},
static const SuFamilyField bert_fields[] = {FIELDS(30522)};
static const SuFamilyField roberta_fields[] = {FIELDS(50265)};
#undef FIELDS

#define LAYER "encoder.layer.#."
#define VECTOR SU_EXTENT_HIDDEN, SU_EXTENT_NONE, SU_WHOLE
static const SuFamilyTensor tensors[] = {
    {"embeddings.word_embeddings.weight", SUTRA_ROLE_TOKEN_EMBEDDING, SU_EXTENT_VOCAB,
     SU_EXTENT_HIDDEN, SU_WHOLE},
    {"embeddings.position_embeddings.weight", SUTRA_ROLE_POSITION_EMBEDDING, SU_EXTENT_POSITIONS,
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
    {LAYER "intermediate.dense.weight", SUTRA_ROLE_FFN_UP_WEIGHT, SU_EXTENT_FFN, SU_EXTENT_HIDDEN,
     SU_WHOLE},
    {LAYER "intermediate.dense.bias", SUTRA_ROLE_FFN_UP_BIAS, SU_EXTENT_FFN, SU_EXTENT_NONE,
     SU_WHOLE},
    {LAYER "output.dense.weight", SUTRA_ROLE_FFN_DOWN_WEIGHT, SU_EXTENT_HIDDEN, SU_EXTENT_FFN,
     SU_WHOLE},
    {LAYER "output.dense.bias", SUTRA_ROLE_FFN_DOWN_BIAS, VECTOR},
    {LAYER "output.LayerNorm.weight", SUTRA_ROLE_FFN_NORM_WEIGHT, VECTOR},
    {LAYER "output.LayerNorm.bias", SUTRA_ROLE_FFN_NORM_BIAS, VECTOR},
};

static const SuFamilyHead bert_heads[] = {{"pooler.dense", true, SUTRA_ACT_TANH, SU_HEAD_LINEAR},
                                          {"classifier", false, SUTRA_ACT_NONE, SU_HEAD_LINEAR}};
static const SuFamilyHead roberta_heads[] = {
    {"classifier.dense", false, SUTRA_ACT_TANH, SU_HEAD_LINEAR},
    {"classifier.out_proj", false, SUTRA_ACT_NONE, SU_HEAD_LINEAR}};

static SutraStatus configure_bert(const json_t *config, const char *where, SutraSpec *spec,
                                  SutraError *err)
{
    const char *position = "absolute";
    bool decoder = false;
    SU_TRY(su_json_get_string(config, "position_embedding_type", where, &position, err));
    if (strcmp(position, "absolute") != 0)
        SU_RAISE(err, SUTRA_E_UNSUPPORTED,
                 "%s: position_embedding_type \"%.40s\" is not supported; known: absolute", where,
                 position);
    SU_TRY(su_json_get_bool(config, "is_decoder", where, &decoder, err));
    if (decoder)
        SU_RAISE(err, SUTRA_E_UNSUPPORTED, "%s: is_decoder is true: only encoders are supported",
                 where);
    spec->position = SUTRA_POSITION_LEARNED;
    spec->norm = SUTRA_NORM_POST;
    spec->norm_kind = SUTRA_NORM_LAYER;
    return SUTRA_OK;
}

static SutraStatus configure_roberta(const json_t *config, const char *where, SutraSpec *spec,
                                     SutraError *err)
{
    SU_TRY(configure_bert(config, where, spec, err));
    return su_family_read_padding(config, where, spec, err);
}

#define SHARED                                                    \
    .activation_key = "hidden_act", .activation_default = "gelu", \
    .norm_eps_key = "layer_norm_eps", .norm_eps_default = 1e-12,  \
    .layouts = {SU_LAYOUT_OF(tensors)}
const SuFamily su_family_bert = {
    .name = "bert",
    .tokenizer_class = "BertTokenizer",
    .model_types = SU_NAMES("bert"),
    .architectures = SU_NAMES("Bert"),
    .prefixes = SU_NAMES("", "bert."),
    .fields = bert_fields,
    .num_fields = sizeof bert_fields / sizeof *bert_fields,
    SHARED,
    .heads = bert_heads,
    .num_heads = sizeof bert_heads / sizeof *bert_heads,
    .configure = configure_bert,
};

const SuFamily su_family_roberta = {
    .name = "roberta",
    .tokenizer_class = "RobertaTokenizer",
    .model_types = SU_NAMES("roberta"),
    .architectures = SU_NAMES("Roberta"),
    .prefixes = SU_NAMES("", "roberta."),
    .fields = roberta_fields,
    .num_fields = sizeof roberta_fields / sizeof *roberta_fields,
    SHARED,
    .heads = roberta_heads,
    .num_heads = sizeof roberta_heads / sizeof *roberta_heads,
    .configure = configure_roberta,
};

const SuFamily su_family_xlm_roberta = {
    .name = "xlm-roberta",
    .tokenizer_class = "XLMRobertaTokenizer",
    .model_types = SU_NAMES("xlm-roberta"),
    .architectures = SU_NAMES("XLMRoberta"),
    .prefixes = SU_NAMES("", "roberta."),
    .fields = bert_fields,
    .num_fields = sizeof bert_fields / sizeof *bert_fields,
    SHARED,
    .heads = roberta_heads,
    .num_heads = sizeof roberta_heads / sizeof *roberta_heads,
    .configure = configure_roberta,
};

const SuFamily su_family_camembert = {
    .name = "camembert",
    .tokenizer_class = "CamembertTokenizer",
    .model_types = SU_NAMES("camembert"),
    .architectures = SU_NAMES("Camembert"),
    .prefixes = SU_NAMES("", "roberta."),
    .fields = bert_fields,
    .num_fields = sizeof bert_fields / sizeof *bert_fields,
    SHARED,
    .heads = roberta_heads,
    .num_heads = sizeof roberta_heads / sizeof *roberta_heads,
    .configure = configure_roberta,
};
