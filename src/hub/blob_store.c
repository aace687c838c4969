#include "hub/blob_store.h"

#include "base/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define READ_SIZE ((size_t)1 << 18)
#define LOCK_POLL_MS 50u

/* ---- folders ---- */

/* mkdir -p; cache_dir itself may lie behind links. */
static SutraStatus make_folders(const char *path, SutraError *err)
{
    char part[SUTRA_HUB_PATH_MAX];
    size_t size = strlen(path);
    if (size >= sizeof part) SU_RAISE(err, SUTRA_E_LIMIT, "%.200s: path too long", path);
    for (size_t i = 1; i <= size; i++) {
        if (path[i] != '/' && path[i] != '\0') continue;
        memcpy(part, path, i);
        part[i] = '\0';
        if (mkdir(part, 0777) != 0 && errno != EEXIST)
            SU_RAISE(err, SUTRA_E_IO, "%s: cannot be made: %s", part, strerror(errno));
    }
    return SUTRA_OK;
}

SutraStatus su_store_folder(const SuStore *store, int parent, const char *name, int *fd,
                            SutraError *err)
{
    const char *cache = store->hub->options.cache_dir;
    if (mkdirat(parent, name, 0777) != 0 && errno != EEXIST)
        SU_RAISE(err, SUTRA_E_IO, "%s: %s: cannot be made: %s", cache, name, strerror(errno));
    *fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (*fd >= 0) return SUTRA_OK;
    SU_RAISE(err, SUTRA_E_IO, "%s: %s: not a folder that can be opened: %s%s", cache, name,
             strerror(errno),
             errno == ELOOP || errno == ENOTDIR ? " (links are not followed here)" : "");
}

static SutraStatus open_folders(SuStore *store, SutraError *err)
{
    const char *cache = store->hub->options.cache_dir;
    int all_locks;
    SU_TRY(make_folders(cache, err));
    store->root = open(cache, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (store->root < 0) SU_RAISE(err, SUTRA_E_IO, "%s: %s", cache, strerror(errno));
    SU_TRY(su_store_folder(store, store->root, store->folder.name, &store->repo, err));
    SU_TRY(su_store_folder(store, store->repo, "blobs", &store->blobs, err));
    SU_TRY(su_store_folder(store, store->root, ".locks", &all_locks, err));
    SutraStatus status = su_store_folder(store, all_locks, store->folder.name, &store->locks, err);
    close(all_locks);
    return status;
}

SutraStatus su_store_open(SuStore *store, SuHubContext *hub, SutraError *err)
{
    *store = (SuStore){.hub = hub,
                       .folder = su_repo_folder(hub->repo),
                       .root = -1,
                       .repo = -1,
                       .blobs = -1,
                       .locks = -1};
    SutraStatus status = open_folders(store, err);
    if (status != SUTRA_OK) su_store_close(store);
    return status;
}

void su_store_close(SuStore *store)
{
    int *const all[] = {&store->root, &store->repo, &store->blobs, &store->locks};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        if (*all[i] >= 0) close(*all[i]);
        *all[i] = -1;
    }
}

SutraStatus su_store_lock(SuStore *store, const char *name, int *fd, SutraError *err)
{
    const char *cache = store->hub->options.cache_dir;
    bool told = false;
    *fd = openat(store->locks, name, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0666);
    if (*fd < 0)
        SU_RAISE(err, SUTRA_E_IO, "%s: lock %s cannot be opened: %s", cache, name, strerror(errno));
    while (flock(*fd, LOCK_EX | LOCK_NB) != 0) {
        /* A file system without locks: temporary files may be torn by another process, which the
         * digest then shows. */
        if (errno != EWOULDBLOCK && errno != EINTR) return SUTRA_OK;
        if (!told) su_hub_phase(store->hub, SUTRA_HUB_WAITING, NULL);
        told = true;
        SutraStatus status = su_hub_pause(store->hub, LOCK_POLL_MS, err);
        if (status == SUTRA_OK) continue;
        close(*fd);
        return status;
    }
    return SUTRA_OK;
}

/* Bytes that `name` in blobs/ takes already. */
static uint64_t present_size(const SuStore *store, const char *name)
{
    struct stat facts;
    bool ok = fstatat(store->blobs, name, &facts, AT_SYMLINK_NOFOLLOW) == 0 &&
              S_ISREG(facts.st_mode) && facts.st_size > 0;
    return ok ? (uint64_t)facts.st_size : 0;
}

static void incomplete_name(const SuHubFile *file, char name[80])
{
    snprintf(name, 80, "%s.incomplete", file->etag);
}

