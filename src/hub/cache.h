/* cache.h - names in the shared cache folder: of repositories, references and snapshots. */
#ifndef SU_CACHE_H
#define SU_CACHE_H

#include "base/status.h"
#include "hub/registry.h"

#include <stdbool.h>

#define SU_REVISION_MAX 128
#define SU_COMMIT_MAX 72 /* 64 hex digits, or "imported-" and 16 */

/* "models--org--name" */
typedef struct SuRepoFolder {
    char name[SU_REPO_MAX + 16];
} SuRepoFolder;
SuRepoFolder su_repo_folder(const char *repo);

/* A branch, tag or commit as it may be asked of the hub and used as a path below refs/. */
bool su_revision_is_valid(const char *revision);

/* 40 to 64 lower-case hex digits. */
bool su_is_commit(const char *text);

/* Exactly `digits` lower-case hex digits. */
bool su_is_hex(const char *text, size_t digits);

#endif
