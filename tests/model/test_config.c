/* Opening model folders: what their configs mean, and one clear error for each way to be wrong. */
#include "base/memory.h"
#include "model/model.h"
#include "model/model_folder.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static char *folder; /* a copy of the tiny base model, fresh for each row */

static void fresh_model(void)
{
    folder = folder_scratch();
    folder_copy(GOLDEN_FOLDER "/models/base", folder);
}

static void drop_model(void)
{
    folder_remove(folder);
    free(folder);
    folder = NULL;
}

static SutraModel *open_path(const char *path)
{
    SutraModel *model;
    SutraError err = {0};
    if (su_model_open(path, NULL, &model, &err) != SUTRA_OK)
        fail_msg("%s: %s", sutra_status_name(err.status), err.message);
    return model;
}

static void expect_path_error(const char *path, SutraStatus status, const char *words)
{
    SutraModel *model = (SutraModel *)&status;
    SutraError err = {0};
    if (su_model_open(path, NULL, &model, &err) != status)
        fail_msg("status %s (%s), expected %s with '%s'", sutra_status_name(err.status),
                 err.message, sutra_status_name(status), words);
    assert_null(model);
    assert_int_equal(err.status, status);
    if (!strstr(err.message, words)) fail_msg("'%s' is not in: %s", words, err.message);
    if (*path && !strstr(err.message, path)) fail_msg("%s is not in: %s", path, err.message);
}

/* A change to one file: `text` replaces the keys of an object (if it begins with '+'), else the
 * whole file; NULL deletes it. */
static void change(const char *file, const char *text)
{
    if (!text)
        folder_delete(folder, file);
    else if (*text == '+')
        folder_patch(folder, file, text + 1);
    else
        folder_write_text(folder, file, text);
}

typedef struct BadRow {
    const char *file, *text;
    SutraStatus status;
    const char *words;
} BadRow;

static void expect_errors(const BadRow *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        fresh_model();
        change(rows[i].file, rows[i].text);
        expect_path_error(folder, rows[i].status, rows[i].words);
        drop_model();
    }
}
#define EXPECT_ERRORS(rows) expect_errors(rows, sizeof rows / sizeof *rows)

