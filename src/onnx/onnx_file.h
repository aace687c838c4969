/* onnx_file.h - a graph as a file: ModelProto of onnx.proto.
 *
 *   ModelProto   ir_version, producer, opset, metadata_props
 *     GraphProto   nodes, name
 *       initialisers   a small header each, and its bytes, streamed from the model's mapped files
 *     inputs, outputs
 *
 * A message's length stands before it, so all lengths are added up first. Where they exceed what
 * protobuf can hold, or a lower limit, the large initialisers lie in a second file, NAME_data, each
 * at a multiple of 4096 so that it can be mapped. */
#ifndef SU_ONNX_FILE_H
#define SU_ONNX_FILE_H

#include "onnx_graph.h"

#define SU_ONNX_LARGEST 0x7fffffffu /* bytes of a protobuf message */

/* metadata: fields of ModelProto. most: bytes of the file without a second one; 0:
 * SU_ONNX_LARGEST. Each file appears whole or not at all, the second one first,
 * and a second one without a first is removed. Errors: the graph's own, IO, MEMORY, LIMIT (the
 * graph without its weights is too large), ARGUMENT (a second file whose name is not UTF-8). */
SutraStatus su_onnx_write_file(SuOnnxGraph *graph, const char *name, const SuByteWriter *metadata,
                               const char *path, uint64_t most, SutraError *err);

/* An entry of metadata. The key is UTF-8; bytes of the value that are not become U+FFFD. */
void su_onnx_metadata(SuByteWriter *metadata, const char *key, const char *value);

#endif
