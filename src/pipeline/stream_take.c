/* Chunks and their vectors come out. */
#include "backend/cpu_backend.h"
#include "base/deadline.h"
#include "base/status.h"
#include "pipeline/stream_parts.h"

#include <string.h>

/* *out: the oldest chunk that is not taken, which is done. The lock is held. */
static SutraStatus wait_for_chunk(SutraStream *stream, uint64_t timeout_ns, SuStreamSlot **out,
                                  SutraError *err)
{
    struct timespec end = su_deadline_after(timeout_ns);
    bool in_time = timeout_ns != 0;
    for (;;) {
        SutraStreamStats *stats = &stream->stats;
        SuStreamSlot *slot = &stream->slots[stats->taken % (stream->max_chunks + 1)];
        if (stream->cancelled) return su_stream_status(stream, err);
        if (stats->taken < stats->chunks && slot->done) {
            *out = slot;
            return SUTRA_OK;
        }
        if (stats->taken == stats->chunks && !stream->cutting) {
            SU_TRY(su_stream_status(stream, err));
            if (stream->over) SU_RAISE(err, SUTRA_E_END, "the stream is at its end");
        }
        if (!in_time) SU_RAISE(err, SUTRA_E_TIMEOUT, "the next chunk is not there yet");
        in_time = su_deadline_wait(&stream->changed, &stream->lock,
                                   timeout_ns == UINT64_MAX ? NULL : &end);
    }
}

/* The vector in the form that was asked for. */
static const void *give_form(SutraStream *stream, const SuStreamSlot *slot)
{
    SutraBatch form = stream->form;
    if (form.dtype == SUTRA_F32) return slot->row;
    form.normalize = 0;
    if (slot->status != SUTRA_OK)
        memset(stream->row, 0, stream->row_bytes);
    else
        su_cpu_backend_convert(&form, slot->row, form.dim, stream->steps, stream->row);
    return stream->row;
}

static void add_to_aggregate(SutraStream *stream, const SuStreamSlot *slot)
{
    if (slot->status == SUTRA_OK) {
        size_t tokens = slot->chunk.tokens - stream->base;
        su_aggregator_add(&stream->aggregator, slot->row,
                          su_aggregate_weight(stream->aggregator.how, 0, tokens, tokens));
    } else if (stream->first_failed == SUTRA_OK) {
        stream->first_failed = slot->status;
        stream->first_failure = slot->error;
    }
}

SutraStatus su_stream_next(SutraStream *stream, uint64_t timeout_ns, SutraStreamChunk *chunk,
                           SutraError *err)
{
    SuStreamSlot *slot = NULL;
    *chunk = (SutraStreamChunk){.struct_size = sizeof *chunk};
    SU_TRY(su_stream_lock(stream, err));
    SutraStatus status = wait_for_chunk(stream, timeout_ns, &slot, err);
    if (slot) {
        chunk->number = stream->stats.taken++;
        stream->stats.waiting_chunks--;
        pthread_cond_broadcast(&stream->changed);
        su_stream_cut(stream);
    }
    pthread_mutex_unlock(&stream->lock);
    if (!slot) return status;
    chunk->chunk = slot->chunk;
    chunk->text = slot->text;
    chunk->vector = give_form(stream, slot);
    chunk->row_bytes = stream->row_bytes;
    chunk->item = slot->item;
    chunk->latency_ns = slot->latency_ns;
    add_to_aggregate(stream, slot);
    if (slot->status != SUTRA_OK && err) *err = slot->error;
    return slot->status;
}

SutraStatus su_stream_aggregate(SutraStream *stream, void *row, size_t capacity, SutraError *err)
{
    SU_TRY(su_stream_lock(stream, err));
    SutraStatus status = su_stream_status(stream, err);
    bool ended = stream->over && stream->stats.taken == stream->stats.chunks;
    pthread_mutex_unlock(&stream->lock);
    if (status != SUTRA_OK) return status;
    if (!ended) SU_RAISE(err, SUTRA_E_ARGUMENT, "not all chunks of the stream are taken yet");
    if (stream->first_failed != SUTRA_OK && err) *err = stream->first_failure;
    if (stream->first_failed != SUTRA_OK) return stream->first_failed;
    if (stream->aggregator.count == 0) SU_RAISE(err, SUTRA_E_ARGUMENT, "the stream had no chunks");
    if (!row || capacity < stream->row_bytes)
        SU_RAISE(err, SUTRA_E_ARGUMENT, "row has %zu bytes, the vector needs %zu",
                 row ? capacity : 0, stream->row_bytes);
    if (!stream->aggregated) su_aggregator_end(&stream->aggregator);
    stream->aggregated = true;
    if (!su_cpu_backend_convert(&stream->form, stream->aggregator.x, stream->form.dim,
                                stream->steps, row))
        SU_RAISE(err, SUTRA_E_NUMERIC, "the vector holds NaN or infinity");
    return SUTRA_OK;
}

SutraStatus su_stream_stats(SutraStream *stream, SutraStreamStats *stats, SutraError *err)
{
    SU_TRY(su_stream_lock(stream, err));
    *stats = stream->stats;
    pthread_mutex_unlock(&stream->lock);
    return SUTRA_OK;
}