#define CONFIG "config.json"
static void bad_encoder_configs_are_named(void **state)
{
    (void)state;
    static const BadRow rows[] = {
        {CONFIG, "", SUTRA_E_FORMAT, "config.json: line 1"},
        {CONFIG, "[]", SUTRA_E_FORMAT, "config.json: not a JSON object"},
        {CONFIG, "{\"model_type\": \"bert\",}", SUTRA_E_FORMAT, "config.json: line 1, column"},
        {CONFIG, "{}", SUTRA_E_FORMAT, "neither model_type nor architectures"},
        {CONFIG, "{\"model_type\": \"bert\", \"model_type\": \"bert\"}", SUTRA_E_FORMAT,
         "duplicate"},
        {CONFIG, "+{\"model_type\": 3}", SUTRA_E_FORMAT, "model_type is not a string"},
        {CONFIG, "+{\"model_type\": \"llama\"}", SUTRA_E_UNSUPPORTED,
         "model_type \"llama\" is not supported; known: bert"},
        {CONFIG, "+{\"model_type\": \"ber\"}", SUTRA_E_UNSUPPORTED, "known: bert"},
        {CONFIG, "+{\"architectures\": [\"JinaBertForMaskedLM\"]}", SUTRA_E_UNSUPPORTED,
         "\"JinaBertForMaskedLM\" is not supported"},
        {CONFIG, "+{\"model_type\": null, \"architectures\": [\"GPT2Model\"]}", SUTRA_E_UNSUPPORTED,
         "architecture \"GPT2Model\" is not supported; known: bert"},
        {CONFIG, "+{\"architectures\": [3]}", SUTRA_E_FORMAT, "architectures"},
        {CONFIG, "+{\"architectures\": \"BertModel\"}", SUTRA_E_FORMAT, "architectures"},
        {CONFIG, "+{\"hidden_size\": 2147483648}", SUTRA_E_FORMAT,
         "hidden_size is 2147483648, outside 1"},
        {CONFIG, "+{\"hidden_size\": 0}", SUTRA_E_FORMAT, "hidden_size is 0"},
        {CONFIG, "+{\"hidden_size\": -32}", SUTRA_E_FORMAT, "hidden_size is -32"},
        {CONFIG, "+{\"hidden_size\": \"32\"}", SUTRA_E_FORMAT, "hidden_size is not an integer"},
        {CONFIG, "+{\"hidden_size\": 32.5}", SUTRA_E_FORMAT, "hidden_size is not an integer"},
        {CONFIG, "+{\"hidden_size\": 1e300}", SUTRA_E_FORMAT, "hidden_size"},
        {CONFIG, "+{\"hidden_size\": 33}", SUTRA_E_FORMAT, "33 is not a multiple of the 2 heads"},
        {CONFIG, "+{\"hidden_size\": 64}", SUTRA_E_FORMAT,
         "1_Pooling/config.json: pools 32 features, the encoder's hidden size is 64"},
        {CONFIG, "+{\"num_hidden_layers\": 1000000000}", SUTRA_E_FORMAT,
         "num_hidden_layers is 1000000000"},
        {CONFIG, "+{\"num_hidden_layers\": 0}", SUTRA_E_FORMAT, "num_hidden_layers is 0"},
        {CONFIG, "+{\"num_hidden_layers\": 3}", SUTRA_E_FORMAT,
         "model.safetensors: tensor encoder.layer.2.attention.self.query.weight is missing"},
        {CONFIG, "+{\"num_attention_heads\": 0}", SUTRA_E_FORMAT, "num_attention_heads is 0"},
        {CONFIG, "+{\"num_attention_heads\": 3}", SUTRA_E_FORMAT, "multiple of the 3 heads"},
        {CONFIG, "+{\"intermediate_size\": 4294967295}", SUTRA_E_FORMAT, "intermediate_size"},
        {CONFIG, "+{\"intermediate_size\": 65}", SUTRA_E_FORMAT,
         "intermediate.dense.weight has shape [64, 32], config.json asks for [65, 32]"},
        {CONFIG, "+{\"vocab_size\": 99999999}", SUTRA_E_FORMAT, "vocab_size is 99999999"},
        {CONFIG, "+{\"vocab_size\": 167}", SUTRA_E_FORMAT,
         "model.safetensors: tensor embeddings.word_embeddings.weight has shape [166, 32], "
         "config.json asks for [167, 32]"},
        {CONFIG, "+{\"max_position_embeddings\": 0}", SUTRA_E_FORMAT, "max_position_embeddings"},
        {CONFIG, "+{\"max_position_embeddings\": 161}", SUTRA_E_FORMAT, "position_embeddings"},
        {CONFIG, "+{\"type_vocab_size\": 1}", SUTRA_E_FORMAT, "token_type_embeddings"},
        {CONFIG, "+{\"hidden_act\": \"mish\"}", SUTRA_E_UNSUPPORTED,
         "hidden_act \"mish\" is not supported; known: gelu, "},
        {CONFIG, "+{\"hidden_act\": 1}", SUTRA_E_FORMAT, "hidden_act is not a string"},
        {CONFIG, "+{\"layer_norm_eps\": -1}", SUTRA_E_FORMAT, "layer_norm_eps is -1"},
        {CONFIG, "+{\"layer_norm_eps\": 2}", SUTRA_E_FORMAT, "layer_norm_eps is 2"},
        {CONFIG, "+{\"layer_norm_eps\": \"1e-12\"}", SUTRA_E_FORMAT, "layer_norm_eps"},
        {CONFIG, "+{\"position_embedding_type\": \"relative_key\"}", SUTRA_E_UNSUPPORTED,
         "\"relative_key\" is not supported; known: absolute"},
        {CONFIG, "+{\"is_decoder\": true}", SUTRA_E_UNSUPPORTED, "is_decoder"},
    };
    EXPECT_ERRORS(rows);
}

