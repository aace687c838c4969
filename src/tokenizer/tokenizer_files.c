/* tokenizer_files.c - what transformers makes of a model's tokenizer files.
 *
 *   rebuilt class (BertTokenizer):
 *              vocabulary of tokenizer.json or vocab.txt; all else from the merged settings
 *   generic class: tokenizer.json as it is
 *   then the tokens that the files add (declared_tokens.h)
 */
#include "tokenizer/tokenizer_files.h"

#include "base/memory.h"
#include "tokenizer/component_json.h"
#include "tokenizer/declared_tokens.h"
#include "tokenizer/token_model_table.h"
#include "tokenizer/tokenizer_parts.h"
#include "tokenizer/wordpiece.h"

#include <string.h>

#define MAX_CHARS_PER_WORD 100u

typedef struct Builder {
    SuTokenizerSettings settings;
    SuTokenizer *tokenizer;
} Builder;

/* ---- the rebuilt class ---- */

/* pad and mask may be null; the others must be there. */
static SutraStatus complete_bert_names(Builder *builder, SutraError *err)
{
    static const char *const defaults[][2] = {{"unk_token", "[UNK]"},
                                              {"sep_token", "[SEP]"},
                                              {"pad_token", "[PAD]"},
                                              {"cls_token", "[CLS]"},
                                              {"mask_token", "[MASK]"}};
    for (size_t i = 0; i < sizeof defaults / sizeof *defaults; i++) {
        const char *key = defaults[i][0];
        const json_t *json = json_object_get(builder->settings.merged, key);
        bool optional = strcmp(key, "pad_token") == 0 || strcmp(key, "mask_token") == 0;
        if (!json &&
            json_object_set_new(builder->settings.merged, key, json_string(defaults[i][1])))
            SU_RAISE(err, SUTRA_E_MEMORY, "%s: out of memory", builder->settings.files->where);
        if (json && !su_token_text(json) && !(json_is_null(json) && optional))
            SU_RAISE(err, SUTRA_E_FORMAT, "%s: %s is not a token",
                     builder->settings.files->config_where, key);
    }
    return SUTRA_OK;
}

static SutraStatus read_switches(const Builder *builder, SutraError *err)
{
    const json_t *settings = builder->settings.merged;
    const char *where = builder->settings.files->config_where;
    SuNormalizerStep bert = {.kind = SU_NORMALIZER_BERT,
                             .clean_text = true,
                             .handle_chinese_chars = true,
                             .lowercase = true};
    SU_TRY(su_json_get_bool(settings, "do_lower_case", where, &bert.lowercase, err));
    SU_TRY(su_json_get_bool(settings, "tokenize_chinese_chars", where, &bert.handle_chinese_chars,
                            err));
    bert.strip_accents = bert.lowercase;
    SU_TRY(su_json_get_bool(settings, "strip_accents", where, &bert.strip_accents, err));
    return su_normalizer_add(&builder->tokenizer->normalizer, &bert, err);
}

static SutraStatus read_wordpiece_vocabulary(const SuTokenizerFiles *files,
                                             SuVocabulary *vocabulary, SutraError *err)
{
    const SuTokenModelKind *kind;
    SU_TRY(su_token_model_kind(json_object_get(files->json, "model"), files->where, &kind, err));
    if (kind != &su_wordpiece_kind)
        SU_RAISE(err, SUTRA_E_UNSUPPORTED,
                 "%s: model \"%s\" is not supported for a BertTokenizer (known: WordPiece)",
                 files->where, kind->name);
    return su_tokenizer_read_vocabulary(files->json, files->where, vocabulary, err);
}

static SutraStatus read_bert_parts(Builder *builder, SutraError *err)
{
    const SuTokenizerFiles *files = builder->settings.files;
    SuTokenizer *tokenizer = builder->tokenizer;
    SU_TRY(complete_bert_names(builder, err));
    if (files->json)
        SU_TRY(read_wordpiece_vocabulary(files, &tokenizer->vocabulary, err));
    else
        SU_TRY(su_vocabulary_read_lines(&tokenizer->vocabulary, files->vocab, files->vocab_size,
                                        files->where, err));
    SU_TRY(read_switches(builder, err));
    const SuPreTokenizerStep bert_words = {.kind = SU_PRE_TOKENIZER_BERT};
    SU_TRY(su_pre_tokenizer_add(&tokenizer->pre_tokenizer, &bert_words, err));
    const SuWordPieceOptions options = {
        .unk_token = su_token_text(json_object_get(builder->settings.merged, "unk_token")),
        .prefix = "##",
        .max_chars = MAX_CHARS_PER_WORD,
        .bert_words = true};
    tokenizer->model.kind = &su_wordpiece_kind;
    return su_wordpiece_create(&tokenizer->vocabulary, &options, files->where,
                               &tokenizer->model.data, err);
}

/* [CLS] A [SEP] B [SEP], whatever tokenizer.json has. */
static SutraStatus set_bert_template(const Builder *builder, SutraError *err)
{
    SuTokenizer *tokenizer = builder->tokenizer;
    const char *names[] = {su_token_text(json_object_get(builder->settings.merged, "cls_token")),
                           su_token_text(json_object_get(builder->settings.merged, "sep_token"))};
    const SuAddedToken *cls = su_added_tokens_with_content(&tokenizer->added, names[0]);
    const SuAddedToken *sep = su_added_tokens_with_content(&tokenizer->added, names[1]);
    if (!cls || !sep)
        SU_RAISE(err, SUTRA_E_FORMAT, "%s: cls_token or sep_token is empty",
                 builder->settings.files->config_where);
    return su_post_processor_bert(cls->id, sep->id, &tokenizer->post_processor, err);
}

