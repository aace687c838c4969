#include "row_feed.h"

#include "console.h"

#include <stdlib.h>
#include <string.h>

/* As blocks of a stream: small enough to be kept soon, enough for every thread. */
enum { BLOCK_TEXTS = 256, BLOCK_BYTES = 64 << 10, FEWEST_BLOCKS = 4, THREADS_A_BLOCK = 2 };

void cli_feed_begin(CliRowFeed *feed)
{
    size_t depth = FEWEST_BLOCKS + feed->session->num_threads / THREADS_A_BLOCK;
    feed->depth = depth < CLI_FEED_DEPTH ? depth : CLI_FEED_DEPTH;
    feed->inputs = cli_alloc(BLOCK_TEXTS, sizeof *feed->inputs);
    feed->starts = cli_alloc(BLOCK_TEXTS, sizeof *feed->starts);
}

/* There is room in the ring. */
static SutraStatus send_block(CliRowFeed *feed, SutraError *err)
{
    for (size_t i = 0; i < feed->count; i++) feed->inputs[i].text = feed->texts + feed->starts[i];
    SutraStatus status =
        sutra_submit(feed->session->engine, feed->session->model, feed->inputs, feed->count,
                     feed->options, NULL, NULL, &feed->jobs[feed->sent % feed->depth], err);
    if (status != SUTRA_OK) {
        if (err->has_item) err->item += (uint32_t)(feed->added - feed->count);
        return status;
    }
    feed->sent++;
    feed->count = 0;
    feed->texts_used = 0;
    return SUTRA_OK;
}

static void keep_rows(CliRowFeed *feed, const SutraResultView *view)
{
    uint64_t needed = feed->done + view->num_items;
    if (needed > feed->rows_room) {
        feed->rows_room = needed > 2 * feed->rows_room ? needed : 2 * feed->rows_room;
        feed->rows = cli_realloc(feed->rows, feed->rows_room, feed->row_bytes);
    }
    memcpy(feed->rows + feed->done * feed->row_bytes, view->data,
           view->num_items * feed->row_bytes);
    for (size_t i = 0; i < view->num_items; i++) feed->tokens += view->items[i].tokens_used;
    feed->done = needed;
}

static SutraStatus take_oldest(CliRowFeed *feed, SutraError *err)
{
    SutraResult *result = NULL;
    SutraResultView view = {.struct_size = sizeof view};
    SutraJob **job = &feed->jobs[feed->taken++ % feed->depth];
    SutraStatus status = sutra_job_wait(*job, UINT64_MAX, &result, err);
    if (status == SUTRA_OK) status = sutra_result_view(result, &view, err);
    if (status == SUTRA_OK)
        keep_rows(feed, &view);
    else if (err->has_item)
        err->item += (uint32_t)feed->done;
    sutra_result_free(result);
    sutra_job_free(*job);
    *job = NULL;
    return status;
}

SutraStatus cli_feed_take(CliRowFeed *feed, bool *more, SutraError *err)
{
    SutraStatus status = SUTRA_OK;
    if (feed->sent == feed->taken && feed->count) status = send_block(feed, err);
    *more = feed->sent > feed->taken;
    return status == SUTRA_OK && *more ? take_oldest(feed, err) : status;
}

SutraStatus cli_feed_add(CliRowFeed *feed, const char *text, size_t size, SutraError *err)
{
    if (feed->texts_used + size > feed->texts_room) {
        feed->texts_room = 2 * (feed->texts_used + size);
        feed->texts = cli_realloc(feed->texts, feed->texts_room, 1);
    }
    memcpy(feed->texts + feed->texts_used, text, size);
    feed->starts[feed->count] = feed->texts_used;
    feed->inputs[feed->count++] = (SutraInput){.text_size = size, .prompt_name = feed->prompt_name};
    feed->texts_used += size;
    feed->added++;
    if (feed->count < BLOCK_TEXTS && feed->texts_used < BLOCK_BYTES) return SUTRA_OK;
    SutraStatus status = SUTRA_OK;
    if (feed->sent - feed->taken == feed->depth) status = take_oldest(feed, err);
    return status == SUTRA_OK ? send_block(feed, err) : status;
}

void cli_feed_end(CliRowFeed *feed)
{
    for (size_t i = 0; i < feed->depth; i++) {
        sutra_job_cancel(feed->jobs[i]);
        sutra_job_free(feed->jobs[i]);
    }
    free(feed->rows);
    free(feed->texts);
    free(feed->inputs);
    free(feed->starts);
    *feed = (CliRowFeed){.session = NULL};
}
