/* tokenizer_files.c - what transformers makes of a model's tokenizer files.
 *
 *   settings = special_tokens_map.json (unless there is an added_tokens_decoder)
 *              over the caller's arguments over tokenizer_config.json
 *   rebuilt class (BertTokenizer):
 *              vocabulary of tokenizer.json or vocab.txt; all else from the settings
 *   generic class: tokenizer.json as it is
 *   then added: added_tokens_decoder, else added_tokens.json and tokenizer.json's added_tokens, by
 *              id; the named special tokens; the extra ones. What the vocabulary lacks is numbered
 *              in that order.
 */
#include "tokenizer/tokenizer_files.h"

#include "base/memory.h"
#include "tokenizer/component_json.h"
#include "tokenizer/tokenizer_parts.h"
#include "unicode/category.h"
#include "unicode/utf8.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MAX_CHARS_PER_WORD 100u

const char *const su_special_token_names[SU_NUM_SPECIAL_NAMES] = {
    "bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"};

/* ---- vocab.txt: the line number is the id; white space at a line's end is no part of it ---- */

static size_t trim_end(const char *line, size_t size)
{
    size_t begin;
    while (size > 0 &&
           (su_unicode_properties(su_utf8_decode_before(line, size, &begin)) & SU_CP_SPACE))
        size = begin;
    return size;
}

static SutraStatus read_lines(const char *text, size_t size, const char *where,
                              SuVocabulary *vocabulary, SutraError *err)
{
    size_t bad, count;
    if (!su_utf8_validate(text, size, &bad, &count))
        SU_RAISE(err, SUTRA_E_FORMAT, "%s: not valid UTF-8 at byte %zu", where, bad);
    int32_t id = 0;
    for (size_t at = 0; at < size; id++) {
        const char *line = text + at, *end = memchr(line, '\n', size - at);
        size_t line_size = end ? (size_t)(end - line) : size - at;
        if (id == INT32_MAX) SU_RAISE(err, SUTRA_E_LIMIT, "%s: too many lines", where);
        SU_TRY(su_vocabulary_add(vocabulary, line, trim_end(line, line_size), id, err));
        at += line_size + (end ? 1 : 0);
    }
    return su_vocabulary_finish(vocabulary, true, where, err);
}

/* ---- the settings ---- */

typedef struct Builder {
    const SuTokenizerFiles *files;
    json_t *settings;  /* owned */
    json_t *own_names; /* owned; special tokens by names of the model's own */
    bool has_decoder;  /* settings hold an added_tokens_decoder */
    bool late_extra;   /* the extra tokens came from special_tokens_map.json's older name, which the
                          reference looks at too late to call tokens of added_tokens.json special */
    SuTokenizer *tokenizer;
} Builder;

static bool is_truthy(const json_t *value)
{
    return value && !json_is_null(value) && !json_is_false(value) &&
           !(json_is_string(value) && json_string_length(value) == 0) &&
           !(json_is_array(value) && json_array_size(value) == 0) &&
           !(json_is_object(value) && json_object_size(value) == 0);
}

static bool set(json_t *object, const char *key, json_t *new_value)
{
    return json_object_set_new(object, key, new_value) == 0;
}

/* Only this mark makes a token of an object in tokenizer_config.json. */
static bool is_marked(const json_t *object)
{
    const char *type = json_string_value(json_object_get(object, "__type"));
    return type && strcmp(type, "AddedToken") == 0;
}

/* A token of special_tokens_map.json is special, whatever it says, and needs no mark. */
static json_t *as_special(const json_t *token)
{
    json_t *copy = json_copy((json_t *)token);
    if (json_is_object(copy) &&
        !(set(copy, "special", json_true()) && set(copy, "__type", json_string("AddedToken")))) {
        json_decref(copy);
        return NULL;
    }
    return copy;
}

