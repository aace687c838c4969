/* Text comes in, chunks go to the engine. */
#include "backend/cpu_backend.h"
#include "base/deadline.h"
#include "base/process.h"
#include "base/status.h"
#include "batch/row_bytes.h"
#include "pipeline/chunk_plan.h"
#include "pipeline/job_queue.h"
#include "pipeline/scheduler.h"
#include "pipeline/stream_parts.h"

#include <string.h>

enum {
    DEFAULT_CHUNKS = 16,
    MOST_CHUNKS = 65536,
    SMALLEST_BUFFER = 64 * 1024,
    LONGEST = 4 /* bytes of a code point */
};

SutraStatus su_stream_lock(SutraStream *stream, SutraError *err)
{
    if (stream->process != su_process_id())
        SU_RAISE(err, SUTRA_E_ARGUMENT, "the stream was made before fork()");
    pthread_mutex_lock(&stream->lock);
    return SUTRA_OK;
}

SutraStatus su_stream_status(const SutraStream *stream, SutraError *err)
{
    if (stream->cancelled) SU_RAISE(err, SUTRA_E_CANCELLED, "the stream was cancelled");
    if (stream->failed != SUTRA_OK && err) *err = stream->failure;
    return stream->failed;
}

static void fail(SutraStream *stream, SutraStatus status, const SutraError *err)
{
    if (stream->failed == SUTRA_OK) {
        stream->failed = status;
        stream->failure = *err;
    }
    pthread_cond_broadcast(&stream->changed);
}

/* ---- life ---- */

static void release(SutraStream *stream)
{
    if (atomic_fetch_sub(&stream->owners, 1) != 1) return;
    su_chunker_free(stream->chunker);
    su_model_free(stream->model);
    su_job_queue_release(stream->queue);
    pthread_cond_destroy(&stream->changed);
    pthread_mutex_destroy(&stream->lock);
    su_free_aligned(stream);
}

/* stream | slots | their texts and rows | x | steps | row | ranges | prompt_name; with arena->base
 * NULL only measures. `model` and what is fixed by options is in *from. */
static SutraStream *carve(SuArena *arena, const SutraStream *from, size_t most)
{
    size_t slots = from->max_chunks + 1, dim = from->plan.dim;
    size_t floats = dim * sizeof(float);
    size_t name = from->prompt_name ? strlen(from->prompt_name) + 1 : 0;
    SutraStream *stream = su_arena_carve(arena, sizeof *stream);
    SuStreamSlot *ring = su_arena_carve(arena, slots * sizeof *ring);
    for (size_t i = 0; i < slots; i++) {
        char *text = su_arena_carve(arena, most);
        float *row = su_arena_carve(arena, floats);
        if (ring) ring[i] = (SuStreamSlot){.stream = stream, .text = text, .row = row};
    }
    float *x = su_arena_carve(arena, floats), *steps = su_arena_carve(arena, floats);
    unsigned char *row = su_arena_carve(arena, from->row_bytes);
    float *ranges = from->form.ranges ? su_arena_carve(arena, 2 * floats) : NULL;
    char *prompt_name = name ? su_arena_carve(arena, name) : NULL;
    if (!stream) return NULL;
    *stream = *from;
    stream->slots = ring;
    stream->aggregator.x = x;
    stream->steps = steps;
    stream->row = row;
    if (ranges) memcpy(ranges, from->form.ranges, 2 * floats);
    stream->form.ranges = ranges;
    if (prompt_name) memcpy(prompt_name, from->prompt_name, name);
    stream->prompt_name = prompt_name;
    return stream;
}

