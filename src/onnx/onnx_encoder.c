/* The graph as a whole, and its layers. */
#include "onnx_builder.h"

#include <math.h>
#include <stdio.h>

static SuOnnxValue layer_linear(SuOnnxBuilder *builder, uint32_t layer, const char *name,
                                SutraRole weight, SutraRole bias, SuOnnxValue x)
{
    return su_onnx_linear(builder, &(SuOnnxLinear){name, weight, bias, layer, true}, x);
}

/* [batch, sequence, width] to [batch, heads, sequence, head], or with the last two exchanged. */
static SuOnnxValue split_heads(SuOnnxBuilder *builder, const char *name, SuOnnxValue x,
                               bool exchanged)
{
    static const int64_t orders[2][4] = {{0, 2, 1, 3}, {0, 2, 3, 1}};
    SuOnnxGraph *graph = &builder->graph;
    const int64_t shape[] = {0, 0, builder->spec->num_heads, builder->spec->head_size};
    char part[48];
    snprintf(part, sizeof part, "%s.by_token", name);
    x = su_onnx_apply2(graph, "Reshape", part, x, su_onnx_ints(graph, "shape.heads", shape, 4));
    snprintf(part, sizeof part, "%s.heads", name);
    return su_onnx_transpose(graph, part, x, orders[exchanged], 4);
}

/* Keys as the product wants them: [batch, heads, head, sequence] */
static SuOnnxValue keys(SuOnnxBuilder *builder, uint32_t layer, SuOnnxValue x)
{
    static const int64_t exchanged[] = {0, 1, 3, 2};
    if (builder->spec->position != SUTRA_POSITION_ROPE) return split_heads(builder, "key", x, true);
    x = su_onnx_rotate(builder, layer, "key.turned", split_heads(builder, "key", x, false));
    return su_onnx_transpose(&builder->graph, "key.columns", x, exchanged, 4);
}

static SuOnnxValue queries(SuOnnxBuilder *builder, uint32_t layer, SuOnnxValue x)
{
    x = split_heads(builder, "query", x, false);
    if (builder->spec->position != SUTRA_POSITION_ROPE) return x;
    return su_onnx_rotate(builder, layer, "query.turned", x);
}

static SuOnnxValue attend(SuOnnxBuilder *builder, uint32_t layer, SuOnnxValue x)
{
    static const int64_t by_token[] = {0, 2, 1, 3};
    SuOnnxGraph *graph = &builder->graph;
    const SutraSpec *spec = builder->spec;
    SuOnnxValue q =
        layer_linear(builder, layer, "query", SUTRA_ROLE_QUERY_WEIGHT, SUTRA_ROLE_QUERY_BIAS, x);
    SuOnnxValue k =
        layer_linear(builder, layer, "key", SUTRA_ROLE_KEY_WEIGHT, SUTRA_ROLE_KEY_BIAS, x);
    SuOnnxValue v =
        layer_linear(builder, layer, "value", SUTRA_ROLE_VALUE_WEIGHT, SUTRA_ROLE_VALUE_BIAS, x);
    q = queries(builder, layer, q);
    k = keys(builder, layer, k);
    v = split_heads(builder, "value", v, false);
    SuOnnxValue scores = su_onnx_apply2(graph, "MatMul", "scores.raw", q, k);
    scores = su_onnx_apply2(graph, "Div", "scores.scaled", scores,
                            su_onnx_float(graph, "sqrt_head", sqrtf((float)spec->head_size)));
    scores = su_onnx_apply2(graph, "Add", "scores", scores, builder->bias[layer]);
    SuOnnxValue shares =
        su_onnx_node(graph, &(SuOnnxNode){.op = "Softmax",
                                          .name = "shares",
                                          .in = {scores},
                                          .attributes = {{.name = "axis", .i = -1}}});
    SuOnnxValue read = su_onnx_apply2(graph, "MatMul", "read.heads", shares, v);
    read = su_onnx_transpose(graph, "read.by_token", read, by_token, 4);
    const int64_t shape[] = {0, 0, (int64_t)spec->num_heads * spec->head_size};
    read = su_onnx_apply2(graph, "Reshape", "read", read,
                          su_onnx_ints(graph, "shape.tokens", shape, 3));
    return layer_linear(builder, layer, "attention", SUTRA_ROLE_ATTENTION_OUT_WEIGHT,
                        SUTRA_ROLE_ATTENTION_OUT_BIAS, read);
}

