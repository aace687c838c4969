/* corpus_options.h - what `sutra embed` takes for files of many records. */
#ifndef CLI_CORPUS_OPTIONS_H
#define CLI_CORPUS_OPTIONS_H

#include "corpus_run.h"
#include "option_table.h"

typedef struct CliCorpusArgs {
    const char *field, *id, *shard, *rejects;
    uint32_t layout; /* place in CLI_LAYOUT_WORDS */
    bool resume;
    uint32_t every, dedupe_memory;
} CliCorpusArgs;

extern const CliOption cli_corpus_options[8];

/* The first of these options that is given, which a list of texts has no use for; NULL: none. */
const char *cli_corpus_option_of(const CliCorpusArgs *args);

/* Checks what goes together; `output` NULL: standard output. CLI_DONE, or CLI_USAGE with a message
 * printed. */
int cli_corpus_settle(const char *command, const CliCorpusArgs *args, const char *input,
                      const char *output, CliRecordOptions *records);

/* "dim=384;format=npy;…": all that the bytes of a run's output depend on, but its input. ranges
 * [2, dim] or NULL. Errors: LIMIT (names are too long). */
SutraStatus cli_corpus_recipe(const CliEmbedStream *stream, const CliRecordOptions *records,
                              uint32_t format, uint32_t dim, const char *device,
                              char recipe[CLI_RECIPE_SIZE], SutraError *err);

#endif
