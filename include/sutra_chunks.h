/* sutra_chunks.h - chunks of long texts, vectors of parts of a text, texts that arrive in pieces;
 * comes with sutra.h.
 *
 * How to use it: sutra_chunk of a text that is there, and sutra_embed of each chunk, or
 * sutra_embed_late of all; else sutra_stream_open, then sutra_stream_push and sutra_stream_next. */
#ifndef SUTRA_CHUNKS_H
#define SUTRA_CHUNKS_H

#include "sutra.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct SutraStream SutraStream; /* a text that arrives in pieces, its chunks and vectors */

/* ---- chunks of long texts ---- */

/* Where chunks end: paragraphs end with blank lines and U+2029, sentences and words as in Unicode
 * Standard Annex 29, but that no word ends before marks like "," and ".". */
typedef enum SutraChunkBy {
    SUTRA_CHUNK_TOKENS = 0, /* with words */
    SUTRA_CHUNK_SENTENCES,
    SUTRA_CHUNK_PARAGRAPHS
} SutraChunkBy;

typedef struct SutraChunkOptions {
    uint32_t struct_size;
    SutraChunkBy by;
    uint32_t max_tokens; /* of a chunk, special tokens and the prompt included; 0: the model's */
    uint32_t overlap; /* tokens, at most, of a chunk that the next one begins with; below max_tokens
                         less special tokens and the prompt's; 0: none */
    const char *prompt_name; /* as in SutraInput */
} SutraChunkOptions;

/* A part of a text, without White_Space at its ends. */
typedef struct SutraChunk {
    uint64_t begin, end; /* bytes of the text */
    uint32_t tokens;     /* of this part as a text of its own, special tokens and prompt included */
    uint32_t reserved;
} SutraChunk;

/* Cuts a text into chunks that are each embedded whole: as a text of its own none has more than
 * max_tokens.
 *
 * A chunk is filled with whole units (options->by) as long as it fits; a unit that does not fit
 * alone is cut between its own parts: a paragraph between sentences, a sentence between words, a
 * word between grapheme clusters, and a cluster, if it must be, between code points. No chunk has
 * more than 32 bytes a token of max_tokens. With an overlap a chunk begins where a unit begins, or
 * else a word, among the last tokens of the one before it; it is left out where a chunk would get
 * no further than that one. White space alone, and what has no tokens, is in no chunk. What a
 * chunk is depends on the text up to 1,024 bytes past the tokens that it has room for, or past the
 * most bytes that it could have had.
 *
 *   chunks   [*n] in order; freed by sutra_chunks_free
 *
 * Errors: ARGUMENT (not valid UTF-8, options, a code point has more tokens than a chunk takes),
 * UNSUPPORTED (a reranker, which takes pairs), MEMORY. */
SUTRA_API SutraStatus sutra_chunk(const SutraModel *model, const char *text, size_t size,
                                  const SutraChunkOptions *options, SutraChunk **chunks, size_t *n,
                                  SutraError *err);
SUTRA_API void sutra_chunks_free(SutraChunk *chunks);

/* Late chunking (Guenther et al. 2024): one pass over a text, and a vector for each of n parts of
 * it, pooled from the vectors of its tokens, which have seen the whole text.
 *
 *   input     a text with its prompt_name, no longer than max_tokens; no pair, no token_ids
 *   chunks    [n] of sutra_chunk, or any parts: begin and end are read
 *   options   output POOLED; pooling over tokens (not CLS or LAST, which a model that has one of
 *             these must be told otherwise); truncation is ERROR whatever it says
 *   out       [n, row_bytes], capacity in bytes
 *   item      of the text, or NULL
 *
 * A chunk's tokens are those that come from at least one of its code points; special tokens and the
 * prompt's are in none. In float, in the order of the tokens, they are pooled as SutraPooling says,
 * a chunk's first token being token 1; then cut, normalised and converted like any vector. Errors:
 * as sutra_embed_into; LIMIT (the text is too long); ARGUMENT (a chunk has no tokens, or is not in
 * the text); UNSUPPORTED (a static model, or modules between pooling and Normalize). When it fails,
 * out may be written in part. */
