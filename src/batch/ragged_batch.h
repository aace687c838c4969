/* ragged_batch.h - a packed batch under construction: one row of tokens, no padding.
 *
 *   token_ids   | text 0 … | text 1 …      | text 2 |
 *   cu_seqlens  0          n0              n0+n1    n0+n1+n2
 *
 * Fixed capacity, carved from an arena once; appending allocates nothing. */
#ifndef SU_RAGGED_BATCH_H
#define SU_RAGGED_BATCH_H

#include "base/memory.h"

typedef struct SuRaggedBatch {
    uint32_t max_tokens, max_seqs; /* capacity */
    uint32_t num_tokens, num_seqs, max_seqlen;
    int32_t *token_ids, *type_ids; /* [max_tokens] */
    uint32_t *cu_seqlens;          /* [max_seqs + 1] */
    uint32_t *prompt_len;          /* [max_seqs] */
    size_t *source;                /* [max_seqs] index of the text in its request */
    uint8_t *numeric_error;        /* [max_seqs] */
} SuRaggedBatch;

/* Call once with arena->base NULL to measure, once for real. */
void su_ragged_batch_carve(SuRaggedBatch *batch, SuArena *arena, uint32_t max_tokens,
                           uint32_t max_seqs);
void su_ragged_batch_clear(SuRaggedBatch *batch);
bool su_ragged_batch_fits(const SuRaggedBatch *batch, size_t num_tokens);

/* type_ids NULL: all zero. The caller has checked that it fits. */
void su_ragged_batch_append(SuRaggedBatch *batch, const int32_t *token_ids, const int32_t *type_ids,
                            uint32_t num_tokens, uint32_t prompt_len, size_t source);

#endif
