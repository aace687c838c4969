/* Linears, norms and activations in ONNX's operators. Where ONNX Runtime fuses a pattern, it is
 * that one. */
#include "onnx_builder.h"

#include <stdio.h>

SuOnnxValue su_onnx_length(SuOnnxBuilder *builder)
{
    if (!*builder->length.name)
        builder->length =
            su_onnx_node(&builder->graph, &(SuOnnxNode){.op = "Shape",
                                                        .name = "length",
                                                        .in = {builder->input_ids},
                                                        .attributes = {{.name = "start", .i = 1}}});
    return builder->length;
}

SuOnnxValue su_onnx_range(SuOnnxBuilder *builder)
{
    SuOnnxGraph *graph = &builder->graph;
    if (*builder->range.name) return builder->range;
    SuOnnxValue count = su_onnx_apply(graph, "Squeeze", "length.scalar", su_onnx_length(builder));
    SuOnnxValue zero = su_onnx_int(graph, "zero", 0), step = su_onnx_int(graph, "step", 1);
    builder->range = su_onnx_node(
        graph, &(SuOnnxNode){.op = "Range", .name = "range", .in = {zero, count, step}});
    return builder->range;
}

static SuOnnxValue weight_of(SuOnnxBuilder *builder, const SuOnnxLinear *linear,
                             const SutraTensor *tensor)
{
    SuOnnxGraph *graph = &builder->graph;
    char name[48];
    snprintf(name, sizeof name, "%s.weight", linear->name);
    if (!builder->int8 || !linear->quantised)
        return su_onnx_tensor(graph, name, tensor, SU_ONNX_F32, true, NULL);
    SuOnnxValue scales, quantised = su_onnx_tensor(graph, name, tensor, SU_ONNX_I8, true, &scales);
    snprintf(name, sizeof name, "%s.weight.f32", linear->name);
    return su_onnx_node(graph, &(SuOnnxNode){.op = "DequantizeLinear",
                                             .name = name,
                                             .in = {quantised, scales},
                                             .attributes = {{.name = "axis", .i = 1}}});
}

SuOnnxValue su_onnx_linear(SuOnnxBuilder *builder, const SuOnnxLinear *linear, SuOnnxValue x)
{
    SuOnnxGraph *graph = &builder->graph;
    const SutraTensor *weight = su_model_tensor(builder->model, linear->weight, linear->layer);
    const SutraTensor *bias = su_model_tensor(builder->model, linear->bias, linear->layer);
    char name[48];
    if (!weight) {
        su_onnx_graph_fail(graph,
                           su_error_set(graph->err, SUTRA_E_FORMAT, "%s: tensor %s%s is missing",
                                        builder->model->path, graph->scope, linear->name));
        return x;
    }
    snprintf(name, sizeof name, "%s.product", linear->name);
    SuOnnxValue product = su_onnx_apply2(graph, "MatMul", bias ? name : linear->name, x,
                                         weight_of(builder, linear, weight));
    if (!bias) return product;
    snprintf(name, sizeof name, "%s.bias", linear->name);
    return su_onnx_apply2(graph, "Add", linear->name, product,
                          su_onnx_tensor(graph, name, bias, SU_ONNX_F32, false, NULL));
}

SuOnnxValue su_onnx_norm(SuOnnxBuilder *builder, const char *name, SuOnnxValue x, SutraRole weight,
                         SutraRole bias, uint32_t layer, float eps)
{
    SuOnnxGraph *graph = &builder->graph;
    const SutraTensor *gamma = su_model_tensor(builder->model, weight, layer);
    const SutraTensor *beta = su_model_tensor(builder->model, bias, layer);
    SuOnnxNode node = {
        .op = "LayerNormalization",
        .name = name,
        .in = {x},
        .attributes = {{.name = "axis", .i = -1}, {.name = "epsilon", .f = eps, .is_float = true}}};
    char part[48];
    if (!gamma) return x;
    snprintf(part, sizeof part, "%s.weight", name);
    node.in[1] = su_onnx_tensor(graph, part, gamma, SU_ONNX_F32, false, NULL);
    snprintf(part, sizeof part, "%s.bias", name);
    if (beta) node.in[2] = su_onnx_tensor(graph, part, beta, SU_ONNX_F32, false, NULL);
    return su_onnx_node(graph, &node);
}

/* ---- activations ---- */

/* x / 2 (1 + erf (x / sqrt 2)) */
static SuOnnxValue gelu_erf(SuOnnxGraph *graph, const char *name, SuOnnxValue x)
{
    SuOnnxValue scaled = su_onnx_apply2(graph, "Div", "gelu.scaled", x,
                                        su_onnx_float(graph, "sqrt_2", 1.4142135623730951f));
    SuOnnxValue erf = su_onnx_apply(graph, "Erf", "gelu.erf", scaled);
    SuOnnxValue more =
        su_onnx_apply2(graph, "Add", "gelu.more", erf, su_onnx_float(graph, "one", 1.0f));
    SuOnnxValue twice = su_onnx_apply2(graph, "Mul", "gelu.twice", x, more);
    return su_onnx_apply2(graph, "Mul", name, twice, su_onnx_float(graph, "half", 0.5f));
}

/* x / 2 (1 + tanh (sqrt (2 / pi) (x + 0.044715 x^3))) */
static SuOnnxValue gelu_tanh(SuOnnxGraph *graph, const char *name, SuOnnxValue x)
{
    SuOnnxValue cube =
        su_onnx_apply2(graph, "Pow", "gelu.cube", x, su_onnx_float(graph, "three", 3.0f));
    SuOnnxValue part = su_onnx_apply2(graph, "Mul", "gelu.part", cube,
                                      su_onnx_float(graph, "gelu_cubic", 0.044715f));
    SuOnnxValue sum = su_onnx_apply2(graph, "Add", "gelu.sum", x, part);
    SuOnnxValue scaled =
        su_onnx_apply2(graph, "Mul", "gelu.scaled", sum,
                       su_onnx_float(graph, "sqrt_2_over_pi", 0.7978845608028654f));
    SuOnnxValue tanh = su_onnx_apply(graph, "Tanh", "gelu.tanh", scaled);
    SuOnnxValue more =
        su_onnx_apply2(graph, "Add", "gelu.more", tanh, su_onnx_float(graph, "one", 1.0f));
    SuOnnxValue half =
        su_onnx_apply2(graph, "Mul", "gelu.half", x, su_onnx_float(graph, "half", 0.5f));
    return su_onnx_apply2(graph, "Mul", name, half, more);
}

SuOnnxValue su_onnx_activation(SuOnnxBuilder *builder, uint32_t activation, const char *name,
                               SuOnnxValue x)
{
    SuOnnxGraph *graph = &builder->graph;
    switch ((SutraActivation)activation) {
    case SUTRA_ACT_NONE:
        return x;
    case SUTRA_ACT_GELU_ERF:
        return gelu_erf(graph, name, x);
    case SUTRA_ACT_GELU_TANH:
        return gelu_tanh(graph, name, x);
    case SUTRA_ACT_RELU:
        return su_onnx_apply(graph, "Relu", name, x);
    case SUTRA_ACT_SILU:
        return su_onnx_apply2(graph, "Mul", name, x,
                              su_onnx_apply(graph, "Sigmoid", "silu.sigmoid", x));
    case SUTRA_ACT_TANH:
        return su_onnx_apply(graph, "Tanh", name, x);
    case SUTRA_ACT_SIGMOID:
        return su_onnx_apply(graph, "Sigmoid", name, x);
    }
    return x;
}
