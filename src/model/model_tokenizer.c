/* The tokenizer and its limits, from the encoder's folder.
 *
 * Longest text, the first that is given: sentence_bert_config.json's processing_kwargs.text.
 * max_length, tokenizer_args.model_max_length, max_seq_length; else the smaller of
 * tokenizer_config.json's model_max_length and the positions. Never more than the positions. */
#include "base/memory.h"
#include "model/model_parts.h"

#include <math.h>
#include <string.h>

typedef struct TokenizerConfigs {
    SuConfigFile bert;      /* sentence_bert_config.json, or one of its older names */
    SuConfigFile tokenizer; /* tokenizer_config.json */
    bool lowercase_first;   /* sentence_bert_config's do_lower_case */
} TokenizerConfigs;

static SutraStatus open_bert_config(const char *folder, SuConfigFile *file, SutraError *err)
{
    static const char *const names[] = {
        "sentence_bert_config.json",       "sentence_roberta_config.json",
        "sentence_distilbert_config.json", "sentence_camembert_config.json",
        "sentence_albert_config.json",     "sentence_xlm-roberta_config.json",
        "sentence_xlnet_config.json"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        su_config_file_close(file);
        SU_TRY(su_config_file_open(folder, names[i], file, err));
        if (file->root && json_object_size(file->root) > 0) return SUTRA_OK;
    }
    return SUTRA_OK;
}

/* A length in tokens, ≥ 1; anything larger than the positions (10^30 is common) says "no limit". */
static SutraStatus read_length(const json_t *object, const char *key, const char *where,
                               double *length, SutraError *err)
{
    double value = NAN;
    SU_TRY(su_json_get_double(object, key, where, &value, err));
    if (isnan(value)) return SUTRA_OK;
    if (value < 1) SU_RAISE(err, SUTRA_E_FORMAT, "%s: %s is %g, below 1", where, key, value);
    *length = value;
    return SUTRA_OK;
}

static SutraStatus get_object(const json_t *object, const char *key, const char *where,
                              json_t **value, SutraError *err)
{
    *value = json_object_get(object, key);
    if (json_is_null(*value)) *value = NULL;
    if (*value && !json_is_object(*value))
        SU_RAISE(err, SUTRA_E_FORMAT, "%s: %s is not an object", where, key);
    return SUTRA_OK;
}

/* Options of each call of the reference's tokenizer. Only the length changes what is computed here;
 * padding does not, and truncation is always on. */
static SutraStatus read_processing(const SuConfigFile *bert, double *length, SutraError *err)
{
    static const char *const buckets[] = {"common", "text"};
    json_t *processing, *bucket, *value;
    const char *key;
    SU_TRY(get_object(bert->root, "processing_kwargs", bert->path, &processing, err));
    for (size_t i = 0; processing && i < 2; i++) {
        SU_TRY(get_object(processing, buckets[i], bert->path, &bucket, err));
        json_object_foreach(bucket, key, value)
        {
            bool is_padding = strncmp(key, "pad", 3) == 0;
            if (is_padding || strcmp(key, "max_length") == 0 || json_is_true(value)) continue;
            SU_RAISE(err, SUTRA_E_UNSUPPORTED, "%s: processing_kwargs: %s is not supported",
                     bert->path, key);
        }
        if (bucket) SU_TRY(read_length(bucket, "max_length", bert->path, length, err));
    }
    return SUTRA_OK;
}

/* The lengths that sentence_bert_config.json gives, the strongest last. */
static SutraStatus read_bert_lengths(const SuConfigFile *bert, double *length, SutraError *err)
{
    static const char *const loading[] = {"tokenizer_args", "processor_kwargs"};
    json_t *options;
    SU_TRY(read_length(bert->root, "max_seq_length", bert->path, length, err));
    for (size_t i = 0; i < 2; i++) {
        SU_TRY(get_object(bert->root, loading[i], bert->path, &options, err));
        if (options) SU_TRY(read_length(options, "model_max_length", bert->path, length, err));
    }
    return read_processing(bert, length, err);
}

/* What the encoder's output is used for; anything but token embeddings is another kind of model. */
static SutraStatus check_task(const SuConfigFile *bert, SutraError *err)
{
    const char *task = "feature-extraction", *output = "token_embeddings";
    SU_TRY(su_json_get_string(bert->root, "transformer_task", bert->path, &task, err));
    SU_TRY(su_json_get_string(bert->root, "module_output_name", bert->path, &output, err));
    if (strcmp(task, "feature-extraction") != 0)
        SU_RAISE(err, SUTRA_E_UNSUPPORTED,
                 "%s: transformer_task \"%.40s\" is not supported; known: feature-extraction",
                 bert->path, task);
    if (strcmp(output, "token_embeddings") != 0)
        SU_RAISE(err, SUTRA_E_UNSUPPORTED,
                 "%s: module_output_name \"%.40s\" is not supported; known: token_embeddings",
                 bert->path, output);
    return SUTRA_OK;
}

