/* sutra_chunks.h: streams of text. Checks arguments and hands on to the pipeline. */
#include "base/process.h"
#include "base/status.h"
#include "pipeline/stream.h"

#include <string.h>

SutraStatus sutra_stream_open(SutraEngine *engine, const SutraModel *model,
                              const SutraStreamOptions *options, SutraStream **stream,
                              SutraError *err)
{
    SutraStreamOptions o;
    if (!stream) SU_RAISE(err, SUTRA_E_ARGUMENT, "stream is NULL");
    *stream = NULL;
    if (!engine) SU_RAISE(err, SUTRA_E_ARGUMENT, "engine is NULL");
    if (engine->process != su_process_id())
        SU_RAISE(err, SUTRA_E_ARGUMENT,
                 "the engine was made before fork(): a child needs one of its own");
    if (!model) SU_RAISE(err, SUTRA_E_ARGUMENT, "model is NULL");
    SU_TRY(su_options_read(&o, sizeof o, options, "SutraStreamOptions", err));
    return su_stream_open(engine, model, &o, stream, err);
}

SutraStatus sutra_stream_push(SutraStream *stream, const char *bytes, size_t size,
                              uint64_t timeout_ns, size_t *taken, SutraError *err)
{
    size_t unused;
    if (taken) *taken = 0;
    if (!stream) SU_RAISE(err, SUTRA_E_ARGUMENT, "stream is NULL");
    if (!bytes && size) SU_RAISE(err, SUTRA_E_ARGUMENT, "bytes is NULL, their size is %zu", size);
    return su_stream_push(stream, bytes, size, timeout_ns, taken ? taken : &unused, err);
}

SutraStatus sutra_stream_flush(SutraStream *stream, SutraError *err)
{
    if (!stream) SU_RAISE(err, SUTRA_E_ARGUMENT, "stream is NULL");
    return su_stream_flush(stream, err);
}

SutraStatus sutra_stream_finish(SutraStream *stream, SutraError *err)
{
    if (!stream) SU_RAISE(err, SUTRA_E_ARGUMENT, "stream is NULL");
    return su_stream_finish(stream, err);
}

/* What the caller has room for. Errors: ABI. */
static SutraStatus give(void *to, const void *from, uint32_t known, const char *name,
                        SutraError *err)
{
    uint32_t size;
    memcpy(&size, to, sizeof size);
    if (size < sizeof size) SU_RAISE(err, SUTRA_E_ABI, "%s: struct_size is not set", name);
    if (!from) return SUTRA_OK;
    memcpy(to, from, size < known ? size : known);
    memcpy(to, &size, sizeof size);
    return SUTRA_OK;
}

SutraStatus sutra_stream_next(SutraStream *stream, uint64_t timeout_ns, SutraStreamChunk *chunk,
                              SutraError *err)
{
    SutraStreamChunk whole;
    if (!stream || !chunk) SU_RAISE(err, SUTRA_E_ARGUMENT, "stream or chunk is NULL");
    SU_TRY(give(chunk, NULL, 0, "SutraStreamChunk", err));
    SutraStatus status = su_stream_next(stream, timeout_ns, &whole, err);
    give(chunk, &whole, sizeof whole, "SutraStreamChunk", NULL);
    return status;
}

SutraStatus sutra_stream_aggregate(SutraStream *stream, void *row, size_t capacity, SutraError *err)
{
    if (!stream) SU_RAISE(err, SUTRA_E_ARGUMENT, "stream is NULL");
    return su_stream_aggregate(stream, row, capacity, err);
}

SutraStatus sutra_stream_stats(SutraStream *stream, SutraStreamStats *stats, SutraError *err)
{
    SutraStreamStats whole = {0};
    if (!stream || !stats) SU_RAISE(err, SUTRA_E_ARGUMENT, "stream or stats is NULL");
    SU_TRY(give(stats, NULL, 0, "SutraStreamStats", err));
    SU_TRY(su_stream_stats(stream, &whole, err));
    return give(stats, &whole, sizeof whole, "SutraStreamStats", err);
}

void sutra_stream_cancel(SutraStream *stream) { su_stream_cancel(stream); }

void sutra_stream_free(SutraStream *stream) { su_stream_free(stream); }