/* additional_special_tokens is the older name of extra_special_tokens. */
static bool rename_additional(json_t *settings, bool replace_empty)
{
    json_t *older = json_object_get(settings, "additional_special_tokens");
    const json_t *newer = json_object_get(settings, "extra_special_tokens");
    if (!older || json_is_null(older) || (replace_empty ? is_truthy(newer) : newer != NULL))
        return true;
    return json_object_set(settings, "extra_special_tokens", older) == 0 &&
           json_object_del(settings, "additional_special_tokens") == 0;
}

static bool is_standard_name(const char *key)
{
    for (size_t i = 0; i < SU_NUM_SPECIAL_NAMES; i++)
        if (strcmp(key, su_special_token_names[i]) == 0) return true;
    return false;
}

/* Any other "…_token" is a special token of the model's own. */
static bool is_own_name(const char *key, const json_t *value)
{
    size_t size = strlen(key);
    return size > 6 && strcmp(key + size - 6, "_token") == 0 && !is_standard_name(key) &&
           (json_is_string(value) || is_marked(value));
}

/* extra_special_tokens may be an object of names instead of a list. */
static bool take_extra_names(Builder *builder)
{
    json_t *extra = json_object_get(builder->settings, "extra_special_tokens");
    if (!json_is_object(extra)) return true;
    return json_object_update(builder->own_names, extra) == 0 &&
           json_object_del(builder->settings, "extra_special_tokens") == 0;
}

/* Names of texts count after names of objects and those of special_tokens_map.json. */
static bool take_own_names(Builder *builder)
{
    const char *key;
    json_t *value;
    void *next;
    json_object_foreach_safe(builder->settings, next, key, value)
    {
        if (!json_is_string(value) || !is_own_name(key, value)) continue;
        if (json_object_set(builder->own_names, key, value) ||
            json_object_del(builder->settings, key))
            return false;
    }
    return take_extra_names(builder);
}

/* The two lists, each token once: by its text, as equal tokens have equal texts. */
static const char *token_text(const json_t *token)
{
    return json_string_value(json_is_object(token) ? json_object_get(token, "content") : token);
}

static json_t *merge_lists(const json_t *first, const json_t *second)
{
    json_t *merged = json_is_array(first) ? json_copy((json_t *)first) : json_array();
    for (size_t i = 0; merged && i < json_array_size(second); i++) {
        const char *text = token_text(json_array_get(second, i));
        bool found = false;
        for (size_t j = 0; text && j < json_array_size(merged) && !found; j++) {
            const char *other = token_text(json_array_get(merged, j));
            found = other && strcmp(text, other) == 0;
        }
        if (!found && json_array_append_new(merged, as_special(json_array_get(second, i)))) {
            json_decref(merged);
            return NULL;
        }
    }
    return merged;
}

static bool take_special_map(Builder *builder)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)builder->files->special_tokens_map, key, value)
    {
        if (is_truthy(json_object_get(builder->files->arguments, key))) continue;
        json_t *taken;
        if (strcmp(key, "extra_special_tokens") == 0)
            taken = json_is_array(value)
                        ? merge_lists(json_object_get(builder->settings, key), value)
                        : json_copy(value);
        else
            taken = as_special(value);
        if (!set(builder->settings, key, taken)) return false;
    }
    return true;
}

static bool merge_settings(Builder *builder)
{
    const SuTokenizerFiles *files = builder->files;
    json_t *settings = builder->settings;
    if (files->json) { /* switches of other tokenizers, not tokens */
        json_object_del(settings, "add_bos_token");
        json_object_del(settings, "add_eos_token");
    }
    if (files->arguments && json_object_update(settings, (json_t *)files->arguments)) return false;
    if (!rename_additional(settings, true) || !take_own_names(builder)) return false;
    const json_t *decoder = json_object_get(settings, "added_tokens_decoder");
    builder->has_decoder = decoder && !json_is_null(decoder);
    if (!builder->has_decoder && files->special_tokens_map) {
        if (!take_special_map(builder) || !take_extra_names(builder)) return false;
        builder->late_extra = !json_object_get(settings, "extra_special_tokens");
    }
    return rename_additional(settings, false);
}

