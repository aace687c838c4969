#include "hub/publish.h"

#include "base/memory.h"
#include "hub/model_files.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Opens, and makes, the folders of `name` below `parent`: all components but the last, which *leaf
 * points to. */
static SutraStatus open_parent(const SuStore *store, int parent, const char *name, int *fd,
                               const char **leaf, SutraError *err)
{
    int current = dup(parent);
    if (current < 0) SU_RAISE(err, SUTRA_E_IO, "%s: %s", name, strerror(errno));
    for (const char *slash; (slash = strchr(name, '/')); name = slash + 1) {
        char part[256];
        int next = -1;
        snprintf(part, sizeof part, "%.*s", (int)(slash - name), name);
        SutraStatus status = su_store_folder(store, current, part, &next, err);
        close(current);
        if (status != SUTRA_OK) return status;
        current = next;
    }
    *fd = current;
    *leaf = name;
    return SUTRA_OK;
}

static SutraStatus raise_io(const SuStore *store, const char *name, SutraError *err)
{
    SU_RAISE(err, SUTRA_E_IO, "%s/%s: cannot write %s: %s", store->hub->options.cache_dir,
             store->folder.name, name, strerror(errno));
}

/* "../../blobs/<etag>", one step more for each folder in the file's name. */
static bool link_target(const SuHubFile *file, char target[512])
{
    size_t depth = 2, used = 0;
    for (const char *c = file->name; *c; c++) depth += *c == '/';
    if (depth > 100) return false;
    for (size_t i = 0; i < depth; i++) used += (size_t)sprintf(target + used, "../");
    sprintf(target + used, "blobs/%s", file->etag);
    return true;
}

/* The link is made in blobs/ and moved, so that it replaces whatever file had its name. */
static SutraStatus link_file(const SuStore *store, int snapshot, const SuHubFile *file,
                             SutraError *err)
{
    char target[512], before[512];
    const char *leaf;
    int folder;
    if (!link_target(file, target))
        SU_RAISE(err, SUTRA_E_FORMAT, "%.200s: too many folders", file->name);
    SU_TRY(open_parent(store, snapshot, file->name, &folder, &leaf, err));
    ssize_t size = readlinkat(folder, leaf, before, sizeof before - 1);
    bool there =
        size >= 0 && (size_t)size == strlen(target) && !memcmp(before, target, (size_t)size);
    bool ok = true;
    if (!there) {
        static const char temporary[] = "sutra-link.incomplete";
        unlinkat(store->blobs, temporary, 0);
        ok = symlinkat(target, store->blobs, temporary) == 0 &&
             renameat(store->blobs, temporary, folder, leaf) == 0 && fsync(folder) == 0;
    }
    SutraStatus status = ok ? SUTRA_OK : raise_io(store, file->name, err);
    close(folder);
    return status;
}

static bool write_all(int fd, const char *text, size_t size)
{
    while (size > 0) {
        ssize_t written = write(fd, text, size);
        if (written < 0 && errno == EINTR) continue;
        if (written < 0) return false;
        text += written;
        size -= (size_t)written;
    }
    return true;
}

/* Writes `leaf` of `folder` by way of a temporary file in blobs/. */
static SutraStatus write_file(const SuStore *store, int folder, const char *leaf, const char *text,
                              SutraError *err)
{
    static const char temporary[] = "sutra-file.incomplete";
    unlinkat(store->blobs, temporary, 0);
    int fd =
        openat(store->blobs, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
    if (fd < 0) return raise_io(store, leaf, err);
    bool ok = write_all(fd, text, strlen(text)) && fsync(fd) == 0 &&
              renameat(store->blobs, temporary, folder, leaf) == 0 && fsync(folder) == 0;
    SutraStatus status = ok ? SUTRA_OK : raise_io(store, leaf, err);
    if (!ok) unlinkat(store->blobs, temporary, 0);
    close(fd);
    return status;
}

/* {"name", "revision", "files": {name: {"sha256", "size"}}}; the caller frees. NULL: no memory. */
static char *manifest_text(const SuStore *store, const SuHubPlan *plan)
{
    const SuHubContext *hub = store->hub;
    json_t *files = json_object();
    for (size_t i = 0; i < plan->count; i++) {
        const SuHubFile *file = &plan->files[i];
        json_object_set_new(
            files, file->name,
            json_pack("{s:s, s:I}", "sha256", file->sha256, "size", (json_int_t)file->size));
    }
    json_t *root = NULL;
    if (json_object_size(files) == plan->count)
        root = json_pack("{s:s, s:s, s:O}", "name", hub->entry ? hub->entry->name : hub->repo,
                         "revision", plan->commit, "files", files);
    char *text = root ? json_dumps(root, JSON_INDENT(2)) : NULL;
    json_decref(root);
    json_decref(files);
    return text;
}

static SutraStatus write_manifest(const SuStore *store, const SuHubPlan *plan, int snapshot,
                                  SutraError *err)
{
    char *text = manifest_text(store, plan);
    if (!text) SU_RAISE(err, SUTRA_E_MEMORY, "%s: out of memory", SU_MANIFEST_NAME);
    SutraStatus status = write_file(store, snapshot, SU_MANIFEST_NAME, text, err);
    json_free_t release;
    json_get_alloc_funcs(NULL, &release);
    release(text);
    return status;
}

/* A commit needs no reference: it names its snapshot itself. */
static SutraStatus write_reference(const SuStore *store, const SuHubPlan *plan, SutraError *err)
{
    int refs, folder;
    const char *leaf;
    if (!strcmp(store->hub->options.revision, plan->commit)) return SUTRA_OK;
    SU_TRY(su_store_folder(store, store->repo, "refs", &refs, err));
    SutraStatus status =
        open_parent(store, refs, store->hub->options.revision, &folder, &leaf, err);
    if (status == SUTRA_OK) {
        status = write_file(store, folder, leaf, plan->commit, err);
        close(folder);
    }
    close(refs);
    return status;
}

static SutraStatus make_snapshot(const SuStore *store, const SuHubPlan *plan, int snapshot,
                                 const char *path, SutraError *err)
{
    SuModelFolder found;
    for (size_t i = 0; i < plan->count; i++)
        SU_TRY(link_file(store, snapshot, &plan->files[i], err));
    SU_TRY(su_model_folder_check_parts(path, &found, err));
    SU_TRY(write_manifest(store, plan, snapshot, err));
    return write_reference(store, plan, err);
}

SutraStatus su_publish(SuStore *store, const SuHubPlan *plan, char path[SUTRA_HUB_PATH_MAX],
                       SutraError *err)
{
    int lock, snapshots = -1, snapshot = -1;
    int size = snprintf(path, SUTRA_HUB_PATH_MAX, "%s/%s/snapshots/%s",
                        store->hub->options.cache_dir, store->folder.name, plan->commit);
    if (size < 0 || size >= SUTRA_HUB_PATH_MAX)
        SU_RAISE(err, SUTRA_E_LIMIT, "%.200s: path too long", store->hub->options.cache_dir);
    SU_TRY(su_store_lock(store, "sutra.lock", &lock, err));
    SutraStatus status = su_store_folder(store, store->repo, "snapshots", &snapshots, err);
    if (status == SUTRA_OK)
        status = su_store_folder(store, snapshots, plan->commit, &snapshot, err);
    if (status == SUTRA_OK) status = make_snapshot(store, plan, snapshot, path, err);
    if (snapshot >= 0) close(snapshot);
    if (snapshots >= 0) close(snapshots);
    close(lock);
    return status;
}
