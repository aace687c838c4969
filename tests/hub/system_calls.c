/* system_calls.c - the system calls by which libsutra-hub changes the disk, made to fail or to be
 * the last of the process.
 *
 * The program's own definitions come before libc's for a library that it opens. Calls are counted
 * from 1; call number kill_call never happens, since the process is killed before it; call number
 * fail_call, and with fail_for_ever all after it, fails with ENOSPC. A file renamed before what was
 * written to it is on disk ends the process: it might be empty after a power cut. */
#include "system_calls.h"

#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

SystemCalls system_calls;

/* True if this call shall fail. */
static int count_call(void)
{
    unsigned call = ++system_calls.count;
    if (call == system_calls.kill_call) kill(getpid(), SIGKILL);
    if (!system_calls.fail_call || call < system_calls.fail_call) return 0;
    if (call > system_calls.fail_call && !system_calls.fail_for_ever) return 0;
    errno = ENOSPC;
    return 1;
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

ssize_t write(int fd, const void *data, size_t size)
{
    system_calls.unsynced = 1;
    return count_call() ? -1 : REAL(write)(fd, data, size);
}

int fsync(int fd)
{
    if (count_call()) return -1;
    system_calls.unsynced = 0;
    return REAL(fsync)(fd);
}

int ftruncate(int fd, off_t size) { return count_call() ? -1 : REAL(ftruncate)(fd, size); }

int mkdirat(int fd, const char *path, mode_t mode)
{
    return count_call() ? -1 : REAL(mkdirat)(fd, path, mode);
}

int unlinkat(int fd, const char *path, int flags)
{
    return count_call() ? -1 : REAL(unlinkat)(fd, path, flags);
}

int symlinkat(const char *target, int fd, const char *path)
{
    return count_call() ? -1 : REAL(symlinkat)(target, fd, path);
}

int renameat(int from_fd, const char *from, int to_fd, const char *to)
{
    if (system_calls.unsynced) abort();
    return count_call() ? -1 : REAL(renameat)(from_fd, from, to_fd, to);
}
