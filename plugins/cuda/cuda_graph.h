/* cuda_graph.h - the launches of a run of one short text, kept as CUDA graphs.
 *
 * Such a run is a row of small kernels whose launches take longer than they do. A graph of them is
 * launched at once. It is made for a number of tokens rounded up (SU_CUDA_GRAPH_STEP), and serves
 * all texts up to that: the tokens that are too many are rows of their own, which no text has. */
#ifndef SU_CUDA_GRAPH_H
#define SU_CUDA_GRAPH_H

#include "cuda_plan.h"

#include <cuda_runtime.h>

enum { SU_CUDA_GRAPH_TOKENS = 512, SU_CUDA_GRAPH_STEP = 16, SU_CUDA_GRAPHS = 32 };

/* All that the launches of a run depend on, but for what is in the memory of its context. Without
 * padding: bytes are compared. */
typedef struct SuCudaGraphKey {
    const void *output; /* where rows go */
    uint32_t tokens, num_tiles, dtype, dim, normalize, pooling, raw_scores, ranges;
} SuCudaGraphKey;

typedef struct SuCudaGraph {
    SuCudaGraphKey key;
    cudaGraphExec_t graph; /* NULL: it was launched piece by piece so far */
    uint64_t used;         /* turn of the last use; 0: never */
    bool refused;          /* the driver made no graph of it */
} SuCudaGraph;

/* Of one context; all zero at first. */
typedef struct SuCudaGraphs {
    SuCudaGraph graphs[SU_CUDA_GRAPHS];
    uint64_t turn;
    int32_t token_ids[SU_CUDA_GRAPH_TOKENS], type_ids[SU_CUDA_GRAPH_TOKENS]; /* of a padded run */
} SuCudaGraphs;

/* Whether a batch is run so: it is one text of few tokens whose vector or score is asked for.
 * *padded is then the batch with its tokens rounded up; it lives as long as the next call. */
bool su_cuda_graph_takes(SuCudaGraphs *graphs, uint32_t max_tokens, const SutraBatch *batch,
                         SutraBatch *padded);

/* Puts on the stream what launch(argument) does there: from its second use on as a graph. What is
 * used least gives way. */
cudaError_t su_cuda_graph_launch(SuCudaGraphs *graphs, const SuCudaGraphKey *key,
                                 cudaError_t (*launch)(void *argument), void *argument,
                                 cudaStream_t stream);

void su_cuda_graphs_free(SuCudaGraphs *graphs);

#endif
