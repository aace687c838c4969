/* Model folders that open: what their files mean. */
#include "model/open_model.h"

static void the_memory_limit_is_kept(void **state)
{
    (void)state;
    SutraModel *model;
    SutraError err;
    fresh_model();
    SutraModelOptions options = {.struct_size = sizeof options};
    model = open_path(folder);
    uint64_t needed = model->num_parameters * sizeof(float);
    su_model_destroy(model);
    options.memory_limit = needed - 1;
    assert_int_equal(su_model_open(folder, &options, &model, &err), SUTRA_E_LIMIT);
    assert_non_null(strstr(err.message, "over the limit"));
    options.memory_limit = needed;
    assert_int_equal(su_model_open(folder, &options, &model, &err), SUTRA_OK);
    su_model_destroy(model);
    folder_copy(GOLDEN_FOLDER "/variants/dense", folder); /* 24 x 32 weights and 24 biases more */
    assert_int_equal(su_model_open(folder, &options, &model, &err), SUTRA_E_LIMIT);
    options.memory_limit = needed += (24 * 32 + 24) * sizeof(float);
    assert_int_equal(su_model_open(folder, &options, &model, &err), SUTRA_OK);
    su_model_destroy(model);
    options.compute = SUTRA_COMPUTE_BF16;
    options.memory_limit = needed / 2;
    assert_int_equal(su_model_open(folder, &options, &model, &err), SUTRA_OK);
    assert_int_equal(model->compute, SUTRA_COMPUTE_BF16);
    su_model_destroy(model);
    options.compute = (SutraCompute)77;
    assert_int_equal(su_model_open(folder, &options, &model, &err), SUTRA_E_ARGUMENT);
    drop_model();
}

static void the_spec_is_what_the_config_says(void **state)
{
    (void)state;
    fresh_model();
    SutraModel *model = open_path(folder);
    const SutraSpec *spec = &model->spec;
    assert_int_equal(spec->struct_size, sizeof *spec);
    assert_int_equal(spec->num_layers, 2);
    assert_int_equal(spec->hidden_size, 32);
    assert_int_equal(spec->num_heads, 2);
    assert_int_equal(spec->num_kv_heads, 2);
    assert_int_equal(spec->head_size, 16);
    assert_int_equal(spec->ffn_size, 64);
    assert_int_equal(spec->vocab_size, 166);
    assert_int_equal(spec->max_positions, 160);
    assert_int_equal(spec->num_types, 2);
    assert_int_equal(spec->position, SUTRA_POSITION_LEARNED);
    assert_int_equal(spec->norm, SUTRA_NORM_POST);
    assert_int_equal(spec->norm_kind, SUTRA_NORM_LAYER);
    assert_int_equal(spec->activation, SUTRA_ACT_GELU_ERF);
    assert_true(spec->norm_eps == 1e-12f);
    assert_int_equal(spec->num_heads_out, 2);
    assert_ptr_equal(spec->heads, model->heads);
    assert_int_equal(spec->heads[0].kind, SUTRA_HEAD_POOLING);
    assert_int_equal(spec->heads[0].activation, SUTRA_POOL_MEAN);
    assert_int_equal(spec->heads[1].kind, SUTRA_HEAD_NORMALIZE);
    assert_int_equal(model->num_tensors, 5 + 2 * 16);
    assert_int_equal(model->num_parameters, (166 + 160 + 2 + 2) * 32 + 2 * 8544);
    assert_string_equal(model->family, "bert");
    assert_string_equal(model->dtype, "float32");
    assert_string_equal(model->digest, "");
    assert_string_equal(model->revision, "");
    assert_string_equal(model->name, strrchr(folder, '/') + 1);
    assert_int_equal(model->max_tokens, 160);
    assert_int_equal(model->max_positions, 160);
    for (uint32_t layer = 0; layer < 2; layer++) {
        const SutraTensor *up = su_model_tensor(model, SUTRA_ROLE_FFN_UP_WEIGHT, layer);
        assert_int_equal(up->shape[0], 64);
        assert_int_equal(up->shape[1], 32);
        assert_int_equal(up->size, 64 * 32 * 4);
    }
    assert_null(su_model_tensor(model, SUTRA_ROLE_FFN_UP_WEIGHT, 2));
    su_model_destroy(model);
    drop_model();
}