#define T "{\"path\":\"\",\"type\":\"sentence_transformers.models.Transformer\"}"
#define P "{\"path\":\"1_Pooling\",\"type\":\"sentence_transformers.models.Pooling\"}"
#define N "{\"path\":\"2_Normalize\",\"type\":\"sentence_transformers.models.Normalize\"}"
#define MODULE(path, type) "[" T ",{\"path\":\"" path "\",\"type\":\"" type "\"}]"
#define POOLING "1_Pooling/config.json"
static void bad_module_chains_are_named(void **state)
{
    (void)state;
    static const BadRow rows[] = {
        {"modules.json", "{}", SUTRA_E_FORMAT, "modules.json: not a list of modules"},
        {"modules.json", "[", SUTRA_E_FORMAT, "modules.json: line 1"},
        {"modules.json", "[]", SUTRA_E_UNSUPPORTED, "expected Transformer and Pooling"},
        {"modules.json", "[" T "]", SUTRA_E_UNSUPPORTED, "expected Transformer and Pooling"},
        {"modules.json", "[" P "," T "]", SUTRA_E_UNSUPPORTED, "module 0 is Pooling"},
        {"modules.json", "[" T "," N "]", SUTRA_E_UNSUPPORTED, "module 1 is Normalize"},
        {"modules.json", "[" T "," P "," P "]", SUTRA_E_UNSUPPORTED, "module 2 is Pooling"},
        {"modules.json", "[" T "," T "]", SUTRA_E_UNSUPPORTED, "module 1 is Transformer"},
        {"modules.json", "[" T ",3]", SUTRA_E_FORMAT, "module 1 has no type or no path"},
        {"modules.json", "[" T ",{\"path\":\"x\"}]", SUTRA_E_FORMAT, "module 1 has no type"},
        {"modules.json", "[" T ",{\"type\":\"x\"}]", SUTRA_E_FORMAT, "no path"},
        {"modules.json", MODULE("1", "sentence_transformers.models.Dense"), SUTRA_E_UNSUPPORTED,
         "\"sentence_transformers.models.Dense\" is not supported; known: Transformer"},
        {"modules.json", MODULE("1", "custom.Pooling"), SUTRA_E_UNSUPPORTED, "custom.Pooling"},
        {"modules.json", MODULE("1", "Pooling"), SUTRA_E_UNSUPPORTED, "\"Pooling\""},
        {"modules.json", MODULE("../1_Pooling", "sentence_transformers.models.Pooling"),
         SUTRA_E_FORMAT, "path \"../1_Pooling\" is not a folder inside the model"},
        {"modules.json", MODULE("/etc", "sentence_transformers.models.Pooling"), SUTRA_E_FORMAT,
         "not a folder inside the model"},
        {"modules.json", MODULE("a/../..", "sentence_transformers.models.Pooling"), SUTRA_E_FORMAT,
         "not a folder inside the model"},
        {"modules.json", MODULE("3_Pooling", "sentence_transformers.models.Pooling"), SUTRA_E_IO,
         "3_Pooling/config.json: no such file; modules.json asks for it"},
        {POOLING, NULL, SUTRA_E_IO, "1_Pooling/config.json: no such file"},
        {POOLING, "[]", SUTRA_E_FORMAT, "1_Pooling/config.json: not a JSON object"},
        {POOLING, "+{\"pooling_mode_cls_token\": true}", SUTRA_E_UNSUPPORTED,
         "several pooling modes at once"},
        {POOLING, "+{\"pooling_mode_cls_token\": 1}", SUTRA_E_FORMAT,
         "pooling_mode_cls_token is not true or false"},
        {POOLING, "{\"pooling_mode\": [\"cls\", \"mean\"]}", SUTRA_E_UNSUPPORTED,
         "several pooling modes at once"},
        {POOLING, "{\"pooling_mode\": []}", SUTRA_E_FORMAT, "pooling_mode is not a name"},
        {POOLING, "{\"pooling_mode\": 3}", SUTRA_E_FORMAT, "pooling_mode is not a name"},
        {POOLING, "{\"pooling_mode\": \"median\"}", SUTRA_E_UNSUPPORTED,
         "pooling_mode \"median\" is not supported; known: cls"},
        {POOLING, "+{\"word_embedding_dimension\": 31}", SUTRA_E_FORMAT,
         "1_Pooling/config.json: pools 31 features, the encoder's hidden size is 32"},
        {POOLING, "+{\"include_prompt\": \"no\"}", SUTRA_E_FORMAT, "include_prompt"},
        {"2_Normalize/config.json", "{\"module_input_name\": \"token_embeddings\"}",
         SUTRA_E_UNSUPPORTED, "module_input_name \"token_embeddings\" is not supported"},
    };
    EXPECT_ERRORS(rows);
}

