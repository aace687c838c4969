/* json_file.h - reading JSON configuration with jansson: bounded, duplicate keys rejected, errors
 * that name the field.
 *
 * `where` is what messages begin with: the file's path. Getters take an object and a key; a missing
 * key (or null) leaves *value as it was, which is how defaults are given; a value of another type
 * is SUTRA_E_FORMAT.
 *
 * Where a document holds an integer beyond 64 bits (tokenizer_config.json's model_max_length is
 * often 10^30), all its integers are read as reals; su_json_get_u32 takes whole reals. */
#ifndef SU_JSON_FILE_H
#define SU_JSON_FILE_H

#include "base/status.h"

#include <jansson.h>
#include <stdbool.h>

/* The caller owns *root (json_decref). Strings may hold "\u0000". Errors: IO, FORMAT with line and
 * column, MEMORY. */
SutraStatus su_json_parse(const void *text, size_t size, const char *where, json_t **root,
                          SutraError *err);
SutraStatus su_json_load(const char *path, json_t **root, SutraError *err);

SutraStatus su_json_get_bool(const json_t *object, const char *key, const char *where, bool *value,
                             SutraError *err);
/* min ≤ value ≤ max or FORMAT */
SutraStatus su_json_get_u32(const json_t *object, const char *key, const char *where, uint32_t min,
                            uint32_t max, uint32_t *value, SutraError *err);
SutraStatus su_json_get_double(const json_t *object, const char *key, const char *where,
                               double *value, SutraError *err);
/* *value is borrowed from the object. FORMAT if the string holds a NUL. */
SutraStatus su_json_get_string(const json_t *object, const char *key, const char *where,
                               const char **value, SutraError *err);

/* The value asks for nothing: it is absent, null, false, "", [] or {}. */
bool su_json_is_inactive(const json_t *value);

#endif
