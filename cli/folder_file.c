#include "folder_file.h"

#include "console.h"
#include "utf8_check.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { ATTEMPTS = 4, START_BYTES = 8192 };

/* Times of files are those of the kernel's tick, or, where a file system keeps no parts of a
 * second, as old as two seconds. */
static bool is_racy(const CliFileFacts *facts, const struct timespec *now)
{
    const int64_t second = 1000000000, tick = 20000000;
    int64_t latest = facts->mtime_ns > facts->ctime_ns ? facts->mtime_ns : facts->ctime_ns;
    bool whole = facts->mtime_ns % second == 0 && facts->ctime_ns % second == 0;
    return latest >= now->tv_sec * second + now->tv_nsec - (whole ? 2 * second : tick);
}

static int open_regular(int folder, const char *name, CliFileFacts *facts)
{
    struct stat found;
    int fd = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd < 0) {
        if (errno == ELOOP || errno == ENXIO || errno == ENOTDIR) errno = ENOENT;
        return -1;
    }
    bool good = fstat(fd, &found) == 0;
    int reason = errno;
    if (good && S_ISREG(found.st_mode)) {
        *facts = cli_file_facts(&found);
        return fd;
    }
    close(fd);
    errno = good ? ENOENT : reason;
    return -1;
}

/* Reads on to `most` bytes; false: errno. */
static bool read_to(int fd, CliFolderFile *file, size_t most)
{
    while (file->size < most) {
        ssize_t got = read(fd, file->data + file->size, most - file->size);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return false;
        if (got == 0) break;
        file->size += (size_t)got;
    }
    return true;
}

static bool read_text(int fd, CliFolderFile *file)
{
    size_t whole = (size_t)file->facts.size;
    size_t start = whole < START_BYTES ? whole : START_BYTES;
    file->size = 0;
    file->kind = CLI_FILE_BINARY;
    if (whole + 1 > file->room) {
        free(file->data);
        file->room = whole + 1;
        file->data = cli_alloc(file->room, 1);
    }
    if (!read_to(fd, file, start)) return false;
    if (memchr(file->data, '\0', file->size)) return true;
    if (!read_to(fd, file, whole)) return false;
    if (memchr(file->data, '\0', file->size)) return true;
    file->start = file->size >= 3 && memcmp(file->data, "\xEF\xBB\xBF", 3) == 0 ? 3 : 0;
    if (cli_utf8_valid(file->data, file->size) == file->size) file->kind = CLI_FILE_TEXT;
    return true;
}

/* *same: it did not change meanwhile. */
static bool read_once(int folder, const char *name, uint64_t max_bytes, CliFolderFile *file,
                      bool *same)
{
    struct timespec now;
    struct stat after;
    clock_gettime(CLOCK_REALTIME_COARSE, &now);
    int fd = open_regular(folder, name, &file->facts);
    if (fd < 0) return false;
    file->racy = is_racy(&file->facts, &now);
    file->kind = CLI_FILE_LARGE;
    file->start = 0;
    bool good = file->facts.size > max_bytes || read_text(fd, file);
    int reason = errno;
    if (good && fstat(fd, &after) == 0) {
        CliFileFacts facts = cli_file_facts(&after);
        *same = cli_facts_equal(&facts, &file->facts);
    }
    close(fd);
    errno = reason;
    return good;
}

bool cli_folder_file_read(int folder, const char *name, uint64_t max_bytes, CliFolderFile *file)
{
    bool same = false, good = true;
    for (int i = 0; i < ATTEMPTS && good && !same; i++)
        good = read_once(folder, name, max_bytes, file, &same);
    if (!same) file->racy = true;
    return good;
}

bool cli_folder_file_part(int folder, const char *name, uint64_t begin, uint64_t end, char *text)
{
    CliFileFacts facts;
    int fd = open_regular(folder, name, &facts);
    if (fd < 0) return false;
    size_t size = (size_t)(end - begin), have = 0;
    while (have < size) {
        ssize_t got = pread(fd, text + have, size - have, (off_t)(begin + have));
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) break;
        have += (size_t)got;
    }
    close(fd);
    return have == size;
}

void cli_folder_file_free(CliFolderFile *file)
{
    free(file->data);
    *file = (CliFolderFile){.data = NULL};
}