SutraStatus su_store_check_space(const SuStore *store, const SuHubPlan *plan, SutraError *err)
{
    struct statvfs facts;
    uint64_t missing = 0;
    for (size_t i = 0; i < plan->count; i++) {
        const SuHubFile *file = &plan->files[i];
        char name[80];
        incomplete_name(file, name);
        uint64_t held = present_size(store, file->etag);
        if (!held) held = present_size(store, name);
        if (held < file->size) missing += file->size - held;
    }
    if (fstatvfs(store->blobs, &facts) != 0) return SUTRA_OK; /* unknown: writing will show */
    uint64_t room = (uint64_t)facts.f_bavail * facts.f_frsize;
    if (room >= missing) return SUTRA_OK;
    SU_RAISE(err, SUTRA_E_IO,
             "%s: not enough space: %s needs %.1f MB more, %.1f MB are free; free some or set "
             "HF_HUB_CACHE to another disk",
             store->hub->options.cache_dir, store->hub->repo, (double)missing / 1e6,
             (double)room / 1e6);
}

/* ---- the writer ---- */

SutraStatus su_blob_restart(SuBlobWriter *writer, SutraError *err)
{
    SuHubContext *hub = writer->store->hub;
    if (ftruncate(writer->fd, 0) != 0 || lseek(writer->fd, 0, SEEK_SET) != 0)
        SU_RAISE(err, SUTRA_E_IO, "%s: %s: %s", hub->options.cache_dir, writer->file->name,
                 strerror(errno));
    su_hub_advance(hub, -(int64_t)writer->held);
    writer->held = 0;
    return su_digest_begin(&writer->digest, writer->file->size, err);
}

SutraStatus su_blob_append(SuBlobWriter *writer, const void *data, size_t size, SutraError *err)
{
    SuHubContext *hub = writer->store->hub;
    const unsigned char *at = data;
    SU_TRY(su_digest_update(&writer->digest, data, size, err));
    for (size_t left = size; left > 0;) {
        ssize_t written = write(writer->fd, at, left);
        if (written < 0 && errno == EINTR) continue;
        writer->full = written < 0 && (errno == ENOSPC || errno == EDQUOT);
        if (written < 0)
            SU_RAISE(err, SUTRA_E_IO, "%s: cannot write %s: %s", hub->options.cache_dir,
                     writer->file->name, strerror(errno));
        at += written;
        left -= (size_t)written;
    }
    writer->held += size;
    writer->store->received += size;
    su_hub_advance(hub, (int64_t)size);
    return SUTRA_OK;
}

/* Takes the bytes from fd's position to its end into the digest. */
static SutraStatus hash_present(SuBlobWriter *writer, int fd, SutraError *err)
{
    SuHubContext *hub = writer->store->hub;
    unsigned char *buffer = su_alloc(READ_SIZE, 1);
    if (!buffer) SU_RAISE(err, SUTRA_E_MEMORY, "%s: out of memory", writer->file->name);
    SutraStatus status = SUTRA_OK;
    while (status == SUTRA_OK) {
        ssize_t size = read(fd, buffer, READ_SIZE);
        if (size == 0) break;
        if (size < 0 && errno == EINTR) continue;
        status = size < 0
                     ? su_error_set(err, SUTRA_E_IO, "%s: cannot read %s: %s",
                                    hub->options.cache_dir, writer->file->name, strerror(errno))
                     : su_digest_update(&writer->digest, buffer, (size_t)size, err);
        if (status == SUTRA_OK) status = su_hub_check_cancelled(hub, err);
        if (status != SUTRA_OK) break;
        writer->held += (uint64_t)size;
        su_hub_advance(hub, size);
    }
    su_free(buffer);
    return status;
}

/* Compares the digest of all that was written with what the file must have. */
static SutraStatus verify(SuBlobWriter *writer, SuHubFile *file, bool *right, char is[65],
                          SutraError *err)
{
    char sha256[65], blob_id[41];
    SU_TRY(su_digest_end(&writer->digest, sha256, blob_id, err));
    *right = !strcmp(file->expected[0] ? sha256 : blob_id, file->etag);
    memcpy(file->sha256, sha256, sizeof file->sha256);
    strcpy(is, file->expected[0] ? sha256 : blob_id);
    return SUTRA_OK;
}

static SutraStatus raise_wrong(const SuStore *store, const SuHubFile *file, const char *is,
                               SutraError *err)
{
    SU_RAISE(err, SUTRA_E_FORMAT,
             "%s: %s: wrong content: its %s is %s, the %s's is %s; it was removed",
             store->hub->repo, file->name, file->expected[0] ? "SHA-256" : "git blob id", is,
             file->pinned, file->etag);
}

/* ---- one blob ---- */

