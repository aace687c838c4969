/* sutra_chunks.h: chunks of long texts. */
#include "base/memory.h"
#include "base/status.h"
#include "model/model.h"
#include "pipeline/chunk_plan.h"

enum { PIECE = 64 * 1024 };

typedef struct Chunks {
    SutraChunk *items; /* [capacity] */
    size_t count, capacity;
} Chunks;

static SutraStatus append(Chunks *chunks, const SutraChunk *chunk, SutraError *err)
{
    if (chunks->count == chunks->capacity) {
        size_t capacity = chunks->capacity ? 2 * chunks->capacity : 64;
        SutraChunk *grown = su_realloc(chunks->items, capacity, sizeof *grown);
        if (!grown) SU_RAISE(err, SUTRA_E_MEMORY, "out of memory for %zu chunks", capacity);
        chunks->items = grown;
        chunks->capacity = capacity;
    }
    chunks->items[chunks->count++] = *chunk;
    return SUTRA_OK;
}

/* In pieces, so that no copy of a long text is made. */
static SutraStatus run(SuChunker *chunker, const char *text, size_t size, Chunks *chunks,
                       SutraError *err)
{
    for (size_t at = 0;;) {
        SutraChunk chunk;
        const char *unused;
        bool found;
        SU_TRY(su_chunker_next(chunker, &found, &chunk, &unused, err));
        if (found) {
            SU_TRY(append(chunks, &chunk, err));
        } else if (at < size) {
            size_t piece = size - at < PIECE ? size - at : PIECE;
            SU_TRY(su_chunker_push(chunker, text + at, piece, err));
            at += piece;
            if (at == size) su_chunker_end(chunker);
        } else {
            return SUTRA_OK;
        }
    }
}

SutraStatus sutra_chunk(const SutraModel *model, const char *text, size_t size,
                        const SutraChunkOptions *options, SutraChunk **out, size_t *n,
                        SutraError *err)
{
    SuChunkRule rule;
    SuChunker *chunker = NULL;
    Chunks chunks = {0};
    if (!out || !n) SU_RAISE(err, SUTRA_E_ARGUMENT, "chunks or n is NULL");
    *out = NULL;
    *n = 0;
    if (!model) SU_RAISE(err, SUTRA_E_ARGUMENT, "model is NULL");
    if (!text && size) SU_RAISE(err, SUTRA_E_ARGUMENT, "text is NULL, its size is %zu", size);
    SU_TRY(su_chunk_plan(model, options, &rule, err));
    SU_TRY(su_chunker_create(model->tokenizer, &rule, &chunker, err));
    SutraStatus status = run(chunker, text, size, &chunks, err);
    su_chunker_free(chunker);
    if (status != SUTRA_OK) {
        su_free(chunks.items);
        return status;
    }
    *out = chunks.items;
    *n = chunks.count;
    return SUTRA_OK;
}

void sutra_chunks_free(SutraChunk *chunks) { su_free(chunks); }