static void activations_are_told_apart(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        SutraActivation kind;
    } rows[] = {
        {"gelu", SUTRA_ACT_GELU_ERF},       {"gelu_python", SUTRA_ACT_GELU_ERF},
        {"gelu_new", SUTRA_ACT_GELU_TANH},  {"gelu_pytorch_tanh", SUTRA_ACT_GELU_TANH},
        {"gelu_fast", SUTRA_ACT_GELU_TANH}, {"relu", SUTRA_ACT_RELU},
        {"silu", SUTRA_ACT_SILU},           {"swish", SUTRA_ACT_SILU},
        {"tanh", SUTRA_ACT_TANH},
    };
    fresh_model();
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char patch[100];
        snprintf(patch, sizeof patch, "{\"hidden_act\": \"%s\"}", rows[i].name);
        folder_patch(folder, CONFIG, patch);
        SutraModel *model = open_path(folder);
        assert_int_equal(model->spec.activation, rows[i].kind);
        su_model_destroy(model);
    }
    drop_model();
}

static void legacy_names_and_mixed_types_open(void **state)
{
    (void)state;
    SutraModel *model = open_path(GOLDEN_FOLDER "/models/legacy");
    assert_int_equal(model->spec.num_types, 0);
    assert_null(su_model_tensor(model, SUTRA_ROLE_TYPE_EMBEDDING, 0));
    assert_int_equal(su_model_tensor(model, SUTRA_ROLE_QUERY_WEIGHT, 1)->dtype, SUTRA_TENSOR_F16);
    assert_int_equal(su_model_tensor(model, SUTRA_ROLE_FFN_NORM_BIAS, 1)->dtype, SUTRA_TENSOR_F32);
    assert_string_equal(model->dtype, "float16");
    assert_string_equal(model->name, "legacy");
    su_model_destroy(model);
    model = open_path(GOLDEN_FOLDER "/models/sharded-f16/");
    assert_int_equal(model->num_maps, 3);
    assert_string_equal(model->name, "sharded-f16");
    su_model_destroy(model);
    model = open_path(GOLDEN_FOLDER "/models/wide-bf16");
    assert_string_equal(model->dtype, "bfloat16");
    su_model_destroy(model);
}

static void the_longest_text_is_found(void **state)
{
    (void)state;
    static const struct {
        const char *bert, *tokenizer;
        uint32_t max_tokens;
    } rows[] = {
        {"{}", "{}", 160},
        {"{}", "{\"model_max_length\": 1000000000000000019884624838656}", 160},
        {"{}", "{\"model_max_length\": 512}", 160},
        {"{}", "{\"model_max_length\": 100}", 100},
        {"{}", "{\"model_max_length\": null}", 160},
        {"{\"max_seq_length\": 64}", "{\"model_max_length\": 100}", 64},
        {"{\"max_seq_length\": 120}", "{\"model_max_length\": 100}", 120},
        {"{\"max_seq_length\": null}", "{\"model_max_length\": 100}", 100},
        {"{\"max_seq_length\": 512}", "{}", 160},
        {"{\"max_seq_length\": 64, \"tokenizer_args\": {\"model_max_length\": 50}}", "{}", 50},
        {"{\"max_seq_length\": 64, \"processing_kwargs\": {\"text\": {\"max_length\": 70}}}", "{}",
         70},
    };
    fresh_model();
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        folder_write_text(folder, BERT, rows[i].bert);
        folder_write_text(folder, TOKENIZER, rows[i].tokenizer);
        SutraModel *model = open_path(folder);
        assert_int_equal(model->max_tokens, rows[i].max_tokens);
        su_model_destroy(model);
    }
    folder_write_text(folder, BERT, "{}");
    folder_write_text(folder, "sentence_roberta_config.json", "{\"max_seq_length\": 33}");
    SutraModel *model = open_path(folder);
    assert_int_equal(model->max_tokens, 33);
    assert_false(model->truncate_left);
    su_model_destroy(model);
    folder_write_text(folder, TOKENIZER, "{\"truncation_side\": \"left\"}");
    folder_delete(folder, "modules.json"); /* then sentence-transformers' config does not count */
    model = open_path(folder);
    assert_int_equal(model->max_tokens, 160);
    assert_true(model->truncate_left);
    assert_int_equal(model->pooling, SUTRA_POOL_MEAN);
    assert_false(model->normalize);
    assert_int_equal(model->spec.num_heads_out, 1);
    su_model_destroy(model);
    drop_model();
}