/* What embed says, of chunks as floats, and the form that these are given. */
static SutraStatus plan_vectors(const SutraModel *model, const SutraStreamOptions *o,
                                SutraStream *plan, SutraError *err)
{
    SutraEmbedOptions embed;
    if (o->aggregate == SUTRA_AGGREGATE_CENTER)
        SU_RAISE(err, SUTRA_E_UNSUPPORTED,
                 "aggregate CENTER depends on the length of the whole text, which a stream does "
                 "not know");
    if ((unsigned)o->aggregate > SUTRA_AGGREGATE_LAST)
        SU_RAISE(err, SUTRA_E_ARGUMENT, "aggregate %d is not known", (int)o->aggregate);
    SU_TRY(su_embed_plan(model, o->embed, &plan->plan, err));
    SU_TRY(su_options_read(&embed, sizeof embed, o->embed, "SutraEmbedOptions", err));
    if (plan->plan.output != SUTRA_OUT_POOLED)
        SU_RAISE(err, SUTRA_E_UNSUPPORTED, "streams are for pooled vectors");
    bool normalized = plan->plan.normalize == SUTRA_BATCH_NORMALIZE;
    plan->form = (SutraBatch){.struct_size = sizeof plan->form,
                              .dtype = plan->plan.dtype,
                              .dim = plan->plan.dim,
                              .normalize = normalized ? SUTRA_BATCH_NORMALIZE : 0,
                              .ranges = plan->plan.ranges};
    plan->row_bytes = plan->plan.row_bytes;
    plan->plan.dtype = SUTRA_F32;
    plan->plan.ranges = NULL;
    plan->plan.row_bytes = su_row_bytes(SUTRA_F32, plan->plan.dim);
    plan->aggregator = (SuAggregator){.how = o->aggregate, .dim = plan->plan.dim};
    plan->timeout_ns = embed.timeout_ns;
    plan->priority = embed.priority;
    return SUTRA_OK;
}

static SutraStatus plan_chunks(const SutraModel *model, const SutraStreamOptions *o,
                               SutraStream *plan, SutraError *err)
{
    SuChunkRule rule;
    const SutraChunkOptions chunk = {.struct_size = sizeof chunk,
                                     .by = o->by,
                                     .max_tokens =
                                         o->max_tokens ? o->max_tokens : plan->plan.max_tokens,
                                     .overlap = o->overlap,
                                     .prompt_name = o->prompt_name};
    SU_TRY(su_chunk_plan(model, &chunk, &rule, err));
    if (rule.max_tokens > plan->plan.max_tokens)
        SU_RAISE(err, SUTRA_E_ARGUMENT,
                 "max_tokens %u of a chunk is more than the %u that are embedded", rule.max_tokens,
                 plan->plan.max_tokens);
    if (o->max_chunks > MOST_CHUNKS)
        SU_RAISE(err, SUTRA_E_ARGUMENT, "max_chunks %u is more than %d", o->max_chunks,
                 MOST_CHUNKS);
    plan->prompt_name = o->prompt_name;
    plan->ready = o->ready;
    plan->user = o->user;
    plan->max_chunks = o->max_chunks ? o->max_chunks : DEFAULT_CHUNKS;
    return su_chunker_create(model->tokenizer, &rule, &plan->chunker, err);
}

static SutraStatus plan_buffer(const SutraStreamOptions *o, SutraStream *plan, SutraError *err)
{
    size_t reach = su_chunker_reach(plan->chunker);
    if (o->max_bytes && o->max_bytes < reach)
        SU_RAISE(err, SUTRA_E_ARGUMENT,
                 "max_bytes %llu is less than the %zu that a chunk is decided by",
                 (unsigned long long)o->max_bytes, reach);
    plan->base = su_chunker_base(plan->chunker);
    plan->max_bytes = 2 * reach > SMALLEST_BUFFER ? 2 * reach : SMALLEST_BUFFER;
    if (o->max_bytes) plan->max_bytes = (size_t)o->max_bytes;
    size_t with_cut;
    if (su_add_overflows(plan->max_bytes, LONGEST, &with_cut)) with_cut = SIZE_MAX;
    return su_chunker_reserve(plan->chunker, with_cut, err);
}

static SutraStatus build(SutraEngine *engine, const SutraModel *model, const SutraStream *plan,
                         SutraStream **out, SutraError *err)
{
    SuArena arena = {0};
    size_t most = su_chunker_most(plan->chunker);
    carve(&arena, plan, most);
    unsigned char *memory = su_alloc_aligned(arena.used);
    if (!memory)
        SU_RAISE(err, SUTRA_E_MEMORY, "out of memory for a stream of %zu chunks", plan->max_chunks);
    arena = (SuArena){.base = memory, .size = arena.used};
    SutraStream *stream = carve(&arena, plan, most);
    stream->queue = su_job_queue_retain(engine->queue);
    stream->model = su_model_retain((SutraModel *)model);
    stream->process = engine->process;
    stream->owners = 1;
    pthread_mutex_init(&stream->lock, NULL);
    su_deadline_condition(&stream->changed);
    *out = stream;
    return SUTRA_OK;
}

