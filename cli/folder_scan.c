#include "folder_scan.h"

#include "atomic_file.h"
#include "console.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct Walk {
    CliFolderScan *scan;
    const CliScanOptions *options;
    char **folders; /* [num_folders] names of those not yet read, a stack */
    size_t num_folders, folders_room, files_room;
} Walk;

/* Modulo 2^64: a file's time may lie millennia away. */
static int64_t nanoseconds(const struct timespec *time)
{
    return (int64_t)((uint64_t)time->tv_sec * 1000000000u + (uint64_t)time->tv_nsec);
}

CliFileFacts cli_file_facts(const struct stat *facts)
{
    return (CliFileFacts){.size = (uint64_t)facts->st_size,
                          .inode = (uint64_t)facts->st_ino,
                          .mtime_ns = nanoseconds(&facts->st_mtim),
                          .ctime_ns = nanoseconds(&facts->st_ctim)};
}

bool cli_facts_equal(const CliFileFacts *a, const CliFileFacts *b)
{
    return a->size == b->size && a->inode == b->inode && a->mtime_ns == b->mtime_ns &&
           a->ctime_ns == b->ctime_ns;
}

bool cli_is_folder(const char *path)
{
    struct stat facts;
    return stat(path, &facts) == 0 && S_ISDIR(facts.st_mode);
}

/* ---- which names ---- */

static bool matches(const char *pattern, const char *name)
{
    const char *slash = strrchr(name, '/');
    bool whole = strchr(pattern, '/') != NULL;
    return fnmatch(pattern, whole || !slash ? name : slash + 1, 0) == 0;
}

static bool is_wanted(const CliScanOptions *options, const char *name)
{
    bool any = false, found = false;
    for (size_t i = 0; i < options->globs->count; i++) {
        const char *pattern = options->globs->items[i];
        if (*pattern == '!' && matches(pattern + 1, name)) return false;
        if (*pattern == '!') continue;
        any = true;
        found = found || matches(pattern, name);
    }
    return found || !any;
}

/* True if a pattern leaves out all that is below: "!build/" and "!build/<any>" do. */
static bool is_left_out(const CliScanOptions *options, const char *name)
{
    char path[PATH_MAX + 1];
    snprintf(path, sizeof path, "%s/", name);
    for (size_t i = 0; i < options->globs->count; i++) {
        const char *pattern = options->globs->items[i];
        if (*pattern == '!' && strchr(pattern, '/') && fnmatch(pattern + 1, path, 0) == 0)
            return true;
    }
    return false;
}

static bool is_skipped(const char *skip, const char *name)
{
    size_t size = skip ? strlen(skip) : 0;
    return size && strncmp(name, skip, size) == 0 &&
           (name[size] == '\0' || strcmp(name + size, CLI_PARTIAL) == 0);
}

/* ---- the walk ---- */

static void warn(Walk *walk, const char *name, int reason)
{
    walk->scan->unreadable++;
    cli_message("warning: %s/%s: %s", walk->scan->folder, name, strerror(reason));
}

static void push_folder(Walk *walk, const char *name)
{
    if (walk->num_folders == walk->folders_room) {
        walk->folders_room = walk->folders_room ? 2 * walk->folders_room : 64;
        walk->folders = cli_realloc(walk->folders, walk->folders_room, sizeof *walk->folders);
    }
    walk->folders[walk->num_folders++] = cli_strdup(name);
}

static void add_file(Walk *walk, const char *name, const struct stat *facts)
{
    CliFolderScan *scan = walk->scan;
    if (scan->count == walk->files_room) {
        walk->files_room = walk->files_room ? 2 * walk->files_room : 256;
        scan->files = cli_realloc(scan->files, walk->files_room, sizeof *scan->files);
    }
    scan->files[scan->count++] =
        (CliScanFile){.name = cli_strdup(name), .facts = cli_file_facts(facts)};
}

/* fd, name: of the folder that has `entry`; name "" is that of the scan. */
static void take_entry(Walk *walk, int fd, const char *name, const struct dirent *entry)
{
    const CliScanOptions *options = walk->options;
    const char *last = entry->d_name;
    char path[PATH_MAX];
    struct stat facts;
    if (strcmp(last, ".") == 0 || strcmp(last, "..") == 0) return;
    if (*last == '.' && !options->hidden) return;
    if (entry->d_type != DT_UNKNOWN && entry->d_type != DT_REG && entry->d_type != DT_DIR) return;
    int size = snprintf(path, sizeof path, "%s%s%s", name, *name ? "/" : "", last);
    if ((size_t)size >= sizeof path) {
        warn(walk, last, ENAMETOOLONG);
        return;
    }
    if (is_skipped(options->skip, path)) return;
    if (entry->d_type == DT_REG && !is_wanted(options, path)) return;
    if (entry->d_type != DT_DIR && fstatat(fd, last, &facts, AT_SYMLINK_NOFOLLOW) != 0) {
        if (errno != ENOENT) warn(walk, path, errno); /* else it has just been removed */
        return;
    }
    if (entry->d_type == DT_DIR || S_ISDIR(facts.st_mode)) {
        if (!is_left_out(options, path)) push_folder(walk, path);
    } else if (S_ISREG(facts.st_mode) && is_wanted(options, path)) {
        add_file(walk, path, &facts);
    }
}

static void read_folder(Walk *walk, const char *name)
{
    int fd =
        openat(walk->scan->fd, *name ? name : ".", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *directory = fd >= 0 ? fdopendir(fd) : NULL;
    if (!directory) {
        if (errno != ENOENT) warn(walk, name, errno);
        if (fd >= 0) close(fd);
        return;
    }
    const struct dirent *entry;
    errno = 0;
    while ((entry = readdir(directory))) take_entry(walk, fd, name, entry), errno = 0;
    if (errno) warn(walk, name, errno);
    closedir(directory);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const CliScanFile *)a)->name, ((const CliScanFile *)b)->name);
}

SutraStatus cli_folder_scan(const char *folder, const CliScanOptions *options, CliFolderScan *scan,
                            SutraError *err)
{
    Walk walk = {.scan = scan, .options = options};
    *scan = (CliFolderScan){.folder = folder};
    scan->fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (scan->fd < 0) return cli_raise(err, SUTRA_E_IO, "%s: %s", folder, strerror(errno));
    push_folder(&walk, "");
    while (walk.num_folders) {
        char *name = walk.folders[--walk.num_folders];
        read_folder(&walk, name);
        free(name);
    }
    free(walk.folders);
    if (scan->count) qsort(scan->files, scan->count, sizeof *scan->files, by_name);
    return SUTRA_OK;
}

void cli_folder_scan_free(CliFolderScan *scan)
{
    for (size_t i = 0; i < scan->count; i++) free(scan->files[i].name);
    free(scan->files);
    if (scan->fd >= 0) close(scan->fd);
    *scan = (CliFolderScan){.fd = -1};
}
