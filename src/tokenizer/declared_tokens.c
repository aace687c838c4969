#include "tokenizer/declared_tokens.h"

#include "base/memory.h"
#include "tokenizer/component_json.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* A token as these files write one: its text, or an object with content and flags. */
static SutraStatus read_token(const SuTokenizerSettings *settings, const json_t *json,
                              const char *name, const char *where, SuAddedToken *token,
                              SutraError *err)
{
    const json_t *content = json_is_object(json) ? json_object_get(json, "content") : json;
    if (!json_is_string(content))
        SU_RAISE(err, SUTRA_E_FORMAT, "%s: %.64s is not a token", where, name);
    token->content = (char *)json_string_value(content);
    token->size = json_string_length(content);
    if (!json_is_object(json)) return SUTRA_OK;
    token->special = false;
    SU_TRY(su_json_get_bool(json, "special", where, &token->special, err));
    token->special |= su_settings_becomes_special(settings, token->content);
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
static SutraStatus read_decoder(const SuTokenizerSettings *settings, const json_t *decoder,
                                Declared *declared, size_t *count, SutraError *err)
{
    const char *where = settings->files->config_where, *key;
    json_t *value;
    json_object_foreach((json_t *)decoder, key, value)
    {
        Declared *next = &declared[*count];
        *next = (Declared){.token = {.normalized = true}};
        SU_TRY(read_id(key, where, &next->id, err));
        SU_TRY(read_token(settings, value, "added_tokens_decoder", where, &next->token, err));
        (*count)++;
    }
    return SUTRA_OK;
}

/* added_tokens.json: {"[ENT]": 30522, …} */
static SutraStatus read_added_file(const SuTokenizerSettings *settings, Declared *declared,
                                   size_t *count, SutraError *err)
{
    const char *where = settings->files->added_where, *text;
    json_t *id;
    json_object_foreach((json_t *)settings->files->added_tokens, text, id)
    {
        Declared *next = &declared[(*count)++];
        *next = (Declared){.token = {.content = (char *)text, .size = strlen(text)}};
        SU_TRY(su_tokenizer_id(id, text, where, &next->id, err));
        next->token.special = su_settings_is_named_special(settings, text);
        next->token.normalized = !next->token.special;
        next->token.special |= su_settings_becomes_special(settings, text);
    }
    return SUTRA_OK;
}

/* tokenizer.json's added_tokens: [{"id": 0, "content": "[PAD]", …}, …] */
static SutraStatus read_added_section(const SuTokenizerSettings *settings, Declared *declared,
                                      size_t *count, SutraError *err)
{
    const json_t *list = json_object_get(settings->files->json, "added_tokens");
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *json = json_array_get(list, i);
        Declared *next = &declared[(*count)++];
        *next = (Declared){.token = {.normalized = true}};
        SU_TRY(
            read_token(settings, json, "added_tokens", settings->files->where, &next->token, err));
        SU_TRY(su_tokenizer_id(json_object_get(json, "id"), next->token.content,
                               settings->files->where, &next->id, err));
    }
    return SUTRA_OK;
}

static SutraStatus collect(const SuTokenizerSettings *settings, const json_t *decoder,
                           Declared *declared, size_t *count, SutraError *err)
{
    if (settings->has_decoder) return read_decoder(settings, decoder, declared, count, err);
    SU_TRY(read_added_file(settings, declared, count, err));
    return read_added_section(settings, declared, count, err);
}

SutraStatus su_declared_tokens_add(const SuTokenizerSettings *settings, SuAddedTokens *added,
                                   SutraError *err)
{
    const json_t *decoder = json_object_get(settings->merged, "added_tokens_decoder");
    const SuTokenizerFiles *files = settings->files;
    if (settings->has_decoder && !json_is_object(decoder))
        SU_RAISE(err, SUTRA_E_FORMAT, "%s: added_tokens_decoder is not an object",
                 files->config_where);
    size_t count = 0, most = json_object_size(decoder) + json_object_size(files->added_tokens) +
                             json_array_size(json_object_get(files->json, "added_tokens"));
    Declared *declared = su_alloc(most, sizeof *declared);
    if (!declared) SU_RAISE(err, SUTRA_E_MEMORY, "%s: out of memory", files->where);
    SutraStatus status = collect(settings, decoder, declared, &count, err);
    for (size_t i = 0; i < count; i++) declared[i].token.order = i;
    if (count) qsort(declared, count, sizeof *declared, by_id);
    for (size_t i = 0; i < count && status == SUTRA_OK; i++) {
        SuAddedToken token = declared[i].token;
        token.normalized &= !settings->raw_declared;
        if (i + 1 < count && declared[i + 1].id == declared[i].id) continue;
        token.id = declared[i].id;
        status = su_added_tokens_add(added, &token, err);
    }
    su_free(declared);
    return status;
}

