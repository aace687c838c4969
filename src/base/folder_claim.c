#include "base/folder_claim.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* The folder that was opened may have been removed by who held it. */
static bool take_lock(const char *path, int fd)
{
    struct stat held, found;
    if (flock(fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) return false;
    return fstat(fd, &held) == 0 && lstat(path, &found) == 0 && held.st_ino == found.st_ino &&
           held.st_dev == found.st_dev;
}

SutraStatus su_folder_claim(const char *path, bool old, int *lock, SutraError *err)
{
    *lock = -1;
    if (mkdir(path, 0777) != 0) {
        if (errno != EEXIST)
            SU_RAISE(err, SUTRA_E_IO, "%s: cannot be created: %s", path, strerror(errno));
        if (!old) SU_RAISE(err, SUTRA_E_ARGUMENT, "%s: another run has made it", path);
    }
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 && (errno == ENOTDIR || errno == ELOOP))
        SU_RAISE(err, SUTRA_E_ARGUMENT, "%s is not a folder; move it away", path);
    if (fd < 0) SU_RAISE(err, SUTRA_E_IO, "%s: %s", path, strerror(errno));
    if (!take_lock(path, fd)) {
        close(fd);
        SU_RAISE(err, SUTRA_E_ARGUMENT, "%s: another run is at work there", path);
    }
    *lock = fd;
    return SUTRA_OK;
}

void su_folder_release(int lock)
{
    if (lock >= 0) close(lock);
}

SutraStatus su_folder_check_writable(const char *path, SutraError *err)
{
    if (access(path, W_OK | X_OK) != 0)
        SU_RAISE(err, SUTRA_E_IO, "%s: nothing can be put there: %s", path, strerror(errno));
    return SUTRA_OK;
}
