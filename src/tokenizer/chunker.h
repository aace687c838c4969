/* chunker.h - a text, pushed in pieces of any size, becomes chunks: see sutra_chunk.
 *
 *   buffer   | tokens that a chunk takes, and a few more | some bytes after them | more …
 *            start                                                             region
 *
 * A chunk is decided by its region, of at most `reach` bytes, as soon as that is there or the
 * text's end is known. What the region is, each step finds out from a number of bytes that is fixed
 * before, so that pieces do not matter, and no step is made twice. Of the buffer no more is kept
 * than the region and the last piece. */
#ifndef SU_CHUNKER_H
#define SU_CHUNKER_H

#include "tokenizer/tokenizer.h"

typedef struct SuChunker SuChunker;

typedef struct SuChunkRule {
    SutraChunkBy by;
    uint32_t max_tokens, overlap;
    const char *prompt; /* [prompt_size], borrowed */
    size_t prompt_size;
} SuChunkRule;

/* The tokenizer is borrowed. Errors: ARGUMENT (no room for text; overlap not below it), MEMORY. */
SutraStatus su_chunker_create(const SuTokenizer *tokenizer, const SuChunkRule *rule,
                              SuChunker **chunker, SutraError *err);
void su_chunker_free(SuChunker *chunker);

/* The most bytes that a chunk has, and the most from its start that decide it. */
size_t su_chunker_most(const SuChunker *chunker);
size_t su_chunker_reach(const SuChunker *chunker);
/* Tokens of a text that is empty: special ones and the prompt's. */
size_t su_chunker_base(const SuChunker *chunker);

/* Memory for text and its tokens: while no more than `bytes` are kept, pieces included, nothing
 * allocates. Errors: MEMORY. */
SutraStatus su_chunker_reserve(SuChunker *chunker, size_t bytes, SutraError *err);

/* Bytes that are kept, from the start of the next chunk. */
size_t su_chunker_kept(const SuChunker *chunker);

/* The text goes on; it is copied. Not after su_chunker_end. Errors: MEMORY. */
SutraStatus su_chunker_push(SuChunker *chunker, const char *text, size_t size, SutraError *err);

/* The same of bytes that may begin or end inside a character: its part waits for the rest. *taken:
 * those before what is not UTF-8, else all. Errors: ARGUMENT (names the byte), MEMORY; not to be
 * used after either. */
SutraStatus su_chunker_append(SuChunker *chunker, const char *bytes, size_t size, size_t *taken,
                              SutraError *err);
/* Bytes that wait so, which are in no text yet. */
size_t su_chunker_part(const SuChunker *chunker);

void su_chunker_end(SuChunker *chunker);
/* After su_chunker_end and the last chunk: another text follows, whose chunks' bytes are counted
 * on. */
void su_chunker_restart(SuChunker *chunker);

/* The next chunk, in bytes of the whole text, and its text, borrowed until the next push; *found
 * false: more text is needed, or, after su_chunker_end, there is no other. Errors: as sutra_chunk.
 */
SutraStatus su_chunker_next(SuChunker *chunker, bool *found, SutraChunk *chunk, const char **text,
                            SutraError *err);

#endif
