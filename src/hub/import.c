/* import.c - sutra_hub_import: a model from a local folder into the cache.
 *
 * The snapshot is called "imported-" and the first 16 digits of the SHA-256 of its file list: the
 * hub's commit is not known, and the same files give the same name. */
#include "base/memory.h"
#include "hub/blob_store.h"
#include "hub/model_files.h"
#include "hub/publish.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define READ_SIZE ((size_t)1 << 18)
#define LARGE_FILE ((uint64_t)10 << 20) /* the hub keeps files from here on by SHA-256 */

typedef struct Import {
    SuHubContext hub;
    SuStore store;
    SuHubPlan plan;
    const char *directory;
    unsigned char *buffer; /* [READ_SIZE] */
} Import;

/* ---- the source folder ---- */

/* Names of the folder's files and of those one folder below; `visit` is called for each. */
static SutraStatus walk(const char *directory, const char *below,
                        SutraStatus (*visit)(void *user, const char *name, SutraError *err),
                        void *user, SutraError *err)
{
    char path[SUTRA_HUB_PATH_MAX], name[512];
    struct dirent *entry;
    SutraStatus status = SUTRA_OK;
    snprintf(path, sizeof path, "%s/%s", directory, below);
    DIR *folder = opendir(path);
    if (!folder) SU_RAISE(err, SUTRA_E_IO, "%s: %s", path, strerror(errno));
    while (status == SUTRA_OK && (entry = readdir(folder))) {
        struct stat facts;
        if (entry->d_name[0] == '.') continue;
        snprintf(name, sizeof name, "%s%s", below, entry->d_name);
        if (fstatat(dirfd(folder), entry->d_name, &facts, 0) != 0) continue;
        if (S_ISREG(facts.st_mode))
            status = visit(user, name, err);
        else if (S_ISDIR(facts.st_mode) && !below[0] && strlen(name) < 256) {
            strcat(name, "/");
            status = walk(directory, name, visit, user, err);
        }
    }
    closedir(folder);
    return status;
}

static SutraStatus note_role(void *user, const char *name, SutraError *err)
{
    (void)err;
    su_file_roles_note(user, name);
    return SUTRA_OK;
}

static SutraStatus choose_file(void *user, const char *name, SutraError *err)
{
    SuHubPlan *plan = user;
    SuHubFile *file;
    if (!su_model_file_is_needed(&plan->roles, name)) return SUTRA_OK;
    return su_plan_add(plan, name, &file, err);
}

/* ---- reading a source file ---- */

/* Hands the file to `take` piece by piece. */
static SutraStatus read_source(Import *import, const char *name, void *user,
                               SutraStatus (*take)(void *user, const void *data, size_t size,
                                                   SutraError *err),
                               SutraError *err)
{
    char path[SUTRA_HUB_PATH_MAX];
    snprintf(path, sizeof path, "%s/%s", import->directory, name);
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0) SU_RAISE(err, SUTRA_E_IO, "%s: %s", path, strerror(errno));
    SutraStatus status = SUTRA_OK;
    while (status == SUTRA_OK) {
        ssize_t size = read(fd, import->buffer, READ_SIZE);
        if (size == 0) break;
        if (size < 0 && errno == EINTR) continue;
        status = size < 0 ? su_error_set(err, SUTRA_E_IO, "%s: %s", path, strerror(errno))
                          : take(user, import->buffer, (size_t)size, err);
        if (status == SUTRA_OK) status = su_hub_check_cancelled(&import->hub, err);
    }
    close(fd);
    return status;
}

static SutraStatus take_into_digest(void *user, const void *data, size_t size, SutraError *err)
{
    return su_digest_update(user, data, size, err);
}

/* What the file is, so that the blob gets its right name and the registry can object before any
 * copy. */
static SutraStatus describe(Import *import, SuHubFile *file, SuDigest *digest, SutraError *err)
{
    char path[SUTRA_HUB_PATH_MAX], sha256[65];
    struct stat facts;
    int size = snprintf(path, sizeof path, "%s/%s", import->directory, file->name);
    if (size < 0 || (size_t)size >= sizeof path)
        SU_RAISE(err, SUTRA_E_LIMIT, "%.200s: path too long", import->directory);
    if (stat(path, &facts) != 0) SU_RAISE(err, SUTRA_E_IO, "%s: %s", path, strerror(errno));
    file->size = (uint64_t)facts.st_size;
    file->pinned = "folder";
    SU_TRY(su_digest_begin(digest, file->size, err));
    SU_TRY(read_source(import, file->name, digest, take_into_digest, err));
    SU_TRY(su_digest_end(digest, sha256, file->blob_id, err));
    if (file->size >= LARGE_FILE || su_model_file_is_weights(file->name))
        memcpy(file->expected, sha256, sizeof sha256);
    memcpy(file->sha256, sha256, sizeof sha256);
    return SUTRA_OK;
}

