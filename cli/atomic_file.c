#include "atomic_file.h"

#include "console.h"
#include "temporary_folder.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BUFFER_SIZE = 256 * 1024, MAX_TEMPORARY = 4 };

/* Names of temporary files. The signal handler reads a slot whose `used` is set. */
static struct {
    volatile sig_atomic_t used;
    char path[PATH_MAX];
} temporary[MAX_TEMPORARY];

static const int caught[] = {SIGINT, SIGTERM, SIGHUP, SIGPIPE};

void cli_remove_temporary_files(void)
{
    for (int i = 0; i < MAX_TEMPORARY; i++)
        if (temporary[i].used) unlink(temporary[i].path);
    cli_folder_remove();
}

/* Async-signal-safe. */
static void on_signal(int number)
{
    cli_remove_temporary_files();
    const char *text = number == SIGINT ? "sutra: interrupted\n" : "sutra: terminated\n";
    if (number != SIGPIPE) {
        ssize_t ignored = write(STDERR_FILENO, text, strlen(text));
        (void)ignored;
    }
    _exit(128 + number);
}

void cli_catch_signals(void)
{
    struct sigaction action = {.sa_handler = on_signal}, before;
    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < sizeof caught / sizeof *caught; i++)
        sigaddset(&action.sa_mask, caught[i]);
    for (size_t i = 0; i < sizeof caught / sizeof *caught; i++) {
        if (caught[i] != SIGPIPE && sigaction(caught[i], NULL, &before) == 0 &&
            before.sa_handler == SIG_IGN)
            continue;
        sigaction(caught[i], &action, NULL);
    }
    signal(SIGXFSZ, SIG_IGN);
}

void cli_hold_signals(bool hold)
{
    sigset_t set;
    sigemptyset(&set);
    for (size_t i = 0; i < sizeof caught / sizeof *caught; i++) sigaddset(&set, caught[i]);
    pthread_sigmask(hold ? SIG_BLOCK : SIG_UNBLOCK, &set, NULL);
}

static SutraStatus raise_errno(const char *name, SutraError *err)
{
    return cli_raise(err, SUTRA_E_IO, "%s: %s", name, strerror(errno));
}

