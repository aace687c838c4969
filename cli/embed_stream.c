#include "embed_stream.h"

#include "console.h"
#include "reading_thread.h"
#include "run_times.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A block is small enough to show progress and to be handed on soon, and the blocks in flight are
 * enough for every thread of the engine to find texts while one block ends and the next begins. */
enum { BLOCK_TEXTS = 1024, BLOCK_BYTES = 256 << 10, FEWEST_BLOCKS = 4, THREADS_A_BLOCK = 4 };

/* A block on its way. */
typedef struct Flight {
    CliTextStore store;
    CliBlock block;
    bool end; /* nothing follows: the input's end, or status and err say why */
    SutraJob *job;
    SutraStatus status;
    SutraError err;
} Flight;

/* flights [depth], a ring: numbers taken … read - 1 are in use, the oldest first. */
typedef struct Ring {
    CliEmbedStream *stream;
    Flight *flights;
    size_t depth;
    CliReadingThread thread;
    pthread_mutex_t lock; /* guards what is below */
    pthread_cond_t changed;
    uint64_t read, taken;
    bool stop;
    uint64_t last; /* lap of the reading thread */
} Ring;

void cli_locate_error(const CliBlock *block, SutraError *err)
{
    if (!err->has_item) return;
    char where[320], message[sizeof err->message];
    snprintf(message, sizeof message, "%s", err->message + err->reason);
    cli_block_where(block, err->item, where, sizeof where);
    cli_raise(err, err->status, "%s: %s", where, message);
}

/* Of those that have vectors. */
static void add_up(CliTotals *totals, const SutraItem *items, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (items[i].status != SUTRA_OK) continue;
        totals->texts++;
        totals->tokens_seen += items[i].tokens_seen;
        totals->tokens_used += items[i].tokens_used;
        totals->truncated += (items[i].flags & SUTRA_ITEM_TRUNCATED) != 0;
        totals->windowed += items[i].windows > 0;
        if (items[i].tokens_seen > totals->longest) totals->longest = items[i].tokens_seen;
    }
}

static void prepare(const CliEmbedStream *stream, SutraInput *input)
{
    input->prompt_name = stream->prompt_name;
    if (!stream->query) return;
    input->pair = input->text;
    input->pair_size = input->text_size;
    input->text = stream->query;
    input->text_size = strlen(stream->query);
}

/* Reads the next block; *last as of cli_lap. */
static void read_block(CliEmbedStream *stream, Flight *flight, uint64_t *last)
{
    CliTimes *times = &stream->times;
    CliSource *source = &stream->reader->source;
    uint64_t read = source->read_ns, unpack = source->unpack_ns;
    flight->status = cli_reader_next_into(stream->reader, &flight->store, BLOCK_TEXTS, BLOCK_BYTES,
                                          &flight->block, &flight->err);
    read = source->read_ns - read;
    unpack = source->unpack_ns - unpack;
    times->read += read;
    times->unpack += unpack;
    *last += read + unpack;
    if (flight->status != SUTRA_OK) flight->block.count = 0;
    flight->end = !flight->block.count && !flight->block.num_rejects;
    for (size_t i = 0; i < flight->block.count; i++) prepare(stream, &flight->block.inputs[i]);
    if (stream->sort && flight->status == SUTRA_OK) {
        flight->status = stream->sort(stream->sort_user, &flight->block, &flight->err);
        if (flight->status != SUTRA_OK) flight->block.count = 0;
    }
    flight->end = flight->end || flight->status != SUTRA_OK;
    cli_lap(last, &times->cut);
}

/* True if some texts failed and the others have vectors, and that is to be no error. */
static bool only_items_failed(const CliEmbedStream *stream, const SutraResult *result,
                              const SutraError *err)
{
    return stream->item_errors && result && err->has_item;
}

/* Hands a result on; frees it. NULL: the block has none. */
static SutraStatus take_result(CliEmbedStream *stream, const Flight *flight, SutraResult *result,
                               CliTakeRows *take, void *user, SutraError *err)
{
    SutraResultView view = {.struct_size = sizeof view};
    SutraStatus status = result ? sutra_result_view(result, &view, err) : SUTRA_OK;
    if (status == SUTRA_OK) {
        add_up(&stream->totals, view.items, view.num_items);
        cli_times_add(&stream->times, view.items, view.num_items);
        status = take(user, &flight->block, &view, err);
    }
    if (status == SUTRA_OK && !stream->quiet)
        cli_progress("texts", stream->totals.texts, flight->block.bytes,
                     stream->reader->source.total_bytes);
    sutra_result_free(result);
    return status;
}

/* ---- an input of one block, by the caller's thread as one of the engine's ---- */

