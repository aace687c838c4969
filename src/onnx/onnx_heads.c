/* Pooling over the tokens that are not padding, dense heads and norms between, and what comes
 * last: normalisation and the cut, or the logit. */
#include "onnx_builder.h"

#include <float.h>
#include <stdio.h>

/* ReduceSum takes its axes as an input, the other reductions as an attribute. */
static SuOnnxValue sum_tokens(SuOnnxGraph *graph, const char *name, SuOnnxValue x)
{
    return su_onnx_node(graph,
                        &(SuOnnxNode){.op = "ReduceSum",
                                      .name = name,
                                      .in = {x, su_onnx_ints(graph, "axes.1", &(int64_t){1}, 1)},
                                      .attributes = {{.name = "keepdims", .i = 0}}});
}

static SuOnnxValue reduce(SuOnnxGraph *graph, const char *op, const char *name, SuOnnxValue x,
                          bool keep)
{
    static const int64_t axis = 1;
    return su_onnx_node(graph,
                        &(SuOnnxNode){.op = op,
                                      .name = name,
                                      .in = {x},
                                      .attributes = {{.name = "axes", .ints = &axis, .num_ints = 1},
                                                     {.name = "keepdims", .i = keep}}});
}

/* ---- pooling ---- */

static SuOnnxValue first_token(SuOnnxGraph *graph, SuOnnxValue tokens)
{
    return su_onnx_node(graph, &(SuOnnxNode){.op = "Gather",
                                             .name = "pooled",
                                             .in = {tokens, su_onnx_int(graph, "zero", 0)},
                                             .attributes = {{.name = "axis", .i = 1}}});
}

/* 1, 2, … where the mask is 1, else 0: [batch, sequence] */
static SuOnnxValue ordinals(SuOnnxBuilder *builder)
{
    SuOnnxGraph *graph = &builder->graph;
    SuOnnxValue one = su_onnx_int(graph, "step", 1);
    SuOnnxValue count = su_onnx_apply2(graph, "Add", "pooling.count", su_onnx_range(builder), one);
    return su_onnx_apply2(graph, "Mul", "pooling.ordinals", builder->attention_mask, count);
}

/* That of the greatest ordinal. */
static SuOnnxValue last_token(SuOnnxBuilder *builder, SuOnnxValue tokens)
{
    SuOnnxGraph *graph = &builder->graph;
    SuOnnxValue last = reduce(graph, "ReduceMax", "pooling.last", ordinals(builder), true);
    SuOnnxValue place =
        su_onnx_apply2(graph, "Sub", "pooling.place", last, su_onnx_int(graph, "step", 1));
    return su_onnx_node(graph, &(SuOnnxNode){.op = "GatherND",
                                             .name = "pooled",
                                             .in = {tokens, place},
                                             .attributes = {{.name = "batch_dims", .i = 1}}});
}

static SuOnnxValue greatest(SuOnnxBuilder *builder, SuOnnxValue tokens)
{
    SuOnnxGraph *graph = &builder->graph;
    SuOnnxValue mask = su_onnx_unsqueeze(graph, "pooling.mask", builder->attention_mask, 2);
    SuOnnxValue counts =
        su_onnx_apply2(graph, "Greater", "pooling.counts", mask, su_onnx_int(graph, "zero", 0));
    SuOnnxValue kept = su_onnx_node(
        graph, &(SuOnnxNode){.op = "Where",
                             .name = "pooling.kept",
                             .in = {counts, tokens, su_onnx_float(graph, "lowest", -FLT_MAX)}});
    return reduce(graph, "ReduceMax", "pooled", kept, false);
}

/* The sum of weighted tokens over that of the weights, or over its root. */
static SuOnnxValue weighted(SuOnnxBuilder *builder, SuOnnxValue tokens, SuOnnxValue weights,
                            bool root)
{
    SuOnnxGraph *graph = &builder->graph;
    SuOnnxValue weight = su_onnx_cast(graph, "pooling.weights", weights, SU_ONNX_F32);
    weight = su_onnx_unsqueeze(graph, "pooling.weight", weight, 2);
    SuOnnxValue kept = su_onnx_apply2(graph, "Mul", "pooling.kept", tokens, weight);
    SuOnnxValue sum = sum_tokens(graph, "pooling.sum", kept);
    SuOnnxValue total = sum_tokens(graph, "pooling.total", weight);
    total = su_onnx_apply2(graph, "Max", "pooling.divisor", total,
                           su_onnx_float(graph, "least_weight", 1e-9f));
    if (root) total = su_onnx_apply(graph, "Sqrt", "pooling.root", total);
    return su_onnx_apply2(graph, "Div", "pooled", sum, total);
}

