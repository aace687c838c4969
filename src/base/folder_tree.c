#include "base/folder_tree.h"

#include "base/file_map.h"
#include "base/file_write.h"
#include "base/memory.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- visiting ---- */

typedef struct Walk {
    const char *folder, *name; /* name: relative to the root, "" of the root itself */
    SuTreeFilter filter;
    SuTreeVisit visit;
    void *user;
    int depth;
} Walk;

static SutraStatus walk_folder(const Walk *walk, SutraError *err);

static SutraStatus walk_entry(const Walk *walk, const char *path, const char *name, SutraError *err)
{
    bool is_folder = su_directory_exists(path);
    if (walk->filter && !walk->filter(name, is_folder)) return SUTRA_OK;
    if (!is_folder) return walk->visit(walk->user, path, name, err);
    if (walk->depth == SU_TREE_DEPTH)
        SU_RAISE(err, SUTRA_E_LIMIT, "%s: more than %d folders deep", path, SU_TREE_DEPTH);
    Walk below = *walk;
    below.folder = path;
    below.name = name;
    below.depth++;
    return walk_folder(&below, err);
}

static SutraStatus walk_name(void *user, const char *entry, SutraError *err)
{
    const Walk *walk = user;
    char *path = su_path_join(walk->folder, entry);
    char *name = *walk->name ? su_path_join(walk->name, entry) : su_strdup(entry);
    SutraStatus status = SUTRA_OK;
    if (path && name)
        status = walk_entry(walk, path, name, err);
    else
        status = su_error_set(err, SUTRA_E_MEMORY, "%s: out of memory", walk->folder);
    su_free(path);
    su_free(name);
    return status;
}

static SutraStatus walk_folder(const Walk *walk, SutraError *err)
{
    return su_directory_list(walk->folder, walk_name, (void *)walk, err);
}

SutraStatus su_tree_visit(const char *root, SuTreeFilter filter, SuTreeVisit visit, void *user,
                          SutraError *err)
{
    const Walk walk = {root, "", filter, visit, user, 0};
    return walk_folder(&walk, err);
}

/* ---- copying ---- */

static SutraStatus copy_bytes(const char *from, const char *to, SutraError *err)
{
    SuFileMap map;
    SuFileWriter writer;
    SU_TRY(su_file_map_open(from, &map, err));
    SutraStatus status = su_file_writer_open(to, &writer, err);
    if (status == SUTRA_OK) {
        status = su_file_writer_append(&writer, map.data, map.size, err);
        if (status == SUTRA_OK)
            status = su_file_writer_commit(&writer, err);
        else
            su_file_writer_discard(&writer);
    }
    su_file_map_close(&map);
    return status;
}

static SutraStatus copy_file(void *user, const char *path, const char *name, SutraError *err)
{
    char *target = su_path_join(user, name);
    if (!target) SU_RAISE(err, SUTRA_E_MEMORY, "%s: out of memory", path);
    char *slash = strrchr(target, '/');
    *slash = '\0';
    SutraStatus status = su_directory_create(target, err);
    *slash = '/';
    if (status == SUTRA_OK) status = copy_bytes(path, target, err);
    su_free(target);
    return status;
}

SutraStatus su_tree_copy(const char *from, const char *to, SuTreeFilter filter, SutraError *err)
{
    SU_TRY(su_directory_create(to, err));
    return su_tree_visit(from, filter, copy_file, (void *)to, err);
}

/* ---- removing ---- */

typedef struct Removal {
    const char *folder;
    int depth;
} Removal;

static SutraStatus remove_entry(const char *path, int depth, SutraError *err);

static SutraStatus remove_name(void *user, const char *name, SutraError *err)
{
    const Removal *removal = user;
    char *path = su_path_join(removal->folder, name);
    if (!path) SU_RAISE(err, SUTRA_E_MEMORY, "%s: out of memory", removal->folder);
    SutraStatus status = remove_entry(path, removal->depth, err);
    su_free(path);
    return status;
}

static SutraStatus remove_entry(const char *path, int depth, SutraError *err)
{
    struct stat facts;
    if (lstat(path, &facts) != 0) {
        if (errno == ENOENT) return SUTRA_OK;
        SU_RAISE(err, SUTRA_E_IO, "%s: %s", path, strerror(errno));
    }
    if (S_ISDIR(facts.st_mode)) {
        Removal removal = {path, depth + 1};
        if (depth > SU_TREE_DEPTH)
            SU_RAISE(err, SUTRA_E_LIMIT, "%s: more than %d folders deep", path, SU_TREE_DEPTH);
        SU_TRY(su_directory_list(path, remove_name, &removal, err));
    }
    if ((S_ISDIR(facts.st_mode) ? rmdir : unlink)(path) != 0)
        SU_RAISE(err, SUTRA_E_IO, "%s: cannot be removed: %s", path, strerror(errno));
    return SUTRA_OK;
}

SutraStatus su_tree_remove(const char *path, SutraError *err) { return remove_entry(path, 0, err); }

SutraStatus su_tree_rename(const char *from, const char *to, SutraError *err)
{
    if (su_path_exists(to)) SU_RAISE(err, SUTRA_E_IO, "%s: there is such a file already", to);
    if (rename(from, to) != 0)
        SU_RAISE(err, SUTRA_E_IO, "%s: cannot be put in place: %s", to, strerror(errno));
    return SUTRA_OK;
}
