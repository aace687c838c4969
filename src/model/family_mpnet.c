/* MPNet (Song et al. 2020): BERT without types, positions that begin after the pad id, and a bias
 * by relative position that all layers share. The reference counts in 32 buckets up to a distance
 * of 128, whatever config.json says. */
#include "model/family.h"

static const SuFamilyField fields[] = {
    {"num_hidden_layers", offsetof(SutraSpec, num_layers), 1, 1024, 12, NULL},
    {"hidden_size", offsetof(SutraSpec, hidden_size), 1, 1u << 16, 768, NULL},
    {"num_attention_heads", offsetof(SutraSpec, num_heads), 1, 4096, 12, NULL},
    {"intermediate_size", offsetof(SutraSpec, ffn_size), 1, 1u << 20, 3072, NULL},
    {"vocab_size", offsetof(SutraSpec, vocab_size), 1, 1u << 24, 30527, NULL},
    {"max_position_embeddings", offsetof(SutraSpec, max_positions), 3, 1u << 24, 512, NULL},
    {"relative_attention_num_buckets", offsetof(SutraSpec, relative_buckets), 32, 32, 32, NULL},
};

#define LAYER "encoder.layer.#."
#define VECTOR SU_EXTENT_HIDDEN, SU_EXTENT_NONE, SU_WHOLE
static const SuFamilyTensor tensors[] = {
    {"embeddings.word_embeddings.weight", SUTRA_ROLE_TOKEN_EMBEDDING, SU_EXTENT_VOCAB,
     SU_EXTENT_HIDDEN, SU_WHOLE},
    {"embeddings.position_embeddings.weight", SUTRA_ROLE_POSITION_EMBEDDING, SU_EXTENT_POSITIONS,
     SU_EXTENT_HIDDEN, SU_WHOLE},
    {"embeddings.LayerNorm.weight", SUTRA_ROLE_EMBEDDING_NORM_WEIGHT, VECTOR},
    {"embeddings.LayerNorm.bias", SUTRA_ROLE_EMBEDDING_NORM_BIAS, VECTOR},
    {"encoder.relative_attention_bias.weight", SUTRA_ROLE_RELATIVE_BIAS, SU_EXTENT_BUCKETS,
     SU_EXTENT_HEADS, SU_WHOLE},
    {LAYER "attention.attn.q.weight", SUTRA_ROLE_QUERY_WEIGHT, SU_EXTENT_QUERY, SU_EXTENT_HIDDEN,
     SU_WHOLE},
    {LAYER "attention.attn.q.bias", SUTRA_ROLE_QUERY_BIAS, SU_EXTENT_QUERY, SU_EXTENT_NONE,
     SU_WHOLE},
    {LAYER "attention.attn.k.weight", SUTRA_ROLE_KEY_WEIGHT, SU_EXTENT_KEYVALUE, SU_EXTENT_HIDDEN,
     SU_WHOLE},
    {LAYER "attention.attn.k.bias", SUTRA_ROLE_KEY_BIAS, SU_EXTENT_KEYVALUE, SU_EXTENT_NONE,
     SU_WHOLE},
    {LAYER "attention.attn.v.weight", SUTRA_ROLE_VALUE_WEIGHT, SU_EXTENT_KEYVALUE, SU_EXTENT_HIDDEN,
     SU_WHOLE},
    {LAYER "attention.attn.v.bias", SUTRA_ROLE_VALUE_BIAS, SU_EXTENT_KEYVALUE, SU_EXTENT_NONE,
     SU_WHOLE},
    {LAYER "attention.attn.o.weight", SUTRA_ROLE_ATTENTION_OUT_WEIGHT, SU_EXTENT_HIDDEN,
     SU_EXTENT_QUERY, SU_WHOLE},
    {LAYER "attention.attn.o.bias", SUTRA_ROLE_ATTENTION_OUT_BIAS, VECTOR},
    {LAYER "attention.LayerNorm.weight", SUTRA_ROLE_ATTENTION_NORM_WEIGHT, VECTOR},
    {LAYER "attention.LayerNorm.bias", SUTRA_ROLE_ATTENTION_NORM_BIAS, VECTOR},
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

static const SuFamilyHead heads[] = {
    {"classifier.dense", false, SUTRA_ACT_TANH, SU_HEAD_LINEAR},
    {"classifier.out_proj", false, SUTRA_ACT_NONE, SU_HEAD_LINEAR}};

static SutraStatus configure(const json_t *config, const char *where, SutraSpec *spec,
                             SutraError *err)
{
    (void)config;
    (void)where;
    (void)err;
    spec->position = SUTRA_POSITION_LEARNED;
    spec->position_offset = 2; /* its pad id is 1, whatever config.json says */
    spec->relative_distance = 128;
    spec->norm = SUTRA_NORM_POST;
    spec->norm_kind = SUTRA_NORM_LAYER;
    return SUTRA_OK;
}

const SuFamily su_family_mpnet = {
    .name = "mpnet",
    .tokenizer_class = "MPNetTokenizer",
    .model_types = SU_NAMES("mpnet"),
    .architectures = SU_NAMES("MPNet"),
    .prefixes = SU_NAMES("", "mpnet."),
    .fields = fields,
    .num_fields = sizeof fields / sizeof *fields,
    .activation_key = "hidden_act",
    .activation_default = "gelu",
    .norm_eps_key = "layer_norm_eps",
    .norm_eps_default = 1e-12,
    .layouts = {SU_LAYOUT_OF(tensors)},
    .heads = heads,
    .num_heads = sizeof heads / sizeof *heads,
    .configure = configure,
};
