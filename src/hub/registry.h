/* registry.h - the table of known models, and the rules for repository names. */
#ifndef SU_REGISTRY_H
#define SU_REGISTRY_H

#include "base/status.h"
#include "sutra_hub.h"

#include <stdbool.h>

extern const SutraRegistryModel su_registry_models[]; /* [su_registry_size] */
extern const size_t su_registry_size;

/* Longest "org/name": the hub allows 96 bytes for each half. */
#define SU_REPO_MAX 200

/* org/name of letters, digits, '-', '_', '.', with none of the forms that the cache's folder names
 * could not tell apart: "--", "..", a half that begins or ends with '-' or '.'. */
bool su_repo_is_valid(const char *repo);

/* `error` for a name that is neither in the registry nor of the form org/name; lists close names.
 */
SutraStatus su_registry_unknown(const char *name, SutraError *err);

/* Appends ", did you mean A, B?" to text when names resemble `name`. */
void su_registry_did_you_mean(const char *name, char *text, size_t capacity);

#endif
