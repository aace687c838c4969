#include "train/partial_folder.h"

#include "base/file_map.h"
#include "base/file_write.h"
#include "base/folder_claim.h"
#include "base/folder_tree.h"
#include "base/memory.h"

#include <string.h>

static SutraStatus refuse_foreign(void *user, const char *name, SutraError *err)
{
    const char *path = user;
    size_t size = strlen(name), tail = strlen(SU_TEMPORARY);
    if (size > tail && strcmp(name + size - tail, SU_TEMPORARY) == 0) return SUTRA_OK;
    SU_RAISE(err, SUTRA_E_ARGUMENT, "%s/%s is of no run of this program; move it away", path, name);
}

/* A run writes its state before anything else. */
static SutraStatus check_owner(const char *path, SutraError *err)
{
    char *state = su_path_join(path, "state");
    if (!state) SU_RAISE(err, SUTRA_E_MEMORY, "%s: out of memory", path);
    bool ours = su_file_exists(state);
    su_free(state);
    return ours ? SUTRA_OK : su_directory_list(path, refuse_foreign, (void *)path, err);
}

SutraStatus su_partial_claim(const char *path, bool resume, int *lock, SutraError *err)
{
    SU_TRY(su_folder_claim(path, resume, lock, err));
    SutraStatus status = check_owner(path, err);
    if (status == SUTRA_OK) return SUTRA_OK;
    su_folder_release(*lock);
    *lock = -1;
    return status;
}

static SutraStatus remove_but_state(void *user, const char *name, SutraError *err)
{
    if (strcmp(name, "state") == 0) return SUTRA_OK;
    char *entry = su_path_join(user, name);
    if (!entry) SU_RAISE(err, SUTRA_E_MEMORY, "%s: out of memory", (const char *)user);
    SutraStatus status = su_tree_remove(entry, err);
    su_free(entry);
    return status;
}

SutraStatus su_partial_remove(const char *path, SutraError *err)
{
    SU_TRY(su_directory_list(path, remove_but_state, (void *)path, err));
    return su_tree_remove(path, err);
}
