/* chunker.h - a text, pushed in pieces of any size, becomes chunks: see sutra_chunk.
 *
 *   buffer   | chunk, as far as it has to be looked at: `reach` bytes | more …
 *            start
 *
 * A chunk is decided when `reach` bytes from its start are there, or the text's end is known: from
 * these bytes alone, so that pieces do not matter. Of the buffer no more is kept than that and the
 * last piece. */
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

/* The text goes on; it is copied. Not after su_chunker_end. Errors: MEMORY. */
SutraStatus su_chunker_push(SuChunker *chunker, const char *text, size_t size, SutraError *err);
void su_chunker_end(SuChunker *chunker);

/* The next chunk, in bytes of the whole text, and its text, borrowed until the next push; *found
 * false: more text is needed, or, after su_chunker_end, there is no other. Errors: as sutra_chunk.
 */
SutraStatus su_chunker_next(SuChunker *chunker, bool *found, SutraChunk *chunk, const char **text,
                            SutraError *err);

#endif