SUTRA_API SutraStatus sutra_embed_late(SutraEngine *engine, const SutraModel *model,
                                       const SutraInput *input, const SutraChunk *chunks, size_t n,
                                       const SutraEmbedOptions *options, void *out, size_t capacity,
                                       SutraItem *item, SutraError *err);

/* ---- streams of text ----
 *
 *   push ──► text not yet in a chunk ──► chunks at the engine ──► next
 *            at most max_bytes           at most max_chunks
 *
 * A text that is pushed as it arrives, in pieces of any size, becomes the chunks that sutra_chunk
 * makes of the whole, each of which is embedded as soon as the text that decides about it is there,
 * in batches with whatever else the engine has. Chunks come out in order. A full stream takes no
 * more until chunks are taken: memory is set at the start, whatever the length.
 *
 * One thread pushes, flushes and finishes, one takes chunks and the aggregate; they may be the same
 * one, which then pushes with timeout_ns 0 and takes chunks when it is told BUSY. Stats and cancel:
 * any thread. The calls cut text and hand chunks to the engine; a stream has no thread of its own.
 *
 * A stream holds its model, and may outlive its engine: chunks that the engine had are done by
 * then, and what would be the next one fails with CANCELLED. After a failure of the stream as a
 * whole, chunks that were decided still come out; then sutra_stream_next, and at once all other
 * calls, return that failure. */

typedef struct SutraStreamOptions {
    uint32_t struct_size;
    SutraChunkBy by;         /* as the next three: see SutraChunkOptions */
    uint32_t max_tokens;     /* 0: embed's, or else the model's; at most that */
    uint32_t overlap;        /* tokens */
    const char *prompt_name; /* of every chunk; as in SutraInput */
    /* NULL, or with output POOLED; copied. when_full is not read; a chunk that waits longer than
     * timeout_ns fails. */
    const SutraEmbedOptions *embed;
    /* Of sutra_stream_aggregate: w_i of LENGTH are the tokens of chunk i without special ones and
     * the prompt's; CENTER is UNSUPPORTED, as it depends on the length of the whole. */
    SutraAggregate aggregate;
    uint32_t max_chunks; /* decided and not yet taken; 0: 16; at most 65,536 */
    uint64_t max_bytes;  /* pushed and in no chunk yet; at least 32 max_tokens + 1,024, with which a
                            chunk can always be decided; 0: twice that, at least 64 KiB */
    /* Told, by any thread, that a chunk more is done; sutra_stream_next with timeout_ns 0 then says
     * whether it is the next one. Must return at once and call nothing of the stream. Not called
     * once sutra_stream_cancel or sutra_stream_free has returned. NULL: nobody is. */
    void (*ready)(void *user);
    void *user;
} SutraStreamOptions;

/* Borrowed from the stream: text and vector until its next sutra_stream_next or sutra_stream_free.
 */
typedef struct SutraStreamChunk {
    uint32_t struct_size;
    uint32_t reserved;
    uint64_t number;    /* from 0 */
    SutraChunk chunk;   /* bytes of all that was pushed */
    const char *text;   /* [chunk.end - chunk.begin] */
    const void *vector; /* [dim] of dtype: the bytes of sutra_embed for this text alone */
    size_t row_bytes;
    SutraItem item; /* status: why there is no vector (it is zero) */
    uint64_t
        latency_ns; /* from the call that found the chunk complete until its vector was there */
} SutraStreamChunk;

