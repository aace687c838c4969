#include "byte_source.h"

#include "console.h"
#include "run_times.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PACKED_SIZE = 128 * 1024, PIPE_SIZE = 1 << 20, MAGIC_SIZE = 4 };

static const CliUnpacker *const unpackers[] = {&cli_gzip_unpacker, &cli_zstd_unpacker};
enum { NUM_UNPACKERS = sizeof unpackers / sizeof *unpackers };

static void close_file(CliSource *source)
{
    if (source->fd > STDERR_FILENO) close(source->fd);
    source->fd = -1;
}

SutraStatus cli_source_open(CliSource *source, const char *path, SutraError *err)
{
    bool standard = strcmp(path, "-") == 0;
    *source = (CliSource){.name = standard ? "standard input" : path, .stop_fd = -1};
    source->fd = standard ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    struct stat facts;
    if (source->fd < 0 || fstat(source->fd, &facts) != 0)
        return cli_raise(err, SUTRA_E_IO, "%s: %s", source->name, strerror(errno));
    if (S_ISDIR(facts.st_mode)) {
        close_file(source);
        return cli_raise(err, SUTRA_E_IO, "%s: %s", path, strerror(EISDIR));
    }
    source->regular = S_ISREG(facts.st_mode);
    if (source->regular) source->total_bytes = (uint64_t)facts.st_size;
    /* Room for a writer to go on while a block is embedded. Refused: blocks are smaller. */
    if (S_ISFIFO(facts.st_mode)) (void)fcntl(source->fd, F_SETPIPE_SZ, PIPE_SIZE);
    return SUTRA_OK;
}

void cli_source_close(CliSource *source)
{
    close_file(source);
    for (size_t i = 0; i < NUM_UNPACKERS; i++)
        if (source->states[i]) unpackers[i]->close(source->states[i]);
    free(source->packed);
    *source = (CliSource){.fd = -1, .stop_fd = -1};
}

bool cli_source_would_wait(const CliSource *source)
{
    struct pollfd ready = {.fd = source->fd, .events = POLLIN};
    if (source->regular || source->full || source->at < source->filled || source->failure.status)
        return false;
    return poll(&ready, 1, 0) == 0;
}

/* Waits until there is something to read, of a descriptor that does not block too, or for so long
 * that the source is silent; false: stop_fd says that nobody wants it. */
static bool wait_for_bytes(CliSource *source)
{
    struct pollfd ready[] = {{.fd = source->fd, .events = POLLIN},
                             {.fd = source->stop_fd, .events = POLLIN}};
    bool is_limited = source->silence_ms && !source->silent;
    int limit = source->silence_ms < INT_MAX ? (int)source->silence_ms : INT_MAX, events;
    if (source->regular) return true;
    do events = poll(ready, 2, is_limited ? limit : -1);
    while (events < 0 && errno == EINTR);
    source->silent = events == 0;
    return ready[1].revents == 0;
}

static SutraStatus read_some(CliSource *source, void *buffer, size_t capacity, size_t *size,
                             SutraError *err)
{
    ssize_t got;
    uint64_t start = cli_clock_ns();
    *size = 0;
    if (!wait_for_bytes(source)) return cli_raise(err, SUTRA_E_CANCELLED, "stopped");
    if (source->silent) {
        source->read_ns += cli_clock_ns() - start;
        return SUTRA_OK;
    }
    do got = read(source->fd, buffer, capacity);
    while (got < 0 && errno == EINTR);
    source->read_ns += cli_clock_ns() - start;
    if (got < 0) return cli_raise(err, SUTRA_E_IO, "%s: %s", source->name, strerror(errno));
    source->file_ended = got == 0;
    source->bytes += (uint64_t)got;
    *size = (size_t)got;
    return SUTRA_OK;
}

/* How far the data begin as the magic number of a skippable frame does: 0x184D2A50 … 5F. */
static bool may_be_skippable(const unsigned char *data, size_t size)
{
    return size > 0 && data[0] >> 4 == 5 && memcmp(data + 1, "\x2a\x4d\x18", size - 1) == 0;
}

/* What can unpack data that begin so; *unsure: more bytes tell. size ≤ MAGIC_SIZE */
static const CliUnpacker *find_unpacker(const unsigned char *data, size_t size, bool *unsure)
{
    *unsure = size == 0;
    for (size_t i = 0; i < NUM_UNPACKERS; i++) {
        size_t whole = unpackers[i]->magic_size, common = size < whole ? size : whole;
        if (memcmp(data, unpackers[i]->magic, common) != 0) continue;
        if (common == whole) return unpackers[i];
        *unsure = true;
    }
    if (!may_be_skippable(data, size)) return NULL;
    if (size == MAGIC_SIZE) return &cli_zstd_unpacker;
    *unsure = true;
    return NULL;
}

