#include "temporary_folder.h"

#include "atomic_file.h"
#include "console.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdalign.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Read by the signal handler when fd is not -1. */
static struct {
    volatile sig_atomic_t fd;
    char path[PATH_MAX];
} folder = {.fd = -1};

static SutraStatus make_and_open(const char *base)
{
    int size = snprintf(folder.path, sizeof folder.path, "%s/sutra-bench-XXXXXX", base);
    errno = ENAMETOOLONG;
    if ((size_t)size >= sizeof folder.path || !mkdtemp(folder.path)) return SUTRA_E_IO;
    folder.fd = open(folder.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder.fd >= 0) return SUTRA_OK;
    int reason = errno;
    rmdir(folder.path);
    errno = reason;
    return SUTRA_E_IO;
}

SutraStatus cli_folder_make(const char **path, SutraError *err)
{
    const char *base = getenv("TMPDIR");
    if (!base || !*base) base = "/tmp";
    cli_hold_signals(true);
    SutraStatus status = make_and_open(base);
    int reason = errno;
    cli_hold_signals(false);
    *path = folder.path;
    if (status == SUTRA_OK) return SUTRA_OK;
    return cli_raise(err, status, "cannot make a temporary folder in %s: %s", base,
                     strerror(reason));
}

/* By system calls alone: readdir may allocate, which a signal handler must not. Returns how many
 * files are gone. */
static size_t remove_files(int fd)
{
    alignas(struct dirent64) char block[4096];
    size_t removed = 0;
    ssize_t size;
    lseek(fd, 0, SEEK_SET);
    while ((size = getdents64(fd, block, sizeof block)) > 0) {
        for (ssize_t at = 0; at < size;) {
            const struct dirent64 *entry = (const struct dirent64 *)(const void *)(block + at);
            if (unlinkat(fd, entry->d_name, 0) == 0) removed++;
            at += entry->d_reclen;
        }
    }
    return removed;
}

void cli_folder_remove(void)
{
    if (folder.fd < 0) return;
    /* again for names that a changing folder did not list */
    while (remove_files(folder.fd) > 0) continue;
    rmdir(folder.path);
    close(folder.fd);
    folder.fd = -1;
}
