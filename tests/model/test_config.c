/* Model folders that do not open: one clear error for each way to be wrong. */
#include "model/bad_row.h"

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
        {CONFIG, "+{\"auto_map\": {\"AutoModel\": \"modeling_own.OwnModel\"}}", SUTRA_E_UNSUPPORTED,
         "config.json: the encoder is custom code (auto_map: modeling_own."},
        {CONFIG,
         "+{\"model_type\": \"gte\", \"auto_map\": {\"AutoConfig\": \"a/b--c.JinaBertConfig\"}}",
         SUTRA_E_UNSUPPORTED, "custom code (auto_map: a/b--c.JinaBertConfig)"},
        {CONFIG, "+{\"quantization_config\": {\"bits\": 8}}", SUTRA_E_UNSUPPORTED,
         "config.json: quantization_config is not supported"},
        {CONFIG, "+{\"add_cross_attention\": true}", SUTRA_E_UNSUPPORTED, "add_cross_attention"},
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
        {CONFIG, "+{\"model_type\": \"roberta\", \"pad_token_id\": null}", SUTRA_E_FORMAT,
         "config.json: pad_token_id is null, but positions are counted from it"},
        {CONFIG, "+{\"model_type\": \"xlm-roberta\", \"pad_token_id\": 159}", SUTRA_E_FORMAT,
         "positions begin at 160 (pad_token_id + 1), not below max_position_embeddings 160"},
        {CONFIG, "+{\"model_type\": \"camembert\", \"pad_token_id\": -1}", SUTRA_E_FORMAT,
         "pad_token_id is -1"},
        {CONFIG, "+{\"model_type\": \"mpnet\", \"relative_attention_num_buckets\": 16}",
         SUTRA_E_FORMAT, "relative_attention_num_buckets is 16, outside 32"},
        {CONFIG, "+{\"model_type\": \"mpnet\"}", SUTRA_E_FORMAT,
         "tensor encoder.relative_attention_bias.weight is missing"},
        {CONFIG, "+{\"model_type\": \"distilbert\"}", SUTRA_E_FORMAT,
         "tensor transformer.layer.0.attention.q_lin.weight is missing"},
    };
    EXPECT_ERRORS(rows);
}

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
        {"modules.json", MODULE("1", "sentence_transformers.models.CNN"), SUTRA_E_UNSUPPORTED,
         "\"sentence_transformers.models.CNN\" is not supported; known: Transformer"},
        {"modules.json", MODULE("1", "sentence_transformers.models.Dense"), SUTRA_E_UNSUPPORTED,
         "module 1 is Dense"},
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

#define DENSE(more) "{\"in_features\": 32, \"out_features\": 24" more "}"

