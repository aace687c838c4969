/* Nodes, inputs and outputs of a graph, and the initialisers that are not weights. */
#include "onnx_graph.h"

#include "base/memory.h"
#include "onnx_fields.h"
#include "protobuf.h"

#include <stdio.h>
#include <string.h>

void su_onnx_graph_free(SuOnnxGraph *graph)
{
    for (size_t i = 0; i < graph->num_initializers; i++) {
        su_free(graph->initializers[i].data);
        su_free(graph->initializers[i].scales);
    }
    su_free(graph->initializers);
    su_byte_writer_free(&graph->nodes);
    su_byte_writer_free(&graph->inputs);
    su_byte_writer_free(&graph->outputs);
}

void su_onnx_graph_fail(SuOnnxGraph *graph, SutraStatus status)
{
    if (graph->status == SUTRA_OK) graph->status = status;
}

static void out_of_memory(SuOnnxGraph *graph)
{
    if (graph->status == SUTRA_OK)
        graph->status = su_error_set(graph->err, SUTRA_E_MEMORY, "out of memory for the graph");
}

static SuOnnxValue value_of(const char *name)
{
    SuOnnxValue value;
    snprintf(value.name, sizeof value.name, "%s", name);
    return value;
}

static SuOnnxValue scoped(const SuOnnxGraph *graph, const char *name, const char *ending)
{
    SuOnnxValue value;
    snprintf(value.name, sizeof value.name, "%s%s%s", graph->scope, name, ending);
    return value;
}

/* ---- inputs and outputs ---- */

/* A dimension with a name, or without one of `size`. */
static void write_dim(SuByteWriter *shape, const char *name, uint64_t size)
{
    SuByteWriter dim = {0};
    if (name)
        su_protobuf_string(&dim, ONNX_DIM_PARAM, name);
    else
        su_protobuf_varint(&dim, ONNX_DIM_VALUE, size);
    su_protobuf_message(shape, ONNX_SHAPE_DIM, &dim);
}

/* [batch, sequence, features], without the last two where they do not apply. */
static void write_value_info(SuByteWriter *to, uint32_t field, const char *name, SuOnnxType element,
                             bool by_token, uint64_t features)
{
    SuByteWriter info = {0}, type = {0}, tensor = {0}, shape = {0};
    write_dim(&shape, "batch", 0);
    if (by_token) write_dim(&shape, "sequence", 0);
    if (features) write_dim(&shape, NULL, features);
    su_protobuf_varint(&tensor, ONNX_TENSOR_TYPE_ELEMENT, element);
    su_protobuf_message(&tensor, ONNX_TENSOR_TYPE_SHAPE, &shape);
    su_protobuf_message(&type, ONNX_TYPE_TENSOR, &tensor);
    su_protobuf_string(&info, ONNX_VALUE_NAME, name);
    su_protobuf_message(&info, ONNX_VALUE_TYPE, &type);
    su_protobuf_message(to, field, &info);
}

SuOnnxValue su_onnx_input(SuOnnxGraph *graph, const char *name)
{
    write_value_info(&graph->inputs, ONNX_GRAPH_INPUT, name, SU_ONNX_I64, true, 0);
    return value_of(name);
}

void su_onnx_output(SuOnnxGraph *graph, const char *name, bool by_token, uint64_t features)
{
    write_value_info(&graph->outputs, ONNX_GRAPH_OUTPUT, name, SU_ONNX_F32, by_token, features);
}

/* ---- constants ---- */

static const SuOnnxInitializer *find_initializer(const SuOnnxGraph *graph, const char *name)
{
    for (size_t i = 0; i < graph->num_initializers; i++)
        if (strcmp(graph->initializers[i].value.name, name) == 0) return &graph->initializers[i];
    return NULL;
}

SuOnnxValue su_onnx_initializer(SuOnnxGraph *graph, const SuOnnxInitializer *initializer)
{
    if (graph->num_initializers == graph->capacity) {
        size_t capacity = 2 * graph->capacity + 64;
        SuOnnxInitializer *grown = su_realloc(graph->initializers, capacity, sizeof *grown);
        if (!grown) {
            out_of_memory(graph);
            su_free(initializer->data);
            su_free(initializer->scales);
            return (SuOnnxValue){0};
        }
        graph->initializers = grown;
        graph->capacity = capacity;
    }
    graph->initializers[graph->num_initializers++] = *initializer;
    return initializer->value;
}

/* x [size] is copied. */
static SuOnnxValue constant(SuOnnxGraph *graph, const char *name, SuOnnxType type,
                            uint32_t num_dims, uint64_t count, const void *x, size_t size)
{
    if (find_initializer(graph, name)) return value_of(name);
    SuOnnxInitializer initializer = {.value = value_of(name),
                                     .type = type,
                                     .num_dims = num_dims,
                                     .dims = {count},
                                     .size = size,
                                     .data = su_alloc(size, 1)};
    if (!initializer.data) {
        out_of_memory(graph);
        return initializer.value;
    }
    memcpy(initializer.data, x, size);
    return su_onnx_initializer(graph, &initializer);
}

SuOnnxValue su_onnx_float(SuOnnxGraph *graph, const char *name, float x)
{
    return constant(graph, name, SU_ONNX_F32, 0, 0, &x, sizeof x);
}

SuOnnxValue su_onnx_int(SuOnnxGraph *graph, const char *name, int64_t x)
{
    return constant(graph, name, SU_ONNX_I64, 0, 0, &x, sizeof x);
}