static SuOnnxValue pool(SuOnnxBuilder *builder, SuOnnxValue tokens)
{
    switch (builder->model->pooling) {
    case SUTRA_POOL_LAST:
        return last_token(builder, tokens);
    case SUTRA_POOL_MAX:
        return greatest(builder, tokens);
    case SUTRA_POOL_WEIGHTED_MEAN:
        return weighted(builder, tokens, ordinals(builder), false);
    case SUTRA_POOL_MEAN:
    case SUTRA_POOL_MEAN_SQRT:
        return weighted(builder, tokens, builder->attention_mask,
                        builder->model->pooling == SUTRA_POOL_MEAN_SQRT);
    default:
        return first_token(&builder->graph, tokens);
    }
}

/* ---- what comes after it ---- */

static SuOnnxValue run_head(SuOnnxBuilder *builder, uint32_t index, SuOnnxValue x)
{
    SuOnnxGraph *graph = &builder->graph;
    const SutraSpec *spec = builder->spec;
    const SutraHead *head = &spec->heads[index];
    snprintf(graph->scope, sizeof graph->scope, "head.%u.", index);
    if (head->kind == SUTRA_HEAD_NORM) {
        x = su_onnx_norm(builder, "norm", x, SUTRA_ROLE_HEAD_NORM_WEIGHT, SUTRA_ROLE_HEAD_NORM_BIAS,
                         index, spec->head_norm_eps > 0 ? spec->head_norm_eps : spec->norm_eps);
    } else {
        x = su_onnx_linear(builder,
                           &(SuOnnxLinear){.name = "linear",
                                           .weight = SUTRA_ROLE_DENSE_WEIGHT,
                                           .bias = SUTRA_ROLE_DENSE_BIAS,
                                           .layer = index},
                           x);
        if (head->kind == SUTRA_HEAD_DENSE)
            x = su_onnx_activation(builder, head->activation, "activation", x);
    }
    *graph->scope = '\0';
    return x;
}

/* x over its length, or over 1e-12 where that is more. */
static SuOnnxValue normalize(SuOnnxGraph *graph, SuOnnxValue x)
{
    SuOnnxValue length = reduce(graph, "ReduceL2", "vector.length", x, true);
    length = su_onnx_apply2(graph, "Max", "vector.divisor", length,
                            su_onnx_float(graph, "least_length", 1e-12f));
    return su_onnx_apply2(graph, "Div", "vector.normalized", x, length);
}

static SuOnnxValue cut(SuOnnxBuilder *builder, SuOnnxValue x)
{
    SuOnnxGraph *graph = &builder->graph;
    int64_t size = builder->model->truncate_dim;
    SuOnnxNode node = {.op = "Slice",
                       .name = "vector.cut",
                       .in = {x, su_onnx_ints(graph, "axes.0", &(int64_t){0}, 1),
                              su_onnx_ints(graph, "vector.size", &size, 1),
                              su_onnx_ints(graph, "axes.1", &(int64_t){1}, 1)}};
    return su_onnx_node(graph, &node);
}

void su_onnx_heads(SuOnnxBuilder *builder, SuOnnxValue tokens)
{
    SuOnnxGraph *graph = &builder->graph;
    const SutraModel *model = builder->model;
    const SutraSpec *spec = builder->spec;
    SuOnnxValue x = pool(builder, tokens);
    for (uint32_t i = 0; i < spec->num_heads_out; i++) {
        uint32_t kind = spec->heads[i].kind;
        if (kind != SUTRA_HEAD_POOLING && kind != SUTRA_HEAD_NORMALIZE) x = run_head(builder, i, x);
    }
    if (su_model_is_reranker(model)) {
        su_onnx_node_named(graph, "Identity", x, "logits");
        su_onnx_output(graph, "logits", false, 1);
        return;
    }
    if (model->normalize) x = normalize(graph, x);
    if (model->truncate_dim) x = cut(builder, x);
    if (!su_model_is_static(model)) {
        su_onnx_node_named(graph, "Identity", tokens, "last_hidden_state");
        su_onnx_output(graph, "last_hidden_state", true, spec->hidden_size);
    }
    su_onnx_node_named(graph, "Identity", x, "sentence_embedding");
    su_onnx_output(graph, "sentence_embedding", false, su_model_dim(model));
}