static void pooling_modes_are_read(void **state)
{
    (void)state;
    static const struct {
        const char *config;
        SutraPooling pooling;
        bool pool_prompt;
    } rows[] = {
        {"{\"pooling_mode_cls_token\": true}", SUTRA_POOL_CLS, true},
        {"{\"pooling_mode_mean_tokens\": true, \"include_prompt\": false}", SUTRA_POOL_MEAN, false},
        {"{\"pooling_mode_max_tokens\": true}", SUTRA_POOL_MAX, true},
        {"{\"pooling_mode_mean_sqrt_len_tokens\": true}", SUTRA_POOL_MEAN_SQRT, true},
        {"{\"pooling_mode_weightedmean_tokens\": true}", SUTRA_POOL_WEIGHTED_MEAN, true},
        {"{\"pooling_mode_lasttoken\": true}", SUTRA_POOL_LAST, true},
        {"{\"pooling_mode_mean_tokens\": false}", SUTRA_POOL_MEAN, true},
        {"{\"pooling_mode\": \"cls\", \"pooling_mode_mean_tokens\": true}", SUTRA_POOL_CLS, true},
        {"{\"pooling_mode\": [\"max\"]}", SUTRA_POOL_MAX, true},
        {"{\"pooling_mode\": \"mean_sqrt_len_tokens\", \"embedding_dimension\": 32}",
         SUTRA_POOL_MEAN_SQRT, true},
        {"{\"pooling_mode\": \"weightedmean\"}", SUTRA_POOL_WEIGHTED_MEAN, true},
        {"{\"pooling_mode\": \"lasttoken\"}", SUTRA_POOL_LAST, true},
    };
    fresh_model();
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        folder_write_text(folder, POOLING, rows[i].config);
        SutraModel *model = open_path(folder);
        assert_int_equal(model->pooling, rows[i].pooling);
        assert_int_equal(model->pool_prompt, rows[i].pool_prompt);
        assert_int_equal(model->spec.heads[0].activation, rows[i].pooling);
        assert_true(model->normalize);
        su_model_destroy(model);
    }
    drop_model();
}

static void prompts_are_looked_up(void **state)
{
    (void)state;
    const char *text;
    SutraError err;
    fresh_model();
    folder_write_text(folder, SENTENCE,
                      "{\"prompts\": {\"query\": \"find: \", \"doc\": null},"
                      " \"default_prompt_name\": \"query\"}");
    SutraModel *model = open_path(folder);
    assert_int_equal(model->num_prompts, 2);
    assert_string_equal(model->prompt_names[0], "query");
    assert_string_equal(model->prompt_texts[0], "find: ");
    assert_string_equal(model->default_prompt, "query");
    assert_int_equal(su_model_prompt(model, NULL, &text, &err), SUTRA_OK);
    assert_string_equal(text, "find: ");
    assert_int_equal(su_model_prompt(model, "", &text, &err), SUTRA_OK);
    assert_string_equal(text, "");
    assert_int_equal(su_model_prompt(model, "doc", &text, &err), SUTRA_OK);
    assert_string_equal(text, "");
    assert_int_equal(su_model_prompt(model, "passage", &text, &err), SUTRA_E_ARGUMENT);
    assert_null(text);
    assert_non_null(strstr(err.message, "no prompt \"passage\"; known: query, doc"));
    su_model_destroy(model);
    folder_write_text(folder, SENTENCE, "{\"default_prompt_name\": \"document\"}");
    model = open_path(folder);
    assert_null(model->default_prompt);
    su_model_destroy(model);
    folder_write_text(folder, SENTENCE, "{\"default_prompt_name\": \"query\"}");
    model = open_path(folder);
    assert_null(model->default_prompt);
    assert_int_equal(su_model_prompt(model, NULL, &text, &err), SUTRA_OK);
    assert_string_equal(text, "");
    assert_int_equal(su_model_prompt(model, "query", &text, &err), SUTRA_OK);
    assert_string_equal(text, "");
    assert_int_equal(su_model_prompt(model, "document", &text, &err), SUTRA_OK);
    assert_string_equal(text, "");
    assert_int_equal(su_model_prompt(model, "passage", &text, &err), SUTRA_E_ARGUMENT);
    assert_non_null(strstr(err.message, "known: none"));
    su_model_destroy(model);
    drop_model();
}

static void names_come_from_the_cache_layout_and_the_manifest(void **state)
{
    (void)state;
    char path[600];
    char manifest[300];
    static const char below[] = "models--org--tiny-bert--v2/snapshots/0123abc";
    folder = folder_scratch();
    snprintf(path, sizeof path, "%s/%s", folder, below);
    snprintf(manifest, sizeof manifest, "%s/sutra.json", below);
    folder_write_text(folder, manifest, "{}");
    folder_copy(GOLDEN_FOLDER "/models/base", path);
    SutraModel *model = open_path(path);
    assert_string_equal(model->name, "org/tiny-bert--v2");
    assert_string_equal(model->revision, "0123abc");
    assert_string_equal(model->digest, "");
    size_t size = model->maps[0].size;
    su_model_destroy(model);
    snprintf(manifest, sizeof manifest,
             "{\"name\": \"tiny\", \"revision\": \"r1\", \"files\": {\"model.safetensors\":"
             " {\"sha256\": \"%s\", \"size\": %zu}}}",
             DIGEST, size);
    folder_write_text(path, "sutra.json", manifest);
    strcat(path, "/.");
    model = open_path(path);
    assert_string_equal(model->name, "tiny");
    assert_string_equal(model->revision, "r1");
    assert_int_equal(strncmp(model->digest, "sha256:", 7), 0);
    assert_string_equal(model->digest + 7, DIGEST);
    su_model_destroy(model);
    folder_write_text(path, "sutra.json", "{}");
    model = open_path(path); /* ends with "/." */
    assert_string_equal(model->name, "org/tiny-bert--v2");
    su_model_destroy(model);
    drop_model();
}