SutraStatus su_stream_open(SutraEngine *engine, const SutraModel *model,
                           const SutraStreamOptions *options, SutraStream **out, SutraError *err)
{
    SutraStream plan = {0};
    SU_TRY(plan_vectors(model, options, &plan, err));
    SU_TRY(plan_chunks(model, options, &plan, err));
    SutraStatus status = plan_buffer(options, &plan, err);
    if (status == SUTRA_OK) status = build(engine, model, &plan, out, err);
    if (status != SUTRA_OK) su_chunker_free(plan.chunker);
    return status;
}

/* Requests at the engine that no thread has taken up end at once. */
void su_stream_cancel(SutraStream *stream)
{
    SutraEngine *engine;
    if (!stream || su_stream_lock(stream, NULL) != SUTRA_OK) return;
    stream->cancelled = true;
    pthread_cond_broadcast(&stream->changed);
    while (stream->cutting) pthread_cond_wait(&stream->changed, &stream->lock);
    uint64_t first = stream->stats.taken, last = stream->stats.chunks;
    pthread_mutex_unlock(&stream->lock);
    if (su_job_queue_enter(stream->queue, &engine, NULL) != SUTRA_OK) return;
    for (uint64_t i = first; i < last; i++)
        su_scheduler_cancel(engine->scheduler,
                            &stream->slots[i % (stream->max_chunks + 1)].request);
    su_job_queue_leave(stream->queue);
}

void su_stream_free(SutraStream *stream)
{
    if (!stream || stream->process != su_process_id()) return;
    su_stream_cancel(stream);
    release(stream);
}

/* ---- requests ---- */

/* By the thread that finished it. */
static void on_finished(SuRequest *request)
{
    SuStreamSlot *slot = (SuStreamSlot *)request;
    SutraStream *stream = slot->stream;
    slot->status = su_request_status(request, &slot->error);
    if (slot->status != SUTRA_OK) {
        slot->item.status = slot->status;
        memset(slot->row, 0, stream->plan.row_bytes);
    }
    slot->latency_ns = su_clock_ns() - slot->decided_ns;
    su_request_destroy(request);
    pthread_mutex_lock(&stream->lock);
    slot->done = true;
    if (slot->status != SUTRA_OK) stream->stats.failed++;
    stream->stats.latency_ns += slot->latency_ns;
    if (slot->latency_ns > stream->stats.most_latency_ns)
        stream->stats.most_latency_ns = slot->latency_ns;
    pthread_cond_broadcast(&stream->changed);
    if (stream->ready && !stream->cancelled) stream->ready(stream->user);
    pthread_mutex_unlock(&stream->lock);
    su_job_queue_leave(stream->queue);
    release(stream);
}

static void fill(SuStreamSlot *slot, const SutraChunk *chunk, const char *text, uint64_t decided_ns)
{
    size_t size = (size_t)(chunk->end - chunk->begin);
    memcpy(slot->text, text, size);
    slot->chunk = *chunk;
    slot->input = (SutraInput){
        .text = slot->text, .text_size = size, .prompt_name = slot->stream->prompt_name};
    slot->item = (SutraItem){0};
    slot->error = (SutraError){0};
    slot->decided_ns = decided_ns;
    slot->done = false;
}

static SutraStatus submit(SutraStream *stream, SuStreamSlot *slot, SutraError *err)
{
    SutraEngine *engine;
    SU_TRY(su_job_queue_enter(stream->queue, &engine, err));
    slot->request = (SuRequest){.engine = engine,
                                .model = stream->model,
                                .inputs = &slot->input,
                                .n = 1,
                                .plan = &stream->plan,
                                .target = {(unsigned char *)slot->row, NULL, &slot->item},
                                .submitted_ns = su_clock_ns(),
                                .timeout_ns = stream->timeout_ns,
                                .priority = stream->priority,
                                .on_finished = on_finished};
    su_request_init(&slot->request);
    atomic_fetch_add(&stream->owners, 1);
    SutraStatus status = su_scheduler_submit(engine->scheduler, &slot->request, err);
    if (status != SUTRA_OK) {
        su_request_destroy(&slot->request);
        atomic_fetch_sub(&stream->owners, 1);
        su_job_queue_leave(stream->queue);
    }
    return status;
}

