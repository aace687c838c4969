/* stream.h - texts that arrive in pieces; see sutra_stream_open. */
#ifndef SU_STREAM_H
#define SU_STREAM_H

#include "pipeline/engine.h"

/* *options is complete (su_options_read). */
SutraStatus su_stream_open(SutraEngine *engine, const SutraModel *model,
                           const SutraStreamOptions *options, SutraStream **stream,
                           SutraError *err);

SutraStatus su_stream_push(SutraStream *stream, const char *bytes, size_t size, uint64_t timeout_ns,
                           size_t *taken, SutraError *err);
SutraStatus su_stream_flush(SutraStream *stream, SutraError *err);
SutraStatus su_stream_finish(SutraStream *stream, SutraError *err);

SutraStatus su_stream_next(SutraStream *stream, uint64_t timeout_ns, SutraStreamChunk *chunk,
                           SutraError *err);
SutraStatus su_stream_aggregate(SutraStream *stream, void *row, size_t capacity, SutraError *err);

SutraStatus su_stream_stats(SutraStream *stream, SutraStreamStats *stats, SutraError *err);
void su_stream_cancel(SutraStream *stream);
void su_stream_free(SutraStream *stream);

#endif
