/* corpus_run.h - rows of a stream of texts to a file, each different text embedded once, what can't
 * be embedded listed, and, if so wished, gone on with after the program was ended at any moment.
 *
 *   OUT                  the rows, when all are there
 *   OUT.ids.jsonl        of formats without room for ids: a JSON value a row, in order
 *   REJECTS              {"line":12,"index":11,"reason":"…"} a record without a row
 *   *.partial            of the three, until then
 *   OUT.partial.state    how far they are whole (checkpoint.h)
 *
 * A run that goes on reads the input anew from its start and skips what is done, so that any input
 * will do, packed or from a pipe; that it is the same is seen by a digest of its records.
 *
 * A duplicate is written from the row of the text's first record, read back from the file. */
#ifndef CLI_CORPUS_RUN_H
#define CLI_CORPUS_RUN_H

#include "checkpoint.h"
#include "embed_stream.h"
#include "row_writer.h"
#include "text_dedupe.h"

#include <sys/stat.h>

#define CLI_IDS_ENDING ".ids.jsonl"

typedef struct CliCorpusOptions {
    const char *output;  /* path; NULL, "-": standard output */
    const char *rejects; /* path; NULL: a record without a row ends the run */
    uint32_t format;     /* CLI_FORMAT_… */
    bool resume;         /* leave FILE.partial when ended, and go on with it */
    uint32_t every;      /* records between checkpoints; 0: some seconds */
    uint64_t dedupe_bytes;
    bool spool;   /* of cli_output_open */
    bool has_ids; /* the records have */
} CliCorpusOptions;

typedef struct CliCorpus {
    CliCorpusOptions options;
    CliEmbedStream *stream;
    CliOutput output, ids, rejects;
    char *path;     /* of the output, links resolved */
    char *ids_path; /* NULL: ids are in the rows, or there are none */
    CliRowWriter writer;
    CliCheckpoint done; /* what is on the disk */
    bool finished; /* an earlier run had written all: the input is only compared with its digest */
    struct stat facts; /* of the input, when it was opened */
    uint64_t checkpoint_ns;

    /* the reading thread's */
    CliDedupe dedupe;
    bool dedupes, replayed;
    CliCheckpoint earlier; /* what was done when the run began */
    uint64_t replayed_rows;
    void *digest;         /* XXH3_state_t: of the records so far */
    unsigned char *kinds; /* of a block's texts */
    struct CliSorted *later;
    size_t room; /* of both */
} CliCorpus;

/* Opens the outputs. Errors: IO, FORMAT (a state that can't be read), ARGUMENT, BUSY. */
SutraStatus cli_corpus_open(CliCorpus *corpus, const CliCorpusOptions *options, SutraError *err);

/* Before the stream is run: writer's dtype, model and expected rows are set. Borrows the stream,
 * and sets its sort and its totals. recipe: of what must be the same to go on. Errors: ARGUMENT
 * (begun with another recipe), IO. */
SutraStatus cli_corpus_begin(CliCorpus *corpus, CliEmbedStream *stream, uint32_t dim,
                             const char *recipe, SutraError *err);

/* CliTakeRows of the stream, with the corpus as its user. */
SutraStatus cli_corpus_take(void *user, const CliBlock *block, const SutraResultView *view,
                            SutraError *err);

/* All is taken: the files get their names. Errors: IO, ARGUMENT (the input ends before what was
 * done). */
SutraStatus cli_corpus_commit(CliCorpus *corpus, SutraError *err);

/* After the commit: says on standard error what there is to say of duplicates, rejects and the
 * input. */
void cli_corpus_report(const CliCorpus *corpus);
void cli_corpus_close(CliCorpus *corpus);

#endif
