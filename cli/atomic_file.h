/* atomic_file.h - where a command's data goes: a file that appears whole or not at all, or a
 * stream.
 *
 *   -o FILE, regular or new   a temporary file beside it, renamed over it by cli_output_commit
 *   -o of a device or FIFO    written as it comes
 *   the same, partial         FILE.partial, which stays when the program ends before the commit,
 *                             and which the next run goes on with; one program at a time has it
 *   standard output           written as it comes, flushed by cli_output_flush
 *   either stream, `spool`    gathered in an unlinked temporary file, copied out by commit: for
 * formats whose header says how many rows follow
 *
 * Write errors stick: later writes do nothing, and cli_output_flush and cli_output_commit return
 * the first error. cli_output_abort removes the temporary file; so do SIGINT, SIGTERM, SIGHUP and
 * SIGPIPE (cli_catch_signals), which end the program with 128 + the signal's number. */
#ifndef CLI_ATOMIC_FILE_H
#define CLI_ATOMIC_FILE_H

#include "sutra.h"

#include <stdbool.h>

typedef struct CliOutput {
    int fd;        /* what is written to */
    int stream;    /* spooled: where commit copies to; else -1 */
    char *name;    /* for messages */
    char *target;  /* what the file is renamed to, links resolved; NULL: not renamed */
    char *partial; /* path of FILE.partial; NULL: it is none */
    int slot;      /* of the temporary file in the table that signals read; -1: none */
    unsigned char *buffer;
    size_t used;
    uint64_t position;  /* bytes written so far, those in the buffer and those kept included */
    SutraStatus status; /* first error */
    SutraError err;
} CliOutput;

/* path NULL or "-": standard output. Errors: IO. */
SutraStatus cli_output_open(CliOutput *output, const char *path, bool spool, SutraError *err);

#define CLI_PARTIAL ".partial"
/* A new or regular file, as FILE.partial, which may be there already and is locked.
 * Errors: IO, ARGUMENT, BUSY (another program writes to it). */
SutraStatus cli_output_open_partial(CliOutput *output, const char *path, SutraError *err);
/* What is written goes after the first `keep` bytes of FILE.partial; LIMIT when it has fewer. */
SutraStatus cli_output_keep(CliOutput *output, uint64_t keep, SutraError *err);
/* Of the file that is written to, until the commit; NULL: it has none. */
const char *cli_output_path(const CliOutput *output);
/* True if what is written can be read back: it goes to a file of its own. */
bool cli_output_has_file(const CliOutput *output);

void cli_output_write(CliOutput *output, const void *data, size_t size);
void cli_output_print(CliOutput *output, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Room for `size` bytes (at most CLI_OUTPUT_ROOM), to be filled and then counted with
 * cli_output_fill. */
#define CLI_OUTPUT_ROOM 4096u
char *cli_output_room(CliOutput *output, size_t size);
void cli_output_fill(CliOutput *output, size_t size);

/* Replaces bytes at the front of what was written; not for streams. */
void cli_output_patch_front(CliOutput *output, const void *data, size_t size);

/* `size` bytes from `offset` on, fewer only at the end; returns how many. */
size_t cli_output_read_back(CliOutput *output, uint64_t offset, void *data, size_t size);

SutraStatus cli_output_flush(CliOutput *output, SutraError *err);
/* The same, and waits until a file's bytes are on the disk. */
SutraStatus cli_output_sync(CliOutput *output, SutraError *err);

/* Flushes, syncs, renames into place and closes. On an error nothing is left behind. */
SutraStatus cli_output_commit(CliOutput *output, SutraError *err);
/* Closes, leaving nothing behind but FILE.partial. Legal after commit and on a zeroed struct. */
void cli_output_abort(CliOutput *output);

/* Installs the handlers named above; a signal that was ignored at the start stays ignored, but for
 * SIGPIPE. SIGXFSZ is ignored: a file that grows too large is an error of the write. */
void cli_catch_signals(void);
/* Blocks or unblocks these signals in this thread: threads made meanwhile leave them to the main
 * thread. */
void cli_hold_signals(bool hold);
/* And the temporary folder. */
void cli_remove_temporary_files(void);

#endif
