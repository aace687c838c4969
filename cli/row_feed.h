/* row_feed.h - texts go to the engine in blocks, a few at a time, and come back as rows in the
 * order of the texts, so that who finds the next texts and the engine work side by side.
 *
 *   add ──► block that is filled ──► jobs, the oldest first ──► rows [done, row bytes]
 *
 * One thread. */
#ifndef CLI_ROW_FEED_H
#define CLI_ROW_FEED_H

#include "model_session.h"

enum { CLI_FEED_DEPTH = 64 };

typedef struct CliRowFeed {
    const CliSession *session;
    const SutraEmbedOptions *options;
    const char *prompt_name; /* of every text */
    size_t row_bytes;
    unsigned char *rows; /* [done, row_bytes] */
    uint64_t added, done;
    uint64_t tokens; /* of the rows */

    char *texts; /* of the block that is filled */
    size_t texts_used, texts_room;
    SutraInput *inputs; /* [count]; text: place in texts until the block goes */
    size_t *starts;
    size_t count;
    uint64_t rows_room;
    SutraJob *jobs[CLI_FEED_DEPTH]; /* a ring: numbers taken … sent - 1 */
    uint64_t sent, taken;
    size_t depth;
} CliRowFeed;

/* The rest of *feed is zero. */
void cli_feed_begin(CliRowFeed *feed);
/* The text is copied; its row is number `added` as it was before. Errors: those of sutra_submit and
 * of the oldest texts; err->item is then the number of the row, if has_item. */
SutraStatus cli_feed_add(CliRowFeed *feed, const char *text, size_t size, SutraError *err);
/* Waits for the oldest block. *more: there was one, filled or on its way. Errors: as above. */
SutraStatus cli_feed_take(CliRowFeed *feed, bool *more, SutraError *err);
/* Legal on a zeroed struct, and after errors. */
void cli_feed_end(CliRowFeed *feed);

#endif
