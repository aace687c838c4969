/* config.json of the families that are not BERT: one clear error for each way to be wrong, and keys
 * that have two names. */
#include "base/memory.h"
#include "model/bad_row.h"
#include "model/family.h"

#define AS(family, more) "+{\"model_type\": \"" family "\"" more "}"
static void bad_configs_of_other_families_are_named(void **state)
{
    (void)state;
    static const BadRow rows[] = {
        {CONFIG, AS("modernbert", ", \"local_attention\": 1"), SUTRA_E_FORMAT,
         "local_attention is 1, outside 2"},
        {CONFIG, AS("modernbert", ", \"sliding_window\": 0"), SUTRA_E_FORMAT,
         "sliding_window is 0, outside 1"},
        {CONFIG, AS("modernbert", ", \"layer_types\": [\"full_attention\"]"), SUTRA_E_FORMAT,
         "layer_types is not a list of 2 names"},
        {CONFIG, AS("modernbert", ", \"layer_types\": [\"full_attention\", \"chunked\"]"),
         SUTRA_E_UNSUPPORTED, "\"chunked\" is not supported; known: full_attention, sliding"},
        {CONFIG, AS("modernbert", ", \"global_attn_every_n_layers\": 0"), SUTRA_E_FORMAT,
         "global_attn_every_n_layers is 0"},
        {CONFIG, AS("modernbert", ", \"local_rope_theta\": 0"), SUTRA_E_FORMAT, "the base of RoPE"},
        {CONFIG,
         AS("modernbert", ", \"rope_parameters\": {\"full_attention\": {\"rope_type\": \"yarn\"}}"),
         SUTRA_E_UNSUPPORTED, "RoPE of the kind \"yarn\" is not supported; known: default"},
        {CONFIG, AS("modernbert", ", \"rope_scaling\": {\"type\": \"linear\", \"factor\": 2}"),
         SUTRA_E_UNSUPPORTED, "rope_scaling"},
        {CONFIG, AS("modernbert", ", \"hidden_activation\": \"mish\""), SUTRA_E_UNSUPPORTED,
         "hidden_activation \"mish\""},
        {CONFIG, AS("modernbert", ""), SUTRA_E_FORMAT,
         "tensor embeddings.tok_embeddings.weight is missing"},
        {CONFIG, AS("nomic_bert", ", \"prenorm\": true"), SUTRA_E_UNSUPPORTED,
         "prenorm true is not supported; known: false"},
        {CONFIG, AS("nomic_bert", ", \"rotary_emb_fraction\": 0.5"), SUTRA_E_UNSUPPORTED,
         "rotary_emb_fraction 0.5"},
        {CONFIG, AS("nomic_bert", ", \"rotary_scaling_factor\": 2"), SUTRA_E_UNSUPPORTED,
         "rotary_scaling_factor is not supported"},
        {CONFIG, AS("nomic_bert", ", \"num_experts\": 8"), SUTRA_E_UNSUPPORTED, "num_experts"},
        {CONFIG, AS("nomic_bert", ", \"activation_function\": \"glu\""), SUTRA_E_UNSUPPORTED,
         "activation_function \"glu\" is not supported; known: swiglu"},
        {CONFIG, AS("nomic_bert", ", \"layer_norm_epsilon\": 2"), SUTRA_E_FORMAT,
         "layer_norm_epsilon is 2"},
        {CONFIG, AS("nomic_bert", ""), SUTRA_E_FORMAT,
         "tensor layers.0.self_attn.q_proj.weight is missing"},
        {CONFIG, AS("gte", ", \"rope_scaling\": {\"type\": \"ntk\", \"factor\": 0}"),
         SUTRA_E_FORMAT, "factor of rope_scaling is 0"},
        {CONFIG,
         AS("gte", ", \"rope_scaling\": {\"type\": \"ntk\", \"factor\": 2, \"mixed_b\": 1}"),
         SUTRA_E_UNSUPPORTED, "mixed_b"},
        {CONFIG,
         AS("gte", ", \"rope_parameters\": {\"rope_theta\": 1e4, \"partial_rotary_factor\": 0.5}"),
         SUTRA_E_UNSUPPORTED, "partial_rotary_factor 0.5"},
        {CONFIG,
         AS("gte", ", \"auto_map\": {\"AutoConfig\": \"c.GteConfig\", "
                   "\"AutoModel\": \"m.GteModel\"}"),
         SUTRA_E_FORMAT, "tensor layers.0.self_attn.q_proj.weight is missing"},
        {CONFIG, AS("new", ", \"pack_qkv\": false"), SUTRA_E_UNSUPPORTED, "pack_qkv false"},
        {CONFIG, AS("new", ", \"logn_attention_scale\": true"), SUTRA_E_UNSUPPORTED,
         "logn_attention_scale true"},
        {CONFIG, AS("new", ", \"position_embedding_type\": \"absolute\""), SUTRA_E_UNSUPPORTED,
         "\"absolute\" is not supported; known: rope"},
        {CONFIG, AS("jina_bert", ", \"feed_forward_type\": \"original\""), SUTRA_E_UNSUPPORTED,
         "feed_forward_type \"original\" is not supported; known: geglu, reglu"},
        {CONFIG, AS("jina_bert", ", \"feed_forward_type\": \"geglu\""), SUTRA_E_FORMAT,
         "tensor encoder.layer.0.mlp.gated_layers.weight is missing"},
    };
    EXPECT_ERRORS(rows);
}

