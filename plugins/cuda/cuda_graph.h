/* cuda_graph.h - launches of one short text, kept as CUDA graphs (cuda_single.h). */
#ifndef SU_CUDA_GRAPH_H
#define SU_CUDA_GRAPH_H

#include "cuda_single.h"

#include <cuda_runtime.h>

/* Puts on the stream what launch(argument) does there: from its second use on as a graph. */
cudaError_t su_cuda_graph_launch(SuCudaGraphTable *graphs, const SuCudaGraphKey *key,
                                 cudaError_t (*launch)(void *argument), void *argument,
                                 cudaStream_t stream);

/* Frees the graphs and the table, which is of malloc. */
void su_cuda_graphs_free(SuCudaGraphTable *graphs);

#endif