/* Opens ".NAME.random.tmp" beside output->target under a slot of `temporary`. */
static SutraStatus open_temporary(CliOutput *output, mode_t mode, SutraError *err)
{
    int slot = 0;
    while (slot < MAX_TEMPORARY && temporary[slot].used) slot++;
    if (slot == MAX_TEMPORARY)
        return cli_raise(err, SUTRA_E_LIMIT, "%s: too many files open", output->name);
    const char *slash = strrchr(output->target, '/');
    const char *base = slash ? slash + 1 : output->target;
    int folder = (int)(base - output->target);
    for (int attempt = 0; attempt < 16; attempt++) {
        uint64_t random = 0;
        if (getrandom(&random, sizeof random, 0) != sizeof random)
            return raise_errno(output->name, err);
        int size = snprintf(temporary[slot].path, PATH_MAX, "%.*s.%.200s.%016llx.tmp", folder,
                            output->target, base, (unsigned long long)random);
        if (size >= PATH_MAX) {
            errno = ENAMETOOLONG;
            return raise_errno(output->name, err);
        }
        cli_hold_signals(true);
        output->fd =
            open(temporary[slot].path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
        int reason = errno;
        temporary[slot].used = output->fd >= 0;
        cli_hold_signals(false);
        if (output->fd >= 0) {
            output->slot = slot;
            return SUTRA_OK;
        }
        errno = reason;
        if (reason != EEXIST) break;
    }
    return raise_errno(output->name, err);
}

/* A file without a name in the folder for temporary files, and `stream` to copy it to. */
static SutraStatus open_spool(CliOutput *output, int stream, SutraError *err)
{
    const char *folder = getenv("TMPDIR");
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/sutra-XXXXXX", folder && *folder ? folder : "/tmp");
    cli_hold_signals(true);
    output->fd = mkostemp(path, O_CLOEXEC);
    int reason = errno;
    if (output->fd >= 0) unlink(path);
    cli_hold_signals(false);
    errno = reason;
    output->stream = stream;
    if (output->fd < 0)
        return cli_raise(err, SUTRA_E_IO, "cannot make a temporary file in %s: %s",
                         folder && *folder ? folder : "/tmp", strerror(reason));
    return SUTRA_OK;
}

static SutraStatus open_stream(CliOutput *output, int fd, bool spool, SutraError *err)
{
    if (spool) return open_spool(output, fd, err);
    output->fd = fd;
    return SUTRA_OK;
}

/* A symbolic link keeps pointing where it points: the file behind it is replaced. */
static SutraStatus find_target(CliOutput *output, const char *path, bool exists, SutraError *err)
{
    if (exists && access(path, W_OK) != 0) return raise_errno(path, err);
    output->target = exists ? realpath(path, NULL) : cli_strdup(path);
    return output->target ? SUTRA_OK : raise_errno(path, err);
}

static SutraStatus open_path(CliOutput *output, const char *path, bool spool, SutraError *err)
{
    struct stat facts;
    mode_t mode = 0666;
    bool exists = stat(path, &facts) == 0;
    if (!exists && (errno != ENOENT || lstat(path, &facts) == 0)) return raise_errno(path, err);
    if (exists && S_ISDIR(facts.st_mode)) {
        errno = EISDIR;
        return raise_errno(path, err);
    }
    if (exists && !S_ISREG(facts.st_mode)) {
        int fd = open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
        if (fd < 0) return raise_errno(path, err);
        return open_stream(output, fd, spool, err);
    }
    SutraStatus status = find_target(output, path, exists, err);
    if (status == SUTRA_OK) status = open_temporary(output, mode, err);
    if (status == SUTRA_OK && exists && fchmod(output->fd, facts.st_mode & 0777) != 0)
        status = raise_errno(path, err);
    return status;
}

SutraStatus cli_output_open(CliOutput *output, const char *path, bool spool, SutraError *err)
{
    bool standard = !path || strcmp(path, "-") == 0;
    *output = (CliOutput){.fd = -1, .stream = -1, .slot = -1};
    output->name = cli_strdup(standard ? "standard output" : path);
    output->buffer = cli_alloc(BUFFER_SIZE, 1);
    SutraStatus status = standard ? open_stream(output, STDOUT_FILENO, spool, err)
                                  : open_path(output, path, spool, err);
    if (status != SUTRA_OK) cli_output_abort(output);
    return status;
}

/* Locks FILE.partial; meanwhile another program may have given it its name, or removed it. */
static SutraStatus lock_partial(const CliOutput *output, SutraError *err)
{
    struct stat named, facts;
    if (flock(output->fd, LOCK_EX | LOCK_NB) != 0)
        return cli_raise(err, SUTRA_E_BUSY, "%s: another program writes to it", output->partial);
    if (lstat(output->partial, &named) == 0 && fstat(output->fd, &facts) == 0 &&
        named.st_dev == facts.st_dev && named.st_ino == facts.st_ino)
        return SUTRA_OK;
    return cli_raise(err, SUTRA_E_BUSY, "%s: another program has just ended it; start again",
                     output->partial);
}

/* Opens FILE.partial beside output->target; `exists`: facts are of that. */
static SutraStatus open_beside(CliOutput *output, bool exists, const struct stat *facts,
                               SutraError *err)
{
    output->partial = cli_alloc(strlen(output->target) + sizeof CLI_PARTIAL, 1);
    sprintf(output->partial, "%s%s", output->target, CLI_PARTIAL);
    output->fd = open(output->partial, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
    if (output->fd < 0) return raise_errno(output->partial, err);
    SutraStatus status = lock_partial(output, err);
    if (status == SUTRA_OK && exists && fchmod(output->fd, facts->st_mode & 0777) != 0)
        status = raise_errno(output->partial, err);
    return status;
}

SutraStatus cli_output_open_partial(CliOutput *output, const char *path, SutraError *err)
{
    struct stat facts;
    *output = (CliOutput){.fd = -1, .stream = -1, .slot = -1};
    output->name = cli_strdup(path);
    output->buffer = cli_alloc(BUFFER_SIZE, 1);
    SutraStatus status = SUTRA_OK;
    bool exists = stat(path, &facts) == 0;
    if (!exists && (errno != ENOENT || lstat(path, &facts) == 0))
        status = raise_errno(path, err);
    else if (exists && !S_ISREG(facts.st_mode))
        status =
            cli_raise(err, SUTRA_E_ARGUMENT, "%s: not a file, which can't be gone on with", path);
    else
        status = find_target(output, path, exists, err);
    if (status == SUTRA_OK) status = open_beside(output, exists, &facts, err);
    if (status != SUTRA_OK) cli_output_abort(output);
    return status;
}

SutraStatus cli_output_keep(CliOutput *output, uint64_t keep, SutraError *err)
{
    struct stat facts;
    if (fstat(output->fd, &facts) != 0) return raise_errno(output->partial, err);
    if ((uint64_t)facts.st_size < keep)
        return cli_raise(err, SUTRA_E_LIMIT, "%s: %llu bytes, where %llu were written",
                         output->partial, (unsigned long long)facts.st_size,
                         (unsigned long long)keep);
    if (ftruncate(output->fd, (off_t)keep) != 0 || lseek(output->fd, (off_t)keep, SEEK_SET) < 0)
        return raise_errno(output->partial, err);
    output->position = keep;
    return SUTRA_OK;
}

const char *cli_output_path(const CliOutput *output)
{
    if (output->partial) return output->partial;
    return output->slot >= 0 ? temporary[output->slot].path : NULL;
}

bool cli_output_has_file(const CliOutput *output) { return output->slot >= 0 || output->partial; }

static void write_all(CliOutput *output, int fd, const unsigned char *data, size_t size)
{
    while (size > 0 && output->status == SUTRA_OK) {
        ssize_t written = write(fd, data, size);
        if (written < 0 && errno == EINTR) continue;
        if (written < 0 && errno == EAGAIN) { /* of a descriptor that does not block */
            poll(&(struct pollfd){.fd = fd, .events = POLLOUT}, 1, -1);
            continue;
        }
        if (written < 0) {
            output->status = raise_errno(output->name, &output->err);
            return;
        }
        data += written;
        size -= (size_t)written;
    }
}

static void drain(CliOutput *output)
{
    write_all(output, output->fd, output->buffer, output->used);
    output->used = 0;
}

void cli_output_write(CliOutput *output, const void *data, size_t size)
{
    output->position += size;
    if (size >= BUFFER_SIZE) {
        drain(output);
        write_all(output, output->fd, data, size);
        return;
    }
    if (BUFFER_SIZE - output->used < size) drain(output);
    memcpy(output->buffer + output->used, data, size);
    output->used += size;
}

char *cli_output_room(CliOutput *output, size_t size)
{
    if (BUFFER_SIZE - output->used < size) drain(output);
    return (char *)output->buffer + output->used;
}

void cli_output_fill(CliOutput *output, size_t size)
{
    output->used += size;
    output->position += size;
}

size_t cli_output_read_back(CliOutput *output, uint64_t offset, void *data, size_t size)
{
    unsigned char *to = data;
    size_t have = 0;
    if (offset + size > output->position - output->used) drain(output);
    while (have < size && output->status == SUTRA_OK) {
        ssize_t got = pread(output->fd, to + have, size - have, (off_t)(offset + have));
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) output->status = raise_errno(output->name, &output->err);
        if (got <= 0) break;
        have += (size_t)got;
    }
    return have;
}

void cli_output_print(CliOutput *output, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char *room = cli_output_room(output, CLI_OUTPUT_ROOM);
    int size = vsnprintf(room, CLI_OUTPUT_ROOM, format, args);
    va_end(args);
    if (size < 0) size = 0;
    cli_output_fill(output, (size_t)size < CLI_OUTPUT_ROOM ? (size_t)size : CLI_OUTPUT_ROOM - 1);
}

void cli_output_patch_front(CliOutput *output, const void *data, size_t size)
{
    drain(output);
    if (output->status != SUTRA_OK) return;
    if (lseek(output->fd, 0, SEEK_SET) != 0) {
        output->status = raise_errno(output->name, &output->err);
        return;
    }
    write_all(output, output->fd, data, size);
    if (output->status == SUTRA_OK && lseek(output->fd, 0, SEEK_END) < 0)
        output->status = raise_errno(output->name, &output->err);
}

SutraStatus cli_output_flush(CliOutput *output, SutraError *err)
{
    drain(output);
    if (output->status != SUTRA_OK) *err = output->err;
    return output->status;
}

SutraStatus cli_output_sync(CliOutput *output, SutraError *err)
{
    drain(output);
    if (output->status == SUTRA_OK && cli_output_has_file(output) && fdatasync(output->fd) != 0)
        output->status = raise_errno(output->name, &output->err);
    if (output->status != SUTRA_OK) *err = output->err;
    return output->status;
}

/* Copies the spooled bytes to the stream. */
static void copy_spool(CliOutput *output)
{
    drain(output);
    if (lseek(output->fd, 0, SEEK_SET) != 0)
        output->status = raise_errno(output->name, &output->err);
    while (output->status == SUTRA_OK) {
        ssize_t size = read(output->fd, output->buffer, BUFFER_SIZE);
        if (size < 0) output->status = raise_errno(output->name, &output->err);
        if (size <= 0) return;
        write_all(output, output->stream, output->buffer, (size_t)size);
    }
}

static void sync_folder(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *folder = slash ? cli_strdup(path) : cli_strdup(".");
    if (slash) folder[slash == path ? 1 : slash - path] = '\0';
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) {
        fsync(fd); /* some file systems can't: the data itself is safe already */
        close(fd);
    }
    free(folder);
}