static SutraStatus describe_all(Import *import, SutraError *err)
{
    SuDigest digest;
    SU_TRY(su_digest_create(&digest, err));
    SutraStatus status = SUTRA_OK;
    for (size_t i = 0; status == SUTRA_OK && i < import->plan.count; i++)
        status = describe(import, &import->plan.files[i], &digest, err);
    su_digest_free(&digest);
    return status;
}

/* A name for the snapshot that depends on the files alone. */
static SutraStatus name_snapshot(SuHubPlan *plan, SutraError *err)
{
    SuDigest digest;
    char sha256[65], blob_id[41];
    SU_TRY(su_digest_create(&digest, err));
    SutraStatus status = su_digest_begin(&digest, 0, err);
    for (size_t i = 0; status == SUTRA_OK && i < plan->count; i++) {
        const SuHubFile *file = &plan->files[i];
        status = su_digest_update(&digest, file->name, strlen(file->name) + 1, err);
        if (status == SUTRA_OK) status = su_digest_update(&digest, file->sha256, 64, err);
    }
    if (status == SUTRA_OK) status = su_digest_end(&digest, sha256, blob_id, err);
    su_digest_free(&digest);
    if (status == SUTRA_OK) snprintf(plan->commit, sizeof plan->commit, "imported-%.16s", sha256);
    return status;
}

static SutraStatus make_plan(Import *import, SutraError *err)
{
    if (strlen(import->directory) > SUTRA_HUB_PATH_MAX - 600)
        SU_RAISE(err, SUTRA_E_LIMIT, "%.200s: path too long", import->directory);
    su_hub_phase(&import->hub, SUTRA_HUB_VERIFYING, NULL);
    SU_TRY(walk(import->directory, "", note_role, &import->plan.roles, err));
    SU_TRY(walk(import->directory, "", choose_file, &import->plan, err));
    SU_TRY(describe_all(import, err));
    SU_TRY(su_plan_finish(&import->plan, &import->hub, err));
    return name_snapshot(&import->plan, err);
}

/* ---- copying ---- */

static SutraStatus take_into_blob(void *user, const void *data, size_t size, SutraError *err)
{
    SuBlobWriter *writer = user;
    if (size > writer->file->size - writer->held)
        SU_RAISE(err, SUTRA_E_IO, "%s: changed while it was copied", writer->file->name);
    return su_blob_append(writer, data, size, err);
}

/* SuBlobSource.fill: what an earlier copy left is written anew. */
static SutraStatus copy(void *user, SuBlobWriter *writer, SutraError *err)
{
    SU_TRY(su_blob_restart(writer, err));
    return read_source(user, writer->file->name, writer, take_into_blob, err);
}

static SutraStatus copy_all(Import *import, SutraError *err)
{
    const SuBlobSource source = {.fill = copy, .user = import};
    SutraHubProgress *progress = &import->hub.progress;
    SU_TRY(su_store_check_space(&import->store, &import->plan, err));
    progress->num_files = (uint32_t)import->plan.count;
    progress->total_size = import->plan.size;
    for (size_t i = 0; i < import->plan.count; i++) {
        SuHubFile *file = &import->plan.files[i];
        progress->file = file->name;
        progress->file_index = (uint32_t)i;
        progress->file_done = 0;
        progress->file_size = file->size;
        SU_TRY(su_store_blob(&import->store, file, &source, err));
    }
    progress->file = "";
    return SUTRA_OK;
}

static SutraStatus run(Import *import, SutraHubResult *result, SutraError *err)
{
    char path[SUTRA_HUB_PATH_MAX];
    SU_TRY(make_plan(import, err));
    SU_TRY(su_store_open(&import->store, &import->hub, err));
    SutraStatus status = copy_all(import, err);
    if (status == SUTRA_OK) status = su_publish(&import->store, &import->plan, path, err);
    if (status == SUTRA_OK) {
        su_hub_result(&import->hub, &import->plan, path, import->store.received, result);
        su_hub_phase(&import->hub, SUTRA_HUB_DONE, NULL);
    }
    su_store_close(&import->store);
    return status;
}

SUTRA_API SutraStatus sutra_hub_import(const char *name, const char *directory,
                                       const SutraHubOptions *options, SutraHubResult *result,
                                       SutraError *err)
{
    Import import = {.directory = directory};
    if (!directory) SU_RAISE(err, SUTRA_E_ARGUMENT, "directory: must not be NULL");
    SU_TRY(su_hub_begin(&import.hub, name, options, result, err));
    import.buffer = su_alloc(READ_SIZE, 1);
    SutraStatus status = import.buffer
                             ? run(&import, result, err)
                             : su_error_set(err, SUTRA_E_MEMORY, "%s: out of memory", directory);
    su_free(import.buffer);
    su_plan_free(&import.plan);
    return status;
}
