/* tokenizer_vocab.c - a BERT tokenizer from vocab.txt and tokenizer_config.json, as transformers'
 * BertTokenizer builds it: tokens of added_tokens_decoder by id, then unk, sep, pad, cls, mask, then
 * the additional special tokens; those the vocabulary lacks are numbered in that order. */
#include "base/memory.h"
#include "tokenizer/tokenizer_json.h"
#include "tokenizer/tokenizer_parts.h"
#include "unicode/category.h"
#include "unicode/utf8.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MAX_CHARS_PER_WORD 100u

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

/* ---- tokenizer_config.json ---- */

/* A token as the configuration writes one: its text, or an object with content and flags. */
static SutraStatus read_token(const json_t *json, const char *name, const char *where,
                              SuAddedToken *token, SutraError *err)
{
    const json_t *content = json_is_object(json) ? json_object_get(json, "content") : json;
    if (!json_is_string(content))
        SU_RAISE(err, SUTRA_E_FORMAT, "%s: %.64s is not a token", where, name);
    token->content = (char *)json_string_value(content);
    token->size = json_string_length(content);
    if (!json_is_object(json)) return SUTRA_OK;
    SU_TRY(su_json_get_bool(json, "special", where, &token->special, err));
    token->normalized = !token->special;
    SU_TRY(su_json_get_bool(json, "single_word", where, &token->single_word, err));
    SU_TRY(su_json_get_bool(json, "lstrip", where, &token->lstrip, err));
    SU_TRY(su_json_get_bool(json, "rstrip", where, &token->rstrip, err));
    return su_json_get_bool(json, "normalized", where, &token->normalized, err);
}

typedef struct Declared {
    int32_t id;
    const json_t *token;
} Declared;

static int by_id(const void *a, const void *b)
{
    const Declared *x = a, *y = b;
    return (x->id > y->id) - (x->id < y->id);
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

static SutraStatus add_declared(const json_t *decoder, const char *where, SuTokenizer *tokenizer,
                                Declared *declared, SutraError *err)
{
    size_t count = 0;
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)decoder, key, value)
    {
        SU_TRY(read_id(key, where, &declared[count].id, err));
        declared[count++].token = value;
    }
    qsort(declared, count, sizeof *declared, by_id);
    for (size_t i = 0; i < count; i++) {
        SuAddedToken token = {.id = declared[i].id, .normalized = true};
        SU_TRY(read_token(declared[i].token, "added_tokens_decoder", where, &token, err));
        SU_TRY(su_added_tokens_add(&tokenizer->added, &token, err));
    }
    return SUTRA_OK;
}

static SutraStatus read_decoder(const json_t *config, const char *where, SuTokenizer *tokenizer,
                                SutraError *err)
{
    const json_t *decoder = json_object_get(config, "added_tokens_decoder");
    if (!decoder || json_is_null(decoder)) return SUTRA_OK;
    if (!json_is_object(decoder))
        SU_RAISE(err, SUTRA_E_FORMAT, "%s: added_tokens_decoder is not an object", where);
    Declared *declared = su_alloc(json_object_size(decoder), sizeof *declared);
    if (!declared) SU_RAISE(err, SUTRA_E_MEMORY, "%s: out of memory", where);
    SutraStatus status = add_declared(decoder, where, tokenizer, declared, err);
    su_free(declared);
    return status;
}

static SutraStatus add_special(const json_t *json, const char *name, const char *where,
                               SuTokenizer *tokenizer, SutraError *err)
{
    SuAddedToken token = {.id = -1};
    SU_TRY(read_token(json, name, where, &token, err));
    token.special = token.fallback = true;
    return su_added_tokens_add(&tokenizer->added, &token, err);
}

/* The five named tokens. A name that is null has no token, which only pad and mask may. */
enum { UNK = 0, SEP, PAD, CLS, MASK, NUM_NAMED };