#define BERT "sentence_bert_config.json"
#define TOKENIZER "tokenizer_config.json"
#define SENTENCE "config_sentence_transformers.json"
static void bad_options_are_named(void **state)
{
    (void)state;
    static const BadRow rows[] = {
        {BERT, "3", SUTRA_E_FORMAT, "sentence_bert_config.json: "},
        {BERT, "{\"max_seq_length\": 0}", SUTRA_E_FORMAT, "max_seq_length is 0, below 1"},
        {BERT, "{\"max_seq_length\": \"8\"}", SUTRA_E_FORMAT, "max_seq_length is not a number"},
        {BERT, "{\"do_lower_case\": 1}", SUTRA_E_FORMAT, "do_lower_case is not true or false"},
        {BERT, "{\"transformer_task\": \"fill-mask\"}", SUTRA_E_UNSUPPORTED,
         "transformer_task \"fill-mask\" is not supported"},
        {BERT, "{\"module_output_name\": \"scores\"}", SUTRA_E_UNSUPPORTED, "\"scores\""},
        {BERT, "{\"processing_kwargs\": {\"text\": {\"add_special_tokens\": false}}}",
         SUTRA_E_UNSUPPORTED, "processing_kwargs: add_special_tokens is not supported"},
        {BERT, "{\"processing_kwargs\": 3}", SUTRA_E_FORMAT, "processing_kwargs is not an object"},
        {TOKENIZER, "+{\"truncation_side\": \"middle\"}", SUTRA_E_FORMAT,
         "truncation_side \"middle\" is neither left nor right"},
        {TOKENIZER, "+{\"model_max_length\": -1}", SUTRA_E_FORMAT, "model_max_length is -1"},
        {TOKENIZER, "+{\"do_lower_case\": \"yes\"}", SUTRA_E_FORMAT, "do_lower_case"},
        {SENTENCE, "{\"model_type\": \"CrossEncoder\"}", SUTRA_E_UNSUPPORTED,
         "model_type \"CrossEncoder\" is not supported"},
        {SENTENCE, "{\"prompts\": []}", SUTRA_E_FORMAT, "prompts is not an object"},
        {SENTENCE, "{\"prompts\": {\"q\": 3}}", SUTRA_E_FORMAT, "prompts: q is not a string"},
        {SENTENCE, "{\"prompts\": {\"q\": \"a\\u0000\"}}", SUTRA_E_FORMAT, "q holds a NUL"},
        {SENTENCE, "{\"default_prompt_name\": \"q\"}", SUTRA_E_FORMAT,
         "default_prompt_name \"q\" is not among the prompts"},
        {"sutra.json", "{\"name\": 3}", SUTRA_E_FORMAT, "sutra.json: name is not a string"},
        {"sutra.json", "{\"files\": {\"model.safetensors\": {\"size\": 1}}}", SUTRA_E_FORMAT,
         "recorded are 1: the file is damaged"},
        {"sutra.json", "{\"files\": {\"model.safetensors\": {\"sha256\": \"12\"}}}", SUTRA_E_FORMAT,
         "sha256 is not 64 hexadecimal digits"},
    };
    EXPECT_ERRORS(rows);
}

static void missing_parts_are_named(void **state)
{
    (void)state;
    static const BadRow rows[] = {
        {CONFIG, NULL, SUTRA_E_IO, "expected config.json in this folder"},
        {"model.safetensors", NULL, SUTRA_E_IO, "expected model.safetensors in this folder"},
        {"tokenizer.json", NULL, SUTRA_E_IO, "expected tokenizer.json (or vocab.txt)"},
        {"tokenizer.json", "", SUTRA_E_FORMAT, "tokenizer.json"},
    };
    EXPECT_ERRORS(rows);
    folder = folder_scratch();
    expect_path_error(folder, SUTRA_E_IO,
                      "expected config.json, model.safetensors, tokenizer.json (or vocab.txt)");
    folder_copy(GOLDEN_FOLDER "/models/base", folder);
    folder_delete(folder, "model.safetensors");
    folder_write_text(folder, "pytorch_model.bin", "x");
    expect_path_error(folder, SUTRA_E_UNSUPPORTED, "convert them to model.safetensors");
    drop_model();
}

static void paths_that_are_no_model_are_named(void **state)
{
    (void)state;
    char path[600];
    folder = folder_scratch();
    expect_path_error("", SUTRA_E_ARGUMENT, "no path");
    snprintf(path, sizeof path, "%s/missing", folder);
    expect_path_error(path, SUTRA_E_IO, "no such folder");
    static const char *const files[] = {"m.gguf", "m.onnx", "m.sutra", "model.safetensors"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        folder_write_text(folder, files[i], "x");
        snprintf(path, sizeof path, "%s/%s", folder, files[i]);
        expect_path_error(path, SUTRA_E_UNSUPPORTED, strrchr(files[i], '.'));
    }
    folder_write_text(folder, "notes.txt", "x");
    snprintf(path, sizeof path, "%s/notes.txt", folder);
    expect_path_error(path, SUTRA_E_IO, "not a folder");
    drop_model();
}

static void too_large_a_vocabulary_is_named(void **state)
{
    (void)state;
    fresh_model();
    folder_delete(folder, "tokenizer.json");
    char vocab[2000] = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n";
    for (unsigned i = 5; i < 167; i++)
        snprintf(vocab + strlen(vocab), sizeof vocab - strlen(vocab), "word%u\n", i);
    folder_write_text(folder, "vocab.txt", vocab);
    expect_path_error(folder, SUTRA_E_FORMAT, "167 tokens, the token embedding only 166 rows");
    drop_model();
}