typedef struct SutraStreamStats {
    uint32_t struct_size;
    uint32_t reserved;
    uint64_t bytes;                               /* taken by sutra_stream_push */
    uint64_t chunks, tokens;                      /* decided; special tokens and prompts included */
    uint64_t taken;                               /* by sutra_stream_next */
    uint64_t failed;                              /* chunks without a vector */
    uint64_t waiting_bytes, most_waiting_bytes;   /* in no chunk yet: now, at most so far */
    uint64_t waiting_chunks, most_waiting_chunks; /* decided and not taken */
    uint64_t push_waits, push_wait_ns; /* times that a push found the stream full, and waited */
    uint64_t latency_ns;               /* the sum of all chunks' */
    uint64_t most_latency_ns;          /* the longest one */
} SutraStreamStats;

/* options may be NULL. Errors: as sutra_chunk and sutra_embed say of their options; UNSUPPORTED
 * (CENTER, an output other than POOLED), ARGUMENT, MEMORY. */
SUTRA_API SutraStatus sutra_stream_open(SutraEngine *engine, const SutraModel *model,
                                        const SutraStreamOptions *options, SutraStream **stream,
                                        SutraError *err);

/* The text goes on; pieces may end inside a character. Copies bytes [size], and while the stream is
 * full waits, up to timeout_ns (0: not at all; UINT64_MAX: for ever). *taken, which may be NULL:
 * the bytes that are now the stream's, whatever is returned; push the others again. Errors: BUSY
 * (full, timeout_ns 0), TIMEOUT, CANCELLED; ARGUMENT (after finish); ARGUMENT as a failure of the
 * stream (not UTF-8: names the byte of the stream; a code point has more tokens than a chunk
 * takes); MEMORY, LIMIT. */
SUTRA_API SutraStatus sutra_stream_push(SutraStream *stream, const char *bytes, size_t size,
                                        uint64_t timeout_ns, size_t *taken, SutraError *err);

/* What was pushed becomes chunks, as if the text ended here; what is pushed later, those of another
 * text, its bytes counted on. An incomplete character waits for its end. Returns at once; until
 * there was room for these chunks, the stream is full. Errors: as sutra_stream_push, but for BUSY
 * and TIMEOUT. */
SUTRA_API SutraStatus sutra_stream_flush(SutraStream *stream, SutraError *err);

/* The text ends here. Returns at once. Errors: as sutra_stream_flush; ARGUMENT too when it ends
 * inside a character. Twice is legal. */
SUTRA_API SutraStatus sutra_stream_finish(SutraStream *stream, SutraError *err);

/* The next chunk, its struct_size set by the caller; waits for it up to timeout_ns. Errors: END;
 * TIMEOUT; CANCELLED; a chunk's own failure (chunk->text is set, item.status says the same, and the
 * next call goes on with the next one), or the stream's (chunk->text is NULL). */
SUTRA_API SutraStatus sutra_stream_next(SutraStream *stream, uint64_t timeout_ns,
                                        SutraStreamChunk *chunk, SutraError *err);

/* After END: one vector of the chunks', into row, `capacity` bytes. x = the SutraAggregate of their
 * float vectors as given out, in order; x is then normalised where the embed options have vectors
 * normalised last, and converted. Errors: ARGUMENT (not at the end; no chunks; capacity), NUMERIC,
 * or the failure of the first chunk that has no vector. */
SUTRA_API SutraStatus sutra_stream_aggregate(SutraStream *stream, void *row, size_t capacity,
                                             SutraError *err);

/* struct_size set by the caller. */
SUTRA_API SutraStatus sutra_stream_stats(SutraStream *stream, SutraStreamStats *stats,
                                         SutraError *err);

/* Chunks that are not taken are lost; who waits, and every later call, gets CANCELLED. */
SUTRA_API void sutra_stream_cancel(SutraStream *stream);

/* At any time, but that no other thread is in a call on it. Does not wait for chunks that are at
 * the engine. */
SUTRA_API void sutra_stream_free(SutraStream *stream);

#ifdef __cplusplus
}
#endif
#endif