/* A folder with a Dense module, its config.json being `config`, and weights [24, 32] and [24]. */
static void bad_dense_modules_are_named(void **state)
{
    (void)state;
    static const struct {
        const char *config;
        SutraStatus status;
        const char *words;
    } rows[] = {
        {NULL, SUTRA_E_IO, "2_Dense/config.json: no such file; modules.json asks for it"},
        {"{\"out_features\": 24}", SUTRA_E_FORMAT, "in_features or out_features is missing"},
        {"{\"in_features\": 24, \"out_features\": 24}", SUTRA_E_FORMAT,
         "2_Dense: takes 24 features, those before it are 32"},
        {"{\"in_features\": 32, \"out_features\": 23}", SUTRA_E_FORMAT,
         "tensor linear.weight has shape [24, 32], its config.json asks for [23, 32]"},
        {DENSE(", \"use_residual\": true"), SUTRA_E_UNSUPPORTED, "use_residual is not supported"},
        {DENSE(", \"module_input_name\": \"token_embeddings\""), SUTRA_E_UNSUPPORTED,
         "module_input_name \"token_embeddings\" is not supported"},
        {DENSE(", \"activation_function\": \"torch.nn.modules.activation.Mish\""),
         SUTRA_E_UNSUPPORTED, "activation.Mish\" is not supported; known: Identity, Tanh"},
        {DENSE(", \"activation_function\": \"mine.Tanh\""), SUTRA_E_UNSUPPORTED, "mine.Tanh"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        fresh_model();
        folder_copy(GOLDEN_FOLDER "/variants/dense", folder);
        folder_delete(folder, "2_Dense/config.json");
        if (rows[i].config) folder_write_text(folder, "2_Dense/config.json", rows[i].config);
        expect_path_error(folder, rows[i].status, rows[i].words);
        drop_model();
    }
    fresh_model();
    folder_copy(GOLDEN_FOLDER "/variants/dense", folder);
    folder_delete(folder, "2_Dense/model.safetensors");
    folder_write_text(folder, "2_Dense/pytorch_model.bin", "x");
    expect_path_error(folder, SUTRA_E_UNSUPPORTED, "2_Dense");
    drop_model();
}

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
        {BERT, "{\"processing_kwargs\": {\"common\": {\"split_special_tokens\": true}}}",
         SUTRA_E_UNSUPPORTED, "processing_kwargs: split_special_tokens is not supported"},
        {BERT, "{\"processing_kwargs\": {\"text\": {\"truncation\": false}}}", SUTRA_E_UNSUPPORTED,
         "processing_kwargs: truncation is not supported"},
        {BERT, "{\"processing_kwargs\": {\"text\": {\"padding_side\": \"left\"}}}",
         SUTRA_E_UNSUPPORTED, "processing_kwargs: padding_side is not supported"},
        {BERT, "{\"processing_kwargs\": 3}", SUTRA_E_FORMAT, "processing_kwargs is not an object"},
        {TOKENIZER, "+{\"truncation_side\": \"middle\"}", SUTRA_E_FORMAT,
         "truncation_side \"middle\" is neither left nor right"},
        {TOKENIZER, "+{\"model_max_length\": -1}", SUTRA_E_FORMAT, "model_max_length is -1"},
        {TOKENIZER, "+{\"do_lower_case\": \"yes\"}", SUTRA_E_FORMAT, "do_lower_case"},
        {SENTENCE, "{\"model_type\": \"CrossEncoder\"}", SUTRA_E_UNSUPPORTED,
         "modules.json: a CrossEncoder of 3 modules is not supported"},
        {SENTENCE, "{\"model_type\": \"SparseEncoder\"}", SUTRA_E_UNSUPPORTED,
         "model_type \"SparseEncoder\" is not supported; known: SentenceTransformer, CrossEncoder"},
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
        {"sutra.json", "{\"files\": {\"model.safetensors\": {\"sha256\": \"" DIGEST "z\"}}}",
         SUTRA_E_FORMAT, "sha256 is not 64 hexadecimal digits"},
        {"sutra.json", "{\"files\": {\"model.safetensors\": {\"sha256\": \"" DIGEST "0\"}}}",
         SUTRA_E_FORMAT, "sha256 is not 64 hexadecimal digits"},
    };
    EXPECT_ERRORS(rows);
}

