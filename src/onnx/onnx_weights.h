/* onnx_weights.h - weights as the bytes of initialisers, a block at a time. */
#ifndef SU_ONNX_WEIGHTS_H
#define SU_ONNX_WEIGHTS_H

#include "onnx_graph.h"

typedef SutraStatus (*SuOnnxTake)(void *user, const void *bytes, size_t size, SutraError *err);

/* Gives all bytes of an initialiser to `take`, in order. Errors: MEMORY, those of take. */
SutraStatus su_onnx_stream(const SuOnnxGraph *graph, const SuOnnxInitializer *initializer,
                           SuOnnxTake take, void *user, SutraError *err);

#endif
