#include "base/file_write.h"

#include "base/clock.h"
#include "base/file_map.h"
#include "base/memory.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define WRITE_AT_ONCE ((size_t)1 << 26) /* bytes of one system call */

static bool is_temporary(const char *name)
{
    size_t size = strlen(name), tail = strlen(SU_TEMPORARY);
    return size >= tail && strcmp(name + size - tail, SU_TEMPORARY) == 0;
}

/* The folder of a path, as it can be opened; NULL: out of memory. */
static char *folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    size_t size = !slash ? 0 : slash == path ? 1 : (size_t)(slash - path);
    return slash ? su_strndup(path, size) : su_strdup(".");
}

/* Removes the file if nobody holds its lock. Its name is not used twice: who has the lock after the
 * writer's death or rename removes what the writer left, or nothing. */
static void remove_unlocked(int folder, const char *name)
{
    struct stat found;
    int fd = openat(folder, name, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0) return;
    if (fstat(fd, &found) == 0 && S_ISREG(found.st_mode) && flock(fd, LOCK_EX | LOCK_NB) == 0)
        unlinkat(folder, name, 0);
    close(fd);
}

/* What writers of that path left when they died. */
static void remove_abandoned(const char *path)
{
    const char *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path;
    size_t size = strlen(base);
    char *folder = folder_of(path);
    DIR *directory = folder ? opendir(folder) : NULL;
    su_free(folder);
    if (!directory) return;
    for (struct dirent *entry; (entry = readdir(directory));)
        if (strncmp(entry->d_name, base, size) == 0 && entry->d_name[size] == '.' &&
            is_temporary(entry->d_name + size + 1))
            remove_unlocked(dirfd(directory), entry->d_name);
    closedir(directory);
}

/* False if another writer took the new file, which had no lock yet, for abandoned. Without locks in
 * the file system nobody does. */
