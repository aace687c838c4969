/* file_map.h - whole files, mapped read-only.
 *
 * The mapping lives until su_file_map_close. Only regular files are opened; an empty file maps to
 * size 0 with a valid pointer. A Git LFS pointer, which a clone without LFS leaves in a file's
 * place, is refused by that name, whatever the file was to be. */
#ifndef SU_FILE_MAP_H
#define SU_FILE_MAP_H

#include "base/status.h"

#include <stdbool.h>

typedef struct SuFileMap {
    const unsigned char *data;
    size_t size;
} SuFileMap;

/* Errors: IO with the path and the system's reason; FORMAT (a Git LFS pointer). */
SutraStatus su_file_map_open(const char *path, SuFileMap *map, SutraError *err);
void su_file_map_close(SuFileMap *map);
/* True if the bytes are the beginning of a Git LFS pointer. */
bool su_is_lfs_pointer(const void *data, size_t size);
/* Part of a mapping that will be read soon, all over: enters its pages now, not one by one. Where
 * the system cannot, nothing happens. */
void su_file_map_populate(const void *data, size_t size);

bool su_file_exists(const char *path); /* a regular file */
bool su_directory_exists(const char *path);
bool su_path_exists(const char *path); /* anything of that name, a dangling link included */

/* "directory/name" in memory of su_alloc; NULL when out of memory. */
char *su_path_join(const char *directory, const char *name);

/* The absolute path without links, "." and "..", in memory of su_alloc; NULL when it cannot be
 * found or out of memory. */
char *su_path_resolve(const char *path);

/* True if `name` stays below its directory: relative, no empty, "." or ".." component, no NUL or
 * backslash. */
bool su_path_is_contained(const char *name);

#endif