static SutraStatus read_settings(Builder *builder, SutraError *err)
{
    const json_t *config = builder->files->config;
    builder->settings = config ? json_copy((json_t *)config) : json_object();
    builder->own_names = json_object();
    if (!builder->settings || !builder->own_names || !merge_settings(builder))
        SU_RAISE(err, SUTRA_E_MEMORY, "%s: out of memory", builder->files->where);
    return SUTRA_OK;
}

/* ---- tokens ---- */

static bool is_same(const json_t *token, const char *text)
{
    const char *other = token_text(token);
    return other && strcmp(other, text) == 0;
}

/* A token that has a name is special, whatever it says. */
static bool becomes_special(const Builder *builder, const char *text)
{
    const char *key;
    json_t *value;
    json_object_foreach(builder->settings, key, value)
    {
        bool names = is_standard_name(key) || is_own_name(key, value);
        if (names && is_same(value, text)) return true;
    }
    json_object_foreach(builder->own_names, key, value)
    {
        if (is_same(value, text)) return true;
    }
    return false;
}

/* A token as these files write one: its text, or an object with content and flags. */
static SutraStatus read_token(const Builder *builder, const json_t *json, const char *name,
                              const char *where, SuAddedToken *token, SutraError *err)
{
    const json_t *content = json_is_object(json) ? json_object_get(json, "content") : json;
    if (!json_is_string(content))
        SU_RAISE(err, SUTRA_E_FORMAT, "%s: %.64s is not a token", where, name);
    token->content = (char *)json_string_value(content);
    token->size = json_string_length(content);
    if (!json_is_object(json)) return SUTRA_OK;
    token->special = false;
    SU_TRY(su_json_get_bool(json, "special", where, &token->special, err));
    token->special |= becomes_special(builder, token->content);
    token->normalized = !token->special;
    SU_TRY(su_json_get_bool(json, "single_word", where, &token->single_word, err));
    SU_TRY(su_json_get_bool(json, "lstrip", where, &token->lstrip, err));
    SU_TRY(su_json_get_bool(json, "rstrip", where, &token->rstrip, err));
    return su_json_get_bool(json, "normalized", where, &token->normalized, err);
}

/* A token with the id that a file gives it. */
typedef struct Declared {
    int32_t id;
    SuAddedToken token; /* its content is borrowed */
} Declared;

static int by_id(const void *a, const void *b)
{
    const Declared *x = a, *y = b;
    int order = (x->id > y->id) - (x->id < y->id);
    return order ? order : (x->token.order > y->token.order) - (x->token.order < y->token.order);
}

static SutraStatus read_id(const char *key, const char *where, int32_t *id, SutraError *err)
{
    char *end;
    errno = 0;
    long long value = strtoll(key, &end, 10);
    if (errno || end == key || *end || value < 0 || value >= INT32_MAX)
        SU_RAISE(err, SUTRA_E_FORMAT, "%s: added_tokens_decoder: \"%.64s\" is not an id", where,
                 key);
    *id = (int32_t)value;
    return SUTRA_OK;
}

/* "added_tokens_decoder": {"100": {"content": "[UNK]", …}, …} */
static SutraStatus read_decoder(const Builder *builder, const json_t *decoder, Declared *declared,
                                size_t *count, SutraError *err)
{
    const char *where = builder->files->config_where, *key;
    json_t *value;
    json_object_foreach((json_t *)decoder, key, value)
    {
        Declared *next = &declared[*count];
        *next = (Declared){.token = {.normalized = true}};
        SU_TRY(read_id(key, where, &next->id, err));
        SU_TRY(read_token(builder, value, "added_tokens_decoder", where, &next->token, err));
        (*count)++;
    }
    return SUTRA_OK;
}