static bool take_lock(int fd)
{
    struct stat found;
    if (flock(fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) return false;
    return fstat(fd, &found) != 0 || found.st_nlink > 0;
}

/* A new file under a name that no other writer has taken; -1: errno says why not. */
static int create_locked(const char *path, char *temporary, size_t capacity)
{
    static _Atomic uint32_t counter;
    for (;;) {
        snprintf(temporary, capacity, "%s.%ld-%llx-%x%s", path, (long)getpid(),
                 (unsigned long long)su_clock_ns(), (unsigned)atomic_fetch_add(&counter, 1),
                 SU_TEMPORARY);
        int fd = open(temporary, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (fd < 0 && errno == EEXIST) continue;
        if (fd < 0 || take_lock(fd)) return fd;
        close(fd);
        unlink(temporary);
    }
}

static SutraStatus create_temporary(SuFileWriter *writer, SutraError *err)
{
    size_t capacity = strlen(writer->path) + sizeof SU_TEMPORARY + 64;
    writer->temporary = su_alloc(capacity, 1);
    if (!writer->temporary) SU_RAISE(err, SUTRA_E_MEMORY, "%s: out of memory", writer->path);
    writer->fd = create_locked(writer->path, writer->temporary, capacity);
    if (writer->fd >= 0) return SUTRA_OK;
    int reason = errno;
    su_free(writer->temporary);
    writer->temporary = NULL;
    SU_RAISE(err, SUTRA_E_IO, "%s: cannot be written: %s", writer->path, strerror(reason));
}

SutraStatus su_file_writer_open(const char *path, SuFileWriter *writer, SutraError *err)
{
    *writer = (SuFileWriter){.fd = -1, .path = su_strdup(path)};
    if (!writer->path) SU_RAISE(err, SUTRA_E_MEMORY, "%s: out of memory", path);
    remove_abandoned(path);
    SutraStatus status = create_temporary(writer, err);
    if (status != SUTRA_OK) su_file_writer_discard(writer);
    return status;
}

static SutraStatus write_at(const SuFileWriter *writer, uint64_t offset, const void *data,
                            size_t size, SutraError *err)
{
    const unsigned char *from = data;
    while (size) {
        size_t wanted = size < WRITE_AT_ONCE ? size : WRITE_AT_ONCE;
        ssize_t written = pwrite(writer->fd, from, wanted, (off_t)offset);
        if (written < 0 && errno == EINTR) continue;
        if (written <= 0)
            SU_RAISE(err, SUTRA_E_IO, "%s: cannot be written: %s", writer->path,
                     written < 0 ? strerror(errno) : "nothing was taken");
        from += written;
        offset += (uint64_t)written;
        size -= (size_t)written;
    }
    return SUTRA_OK;
}

SutraStatus su_file_writer_append(SuFileWriter *writer, const void *data, size_t size,
                                  SutraError *err)
{
    SU_TRY(write_at(writer, writer->size, data, size, err));
    writer->size += size;
    return SUTRA_OK;
}

SutraStatus su_file_writer_replace(SuFileWriter *writer, uint64_t offset, const void *data,
                                   size_t size, SutraError *err)
{
    return write_at(writer, offset, data, size, err);
}

/* So that the new name survives a loss of power; a file system that cannot is left as it is. */
static void sync_directory(const char *path)
{
    char *folder = folder_of(path);
    if (!folder) return;
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    su_free(folder);
    if (fd < 0) return;
    (void)fsync(fd);
    close(fd);
}

/* The descriptor stays open until the file has its name, for its lock; after fsync, close has no
 * failure left to report. */
SutraStatus su_file_writer_commit(SuFileWriter *writer, SutraError *err)
{
    SutraStatus status = SUTRA_OK;
    if (fsync(writer->fd) != 0)
        status = su_error_set(err, SUTRA_E_IO, "%s: cannot be written: %s", writer->path,
                              strerror(errno));
    else if (rename(writer->temporary, writer->path) != 0)
        status = su_error_set(err, SUTRA_E_IO, "%s: cannot be put in place: %s", writer->path,
                              strerror(errno));
    if (status == SUTRA_OK) {
        sync_directory(writer->path);
        su_free(writer->temporary);
        writer->temporary = NULL;
    }
    su_file_writer_discard(writer);
    return status;
}

void su_file_writer_discard(SuFileWriter *writer)
{
    if (writer->temporary) unlink(writer->temporary);
    if (writer->fd >= 0) close(writer->fd);
    su_free(writer->temporary);
    su_free(writer->path);
    *writer = (SuFileWriter){.fd = -1};
}

static uint64_t nanoseconds(struct timespec time)
{
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

SutraStatus su_file_facts(const char *path, SuFileFacts *facts, SutraError *err)
{
    struct stat found;
    if (stat(path, &found) != 0) SU_RAISE(err, SUTRA_E_IO, "%s: %s", path, strerror(errno));
    *facts = (SuFileFacts){.size = (uint64_t)found.st_size,
                           .mtime_ns = nanoseconds(found.st_mtim),
                           .ctime_ns = nanoseconds(found.st_ctim),
                           .inode = found.st_ino,
                           .device = found.st_dev};
    return SUTRA_OK;
}

typedef struct NameList {
    char **names;
    size_t count, capacity;
} NameList;

static bool add_name(NameList *list, const char *name)
{
    if (list->count == list->capacity) {
        size_t capacity = list->capacity ? list->capacity * 2 : 32;
        char **grown = su_realloc(list->names, capacity, sizeof *grown);
        if (!grown) return false;
        list->names = grown;
        list->capacity = capacity;
    }
    list->names[list->count] = su_strdup(name);
    return list->names[list->count++] != NULL;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static SutraStatus read_names(const char *path, NameList *list, SutraError *err)
{
    DIR *directory = opendir(path);
    if (!directory) SU_RAISE(err, SUTRA_E_IO, "%s: %s", path, strerror(errno));
    bool fits = true;
    for (struct dirent *entry; fits && (entry = readdir(directory));)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            fits = add_name(list, entry->d_name);
    closedir(directory);
    if (!fits) SU_RAISE(err, SUTRA_E_MEMORY, "%s: out of memory", path);
    if (list->count) qsort(list->names, list->count, sizeof *list->names, by_name);
    return SUTRA_OK;
}

SutraStatus su_directory_list(const char *path, SuVisitName visit, void *user, SutraError *err)
{
    NameList list = {0};
    SutraStatus status = read_names(path, &list, err);
    for (size_t i = 0; i < list.count && status == SUTRA_OK; i++)
        status = visit(user, list.names[i], err);
    for (size_t i = 0; i < list.count; i++) su_free(list.names[i]);
    su_free(list.names);
    return status;
}

SutraStatus su_directory_create(const char *path, SutraError *err)
{
    char *partial = su_strdup(path);
    if (!partial) SU_RAISE(err, SUTRA_E_MEMORY, "%s: out of memory", path);
    int failed = 0;
    for (char *at = partial + 1; *partial && !failed; at++) {
        char kept = *at;
        if (kept != '/' && kept != '\0') continue;
        *at = '\0';
        failed = mkdir(partial, 0777) != 0 && !su_directory_exists(partial) ? errno : 0;
        *at = kept;
        if (!kept) break;
    }
    su_free(partial);
    if (failed) SU_RAISE(err, SUTRA_E_IO, "%s: cannot be created: %s", path, strerror(failed));
    return SUTRA_OK;
}

typedef struct Sweep {
    const char *folder;
    uint64_t oldest_ns; /* files written before are removed */
} Sweep;

static SutraStatus sweep_name(void *user, const char *name, SutraError *err)
{
    const Sweep *sweep = user;
    SuFileFacts facts = {0};
    if (!is_temporary(name)) return SUTRA_OK;
    char *path = su_path_join(sweep->folder, name);
    if (!path) SU_RAISE(err, SUTRA_E_MEMORY, "%s: out of memory", sweep->folder);
    if (su_file_facts(path, &facts, NULL) == SUTRA_OK && facts.mtime_ns < sweep->oldest_ns)
        unlink(path);
    su_free(path);
    return SUTRA_OK;
}

void su_directory_sweep(const char *path, uint64_t max_age_s)
{
    uint64_t now_s = (uint64_t)time(NULL);
    Sweep sweep = {path, now_s > max_age_s ? (now_s - max_age_s) * 1000000000u : 0};
    (void)su_directory_list(path, sweep_name, &sweep, NULL);
}