/* True in *right if blobs/<etag> is there and verified. Anything else of that name is removed. */
static SutraStatus check_present(SuBlobWriter *writer, SuHubFile *file, bool *right,
                                 SutraError *err)
{
    SuStore *store = writer->store;
    char is[65];
    struct stat facts;
    *right = false;
    int fd = openat(store->blobs, file->etag, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT) return SUTRA_OK;
    SutraStatus status = SUTRA_OK;
    if (fd >= 0 && fstat(fd, &facts) == 0 && S_ISREG(facts.st_mode) &&
        (uint64_t)facts.st_size == file->size) {
        su_hub_phase(store->hub, SUTRA_HUB_VERIFYING, NULL);
        status = su_digest_begin(&writer->digest, file->size, err);
        if (status == SUTRA_OK) status = hash_present(writer, fd, err);
        if (status == SUTRA_OK) status = verify(writer, file, right, is, err);
    }
    if (fd >= 0) close(fd);
    if (status != SUTRA_OK || *right) return status;
    su_hub_advance(store->hub, -(int64_t)writer->held);
    writer->held = 0;
    if (unlinkat(store->blobs, file->etag, 0) != 0)
        SU_RAISE(err, SUTRA_E_IO, "%s: blobs/%s: damaged and cannot be removed: %s",
                 store->hub->options.cache_dir, file->etag, strerror(errno));
    return SUTRA_OK;
}

/* Opens <etag>.incomplete, whatever lay there before if it is no plain file, and hashes what it
 * holds. */
static SutraStatus open_incomplete(SuBlobWriter *writer, const char *name, SutraError *err)
{
    const int flags = O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
    SuStore *store = writer->store;
    struct stat facts;
    if (fstatat(store->blobs, name, &facts, AT_SYMLINK_NOFOLLOW) == 0 &&
        (!S_ISREG(facts.st_mode) || facts.st_nlink > 1))
        unlinkat(store->blobs, name, 0);
    writer->fd = openat(store->blobs, name, flags, 0666);
    if (writer->fd < 0 || fstat(writer->fd, &facts) != 0)
        SU_RAISE(err, SUTRA_E_IO, "%s: blobs/%s: %s", store->hub->options.cache_dir, name,
                 strerror(errno));
    SU_TRY(su_digest_begin(&writer->digest, writer->file->size, err));
    if ((uint64_t)facts.st_size > writer->file->size) return su_blob_restart(writer, err);
    if (facts.st_size > 0) su_hub_phase(store->hub, SUTRA_HUB_VERIFYING, NULL);
    return hash_present(writer, writer->fd, err);
}

/* Fills, verifies; a resumed file that turns out wrong is fetched once more from its beginning. */
static SutraStatus fill_and_verify(SuBlobWriter *writer, SuHubFile *file,
                                   const SuBlobSource *source, bool *right, char is[65],
                                   SutraError *err)
{
    bool resumed = writer->held > 0;
    for (;;) {
        su_hub_phase(writer->store->hub, SUTRA_HUB_DOWNLOADING, NULL);
        if (writer->held < file->size || file->size == 0)
            SU_TRY(source->fill(source->user, writer, err));
        SU_TRY(verify(writer, file, right, is, err));
        if (*right || !resumed) return SUTRA_OK;
        resumed = false;
        SU_TRY(su_blob_restart(writer, err));
    }
}

static SutraStatus commit_blob(SuBlobWriter *writer, const char *name, SutraError *err)
{
    const SuStore *store = writer->store;
    if (fsync(writer->fd) == 0 &&
        renameat(store->blobs, name, store->blobs, writer->file->etag) == 0 &&
        fsync(store->blobs) == 0)
        return SUTRA_OK;
    SU_RAISE(err, SUTRA_E_IO, "%s: cannot write %s: %s", store->hub->options.cache_dir,
             writer->file->name, strerror(errno));
}

static SutraStatus make_blob(SuBlobWriter *writer, SuHubFile *file, const SuBlobSource *source,
                             SutraError *err)
{
    char name[80], is[65];
    bool right = false;
    SU_TRY(check_present(writer, file, &right, err));
    if (right) return SUTRA_OK;
    incomplete_name(file, name);
    SutraStatus status = open_incomplete(writer, name, err);
    if (status == SUTRA_OK) status = fill_and_verify(writer, file, source, &right, is, err);
    if ((status == SUTRA_OK && !right) || writer->full) unlinkat(writer->store->blobs, name, 0);
    if (status == SUTRA_OK)
        status = right ? commit_blob(writer, name, err) : raise_wrong(writer->store, file, is, err);
    if (writer->fd >= 0) close(writer->fd);
    return status;
}

SutraStatus su_store_blob(SuStore *store, SuHubFile *file, const SuBlobSource *source,
                          SutraError *err)
{
    SuBlobWriter writer = {.store = store, .file = file, .fd = -1};
    char name[80];
    int lock;
    snprintf(name, sizeof name, "%s.lock", file->etag);
    SU_TRY(su_store_lock(store, name, &lock, err));
    SutraStatus status = su_digest_create(&writer.digest, err);
    if (status == SUTRA_OK) status = make_blob(&writer, file, source, err);
    su_digest_free(&writer.digest);
    close(lock);
    return status;
}