/* As becomes_special, but of the standard names and the extra tokens. */
static bool is_named_special(const Builder *builder, const char *text)
{
    const json_t *extra = json_object_get(builder->settings, "extra_special_tokens");
    for (size_t i = 0; i < SU_NUM_SPECIAL_NAMES; i++)
        if (is_same(json_object_get(builder->settings, su_special_token_names[i]), text))
            return true;
    for (size_t i = 0; i < json_array_size(extra) && !builder->late_extra; i++)
        if (is_same(json_array_get(extra, i), text)) return true;
    return false;
}

/* added_tokens.json: {"[ENT]": 30522, …} */
static SutraStatus read_added_file(const Builder *builder, Declared *declared, size_t *count,
                                   SutraError *err)
{
    const char *where = builder->files->added_where, *text;
    json_t *id;
    json_object_foreach((json_t *)builder->files->added_tokens, text, id)
    {
        Declared *next = &declared[(*count)++];
        *next = (Declared){.token = {.content = (char *)text, .size = strlen(text)}};
        SU_TRY(su_tokenizer_id(id, text, where, &next->id, err));
        next->token.special = is_named_special(builder, text);
        next->token.normalized = !next->token.special;
        next->token.special |= becomes_special(builder, text);
    }
    return SUTRA_OK;
}

/* tokenizer.json's added_tokens: [{"id": 0, "content": "[PAD]", …}, …] */
static SutraStatus read_added_section(const Builder *builder, Declared *declared, size_t *count,
                                      SutraError *err)
{
    const json_t *list = json_object_get(builder->files->json, "added_tokens");
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *json = json_array_get(list, i);
        Declared *next = &declared[(*count)++];
        *next = (Declared){.token = {.normalized = true}};
        SU_TRY(read_token(builder, json, "added_tokens", builder->files->where, &next->token, err));
        SU_TRY(su_tokenizer_id(json_object_get(json, "id"), next->token.content,
                               builder->files->where, &next->id, err));
    }
    return SUTRA_OK;
}

static SutraStatus collect(const Builder *builder, const json_t *decoder, Declared *declared,
                           size_t *count, SutraError *err)
{
    if (builder->has_decoder) return read_decoder(builder, decoder, declared, count, err);
    SU_TRY(read_added_file(builder, declared, count, err));
    return read_added_section(builder, declared, count, err);
}

/* Of one id the last declaration counts; the order of ids is the order of adding. */
static SutraStatus add_declared(const Builder *builder, SutraError *err)
{
    const json_t *decoder = json_object_get(builder->settings, "added_tokens_decoder");
    const SuTokenizerFiles *files = builder->files;
    if (builder->has_decoder && !json_is_object(decoder))
        SU_RAISE(err, SUTRA_E_FORMAT, "%s: added_tokens_decoder is not an object",
                 files->config_where);
    size_t count = 0, most = json_object_size(decoder) + json_object_size(files->added_tokens) +
                             json_array_size(json_object_get(files->json, "added_tokens"));
    Declared *declared = su_alloc(most, sizeof *declared);
    if (!declared) SU_RAISE(err, SUTRA_E_MEMORY, "%s: out of memory", files->where);
    SutraStatus status = collect(builder, decoder, declared, &count, err);
    for (size_t i = 0; i < count; i++) declared[i].token.order = i;
    if (count) qsort(declared, count, sizeof *declared, by_id);
    for (size_t i = 0; i < count && status == SUTRA_OK; i++) {
        SuAddedToken token = declared[i].token;
        if (i + 1 < count && declared[i + 1].id == declared[i].id) continue;
        token.id = declared[i].id;
        status = su_added_tokens_add(&builder->tokenizer->added, &token, err);
    }
    su_free(declared);
    return status;
}

/* A declared token of the same text wins. Otherwise the later one does, but that the reference
 * takes two texts, or two objects, for the same token. */