/* A named token that is there already, as a text or with the same flags, is not added once more. */
static bool is_repeated(const SuAddedTokens *added, const SuAddedToken *token)
{
    for (size_t i = 0; i < added->count; i++) {
        const SuAddedToken *other = &added->tokens[i];
        if (other->named && other->size == token->size &&
            memcmp(other->content, token->content, token->size) == 0 &&
            other->bare == token->bare && other->lstrip == token->lstrip &&
            other->rstrip == token->rstrip && other->normalized == token->normalized &&
            other->single_word == token->single_word)
            return true;
    }
    return false;
}

/* A declared token of the same text wins. Otherwise the later one does. */
static bool is_fallback(const SuAddedTokens *added, const SuAddedToken *token)
{
    for (size_t i = 0; i < added->count; i++) {
        const SuAddedToken *other = &added->tokens[i];
        if (other->size == token->size &&
            memcmp(other->content, token->content, token->size) == 0 && !other->named)
            return true;
    }
    return false;
}

static SutraStatus add_special(const SuTokenizerSettings *settings, const json_t *json,
                               const char *name, SuAddedTokens *added, SutraError *err)
{
    SuAddedToken token = {.id = -1, .special = true, .named = true, .bare = json_is_string(json)};
    SU_TRY(read_token(settings, json, name, settings->files->config_where, &token, err));
    if (token.size != strlen(token.content))
        SU_RAISE(err, SUTRA_E_FORMAT, "%s: %.64s holds a NUL", settings->files->config_where, name);
    if (is_repeated(added, &token)) return SUTRA_OK;
    token.fallback = is_fallback(added, &token);
    return su_added_tokens_add(added, &token, err);
}

static SutraStatus add_own_names(const SuTokenizerSettings *settings, SuAddedTokens *added,
                                 SutraError *err)
{
    const json_t *extra = json_object_get(settings->merged, "extra_special_tokens");
    const char *key;
    json_t *value;
    json_object_foreach(settings->merged, key, value)
    {
        if (su_settings_is_own_name(key, value))
            SU_TRY(add_special(settings, value, key, added, err));
    }
    json_object_foreach(settings->own_names, key, value)
        SU_TRY(add_special(settings, value, key, added, err));
    for (size_t i = 0; i < json_array_size(extra); i++)
        SU_TRY(add_special(settings, json_array_get(extra, i), "extra_special_tokens", added, err));
    return SUTRA_OK;
}

SutraStatus su_named_tokens_add(const SuTokenizerSettings *settings, SuAddedTokens *added,
                                SutraError *err)
{
    for (size_t i = 0; i < SU_NUM_SPECIAL_NAMES; i++) {
        const json_t *json = json_object_get(settings->merged, su_special_token_names[i]);
        if (json && !json_is_null(json))
            SU_TRY(add_special(settings, json, su_special_token_names[i], added, err));
    }
    return add_own_names(settings, added, err);
}

static bool is_named(const SuTokenizerSettings *settings, const char *text)
{
    const json_t *extra = json_object_get(settings->merged, "extra_special_tokens");
    if (su_settings_becomes_special(settings, text)) return true;
    for (size_t i = 0; i < json_array_size(extra); i++) {
        const char *other = su_token_text(json_array_get(extra, i));
        if (other && strcmp(other, text) == 0) return true;
    }
    return false;
}

void su_named_tokens_make_plain(const SuTokenizerSettings *settings, SuAddedTokens *added)
{
    for (size_t i = 0; i < added->count; i++) {
        SuAddedToken *token = &added->tokens[i];
        if (!is_named(settings, token->content)) continue;
        token->special = true;
        token->normalized = token->lstrip = token->rstrip = token->single_word = false;
    }
}