static void modernbert_windows_are_of_either_key(void **state)
{
    (void)state;
    static const struct {
        const char *local, *sliding; /* JSON, or NULL: the key is absent */
        uint32_t window;
    } rows[] = {
        {NULL, NULL, 64}, {"7", NULL, 3}, {NULL, "5", 5}, {"40", "5", 5}, {"40", "null", 20}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const SuFamily *family;
        SutraSpec spec;
        SutraError err = {0};
        json_t *config = json_pack("{s:s}", "model_type", "modernbert");
        assert_non_null(config);
        if (rows[i].local)
            json_object_set_new(config, "local_attention",
                                json_loads(rows[i].local, JSON_DECODE_ANY, NULL));
        if (rows[i].sliding)
            json_object_set_new(config, "sliding_window",
                                json_loads(rows[i].sliding, JSON_DECODE_ANY, NULL));
        assert_int_equal(su_family_find(config, CONFIG, &family, &err), SUTRA_OK);
        assert_int_equal(su_family_configure(family, config, CONFIG, &spec, &err), SUTRA_OK);
        assert_int_equal(spec.window[0], 0);
        assert_int_equal(spec.window[1], rows[i].window);
        su_free((void *)spec.window);
        su_free((void *)spec.rope_base);
        json_decref(config);
    }
}

/* Without a modules.json: classifiers. */
static void bad_heads_are_named(void **state)
{
    (void)state;
#define CLASSIFIER \
    ", \"architectures\": [\"ModernBertForSequenceClassification\"], \"num_labels\": 1"
    static const BadRow rows[] = {
        {CONFIG, AS("modernbert", CLASSIFIER ", \"classifier_pooling\": \"max\""),
         SUTRA_E_UNSUPPORTED, "classifier_pooling \"max\" is not supported; known: cls, mean"},
        {CONFIG, AS("modernbert", CLASSIFIER ", \"classifier_activation\": \"mish\""),
         SUTRA_E_UNSUPPORTED, "classifier_activation \"mish\" is not supported; known: gelu, "},
        {CONFIG, AS("gte", CLASSIFIER), SUTRA_E_UNSUPPORTED,
         "classifiers of the family gte are not supported"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        fresh_model();
        change("modules.json", NULL);
        change(rows[i].file, rows[i].text);
        expect_path_error(folder, rows[i].status, rows[i].words);
        drop_model();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bad_configs_of_other_families_are_named),
        cmocka_unit_test(modernbert_windows_are_of_either_key),
        cmocka_unit_test(bad_heads_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
