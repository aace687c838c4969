#include "cuda_single.h"

#include <string.h>

bool su_cuda_single_takes(const SutraBatch *batch, uint32_t max_tokens, SuCudaPadding *padding,
                          SutraBatch *padded)
{
    uint32_t tokens = batch->num_tokens;
    if (batch->num_seqs != 1 || batch->output == SUTRA_OUT_TOKENS || tokens > SU_CUDA_SINGLE_TOKENS)
        return false;
    uint32_t rows = (tokens + SU_CUDA_SINGLE_STEP - 1) / SU_CUDA_SINGLE_STEP * SU_CUDA_SINGLE_STEP;
    if (rows > max_tokens) return false;
    memset(padding->token_ids, 0, rows * sizeof *padding->token_ids);
    memset(padding->type_ids, 0, rows * sizeof *padding->type_ids);
    memcpy(padding->token_ids, batch->token_ids, tokens * sizeof *padding->token_ids);
    if (batch->type_ids)
        memcpy(padding->type_ids, batch->type_ids, tokens * sizeof *padding->type_ids);
    *padded = *batch;
    padded->num_tokens = rows;
    padded->token_ids = padding->token_ids;
    padded->type_ids = padding->type_ids;
    return true;
}

SuCudaGraphEntry *su_cuda_graph_entry(SuCudaGraphTable *table, const SuCudaGraphKey *key,
                                      void **displaced)
{
    SuCudaGraphEntry *found = table->entries;
    *displaced = NULL;
    for (uint32_t i = 0; i < SU_CUDA_GRAPHS; i++) {
        SuCudaGraphEntry *entry = &table->entries[i];
        if (entry->used && memcmp(&entry->key, key, sizeof *key) == 0) {
            entry->used = ++table->turn;
            entry->again = true;
            return entry;
        }
        if (entry->used < found->used) found = entry;
    }
    *displaced = found->graph;
    *found = (SuCudaGraphEntry){.key = *key, .used = ++table->turn};
    return found;
}