/* The same of a LayerNorm, whose weights are [32] and [32]. */
static void bad_norm_modules_are_named(void **state)
{
    (void)state;
    static const char config[] = "2_LayerNorm/config.json";
    static const BadRow rows[] = {
        {config, NULL, SUTRA_E_IO, "2_LayerNorm/config.json: no such file; modules.json asks"},
        {config, "{}", SUTRA_E_FORMAT, "2_LayerNorm/config.json: dimension is missing"},
        {config, "{\"dimension\": 24}", SUTRA_E_FORMAT,
         "2_LayerNorm: takes 24 features, those before it are 32"},
        {config, "+{\"eps\": 1e-3}", SUTRA_E_UNSUPPORTED, "config.json: eps is not supported"},
        {"modules.json",
         "[" T "," P "," N
         ",{\"path\":\"2_LayerNorm\",\"type\":\"sentence_transformers.models.LayerNorm\"}]",
         SUTRA_E_UNSUPPORTED,
         "module 3 is LayerNorm; the order must be Transformer, Pooling, Dense or LayerNorm"},
        {"2_LayerNorm/model.safetensors", NULL, SUTRA_E_IO, "2_LayerNorm"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        fresh_model();
        folder_copy(GOLDEN_FOLDER "/variants/layer-norm", folder);
        change(rows[i].file, rows[i].text);
        expect_path_error(folder, rows[i].status, rows[i].words);
        drop_model();
    }
    fresh_model();
    folder_copy(GOLDEN_FOLDER "/variants/layer-norm", folder);
    folder_write(folder, "2_LayerNorm/model.safetensors", "\x02\0\0\0\0\0\0\0{}", 10);
    expect_path_error(folder, SUTRA_E_FORMAT, "tensor norm.weight is missing");
    drop_model();
}

static void missing_parts_are_named(void **state)
{
    (void)state;
    static const BadRow rows[] = {
        {CONFIG, NULL, SUTRA_E_IO, "expected config.json in this folder"},
        {"model.safetensors", NULL, SUTRA_E_IO, "expected model.safetensors in this folder"},
        {"tokenizer.json", NULL, SUTRA_E_IO,
         "expected tokenizer.json (or vocab.txt, sentencepiece.bpe.model)"},
        {"tokenizer.json", "", SUTRA_E_FORMAT, "tokenizer.json"},
    };
    EXPECT_ERRORS(rows);
    folder = folder_scratch();
    expect_path_error(folder, SUTRA_E_IO,
                      "expected config.json, model.safetensors, tokenizer.json (or vocab.txt, "
                      "sentencepiece.bpe.model)");
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
    static const char *const files[] = {"m.gguf", "m.onnx", "model.safetensors"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        folder_write_text(folder, files[i], "x");
        snprintf(path, sizeof path, "%s/%s", folder, files[i]);
        expect_path_error(path, SUTRA_E_UNSUPPORTED, strrchr(files[i], '.'));
    }
    folder_write_text(folder, "m.sutra", "x");
    snprintf(path, sizeof path, "%s/m.sutra", folder);
    expect_path_error(path, SUTRA_E_FORMAT, "not a .sutra file");
    folder_write_text(folder, "notes.txt", "x");
    snprintf(path, sizeof path, "%s/notes.txt", folder);
    expect_path_error(path, SUTRA_E_IO, "not a folder");
    drop_model();
}

/* Tokens without a row in the embedding matter only to the texts that hold them. */
static void a_token_without_a_row_is_named_where_it_occurs(void **state)
{
    (void)state;
    SutraEngine *engine;
    SutraError err = {0};
    float vectors[2][32];
    SutraItem items[2];
    fresh_model();
    folder_delete(folder, "tokenizer.json");
    char vocab[2000] = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n";
    for (unsigned i = 5; i < 167; i++)
        snprintf(vocab + strlen(vocab), sizeof vocab - strlen(vocab), "word%u\n", i);
    folder_write_text(folder, "vocab.txt", vocab);
    SutraModel *model = open_path(folder);
    SutraEngineOptions options = {.struct_size = sizeof options, .num_threads = 1};
    assert_int_equal(sutra_engine_create(&options, &engine, &err), SUTRA_OK);
    SutraInput inputs[] = {{.text = "word165", .text_size = 7},
                           {.text = "word166", .text_size = 7}};
    assert_int_equal(
        sutra_embed_into(engine, model, inputs, 2, NULL, vectors, sizeof vectors, items, &err),
        SUTRA_E_ARGUMENT);
    assert_string_equal(err.message,
                        "item 1: token id 166 has no row in the token embedding, which has 166");
    assert_int_equal(items[0].status, SUTRA_OK);
    assert_int_equal(items[1].status, SUTRA_E_ARGUMENT);
    sutra_engine_free(engine);
    su_model_destroy(model);
    drop_model();
}

/* Replaces the first `from` of the weights' header by `to`. */
static void edit_weights(const char *from, const char *to)
{
    size_t size, cut = strlen(from), added = strlen(to);
    char *data = folder_read(folder, "model.safetensors", &size);
    char *at = memmem(data, size, from, cut), *edited = malloc(size + added);
    assert_non_null(at);
    size_t head = (size_t)(at - data), new_size = size - cut + added;
    memcpy(edited, data, head);
    memcpy(edited + head, to, added);
    memcpy(edited + head + added, at + cut, size - head - cut);
    uint64_t header = 0;
    for (int i = 7; i >= 0; i--) header = header << 8 | (unsigned char)data[i];
    header += added - cut;
    for (int i = 0; i < 8; i++) edited[i] = (char)(header >> (8 * i));
    folder_write(folder, "model.safetensors", edited, new_size);
    free(edited);
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
        {"\"embeddings.LayerNorm.bias\":{\"dtype\":\"F32\",\"shape\":[32]",
         "\"embeddings.LayerNorm.bias\":{\"dtype\":\"F32\",\"shape\":[32,1]", SUTRA_E_FORMAT,
         "tensor embeddings.LayerNorm.bias has shape [32, 1], config.json asks for [32]"},
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

/* One more tensor, in the layers under each of the families' names or elsewhere. */
static void a_step_that_no_layer_has_is_named(void **state)
{
    (void)state;
    static const struct {
        const char *model, *tensor;
        bool refused;
    } rows[] = {
        {"base", "encoder.layer.0.attention.self.q_norm.weight", true},
        {"base", "encoder.layer.1.output.LayerNorm.gamma.weight", true},
        {"base", "encoder.layer.1.attention.self.query.lora_A.weight", true},
        {"base", "encoder.layer.1.output.dense.weight_scale", true},
        {"base", "encoder.layer.1.output.LayerNorm.gamma", false},
        {"base", "encoder.layer.2.attention.self.q_norm.weight", false},
        {"base", "encoder.layer.4294967296.q_norm.weight", false},
        {"base", "encoder.layer.x.q_norm.weight", false},
        {"base", "encoder.layers.0.q_norm.weight", false},
        {"base", "bert.encoder.layer.0.q_norm.weight", false},
        {"base", "embeddings.position_ids", false},
        {"base", "cls.predictions.bias", false},
        {"legacy", "bert.encoder.layer.0.output.LayerNorm.beta2", true},
        {"distilbert", "transformer.layer.1.attention.q_norm.weight", true},
        {"mpnet", "encoder.layer.0.attention.attn.q_norm.weight", true},
        {"roberta", "roberta.encoder.layer.0.attention.self.q_norm.weight", true},
        {"modernbert", "layers.0.attn.q_norm.weight", true},
        {"modernbert", "layers.0.attn.rotary_emb.inv_freq", false},
        {"modernbert", "layers.1.attn.Wo.bias", false},
        {"nomic", "layers.1.self_attn.q_norm.weight", true},
        {"nomic-published", "encoder.layers.1.mlp.router.layer.weight", true},
        {"gte", "layers.0.self_attn.q_norm.weight", true},
        {"gte-published", "new.encoder.layer.0.attention.q_norm.weight", true},
        {"jina", "encoder.layer.0.attention.self.layer_norm_q.weight", true},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char from[300], edit[300], words[300];
        snprintf(from, sizeof from, "%s/models/%s", GOLDEN_FOLDER, rows[i].model);
        snprintf(edit, sizeof edit,
                 "{\"%s\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]},\"",
                 rows[i].tensor);
        snprintf(words, sizeof words, "model.safetensors: tensor %s is no weight of a layer of",
                 rows[i].tensor);
        folder = folder_scratch();
        folder_copy(from, folder);
        edit_weights("{\"", edit);
        if (rows[i].refused)
            expect_path_error(folder, SUTRA_E_UNSUPPORTED, words);
        else
            su_model_destroy(open_path(folder));
        drop_model();
    }
}

/* Keys that the reference reads and that are not read here; a value that asks for nothing passes. */
static void keys_that_would_change_vectors_are_named(void **state)
{
    (void)state;
    static const BadRow rows[] = {
        {TOKENIZER, "+{\"auto_map\": {\"AutoTokenizer\": [\"own.OwnTokenizer\", null]}}",
         SUTRA_E_UNSUPPORTED, "custom code (auto_map: own.OwnTokenizer)"},
        {TOKENIZER, "+{\"auto_map\": [null, \"own.OwnTokenizerFast\"]}", SUTRA_E_UNSUPPORTED,
         "custom code (auto_map: own.OwnTokenizerFast)"},
        {TOKENIZER, "+{\"tokenizer_class\": \"BertJapaneseTokenizer\"}", SUTRA_E_UNSUPPORTED,
         "tokenizer_config.json: tokenizer_class \"BertJapaneseTokenizer\" is not supported"},
        {TOKENIZER, "+{\"tokenizer_class\": \"BertTokenizerLegacy\"}", SUTRA_E_UNSUPPORTED,
         "tokenizer_class \"BertTokenizerLegacy\""},
        {TOKENIZER, "+{\"fast_tokenizer_files\": [\"tokenizer.4.0.json\"]}", SUTRA_E_UNSUPPORTED,
         "tokenizer_config.json: fast_tokenizer_files is not supported"},
        {BERT, "{\"max_seq_length\": 20, \"model_args\": {\"variant\": \"fp16\"}}",
         SUTRA_E_UNSUPPORTED, "sentence_bert_config.json: model_args: variant is not supported"},
        {BERT, "{\"config_kwargs\": {\"num_hidden_layers\": 1}}", SUTRA_E_UNSUPPORTED,
         "config_kwargs: num_hidden_layers is not supported"},
        {BERT, "{\"tokenizer_args\": {\"tokenizer_type\": \"albert\"}}", SUTRA_E_UNSUPPORTED,
         "tokenizer_args: tokenizer_type is not supported"},
        {BERT, "{\"tokenizer_name_or_path\": \"other\"}", SUTRA_E_UNSUPPORTED,
         "tokenizer_name_or_path is not supported"},
        {BERT, "{\"modality_config\": {\"message\": {\"method\": \"forward\"}}}",
         SUTRA_E_UNSUPPORTED, "modality_config"},
        {POOLING, "+{\"pooling_mode_first_two\": true}", SUTRA_E_UNSUPPORTED,
         "1_Pooling/config.json: pooling_mode_first_two is not supported"},
        {"2_Normalize/config.json", "{\"order\": 1}", SUTRA_E_UNSUPPORTED,
         "2_Normalize/config.json: order is not supported"},
    };
    EXPECT_ERRORS(rows);
    fresh_model();
    folder_write_text(folder, BERT,
                      "{\"model_args\": {\"torch_dtype\": \"float16\"}, \"query_length\": null, "
                      "\"tokenizer_args\": {\"padding_side\": \"left\"}, \"config_args\": {}}");
    folder_patch(folder, TOKENIZER, "{\"fast_tokenizer_files\": [], \"never_split\": null}");
    su_model_destroy(open_path(folder));
    drop_model();
}

/* Without modules.json the reference puts texts into it. */
static void a_chat_template_without_modules_is_named(void **state)
{
    (void)state;
    fresh_model();
    folder_write_text(folder, "chat_template.jinja", "{{ messages }}");
    su_model_destroy(open_path(folder));
    folder_delete(folder, "modules.json");
    expect_path_error(folder, SUTRA_E_UNSUPPORTED, "a chat_template in a folder without modules");
    folder_delete(folder, "chat_template.jinja");
    su_model_destroy(open_path(folder));
    folder_patch(folder, TOKENIZER, "{\"chat_template\": \"{{ messages }}\"}");
    expect_path_error(folder, SUTRA_E_UNSUPPORTED, "a chat_template in a folder without modules");
    drop_model();
}

/* The reference would fill the embedding with random numbers. */
static void missing_type_embeddings_are_named(void **state)
{
    (void)state;
    json_t *expected;
    folder = folder_scratch();
    folder_assemble("variants", "legacy", folder, &expected);
    json_decref(expected);
    su_model_destroy(open_path(folder));
    folder_patch(folder, CONFIG, "{\"type_vocab_size\": 2}");
    expect_path_error(folder, SUTRA_E_FORMAT,
                      "bert.embeddings.token_type_embeddings.weight is missing, but");
    drop_model();
}

static void nothing_stays_mapped(void **state)
{
    (void)state;
    char line[2000];
    fresh_model();
    su_model_destroy(open_path(folder));
    edit_weights("\"embeddings.LayerNorm.bias\"", "\"embeddings.LayerNorm.bia5\"");
    expect_path_error(folder, SUTRA_E_FORMAT, "missing");
    FILE *maps = fopen("/proc/self/maps", "r");
    assert_non_null(maps);
    while (fgets(line, sizeof line, maps))
        if (strstr(line, folder)) fail_msg("still mapped: %s", line);
    fclose(maps);
    drop_model();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bad_encoder_configs_are_named),
        cmocka_unit_test(bad_module_chains_are_named),
        cmocka_unit_test(bad_dense_modules_are_named),
        cmocka_unit_test(bad_norm_modules_are_named),
        cmocka_unit_test(bad_options_are_named),
        cmocka_unit_test(missing_parts_are_named),
        cmocka_unit_test(paths_that_are_no_model_are_named),
        cmocka_unit_test(a_token_without_a_row_is_named_where_it_occurs),
        cmocka_unit_test(wrong_weights_are_named),
        cmocka_unit_test(a_step_that_no_layer_has_is_named),
        cmocka_unit_test(keys_that_would_change_vectors_are_named),
        cmocka_unit_test(a_chat_template_without_modules_is_named),
        cmocka_unit_test(missing_type_embeddings_are_named),
        cmocka_unit_test(nothing_stays_mapped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