static SutraStatus read_limits(SutraModel *model, const TokenizerConfigs *configs, SutraError *err)
{
    double length = NAN;
    const char *side = "right";
    if (configs->bert.root) {
        SU_TRY(check_task(&configs->bert, err));
        SU_TRY(read_bert_lengths(&configs->bert, &length, err));
    }
    if (configs->tokenizer.root) {
        const SuConfigFile *file = &configs->tokenizer;
        if (isnan(length))
            SU_TRY(read_length(file->root, "model_max_length", file->path, &length, err));
        SU_TRY(su_json_get_string(file->root, "truncation_side", file->path, &side, err));
        if (strcmp(side, "left") != 0 && strcmp(side, "right") != 0)
            SU_RAISE(err, SUTRA_E_FORMAT, "%s: truncation_side \"%.40s\" is neither left nor right",
                     file->path, side);
    }
    model->truncate_left = strcmp(side, "left") == 0;
    model->max_tokens = model->max_positions;
    if (length < model->max_positions) model->max_tokens = (uint32_t)length;
    return SUTRA_OK;
}

static SutraStatus open_json(SutraModel *model, const char *path, const TokenizerConfigs *configs,
                             SutraError *err)
{
    SuFileMap map;
    char *changed = NULL;
    size_t size;
    SU_TRY(su_file_map_open(path, &map, err));
    SutraStatus status =
        su_tokenizer_json_adjust((const char *)map.data, map.size, path, &configs->tokenizer,
                                 configs->lowercase_first, &changed, &size, err);
    if (status == SUTRA_OK)
        status = changed ? su_tokenizer_from_json(changed, size, path, &model->tokenizer, err)
                         : su_tokenizer_from_json(map.data, map.size, path, &model->tokenizer, err);
    su_free(changed);
    su_file_map_close(&map);
    return status;
}

static SutraStatus open_vocab(SutraModel *model, const char *path, const TokenizerConfigs *configs,
                              SutraError *err)
{
    SuFileMap vocab, config = {0};
    bool lowercases = true;
    const SuConfigFile *file = &configs->tokenizer;
    SU_TRY(su_json_get_bool(file->root, "do_lower_case", file->path, &lowercases, err));
    if (configs->lowercase_first && !lowercases)
        SU_RAISE(err, SUTRA_E_UNSUPPORTED,
                 "%s: do_lower_case is true, but false in %s; with vocab.txt alone this is not "
                 "supported",
                 configs->bert.path, file->path);
    SU_TRY(su_file_map_open(path, &vocab, err));
    SutraStatus status = file->root ? su_file_map_open(file->path, &config, err) : SUTRA_OK;
    if (status == SUTRA_OK)
        status = su_tokenizer_from_vocab(vocab.data, vocab.size, config.data, config.size, path,
                                         &model->tokenizer, err);
    su_file_map_close(&config);
    su_file_map_close(&vocab);
    return status;
}

static SutraStatus open_tokenizer(SutraModel *model, const char *folder,
                                  const TokenizerConfigs *configs, SutraError *err)
{
    char *json = su_path_join(folder, "tokenizer.json");
    char *vocab = su_path_join(folder, "vocab.txt");
    SutraStatus status;
    if (!json || !vocab)
        status = su_error_set(err, SUTRA_E_MEMORY, "%s: out of memory", folder);
    else if (su_path_exists(json))
        status = open_json(model, json, configs, err);
    else
        status = open_vocab(model, vocab, configs, err);
    if (status == SUTRA_OK && su_tokenizer_vocab_size(model->tokenizer) > model->spec.vocab_size)
        status =
            su_error_set(err, SUTRA_E_FORMAT,
                         "%s: the tokenizer has %u tokens, the token embedding only %u rows",
                         folder, su_tokenizer_vocab_size(model->tokenizer), model->spec.vocab_size);
    su_free(json);
    su_free(vocab);
    return status;
}

static SutraStatus read_configs(const SuModuleChain *chain, TokenizerConfigs *configs,
                                SutraError *err)
{
    SU_TRY(
        su_config_file_open(chain->transformer, "tokenizer_config.json", &configs->tokenizer, err));
    if (!chain->from_file) return SUTRA_OK;
    SU_TRY(open_bert_config(chain->transformer, &configs->bert, err));
    return su_json_get_bool(configs->bert.root, "do_lower_case", configs->bert.path,
                            &configs->lowercase_first, err);
}

SutraStatus su_model_read_tokenizer(SutraModel *model, const SuModuleChain *chain, SutraError *err)
{
    TokenizerConfigs configs = {0};
    SutraStatus status = read_configs(chain, &configs, err);
    if (status == SUTRA_OK) status = read_limits(model, &configs, err);
    if (status == SUTRA_OK) status = open_tokenizer(model, chain->transformer, &configs, err);
    su_config_file_close(&configs.bert);
    su_config_file_close(&configs.tokenizer);
    return status;
}
