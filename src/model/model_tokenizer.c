/* The tokenizer and its limits, from the encoder's folder.
 *
 * Longest text, the first that is given: sentence_bert_config.json's max_length in
 * processing_kwargs.common or .text, tokenizer_args.model_max_length, max_seq_length; else the
 * smaller of tokenizer_config.json's model_max_length (else max_len, of tokenizer_args or of that
 * file) and the positions. Never more than the positions. Side of truncation:
 * tokenizer_args.truncation_side, tokenizer_config.json's, tokenizer.json's truncation.direction.
 */
#include "base/memory.h"
#include "model/family.h"
#include "model/known_keys.h"
#include "model/model_parts.h"
#include "tokenizer/sentencepiece_model.h"
#include "tokenizer/tokenizer_files.h"

#include <math.h>
#include <string.h>

typedef struct TokenizerConfigs {
    SuConfigFile bert;      /* sentence_bert_config.json, or one of its older names */
    SuConfigFile tokenizer; /* tokenizer_config.json */
    SuConfigFile config;    /* config.json */
    SuConfigFile special_tokens_map, added_tokens;
    json_t *json;      /* tokenizer.json, or NULL */
    json_t *pieces;    /* what a SentencePiece model holds (sentencepiece_model.h), or NULL */
    const char *where; /* its path, or that of vocab.txt */
    json_t *arguments; /* tokenizer_args of bert; borrowed, or NULL */
    SuTokenizerClass class;
    bool lowercase_first; /* sentence_bert_config's do_lower_case */
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

static bool pads_left(const TokenizerConfigs *configs)
{
    const json_t *padding = json_object_get(configs->json, "padding");
    const json_t *sides[] = {json_object_get(configs->arguments, "padding_side"),
                             json_object_get(configs->tokenizer.root, "padding_side"),
                             json_object_get(padding, "direction")};
    for (size_t i = 0; i < sizeof sides / sizeof *sides; i++) {
        const char *side = json_string_value(sides[i]);
        if (side) return strcmp(side, "left") == 0 || strcmp(side, "Left") == 0;
    }
    return configs->class == SU_TOKENIZER_LLAMA || configs->class == SU_TOKENIZER_GEMMA;
}

/* What the reference's tokenizer does anyway, or what changes no vector. Padding of a text alone
 * moves its positions where it stands on the left. */
static bool is_harmless_option(const char *key, const json_t *value, bool left)
{
    const char *text = json_string_value(value);
    if (strcmp(key, "padding_side") == 0) return text && strcmp(text, "right") == 0;
    if (strcmp(key, "padding") == 0 && text) return !left || strcmp(text, "max_length") != 0;
    if (strcmp(key, "pad_to_multiple_of") == 0) return !left;
    if (strncmp(key, "pad", 3) == 0 || strcmp(key, "return_tensors") == 0) return true;
    if (strcmp(key, "truncation") == 0 && text)
        return strcmp(text, "longest_first") == 0 || strcmp(text, "only_first") == 0;
    return json_is_true(value) &&
           (strcmp(key, "truncation") == 0 || strcmp(key, "add_special_tokens") == 0 ||
            strcmp(key, "return_attention_mask") == 0);
}

/* Options of each call of the reference's tokenizer. */
static SutraStatus read_processing(const TokenizerConfigs *configs, double *length, SutraError *err)
{
    const SuConfigFile *bert = &configs->bert;
    bool left = pads_left(configs);
    static const char *const buckets[] = {"text", "common"}; /* the latter wins */
    json_t *processing, *bucket, *value;
    const char *key;
    SU_TRY(get_object(bert->root, "processing_kwargs", bert->path, &processing, err));
    for (size_t i = 0; processing && i < 2; i++) {
        SU_TRY(get_object(processing, buckets[i], bert->path, &bucket, err));
        json_object_foreach(bucket, key, value)
        {
            if (strcmp(key, "max_length") == 0 || is_harmless_option(key, value, left)) continue;
            SU_RAISE(err, SUTRA_E_UNSUPPORTED, "%s: processing_kwargs: %s is not supported",
                     bert->path, key);
        }
        if (bucket) SU_TRY(read_length(bucket, "max_length", bert->path, length, err));
    }
    return SUTRA_OK;
}

/* The lengths that sentence_bert_config.json gives, the strongest last. */
static SutraStatus read_bert_lengths(const TokenizerConfigs *configs, double *length,
                                     SutraError *err)
{
    const SuConfigFile *bert = &configs->bert;
    SU_TRY(read_length(bert->root, "max_seq_length", bert->path, length, err));
    SU_TRY(read_length(configs->arguments, "model_max_length", bert->path, length, err));
    return read_processing(configs, length, err);
}

/* What a value of sentence_bert_config.json must be. */
static SutraStatus check_word(const json_t *object, const char *key, const char *fallback,
                              const char *known, const char *where, SutraError *err)
{
    const char *word = fallback;
    SU_TRY(su_json_get_string(object, key, where, &word, err));
    if (strcmp(word, known) != 0)
        SU_RAISE(err, SUTRA_E_UNSUPPORTED, "%s: %s \"%.40s\" is not supported; known: %s", where,
                 key, word, known);
    return SUTRA_OK;
}

/* What the encoder's output is used for: token embeddings, or a classifier's logits. */
static SutraStatus check_task(const SuConfigFile *bert, bool classifier, SutraError *err)
{
    SU_TRY(check_word(bert->root, "transformer_task", "feature-extraction",
                      classifier ? "sequence-classification" : "feature-extraction", bert->path,
                      err));
    const char *output = classifier ? "scores" : "token_embeddings";
    return check_word(bert->root, "module_output_name", output, output, bert->path, err);
}

static SutraStatus read_side(const TokenizerConfigs *configs, bool *left, SutraError *err)
{
    const json_t *truncation = json_object_get(configs->json, "truncation");
    const char *side = "right", *where = configs->where;
    SU_TRY(su_json_get_string(truncation, "direction", where, &side, err));
    *left = strcmp(side, "Left") == 0;
    const json_t *roots[] = {configs->tokenizer.root, configs->arguments};
    const char *paths[] = {configs->tokenizer.path, configs->bert.path};
    for (size_t i = 0; i < 2; i++) {
        side = NULL;
        SU_TRY(su_json_get_string(roots[i], "truncation_side", paths[i], &side, err));
        if (!side) continue;
        *left = strcmp(side, "left") == 0;
        if (!*left && strcmp(side, "right") != 0)
            SU_RAISE(err, SUTRA_E_FORMAT, "%s: truncation_side \"%.40s\" is neither left nor right",
                     paths[i], side);
    }
    return SUTRA_OK;
}

static SutraStatus read_limits(SutraModel *model, const TokenizerConfigs *configs, SutraError *err)
{
    double length = NAN;
    if (configs->bert.root) SU_TRY(read_bert_lengths(configs, &length, err));
    const SuConfigFile *file = &configs->tokenizer;
    if (isnan(length) && json_object_get(file->root, "model_max_length")) {
        SU_TRY(read_length(file->root, "model_max_length", file->path, &length, err));
    } else if (isnan(length)) {
        bool argued = json_object_get(configs->arguments, "max_len");
        const SuConfigFile *from = argued ? &configs->bert : file;
        SU_TRY(read_length(argued ? configs->arguments : file->root, "max_len", from->path, &length,
                           err));
    }
    model->max_tokens = model->max_positions;
    if (length < model->max_positions) model->max_tokens = (uint32_t)length;
    return read_side(configs, &model->truncate_left, err);
}

/* ---- sentence_bert_config.json ---- */

static SutraStatus check_arguments(const SuConfigFile *bert, const char *const names[2],
                                   const SuKnownKeys *keys, json_t **arguments, SutraError *err)
{
    json_t *found = NULL;
    for (size_t i = 0; i < 2; i++) {
        json_t *value;
        SU_TRY(get_object(bert->root, names[i], bert->path, &value, err));
        SU_TRY(su_known_keys_check(keys, value, names[i], bert->path, err));
        if (value && !found) found = value; /* the older name wins, as in the reference */
    }
    if (arguments) *arguments = found;
    return SUTRA_OK;
}

/* {"text": {"method": "forward", "method_output_name": "last_hidden_state"}} is what is done; of a
 * classifier, "logits". */
static SutraStatus check_modality(const SuConfigFile *bert, bool classifier, SutraError *err)
{
    const json_t *modality = json_object_get(bert->root, "modality_config");
    const json_t *text = json_object_get(modality, "text");
    const char *known = classifier ? "logits" : "last_hidden_state";
    const char *method = "forward", *output = known;
    SU_TRY(su_json_get_string(text, "method", bert->path, &method, err));
    SU_TRY(su_json_get_string(text, "method_output_name", bert->path, &output, err));
    if ((!su_json_is_inactive(modality) && !text) || strcmp(method, "forward") != 0 ||
        strcmp(output, known) != 0)
        SU_RAISE(err, SUTRA_E_UNSUPPORTED,
                 "%s: modality_config is supported with text, forward and %s only", bert->path,
                 known);
    return SUTRA_OK;
}

static SutraStatus read_bert_config(TokenizerConfigs *configs, bool classifier, SutraError *err)
{
    static const char *const tokenizer_names[] = {"tokenizer_args", "processor_kwargs"};
    static const char *const model_names[] = {"model_args", "model_kwargs"};
    static const char *const config_names[] = {"config_args", "config_kwargs"};
    const SuConfigFile *bert = &configs->bert;
    SU_TRY(su_known_keys_check(&su_keys_of_bert_config, bert->root, "", bert->path, err));
    SU_TRY(check_arguments(bert, tokenizer_names, &su_keys_of_tokenizer_arguments,
                           &configs->arguments, err));
    SU_TRY(check_arguments(bert, model_names, &su_keys_of_model_arguments, NULL, err));
    SU_TRY(check_arguments(bert, config_names, &su_keys_of_config_arguments, NULL, err));
    SU_TRY(check_modality(bert, classifier, err));
    SU_TRY(check_task(bert, classifier, err));
    return su_json_get_bool(bert->root, "do_lower_case", bert->path, &configs->lowercase_first,
                            err);
}

/* ---- the files ---- */

/* Without modules.json the reference puts texts into the template. */
static SutraStatus check_chat_template(const char *folder, const SuConfigFile *tokenizer,
                                       SutraError *err)
{
    char *path = su_path_join(folder, "chat_template.jinja");
    if (!path) SU_RAISE(err, SUTRA_E_MEMORY, "%s: out of memory", folder);
    bool found = su_path_exists(path) ||
                 !su_json_is_inactive(json_object_get(tokenizer->root, "chat_template"));
    su_free(path);
    if (found)
        SU_RAISE(err, SUTRA_E_UNSUPPORTED,
                 "%s: a chat_template in a folder without modules.json is not supported", folder);
    return SUTRA_OK;
}

static SutraStatus read_configs(SutraModel *model, const SuModuleChain *chain,
                                TokenizerConfigs *configs, SutraError *err)
{
    const char *folder = chain->transformer;
    SU_TRY(su_config_file_open(folder, "tokenizer_config.json", &configs->tokenizer, err));
    SU_TRY(su_config_file_open(folder, "config.json", &configs->config, err));
    SU_TRY(
        su_config_file_open(folder, "special_tokens_map.json", &configs->special_tokens_map, err));
    SU_TRY(su_config_file_open(folder, "added_tokens.json", &configs->added_tokens, err));
    SU_TRY(su_known_keys_check(&su_keys_of_tokenizer_config, configs->tokenizer.root, "",
                               configs->tokenizer.path, err));
    SU_TRY(su_tokenizer_class(&configs->tokenizer, &configs->config,
                              su_family_tokenizer_class(model->family), &configs->class,
                              &model->tokenizer_class, err));
    if (!chain->from_file) return check_chat_template(folder, &configs->tokenizer, err);
    SU_TRY(open_bert_config(folder, &configs->bert, err));
    return configs->bert.root ? read_bert_config(configs, chain->classifier, err) : SUTRA_OK;
}

static SutraStatus build_tokenizer(SutraModel *model, const TokenizerConfigs *configs,
                                   const SuFileMap *vocab, SutraError *err)
{
    SuTokenizerFiles files = {.where = configs->where,
                              .json = configs->json,
                              .pieces = configs->pieces,
                              .vocab = (const char *)vocab->data,
                              .vocab_size = vocab->size,
                              .config_where = configs->tokenizer.path,
                              .config = configs->tokenizer.root,
                              .arguments = configs->arguments,
                              .special_tokens_map = configs->special_tokens_map.root,
                              .added_where = configs->added_tokens.path,
                              .added_tokens = configs->added_tokens.root,
                              .class = configs->class,
                              .lowercase_first = configs->lowercase_first};
    return su_tokenizer_from_files(&files, &model->tokenizer, err);
}

/* Whether a component of the file, or a token of it, is named ByteLevel. */
static bool names_bytes(const json_t *json)
{
    const char *key;
    json_t *value;
    size_t i;
    if (json_is_string(json)) return strcmp(json_string_value(json), "ByteLevel") == 0;
    json_array_foreach(json, i, value)
    {
        if (names_bytes(value)) return true;
    }
    json_object_foreach((json_t *)json, key, value)
    {
        if (strcmp(key, "ByteLevel") == 0 || names_bytes(value)) return true;
    }
    return false;
}

static SutraStatus open_json(SutraModel *model, const char *path, TokenizerConfigs *configs,
                             SutraError *err)
{
    SuFileMap none = {0};
    configs->where = path;
    SU_TRY(su_json_load(path, &configs->json, err));
    if (!json_is_object(configs->json))
        SU_RAISE(err, SUTRA_E_FORMAT, "%s: not a JSON object", path);
    /* Llama 3's tokenizers are of bytes, whatever class they name. */
    if (configs->class == SU_TOKENIZER_LLAMA && names_bytes(configs->json))
        configs->class = SU_TOKENIZER_GENERIC;
    SU_TRY(read_limits(model, configs, err));
    return build_tokenizer(model, configs, &none, err);
}

static SutraStatus open_vocab(SutraModel *model, const char *path, TokenizerConfigs *configs,
                              SutraError *err)
{
    SuFileMap vocab;
    configs->where = path;
    if (configs->class == SU_TOKENIZER_GENERIC)
        SU_RAISE(err, SUTRA_E_UNSUPPORTED,
                 "%s: the generic tokenizer class needs tokenizer.json; there is vocab.txt only",
                 path);
    SU_TRY(read_limits(model, configs, err));
    SU_TRY(su_file_map_open(path, &vocab, err));
    SutraStatus status = build_tokenizer(model, configs, &vocab, err);
    su_file_map_close(&vocab);
    return status;
}

/* Other classes read other names of such a file, or build nothing of it. */
static SutraStatus check_pieces(const SutraModel *model, const char *path, SuTokenizerClass class,
                                SutraError *err)
{
    const char *name = strrchr(path, '/');
    bool any_name = class == SU_TOKENIZER_XLM_ROBERTA || class == SU_TOKENIZER_CAMEMBERT;
    bool known = any_name || class == SU_TOKENIZER_LLAMA || class == SU_TOKENIZER_GEMMA ||
                 class == SU_TOKENIZER_GENERIC;
    if (!known)
        SU_RAISE(err, SUTRA_E_UNSUPPORTED,
                 "%s: a SentencePiece model without tokenizer.json is not supported for a %s "
                 "(known: XLMRobertaTokenizer, CamembertTokenizer, LlamaTokenizer, GemmaTokenizer, "
                 "PreTrainedTokenizerFast)",
                 path, model->tokenizer_class);
    if (!any_name && strcmp(name ? name + 1 : path, "tokenizer.model") != 0)
        SU_RAISE(err, SUTRA_E_UNSUPPORTED,
                 "%s: a %s without tokenizer.json reads a SentencePiece model of the name "
                 "tokenizer.model alone",
                 path, model->tokenizer_class);
    return SUTRA_OK;
}

static SutraStatus open_pieces(SutraModel *model, const char *path, TokenizerConfigs *configs,
                               SutraError *err)
{
    SuFileMap file, none = {0};
    configs->where = path;
    SU_TRY(check_pieces(model, path, configs->class, err));
    SU_TRY(read_limits(model, configs, err));
    SU_TRY(su_file_map_open(path, &file, err));
    SutraStatus status = su_sentencepiece_read(file.data, file.size, path, &configs->pieces, err);
    su_file_map_close(&file);
    if (status != SUTRA_OK) return status;
    configs->json = json_incref(configs->pieces);
    return build_tokenizer(model, configs, &none, err);
}

/* Where a folder has several, the reference takes the first of these. */
static SutraStatus find_pieces(const char *folder, char **path, SutraError *err)
{
    static const char *const names[] = {"tokenizer.model", "sentencepiece.bpe.model",
                                        "spiece.model"};
    *path = NULL;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        *path = su_path_join(folder, names[i]);
        if (!*path) SU_RAISE(err, SUTRA_E_MEMORY, "%s: out of memory", folder);
        if (su_path_exists(*path)) return SUTRA_OK;
        su_free(*path);
        *path = NULL;
    }
    return SUTRA_OK;
}

