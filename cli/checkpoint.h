/* checkpoint.h - how far a run has come, in FILE.partial.state beside FILE.partial: what is counted
 * there is written and on the disk. One line of JSON, replaced as a whole. */
#ifndef CLI_CHECKPOINT_H
#define CLI_CHECKPOINT_H

#include "sutra.h"

#include <stdbool.h>

enum { CLI_RECIPE_SIZE = 2048 };

typedef struct CliCheckpoint {
    char recipe[CLI_RECIPE_SIZE]; /* "dim=384;format=npy;…": what must be the same to go on */
    char digest[33];              /* of the records so far, in hex */
    uint64_t records;             /* of the input, other shards' included */
    uint64_t rows, bytes, id_bytes, reject_bytes;
    uint64_t duplicates, rejects, failed; /* failed: rejects that the engine found */
    uint64_t finished; /* 1: all is written, and only the files' names are to be given */
    uint64_t tokens_seen, tokens_used, truncated, windowed, longest;
} CliCheckpoint;

/* *found: there is one. Errors: IO, FORMAT. */
SutraStatus cli_checkpoint_read(const char *path, CliCheckpoint *checkpoint, bool *found,
                                SutraError *err);
/* Errors: IO. */
SutraStatus cli_checkpoint_write(const char *path, const CliCheckpoint *checkpoint,
                                 SutraError *err);
/* The output is whole. */
void cli_checkpoint_remove(const char *path);

/* Compares recipes; the first part that differs goes into the message. Errors: ARGUMENT. */
SutraStatus cli_recipe_check(const char *path, const char *wanted, const char *found,
                             SutraError *err);

#endif