/* ---- cutting ---- */

static void note_waiting(SutraStream *stream)
{
    SutraStreamStats *stats = &stream->stats;
    stats->waiting_bytes = su_chunker_kept(stream->chunker);
    if (stats->waiting_bytes > stats->most_waiting_bytes)
        stats->most_waiting_bytes = stats->waiting_bytes;
    stats->waiting_chunks = stats->chunks - stats->taken;
    if (stats->waiting_chunks > stats->most_waiting_chunks)
        stats->most_waiting_chunks = stats->waiting_chunks;
}

/* The slot is filled. The lock is held, and given up meanwhile. */
static void hand_on(SutraStream *stream, SuStreamSlot *slot)
{
    SutraError err = {0};
    uint32_t tokens = slot->chunk.tokens;
    stream->more = true;
    stream->stats.chunks++;
    stream->stats.tokens += tokens;
    pthread_mutex_unlock(&stream->lock);
    SutraStatus status = submit(stream, slot, &err);
    pthread_mutex_lock(&stream->lock);
    if (status == SUTRA_OK) return;
    stream->stats.chunks--;
    stream->stats.tokens -= tokens;
    fail(stream, status, &err);
}

/* Nothing is left of a text that ends: of one that was flushed, another begins. */
static void end_text(SutraStream *stream)
{
    if (stream->flushing) {
        su_chunker_restart(stream->chunker);
        stream->flushing = false;
        stream->more = stream->finished;
    } else {
        stream->over = true;
    }
}

/* Tries for one chunk. The lock is held, and given up meanwhile. */
static void step(SutraStream *stream)
{
    SuStreamSlot *slot = &stream->slots[stream->stats.chunks % (stream->max_chunks + 1)];
    bool ending = stream->flushing || stream->finished, found;
    SutraChunk chunk;
    SutraError err = {0};
    const char *text;
    stream->more = false;
    pthread_mutex_unlock(&stream->lock);
    uint64_t now = su_clock_ns();
    if (ending) su_chunker_end(stream->chunker);
    SutraStatus status = su_chunker_next(stream->chunker, &found, &chunk, &text, &err);
    if (status == SUTRA_OK && found) fill(slot, &chunk, text, now);
    pthread_mutex_lock(&stream->lock);
    if (status != SUTRA_OK)
        fail(stream, status, &err);
    else if (found)
        hand_on(stream, slot);
    else if (ending)
        end_text(stream);
    note_waiting(stream);
}

static bool may_step(const SutraStream *stream)
{
    return stream->more && !stream->cancelled && stream->failed == SUTRA_OK &&
           stream->stats.chunks - stream->stats.taken < stream->max_chunks;
}

/* cutting is set. */
static void cut_chunks(SutraStream *stream)
{
    while (may_step(stream)) step(stream);
    stream->cutting = false;
    pthread_cond_broadcast(&stream->changed);
}

void su_stream_cut(SutraStream *stream)
{
    if (stream->cutting || !may_step(stream)) return;
    stream->cutting = true;
    cut_chunks(stream);
}

/* ---- text ---- */

/* The lock is held, and given up meanwhile; nobody cuts. */
static void take_text(SutraStream *stream, const char *bytes, size_t size, size_t *taken)
{
    SutraError err = {0};
    stream->cutting = true;
    pthread_mutex_unlock(&stream->lock);
    SutraStatus status = su_chunker_append(stream->chunker, bytes, size, taken, &err);
    pthread_mutex_lock(&stream->lock);
    stream->stats.bytes += *taken;
    stream->more = true;
    note_waiting(stream);
    cut_chunks(stream);
    if (status != SUTRA_OK) fail(stream, status, &err);
}

