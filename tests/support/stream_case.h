/* stream_case.h - streams of text at a tiny model's engine: who pushes, what was taken, and what it must
 * be. The tests' state is the TinyEngine. */
#ifndef SU_STREAM_CASE_H
#define SU_STREAM_CASE_H

#include "support/engine_gate.h"

#include <stdbool.h>

enum { HIDDEN = 64, MOST = 3000, LONGEST = 20000 };

#define FOR_EVER UINT64_MAX

/* Of the engine, which has two threads. */
extern EngineGate stream_gate;

int stream_set_up(void **state);
int stream_tear_down(void **state);

/* Up to `most` bytes of words, sentences and paragraphs; returns how many. */
size_t stream_text(uint32_t *random, char *text, size_t most);

typedef struct StreamTaken {
    SutraChunk chunks[MOST];
    float rows[MOST][HIDDEN]; /* of any type: row_bytes each */
    size_t n;
    SutraStatus end;
    SutraError err;
} StreamTaken;

SutraStream *stream_open(TinyEngine *f, const SutraStreamOptions *options);

/* One chunk; false at the end, however that is. */
bool stream_take(SutraStream *stream, uint64_t timeout_ns, const char *text, StreamTaken *taken);

/* Pushes in pieces of at most `most` bytes, by the thread that takes. */
void stream_push_all(SutraStream *stream, const char *text, size_t size, size_t most,
                     uint32_t *random, StreamTaken *taken);

/* The same with bytes at … at + size - 1 of the text, in pieces of at most 300. */
void stream_push_part(SutraStream *stream, const char *text, size_t at, size_t size,
                      uint32_t *random, StreamTaken *taken);

/* Takes all that is left. */
void stream_finish(SutraStream *stream, const char *text, StreamTaken *taken);

/* Chunks from `first` on are those of the text, whose begin is byte `base` of the stream; returns
 * how many. */
size_t stream_check(TinyEngine *f, const char *text, size_t size, size_t base,
                    const SutraStreamOptions *options, const StreamTaken *taken, size_t first);

typedef struct StreamProducer {
    SutraStream *stream;
    const char *text;
    size_t size, times;
    SutraStatus status;
} StreamProducer;

/* A thread's function: pushes the text so many times, and finishes. */
void *stream_produce(void *producer);

SutraStreamStats stream_stats(SutraStream *stream);

/* Until pushes have waited so many times: the producer can do no more. */
void stream_wait_full(SutraStream *stream, uint64_t waits);

#endif