static bool is_fallback(const SuAddedTokens *added, const SuAddedToken *token)
{
    for (size_t i = 0; i < added->count; i++) {
        const SuAddedToken *other = &added->tokens[i];
        if (other->size == token->size &&
            memcmp(other->content, token->content, token->size) == 0 &&
            (!other->named || other->bare == token->bare))
            return true;
    }
    return false;
}

static SutraStatus add_special(const Builder *builder, const json_t *json, const char *name,
                               SutraError *err)
{
    SuAddedToken token = {.id = -1, .special = true, .named = true, .bare = json_is_string(json)};
    SU_TRY(read_token(builder, json, name, builder->files->config_where, &token, err));
    if (token.size != strlen(token.content))
        SU_RAISE(err, SUTRA_E_FORMAT, "%s: %.64s holds a NUL", builder->files->config_where, name);
    token.fallback = is_fallback(&builder->tokenizer->added, &token);
    return su_added_tokens_add(&builder->tokenizer->added, &token, err);
}

static SutraStatus add_own_names(const Builder *builder, SutraError *err)
{
    const json_t *extra = json_object_get(builder->settings, "extra_special_tokens");
    const char *key;
    json_t *value;
    json_object_foreach(builder->settings, key, value)
    {
        if (is_own_name(key, value)) SU_TRY(add_special(builder, value, key, err));
    }
    json_object_foreach(builder->own_names, key, value)
        SU_TRY(add_special(builder, value, key, err));
    for (size_t i = 0; i < json_array_size(extra); i++)
        SU_TRY(add_special(builder, json_array_get(extra, i), "extra_special_tokens", err));
    return SUTRA_OK;
}

static SutraStatus add_named(const Builder *builder, SutraError *err)
{
    for (size_t i = 0; i < SU_NUM_SPECIAL_NAMES; i++) {
        const json_t *json = json_object_get(builder->settings, su_special_token_names[i]);
        if (json && !json_is_null(json))
            SU_TRY(add_special(builder, json, su_special_token_names[i], err));
    }
    return add_own_names(builder, err);
}

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
        const json_t *json = json_object_get(builder->settings, key);
        bool optional = strcmp(key, "pad_token") == 0 || strcmp(key, "mask_token") == 0;
        if (!json && !set(builder->settings, key, json_string(defaults[i][1])))
            SU_RAISE(err, SUTRA_E_MEMORY, "%s: out of memory", builder->files->where);
        if (json && !token_text(json) && !(json_is_null(json) && optional))
            SU_RAISE(err, SUTRA_E_FORMAT, "%s: %s is not a token", builder->files->config_where,
                     key);
    }
    return SUTRA_OK;
}

static SutraStatus read_switches(const Builder *builder, SutraError *err)
{
    const json_t *settings = builder->settings;
    const char *where = builder->files->config_where;
    SuNormalizer *normalizer = &builder->tokenizer->normalizer;
    *normalizer = (SuNormalizer){.kind = SU_NORMALIZER_BERT,
                                 .clean_text = true,
                                 .handle_chinese_chars = true,
                                 .lowercase = true};
    SU_TRY(su_json_get_bool(settings, "do_lower_case", where, &normalizer->lowercase, err));
    SU_TRY(su_json_get_bool(settings, "tokenize_chinese_chars", where,
                            &normalizer->handle_chinese_chars, err));
    normalizer->strip_accents = normalizer->lowercase;
    return su_json_get_bool(settings, "strip_accents", where, &normalizer->strip_accents, err);
}

static SutraStatus read_bert_parts(Builder *builder, SutraError *err)
{
    const SuTokenizerFiles *files = builder->files;
    SuTokenizer *tokenizer = builder->tokenizer;
    SU_TRY(complete_bert_names(builder, err));
    if (files->json)
        SU_TRY(
            su_tokenizer_read_vocabulary(files->json, files->where, &tokenizer->vocabulary, err));
    else
        SU_TRY(
            read_lines(files->vocab, files->vocab_size, files->where, &tokenizer->vocabulary, err));
    SU_TRY(read_switches(builder, err));
    tokenizer->pre_tokenizer = SU_PRE_TOKENIZER_BERT;
    const char *unk = token_text(json_object_get(builder->settings, "unk_token"));
    return su_wordpiece_create(&tokenizer->model, &tokenizer->vocabulary, unk, "##",
                               MAX_CHARS_PER_WORD, files->where, err);
}