static SutraStatus begin_member(CliSource *source, const CliUnpacker *unpacker, SutraError *err)
{
    size_t i = 0;
    while (i + 1 < NUM_UNPACKERS && unpackers[i] != unpacker) i++;
    if (!source->states[i]) source->states[i] = unpacker->open();
    if (!source->states[i]) return cli_raise(err, SUTRA_E_MEMORY, "out of memory");
    unpacker->begin(source->states[i]);
    source->unpacker = unpacker;
    source->state = source->states[i];
    source->inside = true;
    return SUTRA_OK;
}

/* Reads the first bytes, into the caller's buffer, and decides what they are. */
static SutraStatus begin(CliSource *source, void *buffer, size_t capacity, size_t *size,
                         SutraError *err)
{
    const CliUnpacker *unpacker = NULL;
    bool unsure = true;
    size_t more;
    *size = 0;
    while (unsure && !source->file_ended) {
        SutraStatus status =
            read_some(source, (char *)buffer + *size, capacity - *size, &more, err);
        if (status != SUTRA_OK) return status;
        *size += more;
        if (*size == 0 && source->silent) return SUTRA_OK;
        unpacker = find_unpacker(buffer, *size < MAGIC_SIZE ? *size : MAGIC_SIZE, &unsure);
    }
    source->begun = true;
    source->ended = !unpacker && source->file_ended;
    if (!unpacker) return SUTRA_OK;
    source->packed = cli_alloc(*size > PACKED_SIZE ? *size : PACKED_SIZE, 1);
    memcpy(source->packed, buffer, *size);
    source->filled = *size;
    *size = 0;
    return begin_member(source, unpacker, err);
}

static SutraStatus refill(CliSource *source, SutraError *err)
{
    size_t rest = source->filled - source->at, more;
    if (rest) memmove(source->packed, source->packed + source->at, rest);
    source->at = 0;
    source->filled = rest;
    SutraStatus status = read_some(source, source->packed + rest, PACKED_SIZE - rest, &more, err);
    source->filled += more;
    return status;
}

/* Between two members, or after the last one. */
static SutraStatus next_member(CliSource *source, SutraError *err)
{
    bool unsure;
    while (source->at < source->filled && source->packed[source->at] == 0) {
        source->padded = true;
        source->at++;
    }
    size_t rest = source->filled - source->at, known = rest < MAGIC_SIZE ? rest : MAGIC_SIZE;
    const CliUnpacker *unpacker = find_unpacker(source->packed + source->at, known, &unsure);
    source->ended = rest == 0 && source->file_ended;
    if (source->ended) return SUTRA_OK;
    if (unpacker && !source->padded) return begin_member(source, unpacker, err);
    if (unsure && !source->file_ended) return refill(source, err);
    return cli_raise(err, SUTRA_E_FORMAT, "what follows the last %s %s is not packed",
                     source->unpacker->name, source->unpacker->unit);
}

static SutraStatus unpack(CliSource *source, void *buffer, size_t capacity, size_t *size,
                          SutraError *err)
{
    CliUnpackStep step = {.in = source->packed + source->at,
                          .in_size = source->filled - source->at,
                          .out = buffer,
                          .out_size = capacity};
    bool was_full = source->full;
    uint64_t start = cli_clock_ns();
    SutraStatus status = source->unpacker->step(source->state, &step, err);
    source->unpack_ns += cli_clock_ns() - start;
    source->at += step.in_size;
    source->inside = !step.ended;
    source->full = source->inside && step.out_size == capacity;
    *size = step.out_size;
    if (status != SUTRA_OK || step.ended || step.in_size || step.out_size || was_full)
        return status;
    if (!source->file_ended) return refill(source, err);
    return cli_raise(err, SUTRA_E_FORMAT,
                     "the %s data end in the middle of a %s: the input is cut off",
                     source->unpacker->name, source->unpacker->unit);
}

static SutraStatus read_plain(CliSource *source, void *buffer, size_t capacity, size_t *size,
                              SutraError *err)
{
    SutraStatus status = read_some(source, buffer, capacity, size, err);
    source->ended = source->file_ended;
    return status;
}

SutraStatus cli_source_read(CliSource *source, void *buffer, size_t capacity, size_t *size,
                            SutraError *err)
{
    SutraStatus status = source->failure.status;
    *size = 0;
    if (status != SUTRA_OK)
        *err = source->failure;
    else if (!source->begun)
        status = begin(source, buffer, capacity, size, err);
    else if (!source->unpacker)
        status = read_plain(source, buffer, capacity, size, err);
    else if (source->inside)
        status = unpack(source, buffer, capacity, size, err);
    else
        status = next_member(source, err);
    source->text_bytes += *size;
    if (status == SUTRA_OK || *size == 0) return status;
    source->failure = *err;
    return SUTRA_OK;
}

uint64_t cli_source_position(const CliSource *source)
{
    return source->bytes - (source->filled - source->at);
}
