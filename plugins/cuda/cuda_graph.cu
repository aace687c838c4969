#include "cuda_graph.h"

#include <stdlib.h>

/* NULL where the driver makes none; what fails then is seen by the launches themselves. */
static cudaGraphExec_t record(cudaError_t (*launch)(void *), void *argument, cudaStream_t stream)
{
    cudaGraph_t recorded = NULL;
    cudaGraphExec_t made = NULL;
    if (cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal) == cudaSuccess) {
        cudaError_t launched = launch(argument);
        cudaError_t ended = cudaStreamEndCapture(stream, &recorded);
        if (launched != cudaSuccess || ended != cudaSuccess ||
            cudaGraphInstantiate(&made, recorded, 0) != cudaSuccess)
            made = NULL;
    }
    if (recorded) cudaGraphDestroy(recorded);
    (void)cudaGetLastError(); /* a launch to come would be blamed for it */
    return made;
}

cudaError_t su_cuda_graph_launch(SuCudaGraphTable *graphs, const SuCudaGraphKey *key,
                                 cudaError_t (*launch)(void *argument), void *argument,
                                 cudaStream_t stream)
{
    void *displaced = NULL;
    SuCudaGraphEntry *entry = su_cuda_graph_entry(graphs, key, &displaced);
    if (displaced) cudaGraphExecDestroy((cudaGraphExec_t)displaced);
    if (entry->again && !entry->graph && !entry->refused) {
        entry->graph = record(launch, argument, stream);
        entry->refused = !entry->graph;
    }
    return entry->graph ? cudaGraphLaunch((cudaGraphExec_t)entry->graph, stream) : launch(argument);
}

void su_cuda_graphs_free(SuCudaGraphTable *graphs)
{
    if (!graphs) return;
    for (SuCudaGraphEntry &entry : graphs->entries)
        if (entry.graph) cudaGraphExecDestroy((cudaGraphExec_t)entry.graph);
    free(graphs);
}