/* [CLS] A [SEP] B [SEP], whatever tokenizer.json has. */
static SutraStatus set_bert_template(const Builder *builder, SutraError *err)
{
    SuTokenizer *tokenizer = builder->tokenizer;
    const char *names[] = {token_text(json_object_get(builder->settings, "cls_token")),
                           token_text(json_object_get(builder->settings, "sep_token"))};
    const SuAddedToken *cls = su_added_tokens_with_content(&tokenizer->added, names[0]);
    const SuAddedToken *sep = su_added_tokens_with_content(&tokenizer->added, names[1]);
    if (!cls || !sep)
        SU_RAISE(err, SUTRA_E_FORMAT, "%s: cls_token or sep_token is empty",
                 builder->files->config_where);
    return su_post_processor_bert(cls->id, sep->id, &tokenizer->post_processor, err);
}

/* ---- what the classes share ---- */

/* A Lowercase in front of a BertNormalizer is that BertNormalizer with lowercase set and accents
 * kept as it kept them: none of its steps tells cases apart. */
static SutraStatus lowercase_first(const Builder *builder, SutraError *err)
{
    SuNormalizer *normalizer = &builder->tokenizer->normalizer;
    if (!builder->files->lowercase_first) return SUTRA_OK;
    if (normalizer->kind != SU_NORMALIZER_BERT)
        SU_RAISE(err, SUTRA_E_UNSUPPORTED,
                 "%s: sentence_bert_config.json's do_lower_case is supported with a BertNormalizer "
                 "only",
                 builder->files->where);
    normalizer->lowercase = true;
    return SUTRA_OK;
}

/* The reference hands type ids to the encoder only where model_input_names lists them, which the
 * generic class does not by itself. */
static SutraStatus read_input_names(const Builder *builder, SutraError *err)
{
    const json_t *names = json_object_get(builder->settings, "model_input_names");
    bool types = builder->files->rebuilt;
    if (names && !json_is_null(names)) {
        types = false;
        if (!json_is_array(names))
            SU_RAISE(err, SUTRA_E_FORMAT, "%s: model_input_names is not a list",
                     builder->files->config_where);
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
    const json_t *padding = json_object_get(builder->files->json, "padding");
    json_t *token = json_object_get(padding, "pad_token");
    if (builder->files->rebuilt || !json_is_string(token) ||
        json_object_get(builder->settings, "pad_token"))
        return SUTRA_OK;
    if (json_object_set(builder->settings, "pad_token", token))
        SU_RAISE(err, SUTRA_E_MEMORY, "%s: out of memory", builder->files->where);
    return SUTRA_OK;
}

static SutraStatus build(Builder *builder, SutraError *err)
{
    const SuTokenizerFiles *files = builder->files;
    SuTokenizer *tokenizer = builder->tokenizer;
    SU_TRY(read_settings(builder, err));
    SU_TRY(files->rebuilt ? read_bert_parts(builder, err)
                          : su_tokenizer_read_sections(files->json, files->where, tokenizer, err));
    SU_TRY(lowercase_first(builder, err));
    SU_TRY(take_padding(builder, err));
    SU_TRY(add_declared(builder, err));
    SU_TRY(add_named(builder, err));
    SU_TRY(su_json_get_bool(builder->settings, "split_special_tokens", files->config_where,
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
    Builder builder = {.files = files, .tokenizer = su_calloc(1, sizeof **tokenizer)};
    if (!builder.tokenizer) SU_RAISE(err, SUTRA_E_MEMORY, "%s: out of memory", files->where);
    SutraStatus status = build(&builder, err);
    json_decref(builder.settings);
    json_decref(builder.own_names);
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
