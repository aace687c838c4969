#include "base/folder_list.h"

#include "base/memory.h"
#include "base/status.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static bool matches(const char *name, const char *start, const char *end)
{
    size_t size = strlen(name), first = strlen(start), last = strlen(end);
    return size >= first + last && strncmp(name, start, first) == 0 &&
           strcmp(name + size - last, end) == 0;
}

static int compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

void su_folder_list_free(char **names, size_t count)
{
    for (size_t i = 0; i < count; i++) su_free(names[i]);
    su_free(names);
}

SutraStatus su_folder_list(const char *folder, const char *start, const char *end, char ***names,
                           size_t *count, SutraError *err)
{
    char **found = NULL;
    size_t n = 0;
    bool full = false;
    *names = NULL;
    *count = 0;
    DIR *directory = opendir(folder);
    if (!directory) SU_RAISE(err, SUTRA_E_IO, "%s: %s", folder, strerror(errno));
    for (struct dirent *entry; !full && (entry = readdir(directory));) {
        if (!matches(entry->d_name, start, end)) continue;
        char **more = su_realloc(found, n + 1, sizeof *found);
        char *copy = su_strdup(entry->d_name);
        if (more) found = more;
        full = !more || !copy;
        if (full)
            su_free(copy);
        else
            found[n++] = copy;
    }
    closedir(directory);
    if (full) {
        su_folder_list_free(found, n);
        SU_RAISE(err, SUTRA_E_MEMORY, "out of memory for the names in %s", folder);
    }
    if (n) qsort(found, n, sizeof *found, compare);
    *names = found;
    *count = n;
    return SUTRA_OK;
}