static void the_manifest_counts_for_the_file_that_is_there(void **state)
{
    (void)state;
    json_t *expected;
    folder = folder_scratch(); /* shards: no digest of the whole, no size to compare */
    folder_copy(GOLDEN_FOLDER "/models/sharded-f16", folder);
    folder_write_text(folder, "sutra.json",
                      "{\"files\": {\"model.safetensors\": {\"size\": 1, \"sha256\": \"" DIGEST
                      "\"}}}");
    SutraModel *model = open_path(folder);
    assert_string_equal(model->digest, "");
    su_model_destroy(model);
    drop_model();
    folder = folder_scratch(); /* the encoder in a folder of its own */
    folder_assemble("variants", "transformer-folder", folder, &expected);
    json_decref(expected);
    folder_write_text(folder, "sutra.json",
                      "{\"files\": {\"0_Transformer/model.safetensors\": {\"sha256\": \"" DIGEST
                      "\"}}}");
    model = open_path(folder);
    assert_string_equal(model->digest, "sha256:" DIGEST);
    su_model_destroy(model);
    drop_model();
}

static void paths_of_modules_may_end_with_a_slash(void **state)
{
    (void)state;
    fresh_model();
    folder_write_text(folder, "modules.json",
                      MODULE("1_Pooling/", "sentence_transformers.models.Pooling"));
    folder_write_text(folder, POOLING, "{\"pooling_mode\": \"max\"}");
    SutraModel *model = open_path(folder);
    assert_int_equal(model->pooling, SUTRA_POOL_MAX);
    assert_false(model->normalize);
    su_model_destroy(model);
    drop_model();
}

static void the_real_model_opens(void **state)
{
    (void)state;
    const char *path = getenv("SUTRA_TEST_MODEL");
    if (!path) {
        print_message("SUTRA_TEST_MODEL names no all-MiniLM-L6-v2 folder: not opened here\n");
        return;
    }
    SutraModel *model = open_path(path);
    assert_int_equal(model->spec.num_layers, 6);
    assert_int_equal(model->spec.head_size, 32);
    assert_int_equal(model->max_tokens, 256);
    assert_int_equal(model->num_parameters, 22565376);
    assert_true(model->normalize);
    su_model_destroy(model);
}

/* What a tokenizer without tokenizer.json makes of a text, made text again. */
static void tokens_of_sentencepiece_become_text_again(void **state)
{
    static const char *const names[] = {"llama-pieces",   "gemma-pieces",
                                        "generic-pieces", "generic-unigram-pieces",
                                        "xlm-pieces",     "camembert-pieces"};
    static const char text[] = "the night";
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        SutraInput input = {.text = text, .text_size = sizeof text - 1};
        SutraTokens *tokens = NULL;
        SutraTokensView view = {.struct_size = sizeof view};
        json_t *expected = NULL;
        char *again = NULL, *made = folder_scratch();
        size_t size = 0;
        folder_assemble("variants", names[i], made, &expected);
        SutraModel *model = open_path(made);
        assert_int_equal(sutra_tokenize(model, &input, 1, 0, &tokens, NULL), SUTRA_OK);
        assert_int_equal(sutra_tokens_view(tokens, &view, NULL), SUTRA_OK);
        assert_int_equal(
            sutra_decode(model, view.token_ids, view.cu_seqlens[1], 1, &again, &size, NULL),
            SUTRA_OK);
        if (strcmp(again, text) != 0) fail_msg("%s: %s", names[i], again);
        sutra_text_free(again);
        sutra_tokens_free(tokens);
        su_model_destroy(model);
        json_decref(expected);
        folder_remove(made);
        free(made);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_memory_limit_is_kept),
        cmocka_unit_test(the_spec_is_what_the_config_says),
        cmocka_unit_test(activations_are_told_apart),
        cmocka_unit_test(legacy_names_and_mixed_types_open),
        cmocka_unit_test(the_longest_text_is_found),
        cmocka_unit_test(pooling_modes_are_read),
        cmocka_unit_test(prompts_are_looked_up),
        cmocka_unit_test(names_come_from_the_cache_layout_and_the_manifest),
        cmocka_unit_test(the_manifest_counts_for_the_file_that_is_there),
        cmocka_unit_test(paths_of_modules_may_end_with_a_slash),
        cmocka_unit_test(tokens_of_sentencepiece_become_text_again),
        cmocka_unit_test(the_real_model_opens),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