/* Replaces one text of the header by another of the same length. */
static void edit_weights(const char *from, const char *to)
{
    size_t size;
    char *data = folder_read(folder, "model.safetensors", &size);
    char *at = memmem(data, size, from, strlen(from));
    assert_non_null(at);
    assert_int_equal(strlen(from), strlen(to));
    memcpy(at, to, strlen(to));
    folder_write(folder, "model.safetensors", data, size);
    free(data);
}

static void wrong_weights_are_named(void **state)
{
    (void)state;
    static const struct {
        const char *from, *to;
        SutraStatus status;
        const char *words;
    } rows[] = {
        {"\"embeddings.LayerNorm.bias\"", "\"embeddings.LayerNorm.bia5\"", SUTRA_E_FORMAT,
         "model.safetensors: tensor embeddings.LayerNorm.bias is missing"},
        {"\"embeddings.word_embeddings.weight\"", "\"embeddings.word_embeddings.weighs\"",
         SUTRA_E_FORMAT, "tensor embeddings.word_embeddings.weight is missing"},
        {"\"embeddings.LayerNorm.bias\":{\"dtype\":\"F32\"",
         "\"embeddings.LayerNorm.bias\":{\"dtype\":\"I32\"", SUTRA_E_UNSUPPORTED,
         "tensor embeddings.LayerNorm.bias is stored as I32, which is not supported; known: F32"},
        {"\"embeddings.LayerNorm.bias\":{\"dtype\":\"F32\",\"shape\":[32]",
         "\"embeddings.LayerNorm.bias\":{\"dtype\":\"F64\",\"shape\":[16]", SUTRA_E_FORMAT,
         "tensor embeddings.LayerNorm.bias has shape [16], config.json asks for [32]"},
        {"query.weight\":{\"dtype\":\"F32\",\"shape\":[32,32]",
         "query.weight\":{\"dtype\":\"F32\",\"shape\":[16,64]", SUTRA_E_FORMAT,
         "query.weight has shape [16, 64], config.json asks for [32, 32]"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        fresh_model();
        edit_weights(rows[i].from, rows[i].to);
        expect_path_error(folder, rows[i].status, rows[i].words);
        drop_model();
    }
}

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
    folder_write_text(folder, SENTENCE, "{\"default_prompt_name\": \"query\"}");
    model = open_path(folder);
    assert_null(model->default_prompt);
    assert_int_equal(su_model_prompt(model, NULL, &text, &err), SUTRA_OK);
    assert_string_equal(text, "");
    assert_int_equal(su_model_prompt(model, "query", &text, &err), SUTRA_E_ARGUMENT);
    assert_non_null(strstr(err.message, "known: none"));
    su_model_destroy(model);
    drop_model();
}

static void names_come_from_the_cache_layout_and_the_manifest(void **state)
{
    (void)state;
    char path[600];
    static const char digest[] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
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
             digest, size);
    folder_write_text(path, "sutra.json", manifest);
    strcat(path, "/.");
    model = open_path(path);
    assert_string_equal(model->name, "tiny");
    assert_string_equal(model->revision, "r1");
    assert_int_equal(strncmp(model->digest, "sha256:", 7), 0);
    assert_string_equal(model->digest + 7, digest);
    su_model_destroy(model);
    folder_write_text(path, "sutra.json", "{}");
    model = open_path(path); /* ends with "/." */
    assert_string_equal(model->name, "org/tiny-bert--v2");
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bad_encoder_configs_are_named),
        cmocka_unit_test(bad_module_chains_are_named),
        cmocka_unit_test(bad_options_are_named),
        cmocka_unit_test(missing_parts_are_named),
        cmocka_unit_test(paths_that_are_no_model_are_named),
        cmocka_unit_test(too_large_a_vocabulary_is_named),
        cmocka_unit_test(wrong_weights_are_named),
        cmocka_unit_test(the_memory_limit_is_kept),
        cmocka_unit_test(the_spec_is_what_the_config_says),
        cmocka_unit_test(activations_are_told_apart),
        cmocka_unit_test(legacy_names_and_mixed_types_open),
        cmocka_unit_test(the_longest_text_is_found),
        cmocka_unit_test(pooling_modes_are_read),
        cmocka_unit_test(prompts_are_looked_up),
        cmocka_unit_test(names_come_from_the_cache_layout_and_the_manifest),
        cmocka_unit_test(the_real_model_opens),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
