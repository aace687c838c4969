/* known_keys.h - which keys of a model's JSON files count.
 *
 * A key that the reference reads and that would change vectors is read here too, or refused by
 * name: never passed over. docs/MODELS.md lists them all. A value that asks for nothing (null,
 * false, "", [], {}) is accepted for any key. */
#ifndef SU_KNOWN_KEYS_H
#define SU_KNOWN_KEYS_H

#include "base/json_file.h"

typedef struct SuKnownKeys {
    /* NULL-terminated lists, or NULL. Only keys of `known` are accepted; with known NULL any key
     * but those of `refused`, because the reference ignores what it does not know. */
    const char *const *known, *const *refused;
} SuKnownKeys;

extern const SuKnownKeys su_keys_of_config, su_keys_of_tokenizer_config, su_keys_of_bert_config,
    su_keys_of_pooling, su_keys_of_normalize, su_keys_of_layer_norm, su_keys_of_tokenizer_arguments,
    su_keys_of_model_arguments, su_keys_of_config_arguments;

/* `section` (or "") is put before the key in messages. Errors: UNSUPPORTED naming the key. */
SutraStatus su_known_keys_check(const SuKnownKeys *keys, const json_t *object, const char *section,
                                const char *where, SutraError *err);

#endif
