#include "base/json_file.h"

#include "base/file_map.h"

#include <math.h>
#include <string.h>

SutraStatus su_json_parse(const void *text, size_t size, const char *where, json_t **root,
                          SutraError *err)
{
    json_error_t reason;
    size_t flags = JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL;
    *root = json_loadb(text, size, flags, &reason);
    if (!*root && json_error_code(&reason) == json_error_numeric_overflow)
        *root = json_loadb(text, size, flags | JSON_DECODE_INT_AS_REAL, &reason);
    if (*root) return SUTRA_OK;
    /* Of most failed allocations the parser gives no reason at all. */
    if (json_error_code(&reason) == json_error_out_of_memory || !reason.text[0])
        SU_RAISE(err, SUTRA_E_MEMORY, "%s: out of memory while reading JSON", where);
    SU_RAISE(err, SUTRA_E_FORMAT, "%s: line %d, column %d: %s", where, reason.line, reason.column,
             reason.text);
}

SutraStatus su_json_load(const char *path, json_t **root, SutraError *err)
{
    SuFileMap map;
    *root = NULL;
    SU_TRY(su_file_map_open(path, &map, err));
    SutraStatus status = su_json_parse(map.data, map.size, path, root, err);
    su_file_map_close(&map);
    return status;
}

static const json_t *find(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    return json_is_null(value) ? NULL : value;
}

SutraStatus su_json_get_bool(const json_t *object, const char *key, const char *where, bool *value,
                             SutraError *err)
{
    const json_t *found = find(object, key);
    if (!found) return SUTRA_OK;
    if (!json_is_boolean(found))
        SU_RAISE(err, SUTRA_E_FORMAT, "%s: %s is not true or false", where, key);
    *value = json_is_true(found);
    return SUTRA_OK;
}

SutraStatus su_json_get_u32(const json_t *object, const char *key, const char *where, uint32_t min,
                            uint32_t max, uint32_t *value, SutraError *err)
{
    const json_t *found = find(object, key);
    if (!found) return SUTRA_OK;
    double number = json_number_value(found);
    if (!json_is_number(found) || number != floor(number))
        SU_RAISE(err, SUTRA_E_FORMAT, "%s: %s is not an integer", where, key);
    if (number < min || number > max)
        SU_RAISE(err, SUTRA_E_FORMAT, "%s: %s is %.17g, outside %u … %u", where, key, number, min,
                 max);
    *value = (uint32_t)number;
    return SUTRA_OK;
}

SutraStatus su_json_get_double(const json_t *object, const char *key, const char *where,
                               double *value, SutraError *err)
{
    const json_t *found = find(object, key);
    if (!found) return SUTRA_OK;
    if (!json_is_number(found)) SU_RAISE(err, SUTRA_E_FORMAT, "%s: %s is not a number", where, key);
    *value = json_number_value(found);
    return SUTRA_OK;
}

SutraStatus su_json_get_string(const json_t *object, const char *key, const char *where,
                               const char **value, SutraError *err)
{
    const json_t *found = find(object, key);
    if (!found) return SUTRA_OK;
    if (!json_is_string(found)) SU_RAISE(err, SUTRA_E_FORMAT, "%s: %s is not a string", where, key);
    const char *text = json_string_value(found);
    if (strlen(text) != json_string_length(found))
        SU_RAISE(err, SUTRA_E_FORMAT, "%s: %s holds a NUL", where, key);
    *value = text;
    return SUTRA_OK;
}

bool su_json_is_inactive(const json_t *value)
{
    return !value || json_is_null(value) || json_is_false(value) ||
           (json_is_string(value) && json_string_length(value) == 0) ||
           (json_is_array(value) && json_array_size(value) == 0) ||
           (json_is_object(value) && json_object_size(value) == 0);
}
