/* unpacker.h - one compressed format, unpacked as it comes.
 *
 * A packed input is members (gzip) or frames (zstd), each of which ends by itself. An unpacker
 * takes them one after the other and knows no file: byte_source.h finds where each begins. Memory
 * is the format's window, whatever comes out: 32 KiB of gzip, at most 128 MiB of zstd. */
#ifndef CLI_UNPACKER_H
#define CLI_UNPACKER_H

#include "sutra.h"

#include <stdbool.h>

typedef struct CliUnpackStep {
    const unsigned char *in;
    unsigned char *out;
    size_t in_size, out_size; /* what there is; afterwards what was used and written */
    bool ended;               /* the member did */
} CliUnpackStep;

typedef struct CliUnpacker {
    const char *name, *unit; /* "gzip", "member" */
    const char *magic;
    size_t magic_size;
    void *(*open)(void);
    void (*begin)(void *state); /* a member comes */
    /* Errors: FORMAT, MEMORY, LIMIT; what was written before counts. The message names no file. */
    SutraStatus (*step)(void *state, CliUnpackStep *step, SutraError *err);
    void (*close)(void *state);
} CliUnpacker;

extern const CliUnpacker cli_gzip_unpacker, cli_zstd_unpacker;

#endif