/* ---- what the classes share ---- */

/* A Lowercase in front of the normaliser. That of a BertNormalizer is the BertNormalizer with
 * lowercase set and accents kept as it kept them: none of its steps tells cases apart. */
static SutraStatus lowercase_first(const Builder *builder, SutraError *err)
{
    SuNormalizer *normalizer = &builder->tokenizer->normalizer;
    SuNormalizerStep *bert = su_normalizer_bert(normalizer);
    const SuNormalizerStep lowercase = {.kind = SU_NORMALIZER_LOWERCASE};
    if (!builder->settings.files->lowercase_first) return SUTRA_OK;
    if (bert) {
        bert->lowercase = true;
        return SUTRA_OK;
    }
    SU_TRY(su_normalizer_add(normalizer, &lowercase, err));
    su_normalizer_last_first(normalizer);
    return SUTRA_OK;
}

/* The reference hands type ids to the encoder only where model_input_names lists them, which the
 * generic class does not by itself. */
static SutraStatus read_input_names(const Builder *builder, SutraError *err)
{
    const json_t *names = json_object_get(builder->settings.merged, "model_input_names");
    bool types = builder->settings.files->rebuilt;
    if (names && !json_is_null(names)) {
        types = false;
        if (!json_is_array(names))
            SU_RAISE(err, SUTRA_E_FORMAT, "%s: model_input_names is not a list",
                     builder->settings.files->config_where);
        for (size_t i = 0; i < json_array_size(names); i++) {
            const char *name = json_string_value(json_array_get(names, i));
            types |= name && strcmp(name, "token_type_ids") == 0;
        }
    }
    if (!types) su_post_processor_clear_types(&builder->tokenizer->post_processor);
    return SUTRA_OK;
}

/* The generic class takes the padding's token for its pad_token. */
static SutraStatus take_padding(const Builder *builder, SutraError *err)
{
    const json_t *padding = json_object_get(builder->settings.files->json, "padding");
    json_t *token = json_object_get(padding, "pad_token");
    if (builder->settings.files->rebuilt || !json_is_string(token) ||
        json_object_get(builder->settings.merged, "pad_token"))
        return SUTRA_OK;
    if (json_object_set(builder->settings.merged, "pad_token", token))
        SU_RAISE(err, SUTRA_E_MEMORY, "%s: out of memory", builder->settings.files->where);
    return SUTRA_OK;
}

static SutraStatus build(const SuTokenizerFiles *files, Builder *builder, SutraError *err)
{
    SuTokenizer *tokenizer = builder->tokenizer;
    SU_TRY(su_tokenizer_settings_read(files, &builder->settings, err));
    SU_TRY(files->rebuilt ? read_bert_parts(builder, err)
                          : su_tokenizer_read_sections(files->json, files->where, tokenizer, err));
    SU_TRY(lowercase_first(builder, err));
    SU_TRY(take_padding(builder, err));
    SU_TRY(su_declared_tokens_add(&builder->settings, &tokenizer->added, err));
    SU_TRY(su_named_tokens_add(&builder->settings, &tokenizer->added, err));
    SU_TRY(su_json_get_bool(builder->settings.merged, "split_special_tokens", files->config_where,
                            &tokenizer->added.split_special, err));
    SU_TRY(su_added_tokens_finish(&tokenizer->added, &tokenizer->vocabulary, &tokenizer->normalizer,
                                  files->where, err));
    if (files->rebuilt) SU_TRY(set_bert_template(builder, err));
    SU_TRY(read_input_names(builder, err));
    return su_tokenizer_finish(tokenizer, files->where, err);
}

SutraStatus su_tokenizer_from_files(const SuTokenizerFiles *files, SuTokenizer **tokenizer,
                                    SutraError *err)
{
    *tokenizer = NULL;
    Builder builder = {.tokenizer = su_calloc(1, sizeof **tokenizer)};
    if (!builder.tokenizer) SU_RAISE(err, SUTRA_E_MEMORY, "%s: out of memory", files->where);
    SutraStatus status = build(files, &builder, err);
    su_tokenizer_settings_free(&builder.settings);
    if (status == SUTRA_OK)
        *tokenizer = builder.tokenizer;
    else
        su_tokenizer_free(builder.tokenizer);
    return status;
}

SutraStatus su_tokenizer_from_vocab(const void *vocab, size_t size, const void *config,
                                    size_t config_size, const char *where, SuTokenizer **tokenizer,
                                    SutraError *err)
{
    json_t *root = NULL;
    *tokenizer = NULL;
    if (config) SU_TRY(su_json_parse(config, config_size, where, &root, err));
    SuTokenizerFiles files = {.where = where,
                              .config_where = where,
                              .added_where = where,
                              .vocab = vocab,
                              .vocab_size = size,
                              .config = root,
                              .rebuilt = true};
    SutraStatus status = SUTRA_OK;
    if (root && !json_is_object(root))
        status =
            su_error_set(err, SUTRA_E_FORMAT, "%s: the configuration is not a JSON object", where);
    if (status == SUTRA_OK) status = su_tokenizer_from_files(&files, tokenizer, err);
    json_decref(root);
    return status;
}
