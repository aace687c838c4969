#include "batch/ragged_batch.h"

#include <string.h>

void su_ragged_batch_carve(SuRaggedBatch *batch, SuArena *arena, uint32_t max_tokens,
                           uint32_t max_seqs)
{
    *batch = (SuRaggedBatch){.max_tokens = max_tokens, .max_seqs = max_seqs};
    batch->token_ids = su_arena_carve(arena, max_tokens * sizeof *batch->token_ids);
    batch->type_ids = su_arena_carve(arena, max_tokens * sizeof *batch->type_ids);
    batch->cu_seqlens = su_arena_carve(arena, ((size_t)max_seqs + 1) * sizeof *batch->cu_seqlens);
    batch->prompt_len = su_arena_carve(arena, max_seqs * sizeof *batch->prompt_len);
    batch->source = su_arena_carve(arena, max_seqs * sizeof *batch->source);
    batch->numeric_error = su_arena_carve(arena, max_seqs);
}

void su_ragged_batch_clear(SuRaggedBatch *batch)
{
    batch->num_tokens = batch->num_seqs = batch->max_seqlen = 0;
    batch->cu_seqlens[0] = 0;
}

bool su_ragged_batch_fits(const SuRaggedBatch *batch, size_t num_tokens)
{
    return batch->num_seqs < batch->max_seqs && num_tokens <= batch->max_tokens - batch->num_tokens;
}

void su_ragged_batch_append(SuRaggedBatch *batch, const int32_t *token_ids, const int32_t *type_ids,
                            uint32_t num_tokens, uint32_t prompt_len, size_t source)
{
    memcpy(batch->token_ids + batch->num_tokens, token_ids, num_tokens * sizeof *token_ids);
    int32_t *types = batch->type_ids + batch->num_tokens;
    if (type_ids)
        memcpy(types, type_ids, num_tokens * sizeof *types);
    else
        memset(types, 0, num_tokens * sizeof *types);
    uint32_t seq = batch->num_seqs++;
    batch->num_tokens += num_tokens;
    batch->cu_seqlens[seq + 1] = batch->num_tokens;
    batch->prompt_len[seq] = prompt_len;
    batch->source[seq] = source;
    batch->numeric_error[seq] = 0;
    if (num_tokens > batch->max_seqlen) batch->max_seqlen = num_tokens;
}
