#include "index_sweep.h"

#include "console.h"
#include "folder_index.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { DAY = 24 * 3600, UNUSED = 30 * DAY };

/* ";folder=5:/home;" */
static bool folder_is_gone(const char *recipe)
{
    static const char name[] = ";folder=";
    const char *field = strstr(recipe, name);
    char *value;
    if (!field) return false;
    size_t size = strtoul(field + strlen(name), &value, 10);
    if (*value != ':' || strlen(value + 1) < size) return false;
    char *folder = strndup(value + 1, size);
    struct stat facts;
    bool gone = folder && *folder && stat(folder, &facts) != 0 && errno == ENOENT;
    free(folder);
    return gone;
}

static bool is_of_no_use(const char *path, const char *own)
{
    char *recipe = cli_index_recipe(path);
    size_t version = strcspn(own, ";") + 1;
    bool useless = recipe && (strncmp(recipe, own, version) != 0 || folder_is_gone(recipe));
    free(recipe);
    return useless;
}

void cli_sweep_indexes(const char *path, const char *recipe)
{
    static const char ending[] = ".index";
    char cache[PATH_MAX], other[PATH_MAX + NAME_MAX + 2];
    const struct dirent *entry;
    struct stat facts;
    const time_t now = time(NULL);
    unsigned count = 0;
    if (stat(path, &facts) == 0 && facts.st_mtime < now - DAY)
        (void)utimensat(AT_FDCWD, path, NULL, 0);
    snprintf(cache, sizeof cache, "%.*s", (int)(strrchr(path, '/') - path), path);
    DIR *directory = opendir(cache);
    while (directory && (entry = readdir(directory))) {
        size_t size = strlen(entry->d_name);
        if (size < sizeof ending || strcmp(entry->d_name + size + 1 - sizeof ending, ending) != 0)
            continue;
        snprintf(other, sizeof other, "%s/%s", cache, entry->d_name);
        if (stat(other, &facts) == 0 && S_ISREG(facts.st_mode) && facts.st_mtime < now - UNUSED &&
            is_of_no_use(other, recipe))
            count += unlink(other) == 0;
    }
    if (directory) closedir(directory);
    if (count)
        cli_message("removed indexes that were not used for 30 days, and whose folder is gone or "
                    "which another version of sutra wrote: %u",
                    count);
}
