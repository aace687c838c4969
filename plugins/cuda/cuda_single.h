/* cuda_single.h - a run of one short text: as how many tokens it is run, and which of the graphs
 * that are kept it takes. Plain C without CUDA, so that it is tested where there is no GPU.
 *
 * Such a run is a row of small kernels whose launches take longer than they do. A graph of them is
 * launched at once (cuda_graph.h). It is made for a number of tokens rounded up, and serves all
 * texts up to that: the tokens that are too many are rows of their own, which no text has. */
#ifndef SU_CUDA_SINGLE_H
#define SU_CUDA_SINGLE_H

#include "cuda_plan.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { SU_CUDA_SINGLE_TOKENS = 512, SU_CUDA_SINGLE_STEP = 16, SU_CUDA_GRAPHS = 32 };

/* What a rounded batch points to. */
typedef struct SuCudaPadding {
    int32_t token_ids[SU_CUDA_SINGLE_TOKENS], type_ids[SU_CUDA_SINGLE_TOKENS];
} SuCudaPadding;

/* Whether a batch is one text of few tokens whose vector or score is asked for; *padded is then the
 * same with num_tokens rounded up, the further ones being 0 and in no text. It needs `padding`. */
bool su_cuda_single_takes(const SutraBatch *batch, uint32_t max_tokens, SuCudaPadding *padding,
                          SutraBatch *padded);

/* All that the launches of a run depend on, but for what is in the memory of its context. Without
 * padding: bytes are compared. */
typedef struct SuCudaGraphKey {
    const void *output; /* where rows go */
    uint32_t tokens, num_tiles, num_long, dtype, dim, normalize, pooling, raw_scores, ranges;
    uint32_t unused; /* 0 */
} SuCudaGraphKey;

typedef struct SuCudaGraphEntry {
    SuCudaGraphKey key;
    void *graph;   /* NULL: it was launched piece by piece so far */
    uint64_t used; /* turn of the last use; 0: never */
    bool again;    /* it is asked for once more */
    bool refused;  /* the driver made no graph of it */
} SuCudaGraphEntry;

/* Of one context; all zero at first. */
typedef struct SuCudaGraphTable {
    SuCudaGraphEntry entries[SU_CUDA_GRAPHS];
    uint64_t turn;
} SuCudaGraphTable;

/* The entry of a key. If there was none, that which was not asked for longest gives way; *displaced
 * is the graph that it had, or NULL. */
SuCudaGraphEntry *su_cuda_graph_entry(SuCudaGraphTable *table, const SuCudaGraphKey *key,
                                      void **displaced);

#ifdef __cplusplus
}
#endif

#endif
