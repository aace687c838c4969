/* stream_parts.h - what a stream is made of, for its own files.
 *
 *   chunker  | text in no chunk yet |
 *   slots    | held by the consumer | taken … decided - 1: at the engine, or done | free |
 *
 * Slots are a ring, chunk i in slot i % num_slots, one more than max_chunks. Whoever has `cutting`
 * has the chunker and makes requests of free slots; it is set and cleared with the lock held, and
 * the work is done without, so that neither the engine's threads nor the consumer wait for it. Who
 * clears it looks first for what has come meanwhile (su_stream_cut), so nothing is left lying.
 *
 * The stream is owned by the user's handle and by each request at the engine. */
#ifndef SU_STREAM_PARTS_H
#define SU_STREAM_PARTS_H

#include "pipeline/aggregate.h"
#include "pipeline/request.h"
#include "pipeline/stream.h"
#include "tokenizer/chunker.h"

typedef struct SuStreamSlot {
    SuRequest request; /* first */
    SutraStream *stream;
    SutraInput input;
    SutraItem item;
    SutraChunk chunk;
    char *text; /* [most bytes of a chunk] */
    float *row; /* [dim] */
    uint64_t decided_ns, latency_ns;
    bool done;
    SutraStatus status;
    SutraError error;
} SuStreamSlot;

struct SutraStream {
    SuJobQueue *queue; /* by which the engine is reached, while it is there */
    SutraModel *model;
    int64_t process;  /* that made it */
    SuEmbedPlan plan; /* of the requests: floats */
    SutraBatch form;  /* of the aggregate; of rows too, but that they are normalised already */
    size_t row_bytes; /* of them */
    uint64_t timeout_ns;
    uint8_t priority;
    const char *prompt_name;
    void (*ready)(void *user); /* NULL: nobody is told */
    void *user;
    SuChunker *chunker;
    size_t base; /* tokens of a chunk without text */
    size_t max_chunks, max_bytes;
    SuStreamSlot *slots; /* [max_chunks + 1] */
    _Atomic size_t owners;

    /* The consumer's. */
    SuAggregator aggregator;
    bool aggregated;
    SutraStatus first_failed; /* of chunks */
    SutraError first_failure;
    float *steps;       /* [dim] for conversion */
    unsigned char *row; /* [row_bytes] given out, where it is no float one */

    pthread_mutex_t lock; /* guards what is below */
    pthread_cond_t changed;
    bool cutting;
    bool more; /* there may be a chunk in the text */
    bool flushing, finished, over, cancelled;
    SutraStatus failed;
    SutraError failure;
    SutraStreamStats stats; /* chunks: decided, and taken, of the slots */
};

/* Makes chunks of the text while there is room for them. The lock is held, and given up meanwhile;
 * nothing when another thread is at it, which will see what is new. */
void su_stream_cut(SutraStream *stream);

/* Locks the stream. Errors: ARGUMENT (in a child of the process that made it), not locked then. */
SutraStatus su_stream_lock(SutraStream *stream, SutraError *err);

/* How the stream as a whole failed; the lock is held. */
SutraStatus su_stream_status(const SutraStream *stream, SutraError *err);

#endif