SuOnnxValue su_onnx_ints(SuOnnxGraph *graph, const char *name, const int64_t *x, size_t n)
{
    if (!x) {
        out_of_memory(graph);
        return (SuOnnxValue){0};
    }
    return constant(graph, name, SU_ONNX_I64, 1, n, x, n * sizeof *x);
}

SuOnnxValue su_onnx_floats(SuOnnxGraph *graph, const char *name, float *x, uint64_t rows,
                           uint64_t columns)
{
    if (!x) {
        out_of_memory(graph);
        return (SuOnnxValue){0};
    }
    return su_onnx_initializer(
        graph, &(SuOnnxInitializer){.value = value_of(name),
                                    .type = SU_ONNX_F32,
                                    .num_dims = columns ? 2 : 1,
                                    .dims = {rows, columns},
                                    .size = rows * (columns ? columns : 1) * sizeof *x,
                                    .data = x});
}

/* ---- nodes ---- */

static void write_attribute(SuByteWriter *node, const SuOnnxAttribute *attribute)
{
    enum { KIND_FLOAT = 1, KIND_INT = 2, KIND_INTS = 7 };
    SuByteWriter message = {0};
    su_protobuf_string(&message, ONNX_ATTRIBUTE_NAME, attribute->name);
    if (attribute->is_float)
        su_protobuf_f32(&message, ONNX_ATTRIBUTE_F, attribute->f);
    else if (!attribute->num_ints)
        su_protobuf_varint(&message, ONNX_ATTRIBUTE_I, (uint64_t)attribute->i);
    for (size_t i = 0; i < attribute->num_ints; i++)
        su_protobuf_varint(&message, ONNX_ATTRIBUTE_INTS, (uint64_t)attribute->ints[i]);
    su_protobuf_varint(&message, ONNX_ATTRIBUTE_TYPE,
                       attribute->is_float   ? KIND_FLOAT
                       : attribute->num_ints ? KIND_INTS
                                             : KIND_INT);
    su_protobuf_message(node, ONNX_NODE_ATTRIBUTE, &message);
}

static void write_node(SuOnnxGraph *graph, const SuOnnxNode *node, const char *name,
                       const SuOnnxValue *out, size_t num_out)
{
    enum { MOST_IN = sizeof node->in / sizeof *node->in };
    SuByteWriter message = {0};
    size_t num_in = MOST_IN;
    while (num_in > 0 && !*node->in[num_in - 1].name) num_in--;
    for (size_t i = 0; i < num_in; i++)
        su_protobuf_string(&message, ONNX_NODE_INPUT, node->in[i].name);
    for (size_t i = 0; i < num_out; i++)
        su_protobuf_string(&message, ONNX_NODE_OUTPUT, out[i].name);
    su_protobuf_string(&message, ONNX_NODE_NAME, name);
    su_protobuf_string(&message, ONNX_NODE_OP, node->op);
    for (size_t i = 0; i < 2 && node->attributes[i].name; i++)
        write_attribute(&message, &node->attributes[i]);
    su_protobuf_message(&graph->nodes, ONNX_GRAPH_NODE, &message);
    if (graph->nodes.failed) out_of_memory(graph);
}

SuOnnxValue su_onnx_node(SuOnnxGraph *graph, const SuOnnxNode *node)
{
    SuOnnxValue out = scoped(graph, node->name, "");
    write_node(graph, node, out.name, &out, 1);
    return out;
}

void su_onnx_node_pair(SuOnnxGraph *graph, const SuOnnxNode *node, SuOnnxValue out[2])
{
    out[0] = scoped(graph, node->name, ".0");
    out[1] = scoped(graph, node->name, ".1");
    write_node(graph, node, scoped(graph, node->name, "").name, out, 2);
}

void su_onnx_node_named(SuOnnxGraph *graph, const char *op, SuOnnxValue x, const char *output)
{
    SuOnnxValue out = value_of(output);
    write_node(graph, &(SuOnnxNode){.op = op, .in = {x}}, output, &out, 1);
}

SuOnnxValue su_onnx_apply(SuOnnxGraph *graph, const char *op, const char *name, SuOnnxValue x)
{
    return su_onnx_node(graph, &(SuOnnxNode){.op = op, .name = name, .in = {x}});
}

SuOnnxValue su_onnx_apply2(SuOnnxGraph *graph, const char *op, const char *name, SuOnnxValue a,
                           SuOnnxValue b)
{
    return su_onnx_node(graph, &(SuOnnxNode){.op = op, .name = name, .in = {a, b}});
}

SuOnnxValue su_onnx_unsqueeze(SuOnnxGraph *graph, const char *name, SuOnnxValue x, int64_t axis)
{
    char constant_name[32];
    snprintf(constant_name, sizeof constant_name, "axes.%d", (int)axis);
    return su_onnx_apply2(graph, "Unsqueeze", name, x,
                          su_onnx_ints(graph, constant_name, &axis, 1));
}

SuOnnxValue su_onnx_cast(SuOnnxGraph *graph, const char *name, SuOnnxValue x, SuOnnxType type)
{
    return su_onnx_node(graph, &(SuOnnxNode){.op = "Cast",
                                             .name = name,
                                             .in = {x},
                                             .attributes = {{.name = "to", .i = type}}});
}

SuOnnxValue su_onnx_transpose(SuOnnxGraph *graph, const char *name, SuOnnxValue x,
                              const int64_t *order, size_t n)
{
    return su_onnx_node(
        graph, &(SuOnnxNode){.op = "Transpose",
                             .name = name,
                             .in = {x},
                             .attributes = {{.name = "perm", .ints = order, .num_ints = n}}});
}