static SutraStatus add_named(const json_t *config, const char *where, SuTokenizer *tokenizer,
                             const char *contents[NUM_NAMED], SutraError *err)
{
    static const char *const keys[NUM_NAMED] = {"unk_token", "sep_token", "pad_token", "cls_token",
                                                "mask_token"};
    static const char *const defaults[NUM_NAMED] = {"[UNK]", "[SEP]", "[PAD]", "[CLS]", "[MASK]"};
    for (int i = 0; i < NUM_NAMED; i++) {
        const json_t *json = json_object_get(config, keys[i]);
        SuAddedToken token = {
            .id = -1, .content = (char *)defaults[i], .size = strlen(defaults[i])};
        if (json_is_null(json) && (i == PAD || i == MASK)) continue;
        if (json) SU_TRY(read_token(json, keys[i], where, &token, err));
        if (token.size != strlen(token.content))
            SU_RAISE(err, SUTRA_E_FORMAT, "%s: %s holds a NUL", where, keys[i]);
        token.special = token.fallback = true;
        contents[i] = token.content;
        SU_TRY(su_added_tokens_add(&tokenizer->added, &token, err));
    }
    return SUTRA_OK;
}

static SutraStatus read_config(const json_t *config, const char *where, SuTokenizer *tokenizer,
                               const char *contents[NUM_NAMED], SutraError *err)
{
    SuNormalizer *normalizer = &tokenizer->normalizer;
    *normalizer = (SuNormalizer){.kind = SU_NORMALIZER_BERT,
                                 .clean_text = true,
                                 .handle_chinese_chars = true,
                                 .lowercase = true};
    SU_TRY(su_json_get_bool(config, "do_lower_case", where, &normalizer->lowercase, err));
    SU_TRY(su_json_get_bool(config, "tokenize_chinese_chars", where,
                            &normalizer->handle_chinese_chars, err));
    normalizer->strip_accents = normalizer->lowercase;
    SU_TRY(su_json_get_bool(config, "strip_accents", where, &normalizer->strip_accents, err));
    SU_TRY(read_decoder(config, where, tokenizer, err));
    SU_TRY(add_named(config, where, tokenizer, contents, err));
    static const char *const more[] = {"additional_special_tokens", "extra_special_tokens"};
    for (size_t i = 0; i < sizeof more / sizeof *more; i++) {
        const json_t *list = json_object_get(config, more[i]);
        for (size_t j = 0; j < json_array_size(list); j++)
            SU_TRY(add_special(json_array_get(list, j), more[i], where, tokenizer, err));
    }
    return SUTRA_OK;
}

static SutraStatus build(const char *vocab, size_t size, const json_t *config, const char *where,
                         SuTokenizer *tokenizer, SutraError *err)
{
    const char *contents[NUM_NAMED] = {NULL};
    if (config && !json_is_object(config))
        SU_RAISE(err, SUTRA_E_FORMAT, "%s: the configuration is not a JSON object", where);
    SU_TRY(read_lines(vocab, size, where, &tokenizer->vocabulary, err));
    SU_TRY(read_config(config, where, tokenizer, contents, err));
    tokenizer->pre_tokenizer = SU_PRE_TOKENIZER_BERT;
    SU_TRY(su_wordpiece_create(&tokenizer->model, &tokenizer->vocabulary, contents[UNK], "##",
                               MAX_CHARS_PER_WORD, where, err));
    SU_TRY(su_added_tokens_finish(&tokenizer->added, &tokenizer->vocabulary, &tokenizer->normalizer,
                                  where, err));
    const SuAddedToken *cls = su_added_tokens_with_content(&tokenizer->added, contents[CLS]);
    const SuAddedToken *sep = su_added_tokens_with_content(&tokenizer->added, contents[SEP]);
    if (!cls || !sep) SU_RAISE(err, SUTRA_E_FORMAT, "%s: cls_token or sep_token is empty", where);
    SU_TRY(su_post_processor_bert(cls->id, sep->id, &tokenizer->post_processor, err));
    return su_tokenizer_finish(tokenizer, where, err);
}

SutraStatus su_tokenizer_from_vocab(const void *vocab, size_t size, const void *config,
                                    size_t config_size, const char *where, SuTokenizer **tokenizer,
                                    SutraError *err)
{
    json_t *root = NULL;
    *tokenizer = NULL;
    if (config) SU_TRY(su_json_parse(config, config_size, where, &root, err));
    SutraStatus status = SUTRA_E_MEMORY;
    SuTokenizer *made = su_calloc(1, sizeof *made);
    if (made)
        status = build(vocab, size, root, where, made, err);
    else
        su_error_set(err, status, "%s: out of memory", where);
    json_decref(root);
    if (status == SUTRA_OK)
        *tokenizer = made;
    else
        su_tokenizer_free(made);
    return status;
}