static SutraStatus open_tokenizer(SutraModel *model, const char *folder, TokenizerConfigs *configs,
                                  SutraError *err)
{
    char *json = su_path_join(folder, "tokenizer.json");
    char *vocab = su_path_join(folder, "vocab.txt"), *pieces = NULL;
    SutraStatus status = find_pieces(folder, &pieces, err);
    bool is_bert = configs->class == SU_TOKENIZER_BERT || configs->class == SU_TOKENIZER_MPNET;
    if (status == SUTRA_OK && (!json || !vocab))
        status = su_error_set(err, SUTRA_E_MEMORY, "%s: out of memory", folder);
    else if (status == SUTRA_OK && su_path_exists(json))
        status = open_json(model, json, configs, err);
    else if (status == SUTRA_OK && pieces && !(is_bert && su_path_exists(vocab)))
        status = open_pieces(model, pieces, configs, err);
    else if (status == SUTRA_OK)
        status = open_vocab(model, vocab, configs, err);
    su_free(json);
    su_free(vocab);
    su_free(pieces);
    return status;
}

SutraStatus su_model_read_tokenizer(SutraModel *model, const SuModuleChain *chain, SutraError *err)
{
    TokenizerConfigs configs = {0};
    SutraStatus status = read_configs(model, chain, &configs, err);
    if (status == SUTRA_OK) status = open_tokenizer(model, chain->transformer, &configs, err);
    json_decref(configs.json);
    json_decref(configs.pieces);
    su_config_file_close(&configs.bert);
    su_config_file_close(&configs.tokenizer);
    su_config_file_close(&configs.config);
    su_config_file_close(&configs.special_tokens_map);
    su_config_file_close(&configs.added_tokens);
    return status;
}
