/* late_chunks.h - vectors of parts of a text out of its token vectors: see sutra_embed_late. */
#ifndef SU_LATE_CHUNKS_H
#define SU_LATE_CHUNKS_H

#include "pipeline/engine.h"

/* Arguments as of sutra_embed_late, checked but for their values. */
SutraStatus su_embed_late(SutraEngine *engine, const SutraModel *model, const SutraInput *input,
                          const SutraChunk *chunks, size_t n, const SutraEmbedOptions *options,
                          void *out, size_t capacity, SutraItem *item, SutraError *err);

#endif