/* Makes the temporary file the target. */
static void publish(CliOutput *output)
{
    drain(output);
    if (output->status != SUTRA_OK) return;
    bool good = fsync(output->fd) == 0;
    int fd = output->fd;
    const char *path = output->partial ? output->partial : temporary[output->slot].path;
    if (good) {
        output->fd = -1;
        good = rename(path, output->target) == 0 && close(fd) == 0;
    }
    if (!good) {
        output->status = raise_errno(output->name, &output->err);
        return;
    }
    if (output->slot >= 0) temporary[output->slot].used = 0;
    output->slot = -1;
    sync_folder(output->target);
}

SutraStatus cli_output_commit(CliOutput *output, SutraError *err)
{
    if (cli_output_has_file(output))
        publish(output);
    else if (output->stream >= 0)
        copy_spool(output);
    else
        drain(output);
    /* A device or FIFO that was opened here reports its last error when closed. */
    int *opened = output->stream >= 0 ? &output->stream : &output->fd;
    if (*opened > STDERR_FILENO && output->status == SUTRA_OK) {
        int fd = *opened;
        *opened = -1;
        if (close(fd) != 0) output->status = raise_errno(output->name, &output->err);
    }
    SutraStatus status = output->status;
    if (status != SUTRA_OK) *err = output->err;
    cli_output_abort(output);
    return status;
}

void cli_output_abort(CliOutput *output)
{
    if (!output->name) return;
    if (output->fd > STDERR_FILENO) close(output->fd);
    if (output->stream > STDERR_FILENO) close(output->stream);
    if (output->slot >= 0) {
        unlink(temporary[output->slot].path);
        temporary[output->slot].used = 0;
    }
    free(output->name);
    free(output->target);
    free(output->partial);
    free(output->buffer);
    *output = (CliOutput){.fd = -1, .stream = -1, .slot = -1};
}