static SutraStatus embed_lone_block(CliEmbedStream *stream, const Flight *flight, uint64_t *last,
                                    CliTakeRows *take, void *user, SutraError *err)
{
    SutraResult *result = NULL;
    uint64_t cpu = cli_ns_of(CLOCK_THREAD_CPUTIME_ID);
    SutraStatus status = SUTRA_OK;
    if (flight->block.count)
        status = sutra_embed(stream->session->engine, stream->session->model, flight->block.inputs,
                             flight->block.count, stream->options, &result, err);
    if (status != SUTRA_OK && only_items_failed(stream, result, err)) status = SUTRA_OK;
    stream->times.lent_cpu += cli_ns_of(CLOCK_THREAD_CPUTIME_ID) - cpu;
    cli_lap(last, &stream->times.wait_rows);
    if (status != SUTRA_OK) {
        cli_locate_error(&flight->block, err);
        sutra_result_free(result);
        return status;
    }
    status = take_result(stream, flight, result, take, user, err);
    cli_lap(last, &stream->times.take);
    return status;
}

/* ---- the reading thread ---- */

static void submit(const CliEmbedStream *stream, Flight *flight)
{
    if (flight->status != SUTRA_OK || !flight->block.count) return;
    flight->status =
        sutra_submit(stream->session->engine, stream->session->model, flight->block.inputs,
                     flight->block.count, stream->options, NULL, NULL, &flight->job, &flight->err);
}

/* A flight whose block was taken; NULL: nobody wants more. */
static Flight *wait_for_room(Ring *ring)
{
    pthread_mutex_lock(&ring->lock);
    while (!ring->stop && ring->read - ring->taken == ring->depth)
        pthread_cond_wait(&ring->changed, &ring->lock);
    Flight *flight = ring->stop ? NULL : &ring->flights[ring->read % ring->depth];
    pthread_mutex_unlock(&ring->lock);
    return flight;
}

/* True: another block may follow. */
static bool hand_over(Ring *ring, const Flight *flight)
{
    bool more = flight->status == SUTRA_OK && !flight->end;
    pthread_mutex_lock(&ring->lock);
    ring->read++;
    pthread_cond_signal(&ring->changed);
    pthread_mutex_unlock(&ring->lock);
    return more;
}

/* The first block is read already. */
static void *read_blocks(void *argument)
{
    Ring *ring = argument;
    CliEmbedStream *stream = ring->stream;
    Flight *flight = &ring->flights[0];
    do {
        submit(stream, flight);
        cli_lap(&ring->last, &stream->times.submit);
        bool more = hand_over(ring, flight);
        flight = more ? wait_for_room(ring) : NULL;
        cli_lap(&ring->last, &stream->times.wait_room);
        if (flight) read_block(stream, flight, &ring->last);
    } while (flight);
    stream->times.reader_cpu = cli_ns_of(CLOCK_THREAD_CPUTIME_ID);
    return NULL;
}

/* ---- the caller's thread ---- */

static Flight *wait_for_block(Ring *ring)
{
    pthread_mutex_lock(&ring->lock);
    while (ring->read == ring->taken) pthread_cond_wait(&ring->changed, &ring->lock);
    pthread_mutex_unlock(&ring->lock);
    return &ring->flights[ring->taken % ring->depth];
}

static void give_back(Ring *ring, Flight *flight)
{
    sutra_job_free(flight->job);
    flight->job = NULL;
    pthread_mutex_lock(&ring->lock);
    ring->taken++;
    pthread_cond_signal(&ring->changed);
    pthread_mutex_unlock(&ring->lock);
}

/* Takes the oldest block. *more: it was not the end. */
static SutraStatus take_block(Ring *ring, uint64_t *last, CliTakeRows *take, void *user, bool *more,
                              SutraError *err)
{
    CliEmbedStream *stream = ring->stream;
    SutraResult *result = NULL;
    Flight *flight = wait_for_block(ring);
    SutraStatus status = flight->status;
    *more = status == SUTRA_OK && !flight->end;
    if (status != SUTRA_OK) {
        *err = flight->err;
        if (flight->block.count) cli_locate_error(&flight->block, err);
    } else if (flight->job) {
        status = sutra_job_wait(flight->job, UINT64_MAX, &result, err);
        if (status != SUTRA_OK && only_items_failed(stream, result, err)) status = SUTRA_OK;
        if (status != SUTRA_OK) cli_locate_error(&flight->block, err);
    }
    cli_lap(last, &stream->times.wait_rows);
    if (status == SUTRA_OK && *more)
        status = take_result(stream, flight, result, take, user, err);
    else
        sutra_result_free(result);
    give_back(ring, flight);
    cli_lap(last, &stream->times.take);
    return status;
}

/* Ends reading, wherever it is, and lets go of what was not taken. */
static void stop_reading(Ring *ring)
{
    pthread_mutex_lock(&ring->lock);
    ring->stop = true;
    for (uint64_t i = ring->taken; i < ring->read; i++)
        sutra_job_cancel(ring->flights[i % ring->depth].job);
    pthread_cond_signal(&ring->changed);
    pthread_mutex_unlock(&ring->lock);
    cli_reading_stop(&ring->thread);
    for (size_t i = 0; i < ring->depth; i++) {
        sutra_job_cancel(ring->flights[i].job);
        sutra_job_free(ring->flights[i].job);
    }
}

