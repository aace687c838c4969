#include "sqlite_options.h"

#include <jansson.h>
#include <string.h>

enum { MOST_OPTIONS = 64 * 1024 };

static SutraStatus wrong(SutraError *err, const char *key, const char *wanted)
{
    return sql_raise(err, SUTRA_E_ARGUMENT, "options: %s must be %s", key, wanted);
}

static SutraStatus read_number(const json_t *value, const char *key, uint32_t *number,
                               SutraError *err)
{
    json_int_t read = json_is_integer(value) ? json_integer_value(value) : 0;
    if (read < 1 || read > UINT32_MAX) return wrong(err, key, "a whole number from 1");
    *number = (uint32_t)read;
    return SUTRA_OK;
}

/* The place of a word among `words`, which end with NULL. */
static bool find_word(const json_t *value, const char *const *words, unsigned *place)
{
    const char *word = json_string_value(value);
    if (!word) return false;
    for (*place = 0; words[*place]; ++*place)
        if (strcmp(words[*place], word) == 0) return true;
    return false;
}

static SutraStatus read_dim(const json_t *value, SqlOptions *options, SutraError *err)
{
    return read_number(value, "dim", &options->embed.dim, err);
}

static SutraStatus read_max_tokens(const json_t *value, SqlOptions *options, SutraError *err)
{
    return read_number(value, "max_tokens", &options->embed.max_tokens, err);
}

static SutraStatus read_dtype(const json_t *value, SqlOptions *options, SutraError *err)
{
    static const char *const words[] = {"float32", "float16", "int8", "uint8",
                                        "binary",  "ubinary", NULL};
    unsigned place;
    if (!find_word(value, words, &place))
        return wrong(err, "dtype", "float32, float16, int8, uint8, binary or ubinary");
    options->embed.dtype = (SutraDtype)place;
    return SUTRA_OK;
}

static SutraStatus read_long_text(const json_t *value, SqlOptions *options, SutraError *err)
{
    static const char *const words[] = {"truncate", "error", "window", NULL};
    static const uint8_t ways[] = {SUTRA_TRUNCATE_MODEL, SUTRA_TRUNCATE_ERROR,
                                   SUTRA_TRUNCATE_WINDOW};
    unsigned place;
    if (!find_word(value, words, &place))
        return wrong(err, "long_text", "truncate, error or window");
    options->embed.truncation = ways[place];
    return SUTRA_OK;
}

static SutraStatus read_normalize(const json_t *value, SqlOptions *options, SutraError *err)
{
    if (!json_is_boolean(value)) return wrong(err, "normalize", "true or false");
    options->embed.normalize = json_is_true(value) ? SUTRA_NORMALIZE_YES : SUTRA_NORMALIZE_NO;
    return SUTRA_OK;
}

static SutraStatus read_prompt_name(const json_t *value, SqlOptions *options, SutraError *err)
{
    if (!json_is_string(value)) return wrong(err, "prompt_name", "text");
    options->prompt_name = sqlite3_mprintf("%s", json_string_value(value));
    if (options->prompt_name) return SUTRA_OK;
    return sql_raise(err, SUTRA_E_MEMORY, "out of memory for options");
}

static const struct {
    const char *key;
    SutraStatus (*read)(const json_t *, SqlOptions *, SutraError *);
} keys[] = {
    {"dim", read_dim},
    {"dtype", read_dtype},
    {"max_tokens", read_max_tokens},
    {"long_text", read_long_text},
    {"normalize", read_normalize},
    {"prompt_name", read_prompt_name},
};

static SutraStatus read_key(const char *key, const json_t *value, SqlOptions *options,
                            SutraError *err)
{
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (strcmp(keys[i].key, key) == 0) return keys[i].read(value, options, err);
    return sql_raise(err, SUTRA_E_ARGUMENT,
                     "options: unknown key %.60s; there are dim, dtype, max_tokens, long_text, "
                     "normalize, prompt_name",
                     key);
}

static SutraStatus read_object(json_t *object, SqlOptions *options, SutraError *err)
{
    const char *key;
    json_t *value;
    json_object_foreach(object, key, value)
    {
        SutraStatus status = read_key(key, value, options, err);
        if (status != SUTRA_OK) return status;
    }
    return SUTRA_OK;
}

SutraStatus sql_options_read(sqlite3_value *value, SqlOptions *options, SutraError *err)
{
    const char *text;
    json_error_t error;
    *options = (SqlOptions){.embed = {.struct_size = sizeof options->embed}};
    if (sqlite3_value_type(value) == SQLITE_NULL) return SUTRA_OK;
    SutraStatus status = sql_word(value, "options", &text, err);
    if (status != SUTRA_OK) return status;
    if (sqlite3_value_bytes(value) > MOST_OPTIONS)
        return sql_raise(err, SUTRA_E_LIMIT, "options: more than %d bytes", MOST_OPTIONS);
    json_t *object = json_loads(text, JSON_REJECT_DUPLICATES, &error);
    if (!object && json_error_code(&error) == json_error_out_of_memory)
        return sql_raise(err, SUTRA_E_MEMORY, "out of memory for options");
    if (!json_is_object(object)) {
        status = sql_raise(err, SUTRA_E_ARGUMENT, "options: not a JSON object%s%s",
                           object ? "" : ": ", object ? "" : error.text);
        json_decref(object);
        return status;
    }
    status = read_object(object, options, err);
    json_decref(object);
    if (status != SUTRA_OK) sql_options_clear(options);
    return status;
}

void sql_options_clear(SqlOptions *options)
{
    sqlite3_free(options->prompt_name);
    options->prompt_name = NULL;
}

SutraStatus sql_row_bytes(const SqlModel *model, const SqlOptions *options, size_t *size,
                          SutraError *err)
{
    uint32_t dim = options->embed.dim ? options->embed.dim : model->info.dim;
    if (dim > model->info.hidden_size)
        return sql_raise(err, SUTRA_E_ARGUMENT, "options: dim is %u, and %s has %u dimensions", dim,
                         model->info.name, model->info.hidden_size);
    *size = sutra_row_bytes(options->embed.dtype, dim);
    return SUTRA_OK;
}

SutraStatus sql_check_prompt(const SqlModel *model, const SqlOptions *options, const char *text,
                             size_t size, SutraError *err)
{
    const SutraRegistryModel *known = model->known;
    if (!known || !known->needs_prompt || options->prompt_name || model->info.default_prompt)
        return SUTRA_OK;
    for (uint32_t i = 0; i < known->num_prompts; i++) {
        size_t length = strlen(known->prompts[i].text);
        if (length && length <= size && memcmp(text, known->prompts[i].text, length) == 0)
            return SUTRA_OK;
    }
    return sql_raise(err, SUTRA_E_ARGUMENT,
                     "%s wants a prompt before every text, such as \"%s\": put it there, or choose "
                     "one by the option prompt_name (\"\": none)",
                     model->info.name, known->prompts[0].text);
}
