#include "cuda_graph.h"

#include <stdlib.h>
#include <string.h>

bool su_cuda_graph_takes(SuCudaGraphs *graphs, uint32_t max_tokens, const SutraBatch *batch,
                         SutraBatch *padded)
{
    uint32_t tokens = batch->num_tokens;
    uint32_t rows = (tokens + SU_CUDA_GRAPH_STEP - 1) / SU_CUDA_GRAPH_STEP * SU_CUDA_GRAPH_STEP;
    if (batch->num_seqs != 1 || batch->output == SUTRA_OUT_TOKENS || rows > max_tokens ||
        rows > SU_CUDA_GRAPH_TOKENS)
        return false;
    memset(graphs->token_ids, 0, rows * sizeof *graphs->token_ids);
    memset(graphs->type_ids, 0, rows * sizeof *graphs->type_ids);
    memcpy(graphs->token_ids, batch->token_ids, tokens * sizeof *graphs->token_ids);
    if (batch->type_ids)
        memcpy(graphs->type_ids, batch->type_ids, tokens * sizeof *graphs->type_ids);
    *padded = *batch;
    padded->num_tokens = rows;
    padded->token_ids = graphs->token_ids;
    padded->type_ids = graphs->type_ids;
    return true;
}

/* The place of a key, or the one that was used least, which is emptied. */
static SuCudaGraph *find(SuCudaGraphs *graphs, const SuCudaGraphKey *key)
{
    SuCudaGraph *oldest = &graphs->graphs[0];
    for (SuCudaGraph &graph : graphs->graphs) {
        if (graph.used && memcmp(&graph.key, key, sizeof *key) == 0) return &graph;
        if (graph.used < oldest->used) oldest = &graph;
    }
    if (oldest->graph) cudaGraphExecDestroy(oldest->graph);
    memset(oldest, 0, sizeof *oldest);
    memcpy(&oldest->key, key, sizeof *key);
    return oldest;
}

/* *made stays NULL where the driver can't; what fails is then seen by the launches themselves. */
static void record(cudaError_t (*launch)(void *), void *argument, cudaStream_t stream,
                   cudaGraphExec_t *made)
{
    cudaGraph_t recorded = NULL;
    if (cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal) == cudaSuccess) {
        cudaError_t launched = launch(argument);
        cudaError_t ended = cudaStreamEndCapture(stream, &recorded);
        if (launched != cudaSuccess || ended != cudaSuccess ||
            cudaGraphInstantiate(made, recorded, 0) != cudaSuccess)
            *made = NULL;
    }
    if (recorded) cudaGraphDestroy(recorded);
    (void)cudaGetLastError(); /* a launch to come would be blamed for it */
}

cudaError_t su_cuda_graph_launch(SuCudaGraphs *graphs, const SuCudaGraphKey *key,
                                 cudaError_t (*launch)(void *argument), void *argument,
                                 cudaStream_t stream)
{
    SuCudaGraph *graph = find(graphs, key);
    bool again = graph->used != 0;
    graph->used = ++graphs->turn;
    if (again && !graph->graph && !graph->refused) {
        record(launch, argument, stream, &graph->graph);
        graph->refused = !graph->graph;
    }
    return graph->graph ? cudaGraphLaunch(graph->graph, stream) : launch(argument);
}

void su_cuda_graphs_free(SuCudaGraphs *graphs)
{
    if (!graphs) return;
    for (SuCudaGraph &graph : graphs->graphs)
        if (graph.graph) cudaGraphExecDestroy(graph.graph);
    free(graphs);
}
