/* component_json.h - values of tokenizer.json, as each of its sections reads them. */
#ifndef SU_COMPONENT_JSON_H
#define SU_COMPONENT_JSON_H

#include "base/json_file.h"

/* The "type" of a component. Errors: FORMAT if it is not an object with one. */
SutraStatus su_tokenizer_component_type(const json_t *json, const char *section, const char *where,
                                        const char **type, SutraError *err);

/* A member that must be there. Errors: FORMAT naming section.key. */
SutraStatus su_tokenizer_require_bool(const json_t *json, const char *section, const char *key,
                                      const char *where, bool *value, SutraError *err);

/* A text that must be there, borrowed from json; it may hold NULs. Errors: FORMAT naming
 * section.key. */
SutraStatus su_tokenizer_require_text(const json_t *json, const char *section, const char *key,
                                      const char *where, char **text, size_t *size,
                                      SutraError *err);

/* "pattern": {"String": "…"} or {"Regex": "…"}, not empty, borrowed from json. Errors: FORMAT,
 * UNSUPPORTED. */
SutraStatus su_tokenizer_require_pattern(const json_t *json, const char *section, const char *where,
                                         char **text, size_t *size, bool *regex, SutraError *err);

/* A section that is one step or a "Sequence" of steps, sequences in it included. */
typedef SutraStatus (*SuStepReader)(const json_t *json, const char *where, void *to,
                                    SutraError *err);
typedef struct SuStepList {
    const char *section, *members; /* key of a Sequence's list */
    SuStepReader read;             /* called for each step that is no Sequence */
    void *to;
} SuStepList;

/* json may be NULL or null: no steps. Errors: FORMAT, LIMIT (sequences in sequences), the
 * reader's. */
SutraStatus su_tokenizer_read_steps(const json_t *json, const SuStepList *list, const char *where,
                                    SutraError *err);

/* A token id or type id: an integer of 0 … INT32_MAX - 1. Errors: FORMAT naming `name`. */
SutraStatus su_tokenizer_id(const json_t *json, const char *name, const char *where, int32_t *id,
                            SutraError *err);

#endif
