/* onnx_graph.h - a graph of ONNX operators under construction.
 *
 * Values are known by name. A name is given once: nodes, initialisers and inputs are added in an
 * order in which each input of a node is there before it. Nodes are kept as they will be written;
 * of initialisers only the small ones are kept, the weights stay where the model has them.
 *
 * The first failure (out of memory, a weight that cannot be quantised) is remembered: values that
 * are made after it are worth nothing, and su_onnx_write_file raises it. */
#ifndef SU_ONNX_GRAPH_H
#define SU_ONNX_GRAPH_H

#include "base/byte_codec.h"
#include "kernels/kernels.h"

/* TensorProto.DataType of onnx.proto. */
typedef enum SuOnnxType { SU_ONNX_F32 = 1, SU_ONNX_I8 = 3, SU_ONNX_I64 = 7 } SuOnnxType;

/* An empty name stands for an input that is left out. */
typedef struct SuOnnxValue {
    char name[64];
} SuOnnxValue;

typedef struct SuOnnxInitializer {
    SuOnnxValue value;
    SuOnnxType type;
    uint32_t num_dims;
    uint64_t dims[2];
    uint64_t size;             /* bytes */
    void *data;                /* [size], owned; NULL: made from tensor when it is written */
    const SutraTensor *tensor; /* of F32, F16 or BF16 */
    bool transposed;           /* [out, in] becomes [in, out] */
    float *scales; /* I8, owned: of each row of tensor; an element is the nearest of x / scale */
} SuOnnxInitializer;

typedef struct SuOnnxGraph {
    const SuKernels *kernels;
    SuByteWriter nodes, inputs, outputs; /* fields of GraphProto */
    SuOnnxInitializer *initializers;     /* [num_initializers] */
    size_t num_initializers, capacity;
    char scope[32]; /* what names of nodes begin with */
    SutraStatus status;
    SutraError *err;
} SuOnnxGraph;

void su_onnx_graph_free(SuOnnxGraph *graph);
/* Remembers a failure that `graph->err` tells of. */
void su_onnx_graph_fail(SuOnnxGraph *graph, SutraStatus status);

/* ---- inputs and outputs ---- */

/* [batch, sequence] of int64. */
SuOnnxValue su_onnx_input(SuOnnxGraph *graph, const char *name);
/* A value of float by that name: [batch, sequence, features], or [batch, features]. */
void su_onnx_output(SuOnnxGraph *graph, const char *name, bool by_token, uint64_t features);

/* ---- initialisers ---- */

/* One that is made already, with what it owns. */
SuOnnxValue su_onnx_initializer(SuOnnxGraph *graph, const SuOnnxInitializer *initializer);

/* Constants of the graph, by name: of one that is there already only the name is used. ints: NULL
 * is out of memory. */
SuOnnxValue su_onnx_float(SuOnnxGraph *graph, const char *name, float x);
SuOnnxValue su_onnx_int(SuOnnxGraph *graph, const char *name, int64_t x);
SuOnnxValue su_onnx_ints(SuOnnxGraph *graph, const char *name, const int64_t *x, size_t n);

/* x [rows, columns], or [rows] where columns is 0; taken over, and freed by the graph. NULL: out of
 * memory. */
SuOnnxValue su_onnx_floats(SuOnnxGraph *graph, const char *name, float *x, uint64_t rows,
                           uint64_t columns);

/* A tensor, in its own shape or transposed, in F32, or a matrix in I8: each
 * of its rows then has a scale, which is another value, [rows]; `scales` is of I8 only. */
SuOnnxValue su_onnx_tensor(SuOnnxGraph *graph, const char *name, const SutraTensor *tensor,
                           SuOnnxType type, bool transposed, SuOnnxValue *scales);

/* ---- nodes ---- */

/* An attribute: ints where there are some, else f where is_float, else i. */
typedef struct SuOnnxAttribute {
    const char *name;
    int64_t i;
    const int64_t *ints; /* [num_ints] */
    size_t num_ints;
    float f;
    bool is_float;
} SuOnnxAttribute;

/* What a node makes is called scope + name; nodes of two results add ".0" and ".1". */
typedef struct SuOnnxNode {
    const char *op, *name;
    SuOnnxValue in[4];             /* up to the last that has a name */
    SuOnnxAttribute attributes[2]; /* up to the first without a name */
} SuOnnxNode;

SuOnnxValue su_onnx_node(SuOnnxGraph *graph, const SuOnnxNode *node);
void su_onnx_node_pair(SuOnnxGraph *graph, const SuOnnxNode *node, SuOnnxValue out[2]);
/* The value under the name of an output. */
void su_onnx_node_named(SuOnnxGraph *graph, const char *op, SuOnnxValue x, const char *output);

/* Without attributes. */
SuOnnxValue su_onnx_apply(SuOnnxGraph *graph, const char *op, const char *name, SuOnnxValue x);
SuOnnxValue su_onnx_apply2(SuOnnxGraph *graph, const char *op, const char *name, SuOnnxValue a,
                           SuOnnxValue b);
SuOnnxValue su_onnx_unsqueeze(SuOnnxGraph *graph, const char *name, SuOnnxValue x, int64_t axis);
SuOnnxValue su_onnx_cast(SuOnnxGraph *graph, const char *name, SuOnnxValue x, SuOnnxType type);
SuOnnxValue su_onnx_transpose(SuOnnxGraph *graph, const char *name, SuOnnxValue x,
                              const int64_t *order, size_t n);

#endif
