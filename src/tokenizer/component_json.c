#include "tokenizer/component_json.h"

#include <math.h>
#include <string.h>

#define MAX_DEPTH 8u /* of sequences in sequences */

SutraStatus su_tokenizer_component_type(const json_t *json, const char *section, const char *where,
                                        const char **type, SutraError *err)
{
    *type = json_string_value(json_object_get(json, "type"));
    if (!*type)
        SU_RAISE(err, SUTRA_E_FORMAT, "%s: %s is not an object with a type", where, section);
    return SUTRA_OK;
}

SutraStatus su_tokenizer_require_bool(const json_t *json, const char *section, const char *key,
                                      const char *where, bool *value, SutraError *err)
{
    const json_t *found = json_object_get(json, key);
    if (!json_is_boolean(found))
        SU_RAISE(err, SUTRA_E_FORMAT, "%s: %s.%s is not true or false", where, section, key);
    *value = json_is_true(found);
    return SUTRA_OK;
}

SutraStatus su_tokenizer_id(const json_t *json, const char *name, const char *where, int32_t *id,
                            SutraError *err)
{
    double value = json_number_value(json);
    if (!json_is_number(json) || value != floor(value))
        SU_RAISE(err, SUTRA_E_FORMAT, "%s: %.64s is not an integer", where, name);
    if (value < 0 || value >= INT32_MAX)
        SU_RAISE(err, SUTRA_E_FORMAT, "%s: %.64s: id %.17g is out of range", where, name, value);
    *id = (int32_t)value;
    return SUTRA_OK;
}

SutraStatus su_tokenizer_require_text(const json_t *json, const char *section, const char *key,
                                      const char *where, char **text, size_t *size, SutraError *err)
{
    const json_t *found = json_object_get(json, key);
    if (!json_is_string(found))
        SU_RAISE(err, SUTRA_E_FORMAT, "%s: %s.%s is not a text", where, section, key);
    *text = (char *)json_string_value(found);
    *size = json_string_length(found);
    return SUTRA_OK;
}

SutraStatus su_tokenizer_require_pattern(const json_t *json, const char *section, const char *where,
                                         char **text, size_t *size, bool *regex, SutraError *err)
{
    const json_t *pattern = json_object_get(json, "pattern");
    const json_t *string = json_object_get(pattern, "String");
    const json_t *expression = json_object_get(pattern, "Regex");
    *regex = json_is_string(expression);
    if (*regex) string = expression;
    if (!json_is_string(string))
        SU_RAISE(err, SUTRA_E_FORMAT, "%s: %s.pattern is neither a String nor a Regex", where,
                 section);
    *text = (char *)json_string_value(string);
    *size = json_string_length(string);
    if (*size == 0)
        SU_RAISE(err, SUTRA_E_UNSUPPORTED, "%s: %s.pattern is empty, which is not supported", where,
                 section);
    return SUTRA_OK;
}

static SutraStatus read_steps(const json_t *json, const SuStepList *list, size_t depth,
                              const char *where, SutraError *err)
{
    const char *type;
    SU_TRY(su_tokenizer_component_type(json, list->section, where, &type, err));
    if (strcmp(type, "Sequence") != 0) return list->read(json, where, list->to, err);
    const json_t *members = json_object_get(json, list->members);
    if (!json_is_array(members))
        SU_RAISE(err, SUTRA_E_FORMAT, "%s: %s.%s is not an array", where, list->section,
                 list->members);
    if (depth == MAX_DEPTH)
        SU_RAISE(err, SUTRA_E_LIMIT, "%s: %s holds sequences more than %u deep", where,
                 list->section, MAX_DEPTH);
    for (size_t i = 0; i < json_array_size(members); i++)
        SU_TRY(read_steps(json_array_get(members, i), list, depth + 1, where, err));
    return SUTRA_OK;
}

SutraStatus su_tokenizer_read_steps(const json_t *json, const SuStepList *list, const char *where,
                                    SutraError *err)
{
    if (!json || json_is_null(json)) return SUTRA_OK;
    return read_steps(json, list, 0, where, err);
}
