/* Nomic BERT (Nussbaum et al. 2024): post-norm, RoPE, SwiGLU, no biases but those of the norms. Two
 * layouts: that of transformers, and that of the code the models were published with. */
#include "model/family.h"

static const SuFamilyField fields[] = {
    {"num_hidden_layers", offsetof(SutraSpec, num_layers), 1, 1024, 12, "n_layer"},
    {"hidden_size", offsetof(SutraSpec, hidden_size), 1, 1u << 16, 768, "n_embd"},
    {"num_attention_heads", offsetof(SutraSpec, num_heads), 1, 4096, 12, "n_head"},
    {"intermediate_size", offsetof(SutraSpec, ffn_size), 1, 1u << 19, 3072, "n_inner"},
    {"vocab_size", offsetof(SutraSpec, vocab_size), 1, 1u << 24, 30528, NULL},
    {"max_position_embeddings", offsetof(SutraSpec, max_positions), 1, 1u << 24, 2048,
     "n_positions"},
    {"type_vocab_size", offsetof(SutraSpec, num_types), 0, 1024, 2, NULL},
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

#define LAYER "encoder.layers.#."
static const SuFamilyTensor published[] = {
    SU_TOKENS("embeddings.word_embeddings"),
    SU_TYPES("embeddings.token_type_embeddings"),
    SU_NORM("emb_ln", EMBEDDING),
    SU_QUERY_KEY_VALUE(LAYER "attn.Wqkv"),
    SU_ATTENTION_OUT(LAYER "attn.out_proj"),
    SU_NORM(LAYER "norm1", ATTENTION),
    SU_UP(LAYER "mlp.fc11"),
    SU_GATE(LAYER "mlp.fc12"),
    SU_DOWN(LAYER "mlp.fc2"),
    SU_NORM(LAYER "norm2", FFN),
};

/* Switches of the published code that have other values elsewhere. */
static SutraStatus check_switches(const json_t *config, const char *where, SutraError *err)
{
    static const char *const off[] = {"prenorm", "causal", "parallel_block", "use_rms_norm",
                                      "rotary_emb_interleaved"};
    static const char *const absent[] = {"rotary_scaling_factor", "rotary_emb_scale_base",
                                         "num_experts"};
    double fraction = 1;
    for (size_t i = 0; i < sizeof off / sizeof *off; i++)
        SU_TRY(su_family_require_bool(config, where, off[i], false, err));
    for (size_t i = 0; i < sizeof absent / sizeof *absent; i++) {
        const json_t *value = json_object_get(config, absent[i]);
        if (!su_json_is_inactive(value) && json_number_value(value) != 0)
            SU_RAISE(err, SUTRA_E_UNSUPPORTED, "%s: %s is not supported", where, absent[i]);
    }
    SU_TRY(su_json_get_double(config, "rotary_emb_fraction", where, &fraction, err));
    if (fraction != 1)
        SU_RAISE(err, SUTRA_E_UNSUPPORTED, "%s: rotary_emb_fraction %g is not supported; known: 1",
                 where, fraction);
    return su_family_require_text(config, where, "activation_function", "swiglu", err);
}

static SutraStatus configure(const json_t *config, const char *where, SutraSpec *spec,
                             SutraError *err)
{
    double base = 1000, eps = (double)spec->norm_eps;
    spec->gated = 1;
    SU_TRY(check_switches(config, where, err));
    SU_TRY(su_json_get_double(config, "layer_norm_epsilon", where, &eps, err));
    if (!(eps >= 0 && eps < 1))
        SU_RAISE(err, SUTRA_E_FORMAT, "%s: layer_norm_epsilon is %g, outside 0 … 1", where, eps);
    spec->norm_eps = (float)eps;
    SU_TRY(su_family_read_bias(config, where, "qkv_proj_bias", false,
                               SUTRA_BIAS_QKV | SUTRA_BIAS_ATTENTION_OUT, spec, err));
    SU_TRY(su_family_read_bias(config, where, "mlp_fc1_bias", false, SUTRA_BIAS_FFN_UP, spec, err));
    SU_TRY(
        su_family_read_bias(config, where, "mlp_fc2_bias", false, SUTRA_BIAS_FFN_DOWN, spec, err));
    SU_TRY(su_json_get_double(config, "rotary_emb_base", where, &base, err));
    return su_family_read_rope(config, where, base, spec, err);
}

const SuFamily su_family_nomic = {
    .name = "nomic_bert",
    .tokenizer_class = "BertTokenizer",
    .model_types = SU_NAMES("nomic_bert"),
    .architectures = SU_NAMES("NomicBert"),
    .custom_code = SU_NAMES("NomicBertModel", "NomicBertConfig"),
    .prefixes = SU_NAMES("", "nomic_bert.", "bert."),
    .fields = fields,
    .num_fields = sizeof fields / sizeof *fields,
    .activation_key = "hidden_act",
    .activation_default = "silu",
    .norm_eps_key = "layer_norm_eps",
    .norm_eps_default = 1e-12,
    .layouts = {SU_LAYOUT_OF(tensors), SU_LAYOUT_OF(published)},
    .configure = configure,
};
