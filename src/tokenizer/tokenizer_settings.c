#include "tokenizer/tokenizer_settings.h"

#include <string.h>

const char *const su_special_token_names[SU_NUM_SPECIAL_NAMES] = {
    "bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"};

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
    if (!older || json_is_null(older) ||
        (replace_empty ? !su_json_is_inactive(newer) : newer != NULL))
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

bool su_settings_is_own_name(const char *key, const json_t *value)
{
    size_t size = strlen(key);
    return size > 6 && strcmp(key + size - 6, "_token") == 0 && !is_standard_name(key) &&
           (json_is_string(value) || is_marked(value));
}

/* extra_special_tokens may be an object of names instead of a list. */
static bool take_extra_names(SuTokenizerSettings *settings)
{
    json_t *extra = json_object_get(settings->merged, "extra_special_tokens");
    if (!json_is_object(extra)) return true;
    return json_object_update(settings->own_names, extra) == 0 &&
           json_object_del(settings->merged, "extra_special_tokens") == 0;
}

/* Names of texts count after names of objects and those of special_tokens_map.json. */
static bool take_own_names(SuTokenizerSettings *settings)
{
    const char *key;
    json_t *value;
    void *next;
    json_object_foreach_safe(settings->merged, next, key, value)
    {
        if (!json_is_string(value) || !su_settings_is_own_name(key, value)) continue;
        if (json_object_set(settings->own_names, key, value) ||
            json_object_del(settings->merged, key))
            return false;
    }
    return take_extra_names(settings);
}

const char *su_token_text(const json_t *token)
{
    return json_string_value(json_is_object(token) ? json_object_get(token, "content") : token);
}

/* The two lists, each token once: by its text, as equal tokens have equal texts. */
static json_t *merge_lists(const json_t *first, const json_t *second)
{
    json_t *merged = json_is_array(first) ? json_copy((json_t *)first) : json_array();
    for (size_t i = 0; merged && i < json_array_size(second); i++) {
        const char *text = su_token_text(json_array_get(second, i));
        bool found = false;
        for (size_t j = 0; text && j < json_array_size(merged) && !found; j++) {
            const char *other = su_token_text(json_array_get(merged, j));
            found = other && strcmp(text, other) == 0;
        }
        if (!found && json_array_append_new(merged, as_special(json_array_get(second, i)))) {
            json_decref(merged);
            return NULL;
        }
    }
    return merged;
}

static bool take_special_map(SuTokenizerSettings *settings)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)settings->files->special_tokens_map, key, value)
    {
        if (!su_json_is_inactive(json_object_get(settings->files->arguments, key))) continue;
        json_t *taken;
        if (strcmp(key, "extra_special_tokens") == 0)
            taken = json_is_array(value)
                        ? merge_lists(json_object_get(settings->merged, key), value)
                        : json_copy(value);
        else
            taken = as_special(value);
        if (!set(settings->merged, key, taken)) return false;
    }
    return true;
}

static bool merge_settings(SuTokenizerSettings *settings)
{
    const SuTokenizerFiles *files = settings->files;
    json_t *merged = settings->merged;
    if (files->json && !files->pieces) { /* switches of other tokenizers, not tokens */
        json_object_del(merged, "add_bos_token");
        json_object_del(merged, "add_eos_token");
    }
    if (files->arguments && json_object_update(merged, (json_t *)files->arguments)) return false;
    if (!rename_additional(merged, true) || !take_own_names(settings)) return false;
    const json_t *decoder = json_object_get(merged, "added_tokens_decoder");
    settings->has_decoder = decoder && !json_is_null(decoder);
    if (!settings->has_decoder && files->special_tokens_map) {
        if (!take_special_map(settings) || !take_extra_names(settings)) return false;
        settings->late_extra = !json_object_get(merged, "extra_special_tokens");
    }
    return rename_additional(merged, false);
}

SutraStatus su_tokenizer_settings_read(const SuTokenizerFiles *files, SuTokenizerSettings *settings,
                                       SutraError *err)
{
    const json_t *config = files->config;
    *settings = (SuTokenizerSettings){.files = files};
    settings->merged = config ? json_copy((json_t *)config) : json_object();
    settings->own_names = json_object();
    if (!settings->merged || !settings->own_names || !merge_settings(settings))
        SU_RAISE(err, SUTRA_E_MEMORY, "%s: out of memory", files->where);
    return SUTRA_OK;
}

void su_tokenizer_settings_free(SuTokenizerSettings *settings)
{
    json_decref(settings->merged);
    json_decref(settings->own_names);
}

bool su_settings_take_pieces(SuTokenizerSettings *settings, json_t *tokens)
{
    if (!settings->late_extra && json_object_get(settings->merged, "extra_special_tokens"))
        return true;
    settings->late_extra = true;
    return json_object_set(settings->merged, "extra_special_tokens", tokens) == 0;
}

static bool is_same(const json_t *token, const char *text)
{
    const char *other = su_token_text(token);
    return other && strcmp(other, text) == 0;
}

bool su_settings_becomes_special(const SuTokenizerSettings *settings, const char *text)
{
    const char *key;
    json_t *value;
    json_object_foreach(settings->merged, key, value)
    {
        bool names = is_standard_name(key) || su_settings_is_own_name(key, value);
        if (names && is_same(value, text)) return true;
    }
    json_object_foreach(settings->own_names, key, value)
    {
        if (is_same(value, text)) return true;
    }
    return false;
}

bool su_settings_is_named_special(const SuTokenizerSettings *settings, const char *text)
{
    const json_t *extra = json_object_get(settings->merged, "extra_special_tokens");
    for (size_t i = 0; i < SU_NUM_SPECIAL_NAMES; i++)
        if (is_same(json_object_get(settings->merged, su_special_token_names[i]), text))
            return true;
    for (size_t i = 0; i < json_array_size(extra) && !settings->late_extra; i++)
        if (is_same(json_array_get(extra, i), text)) return true;
    return false;
}