static SutraStatus embed_blocks(Ring *ring, uint64_t *last, CliTakeRows *take, void *user,
                                SutraError *err)
{
    bool more = true;
    SutraStatus status =
        cli_reading_start(&ring->thread, &ring->stream->reader->source, read_blocks, ring, err);
    if (status != SUTRA_OK) return status;
    while (status == SUTRA_OK && more) status = take_block(ring, last, take, user, &more, err);
    stop_reading(ring);
    return status;
}

SutraStatus cli_embed_stream(CliEmbedStream *stream, CliTakeRows *take, void *user, SutraError *err)
{
    uint64_t begun = cli_clock_ns(), last = begun, cpu = cli_ns_of(CLOCK_THREAD_CPUTIME_ID);
    Ring ring = {.stream = stream,
                 .depth = FEWEST_BLOCKS + stream->session->num_threads / THREADS_A_BLOCK,
                 .last = begun};
    cli_progress_begin();
    ring.flights = cli_alloc(ring.depth, sizeof *ring.flights);
    pthread_mutex_init(&ring.lock, NULL);
    pthread_cond_init(&ring.changed, NULL);
    Flight *first = &ring.flights[0];
    read_block(stream, first, &ring.last);
    bool lone = first->end || cli_reader_at_end(stream->reader);
    SutraStatus status = first->status;
    if (lone) last = ring.last;
    if (status != SUTRA_OK)
        *err = first->err;
    else if (!lone)
        status = embed_blocks(&ring, &last, take, user, err);
    else if (!first->end)
        status = embed_lone_block(stream, first, &last, take, user, err);
    for (size_t i = 0; i < ring.depth; i++) cli_store_free(&ring.flights[i].store);
    pthread_cond_destroy(&ring.changed);
    pthread_mutex_destroy(&ring.lock);
    free(ring.flights);
    cli_progress_clear();
    cli_lap(&last, &stream->times.take);
    stream->times.threaded = !lone;
    stream->times.text_bytes = stream->reader->source.text_bytes;
    stream->times.caller_cpu = cli_ns_of(CLOCK_THREAD_CPUTIME_ID) - cpu - stream->times.lent_cpu;
    stream->times.stream = last - begun;
    return status;
}

typedef struct Gathered {
    unsigned char *vectors;
    CliText *texts;
    size_t count;
    bool keep_texts;
} Gathered;

static SutraStatus gather(void *user, const CliBlock *block, const SutraResultView *view,
                          SutraError *err)
{
    Gathered *all = user;
    (void)err;
    size_t count = all->count + view->num_items;
    if (!view->num_items) return SUTRA_OK;
    all->vectors = cli_realloc(all->vectors, count, view->row_bytes);
    memcpy(all->vectors + all->count * view->row_bytes, view->data,
           view->num_items * view->row_bytes);
    if (all->keep_texts) {
        all->texts = cli_realloc(all->texts, count, sizeof *all->texts);
        for (size_t i = 0; i < block->count; i++) {
            const SutraInput *input = &block->inputs[i];
            const char *text = input->pair ? input->pair : input->text;
            size_t size = input->pair ? input->pair_size : input->text_size;
            char *copy = cli_alloc(size + 1, 1);
            memcpy(copy, text, size);
            all->texts[all->count + i] = (CliText){copy, size, cli_block_line(block, i)};
        }
    }
    all->count = count;
    return SUTRA_OK;
}

SutraStatus cli_embed_all(CliEmbedStream *stream, unsigned char **vectors, CliText **texts,
                          SutraError *err)
{
    Gathered all = {.keep_texts = texts != NULL};
    SutraStatus status = cli_embed_stream(stream, gather, &all, err);
    if (status != SUTRA_OK) {
        cli_free_texts(all.texts, all.keep_texts ? all.count : 0);
        free(all.vectors);
        return status;
    }
    *vectors = all.vectors;
    if (texts) *texts = all.texts;
    return SUTRA_OK;
}

void cli_free_texts(CliText *texts, size_t count)
{
    for (size_t i = 0; i < count; i++) free(texts[i].data);
    free(texts);
}

void cli_report_long(const CliTotals *totals, uint32_t max_tokens)
{
    if (totals->windowed)
        cli_message("%llu of %llu texts became windows of %u tokens (the longest text has %u)",
                    (unsigned long long)totals->windowed, (unsigned long long)totals->texts,
                    max_tokens, totals->longest);
    if (totals->truncated == 0) return;
    cli_message("warning: %llu of %llu texts were truncated to %u tokens (the longest has %u)",
                (unsigned long long)totals->truncated, (unsigned long long)totals->texts,
                max_tokens, totals->longest);
}
