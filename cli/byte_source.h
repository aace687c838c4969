/* byte_source.h - the bytes of a file or of standard input, unpacked where they are packed.
 *
 * What the first bytes are decides, whatever the file is called: gzip members, zstd frames (also
 * skippable ones) and any sequence of both are unpacked, all else is handed on as it is. Zeros
 * after the last member are padding. Memory is bounded by a buffer and the format's window.
 *
 *   fd ──► packed | used | to unpack | free | ──► unpacker ──► the caller's buffer
 *   fd ─────────────────────────────────────────────────────► the caller's buffer */
#ifndef CLI_BYTE_SOURCE_H
#define CLI_BYTE_SOURCE_H

#include "unpacker.h"

typedef struct CliSource {
    const char *name;            /* for messages: the path or "standard input" */
    int fd;                      /* -1: none */
    int stop_fd;                 /* readable: reading is to end; -1: nothing ends it */
    bool regular, ended;         /* ended: nothing more comes */
    uint32_t silence_ms;         /* longest wait for bytes; 0: any */
    bool silent;                 /* none came for so long; once until some come */
    uint64_t bytes, total_bytes; /* read so far; of a regular file, else 0 */
    uint64_t text_bytes;         /* handed on so far */
    uint64_t read_ns, unpack_ns; /* time that went into each */

    bool begun, file_ended, inside, full, padded; /* full: the last step filled its buffer */
    const CliUnpacker *unpacker;                  /* of this or the last member; NULL: not packed */
    void *state, *states[2];                      /* of it; of each unpacker that was needed */
    unsigned char *packed;
    size_t at, filled;
    SutraError failure; /* to be told once what came before it is handed on */
} CliSource;

/* path "-": standard input. Errors: IO. */
SutraStatus cli_source_open(CliSource *source, const char *path, SutraError *err);

/* Up to `capacity` bytes, at least 4. *size may be 0 though more is to come; at the end `ended` is
 * set. Waits at most once for a slow writer, and no longer than silence_ms: then sets `silent`.
 * Errors: IO, naming the file; what the unpackers raise and FORMAT for input that is cut off,
 * naming none; CANCELLED by stop_fd. */
SutraStatus cli_source_read(CliSource *source, void *buffer, size_t capacity, size_t *size,
                            SutraError *err);
/* True if reading now might wait for a slow writer. */
bool cli_source_would_wait(const CliSource *source);
/* Bytes of the file that what was handed on so far came from. */
uint64_t cli_source_position(const CliSource *source);
void cli_source_close(CliSource *source);

#endif
