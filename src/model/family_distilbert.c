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
static const SuFamilyTensor tensors[] = {
    SU_TOKENS("embeddings.word_embeddings"),
    SU_POSITIONS("embeddings.position_embeddings"),
    SU_NORM("embeddings.LayerNorm", EMBEDDING),
    SU_QUERY(LAYER "attention.q_lin"),
    SU_KEY(LAYER "attention.k_lin"),
    SU_VALUE(LAYER "attention.v_lin"),
    SU_ATTENTION_OUT(LAYER "attention.out_lin"),
    SU_NORM(LAYER "sa_layer_norm", ATTENTION),
    SU_UP(LAYER "ffn.lin1"),
    SU_DOWN(LAYER "ffn.lin2"),
    SU_NORM(LAYER "output_layer_norm", FFN),
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
