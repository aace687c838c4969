#include "same_file.h"

#include "console.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static bool folder_of(const char *path, struct stat *facts)
{
    const char *slash = strrchr(path, '/');
    char *folder = cli_strdup(slash ? path : ".");
    if (slash) folder[slash - path + 1] = '\0';
    bool found = stat(folder, facts) == 0;
    free(folder);
    return found;
}

static bool is_same_inode(const struct stat *x, const struct stat *y)
{
    return x->st_dev == y->st_dev && x->st_ino == y->st_ino;
}

bool cli_is_same_file(const char *a, const char *b)
{
    struct stat x, y;
    if (strcmp(a, "-") == 0 || strcmp(b, "-") == 0) return false;
    bool is_a = stat(a, &x) == 0, is_b = stat(b, &y) == 0;
    if ((is_a && !S_ISREG(x.st_mode)) || (is_b && !S_ISREG(y.st_mode))) return false;
    if (is_a && is_b && is_same_inode(&x, &y)) return true;
    const char *name = strrchr(a, '/'), *other = strrchr(b, '/');
    return strcmp(name ? name + 1 : a, other ? other + 1 : b) == 0 && folder_of(a, &x) &&
           folder_of(b, &y) && is_same_inode(&x, &y);
}
