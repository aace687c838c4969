#include "base/file_map.h"

#include "base/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static SutraStatus map_descriptor(int fd, const char *path, SuFileMap *map, SutraError *err)
{
    struct stat facts;
    if (fstat(fd, &facts) != 0) SU_RAISE(err, SUTRA_E_IO, "%s: %s", path, strerror(errno));
    if (!S_ISREG(facts.st_mode)) SU_RAISE(err, SUTRA_E_IO, "%s: not a regular file", path);
    map->size = (size_t)facts.st_size;
    map->data = (const unsigned char *)"";
    if (map->size == 0) return SUTRA_OK;
    void *data = mmap(NULL, map->size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (data == MAP_FAILED) SU_RAISE(err, SUTRA_E_IO, "%s: cannot map: %s", path, strerror(errno));
    map->data = data;
    return SUTRA_OK;
}

bool su_is_lfs_pointer(const void *data, size_t size)
{
    static const char first_line[] = "version https://git-lfs.github.com/spec/v1";
    return size >= sizeof first_line - 1 && memcmp(data, first_line, sizeof first_line - 1) == 0;
}

SutraStatus su_file_map_open(const char *path, SuFileMap *map, SutraError *err)
{
    *map = (SuFileMap){0};
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) SU_RAISE(err, SUTRA_E_IO, "%s: %s", path, strerror(errno));
    SutraStatus status = map_descriptor(fd, path, map, err);
    close(fd);
    if (status == SUTRA_OK && su_is_lfs_pointer(map->data, map->size)) {
        su_file_map_close(map);
        SU_RAISE(err, SUTRA_E_FORMAT,
                 "%s: a Git LFS pointer, not the file itself; get the file with: git lfs pull",
                 path);
    }
    if (status != SUTRA_OK) *map = (SuFileMap){0};
    return status;
}

void su_file_map_close(SuFileMap *map)
{
    if (map->size) munmap((void *)map->data, map->size);
    *map = (SuFileMap){0};
}

void su_file_map_populate(const void *data, size_t size)
{
#if defined(MADV_POPULATE_READ)
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), at = (uintptr_t)data / page * page;
    if (size) (void)madvise((void *)at, (uintptr_t)data + size - at, MADV_POPULATE_READ);
#else
    (void)data;
    (void)size;
#endif
}

bool su_file_exists(const char *path)
{
    struct stat facts;
    return stat(path, &facts) == 0 && S_ISREG(facts.st_mode);
}

bool su_directory_exists(const char *path)
{
    struct stat facts;
    return stat(path, &facts) == 0 && S_ISDIR(facts.st_mode);
}

bool su_path_exists(const char *path)
{
    struct stat facts;
    return lstat(path, &facts) == 0;
}

char *su_path_join(const char *directory, const char *name)
{
    size_t head = strlen(directory), tail = strlen(name);
    char *path = su_alloc(head + tail + 2, 1);
    if (!path) return NULL;
    memcpy(path, directory, head);
    path[head] = '/';
    memcpy(path + head + 1, name, tail + 1);
    return path;
}

char *su_path_resolve(const char *path)
{
    char resolved[PATH_MAX];
    return realpath(path, resolved) ? su_strdup(resolved) : NULL;
}

bool su_path_is_contained(const char *name)
{
    if (strchr(name, '\\') || name[0] == '/') return false;
    for (const char *part = name;;) {
        const char *end = strchr(part, '/');
        size_t size = end ? (size_t)(end - part) : strlen(part);
        if (size == 0 || (size == 1 && part[0] == '.') ||
            (size == 2 && part[0] == '.' && part[1] == '.'))
            return false;
        if (!end) return true;
        part = end + 1;
    }
}
