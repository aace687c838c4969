/* embed_stream.h - texts of a reader through the engine, with reading, embedding and taking side by
 * side.
 *
 *   reading thread                 engine                      the caller's thread
 *   read, unpack, cut ──► submit ──► jobs, a few at a time ──► wait for the oldest ──► take
 *          ▲                                                                              │
 *          └────────────────────── the block's memory, when it is taken ◄─────────────────┘
 *
 * Blocks are taken in input order, each as soon as it and those before it are done. What was read
 * and is not taken is a fixed number of blocks, so memory is bounded by that and the longest line.
 * An input that is one block needs no second thread. */
#ifndef CLI_EMBED_STREAM_H
#define CLI_EMBED_STREAM_H

#include "model_session.h"
#include "run_times.h"
#include "text_reader.h"

/* What adds up over a run. */
typedef struct CliTotals {
    uint64_t texts, tokens_seen, tokens_used, truncated, windowed;
    uint64_t duplicates, rejects; /* texts that have another's vector; records without any */
    uint32_t longest;             /* tokens of the longest text */
    bool chunks;                  /* the texts are chunks of one */
} CliTotals;

/* Called on the reading thread with each block, in order, before it is embedded: may take texts out
 * of it, or put them behind its `count`. Errors end the stream. */
typedef SutraStatus CliSortBlock(void *user, CliBlock *block, SutraError *err);

typedef struct CliEmbedStream {
    const CliSession *session;
    const SutraEmbedOptions *options;
    const char *prompt_name;
    CliReader *reader;
    const char *query; /* each text is scored as its pair; NULL: texts are embedded */
    CliTotals totals;
    CliTimes times;
    bool quiet;         /* no progress: results go to the same terminal */
    CliSortBlock *sort; /* NULL: every text is embedded */
    void *sort_user;
    bool item_errors; /* a text that fails is no error: its item says so */
} CliEmbedStream;

/* Called on the caller's thread, in order; the view has no items where the block has no texts to
 * embed. Errors end the stream. */
typedef SutraStatus CliTakeRows(void *user, const CliBlock *block, const SutraResultView *view,
                                SutraError *err);

/* Calls `take` with each block's vectors, until the texts end or something fails: then those of all
 * blocks before have been taken. Errors name file and line. */
SutraStatus cli_embed_stream(CliEmbedStream *stream, CliTakeRows *take, void *user,
                             SutraError *err);

/* All vectors at once, freed by free. texts may be NULL; else *texts gets the texts, each freed by
 * free as is the array. */
typedef struct CliText {
    char *data;
    size_t size;
    uint64_t line; /* of its file, from 1; of arguments, which of them */
} CliText;
SutraStatus cli_embed_all(CliEmbedStream *stream, unsigned char **vectors, CliText **texts,
                          SutraError *err);
void cli_free_texts(CliText *texts, size_t count);

/* Says once on standard error how many texts, or pairs, were cut or became windows. */
void cli_report_long(const CliTotals *totals, uint32_t max_tokens);

/* Puts file and line of the text that failed, if one did, before the library's message. */
void cli_locate_error(const CliBlock *block, SutraError *err);

#endif