static SuOnnxValue feed_forward(SuOnnxBuilder *builder, uint32_t layer, SuOnnxValue x)
{
    SuOnnxGraph *graph = &builder->graph;
    const SutraSpec *spec = builder->spec;
    SuOnnxValue up =
        layer_linear(builder, layer, "up", SUTRA_ROLE_FFN_UP_WEIGHT, SUTRA_ROLE_FFN_UP_BIAS, x);
    if (spec->gated) {
        SuOnnxValue gate = layer_linear(builder, layer, "gate", SUTRA_ROLE_FFN_GATE_WEIGHT,
                                        SUTRA_ROLE_FFN_GATE_BIAS, x);
        gate = su_onnx_activation(builder, spec->activation, "gate.activation", gate);
        up = su_onnx_apply2(graph, "Mul", "gated", gate, up);
    } else {
        up = su_onnx_activation(builder, spec->activation, "activation", up);
    }
    return layer_linear(builder, layer, "down", SUTRA_ROLE_FFN_DOWN_WEIGHT,
                        SUTRA_ROLE_FFN_DOWN_BIAS, up);
}

static SuOnnxValue run_layer(SuOnnxBuilder *builder, uint32_t layer, SuOnnxValue x)
{
    SuOnnxGraph *graph = &builder->graph;
    const SutraSpec *spec = builder->spec;
    bool pre = spec->norm == SUTRA_NORM_PRE;
    snprintf(graph->scope, sizeof graph->scope, "layer.%u.", layer);
    SuOnnxValue input = x;
    if (pre)
        input = su_onnx_norm(builder, "attention_norm", x, SUTRA_ROLE_ATTENTION_NORM_WEIGHT,
                             SUTRA_ROLE_ATTENTION_NORM_BIAS, layer, spec->norm_eps);
    x = su_onnx_apply2(graph, "Add", "attention.sum", attend(builder, layer, input), x);
    if (!pre)
        x = su_onnx_norm(builder, "attention_norm", x, SUTRA_ROLE_ATTENTION_NORM_WEIGHT,
                         SUTRA_ROLE_ATTENTION_NORM_BIAS, layer, spec->norm_eps);
    input = x;
    if (pre)
        input = su_onnx_norm(builder, "ffn_norm", x, SUTRA_ROLE_FFN_NORM_WEIGHT,
                             SUTRA_ROLE_FFN_NORM_BIAS, layer, spec->norm_eps);
    x = su_onnx_apply2(graph, "Add", "ffn.sum", feed_forward(builder, layer, input), x);
    if (!pre)
        x = su_onnx_norm(builder, "ffn_norm", x, SUTRA_ROLE_FFN_NORM_WEIGHT,
                         SUTRA_ROLE_FFN_NORM_BIAS, layer, spec->norm_eps);
    *graph->scope = '\0';
    return x;
}

static void add_inputs(SuOnnxBuilder *builder)
{
    SuOnnxGraph *graph = &builder->graph;
    builder->input_ids = su_onnx_input(graph, "input_ids");
    builder->attention_mask = su_onnx_input(graph, "attention_mask");
    if (su_onnx_has_types(builder->spec))
        builder->token_type_ids = su_onnx_input(graph, "token_type_ids");
}

/* The tokens after the last layer. */
static SuOnnxValue run_layers(SuOnnxBuilder *builder, SuOnnxValue x)
{
    const SutraSpec *spec = builder->spec;
    su_onnx_prepare_bias(builder);
    if (spec->position == SUTRA_POSITION_ROPE) su_onnx_prepare_rope(builder);
    for (uint32_t i = 0; i < spec->num_layers; i++) x = run_layer(builder, i, x);
    return su_onnx_norm(builder, "final_norm", x, SUTRA_ROLE_FINAL_NORM_WEIGHT,
                        SUTRA_ROLE_FINAL_NORM_BIAS, 0, spec->norm_eps);
}

void su_onnx_build(SuOnnxBuilder *builder)
{
    bool layers = !su_model_is_static(builder->model);
    add_inputs(builder);
    snprintf(builder->graph.scope, sizeof builder->graph.scope, "embeddings.");
    SuOnnxValue x = layers ? su_onnx_embeddings(builder) : su_onnx_static_rows(builder);
    *builder->graph.scope = '\0';
    su_onnx_heads(builder, layers ? run_layers(builder, x) : x);
}