static size_t room(const SutraStream *stream)
{
    uint64_t waiting = stream->stats.waiting_bytes;
    return stream->flushing || waiting >= stream->max_bytes ? 0
                                                            : stream->max_bytes - (size_t)waiting;
}

/* Until there is room, or no hope of it. */
static SutraStatus wait_for_room(SutraStream *stream, uint64_t timeout_ns,
                                 const struct timespec *end, SutraError *err)
{
    bool in_time = timeout_ns != 0;
    uint64_t since = 0;
    for (;;) {
        SutraStatus status = su_stream_status(stream, err);
        bool done = status != SUTRA_OK || (!stream->cutting && room(stream));
        if (!done && !stream->cutting && !in_time)
            status = timeout_ns ? su_error_set(err, SUTRA_E_TIMEOUT,
                                               "the stream had no room within the time")
                                : su_error_set(err, SUTRA_E_BUSY,
                                               "the stream is full: %llu chunks are not taken",
                                               (unsigned long long)stream->stats.waiting_chunks);
        if (done || status != SUTRA_OK) {
            if (since) stream->stats.push_wait_ns += su_clock_ns() - since;
            return status;
        }
        if (stream->cutting) { /* which ends soon */
            pthread_cond_wait(&stream->changed, &stream->lock);
            continue;
        }
        if (!since) {
            since = su_clock_ns();
            stream->stats.push_waits++;
        }
        in_time = su_deadline_wait(&stream->changed, &stream->lock,
                                   timeout_ns == UINT64_MAX ? NULL : end);
    }
}

/* The lock is held. */
static SutraStatus push(SutraStream *stream, const char *bytes, size_t size, uint64_t timeout_ns,
                        size_t *taken, SutraError *err)
{
    struct timespec end = su_deadline_after(timeout_ns);
    SU_TRY(su_stream_status(stream, err));
    if (stream->finished) SU_RAISE(err, SUTRA_E_ARGUMENT, "the stream was finished");
    while (*taken < size) {
        size_t now = 0;
        SU_TRY(wait_for_room(stream, timeout_ns, &end, err));
        size_t piece = size - *taken < room(stream) ? size - *taken : room(stream);
        take_text(stream, bytes + *taken, piece, &now);
        *taken += now;
        SU_TRY(su_stream_status(stream, err));
    }
    return SUTRA_OK;
}

SutraStatus su_stream_push(SutraStream *stream, const char *bytes, size_t size, uint64_t timeout_ns,
                           size_t *taken, SutraError *err)
{
    *taken = 0;
    SU_TRY(su_stream_lock(stream, err));
    SutraStatus status = push(stream, bytes, size, timeout_ns, taken, err);
    pthread_mutex_unlock(&stream->lock);
    return status;
}

static SutraStatus flush(SutraStream *stream, SutraError *err)
{
    SU_TRY(su_stream_status(stream, err));
    if (stream->finished) SU_RAISE(err, SUTRA_E_ARGUMENT, "the stream was finished");
    stream->flushing = stream->more = true;
    su_stream_cut(stream);
    return su_stream_status(stream, err);
}

SutraStatus su_stream_flush(SutraStream *stream, SutraError *err)
{
    SU_TRY(su_stream_lock(stream, err));
    SutraStatus status = flush(stream, err);
    pthread_mutex_unlock(&stream->lock);
    return status;
}

static SutraStatus finish(SutraStream *stream, SutraError *err)
{
    SutraError failure = {0};
    SU_TRY(su_stream_status(stream, err));
    if (stream->finished) return SUTRA_OK;
    size_t part = su_chunker_part(stream->chunker);
    if (part)
        fail(stream,
             su_error_set(&failure, SUTRA_E_ARGUMENT,
                          "the text ends inside a character, at byte %llu",
                          (unsigned long long)(stream->stats.bytes - part)),
             &failure);
    stream->finished = stream->more = true;
    su_stream_cut(stream);
    return su_stream_status(stream, err);
}

SutraStatus su_stream_finish(SutraStream *stream, SutraError *err)
{
    SU_TRY(su_stream_lock(stream, err));
    SutraStatus status = finish(stream, err);
    pthread_mutex_unlock(&stream->lock);
    return status;
}
