/* What positions and padding mean to attention: a bias of its scores, and RoPE. */
#include "base/memory.h"
#include "encoder/encoder.h"
#include "onnx_builder.h"
#include "tools/tensor_read.h"

#include <float.h>
#include <math.h>
#include <stdio.h>

/* Values that several layers share are made for the first of them, and named after it. */
static SuOnnxValue shared(const char *stem, uint32_t layer)
{
    SuOnnxValue value;
    snprintf(value.name, sizeof value.name, "%s.%u", stem, layer);
    return value;
}

static uint32_t window_of(const SutraSpec *spec, uint32_t layer)
{
    return spec->window ? spec->window[layer] : 0;
}

/* The first layer that turns as `layer` does. */
static uint32_t rope_layer(const SutraSpec *spec, uint32_t layer)
{
    uint32_t first = 0;
    while (spec->rope_base[first] != spec->rope_base[layer]) first++;
    return first;
}

/* ---- the bias of scores ---- */

static SuOnnxValue lowest(SuOnnxGraph *graph) { return su_onnx_float(graph, "lowest", -FLT_MAX); }

/* 0 where a token may be seen, the lowest number where it is padding: [batch, 1, 1, sequence] */
static SuOnnxValue padding_bias(SuOnnxBuilder *builder)
{
    SuOnnxGraph *graph = &builder->graph;
    SuOnnxValue mask = su_onnx_unsqueeze(graph, "mask.heads", builder->attention_mask, 1);
    mask = su_onnx_unsqueeze(graph, "mask.queries", mask, 2);
    mask = su_onnx_cast(graph, "mask.f32", mask, SU_ONNX_F32);
    mask = su_onnx_apply2(graph, "Sub", "mask.hidden", su_onnx_float(graph, "one", 1.0f), mask);
    return su_onnx_apply2(graph, "Mul", "padding", mask, lowest(graph));
}

/* query - key: [sequence, sequence] */
static SuOnnxValue distances(SuOnnxBuilder *builder)
{
    SuOnnxGraph *graph = &builder->graph;
    SuOnnxValue queries = su_onnx_unsqueeze(graph, "queries", su_onnx_range(builder), 1);
    SuOnnxValue keys = su_onnx_unsqueeze(graph, "keys", su_onnx_range(builder), 0);
    return su_onnx_apply2(graph, "Sub", "distance", queries, keys);
}

/* A row for each distance: [2 longest - 1, heads] */
static SuOnnxValue bucket_table(SuOnnxBuilder *builder, uint64_t rows)
{
    const SutraSpec *spec = builder->spec;
    const SutraTensor *stored = su_model_tensor(builder->model, SUTRA_ROLE_RELATIVE_BIAS, 0);
    size_t heads = spec->num_heads;
    float *table = su_alloc(rows, heads * sizeof *table);
    for (uint64_t i = 0; table && i < rows; i++) {
        ptrdiff_t distance = (ptrdiff_t)i - (ptrdiff_t)(rows / 2);
        su_tensor_read(builder->graph.kernels, stored,
                       su_relative_bias_bucket(spec, distance) * heads, heads, table + i * heads);
    }
    return su_onnx_floats(&builder->graph, "relative.weight", table, rows, heads);
}

/* [1, heads, sequence, sequence] */
static SuOnnxValue relative_bias(SuOnnxBuilder *builder, SuOnnxValue distance)
{
    static const int64_t heads_first[] = {2, 0, 1};
    SuOnnxGraph *graph = &builder->graph;
    uint64_t rows = su_relative_bias_row(builder->spec);
    SuOnnxValue table = bucket_table(builder, rows);
    SuOnnxValue place = su_onnx_apply2(graph, "Add", "relative.place", distance,
                                       su_onnx_int(graph, "relative.zero", (int64_t)(rows / 2)));
    SuOnnxValue bias = su_onnx_apply2(graph, "Gather", "relative.rows", table, place);
    bias = su_onnx_transpose(graph, "relative.heads", bias, heads_first, 3);
    return su_onnx_unsqueeze(graph, "relative", bias, 0);
}

static SuOnnxValue alibi(SuOnnxBuilder *builder, SuOnnxValue distance)
{
    SuOnnxGraph *graph = &builder->graph;
    uint32_t heads = builder->spec->num_heads;
    float *slopes = su_alloc(heads, sizeof *slopes);
    for (uint32_t i = 0; slopes && i < heads; i++) slopes[i] = (float)-su_alibi_slope(i, heads);
    SuOnnxValue slope = su_onnx_floats(graph, "alibi.slope", slopes, heads, 1);
    slope = su_onnx_unsqueeze(graph, "alibi.slopes", slope, 2);
    SuOnnxValue apart = su_onnx_apply(graph, "Abs", "alibi.apart", distance);
    apart = su_onnx_cast(graph, "alibi.apart.f32", apart, SU_ONNX_F32);
    SuOnnxValue bias = su_onnx_apply2(graph, "Mul", "alibi.heads", apart, slope);
    return su_onnx_unsqueeze(graph, "alibi", bias, 0);
}

/* Whether a query of that layer sees a key: [sequence, sequence] */
static SuOnnxValue seen(SuOnnxBuilder *builder, uint32_t layer, SuOnnxValue distance)
{
    SuOnnxGraph *graph = &builder->graph;
    uint32_t window = window_of(builder->spec, layer);
    SuOnnxValue first = shared("window.after", layer), last = shared("window.before", layer);
    SuOnnxValue after = shared("seen.after", layer), before = shared("seen.before", layer);
    SuOnnxValue both = shared("seen", layer);
    first = su_onnx_int(graph, first.name, builder->spec->causal ? 0 : -(int64_t)window);
    after = su_onnx_apply2(graph, "GreaterOrEqual", after.name, distance, first);
    if (!window) return after;
    last = su_onnx_int(graph, last.name, window);
    before = su_onnx_apply2(graph, "LessOrEqual", before.name, distance, last);
    return su_onnx_apply2(graph, "And", both.name, before, after);
}

static bool needs_distances(const SutraSpec *spec)
{
    bool needed = spec->causal || spec->relative_buckets || spec->position == SUTRA_POSITION_ALIBI;
    for (uint32_t i = 0; i < spec->num_layers; i++) needed = needed || window_of(spec, i);
    return needed;
}

/* The first layer whose attention sees as far as that of `layer`. */
static uint32_t bias_layer(const SutraSpec *spec, uint32_t layer)
{
    uint32_t first = 0;
    while (window_of(spec, first) != window_of(spec, layer)) first++;
    return first;
}

/* [batch, heads or 1, sequence or 1, sequence] */
static void make_bias(SuOnnxBuilder *builder, uint32_t layer, SuOnnxValue padding,
                      SuOnnxValue distance, SuOnnxValue relative)
{
    SuOnnxGraph *graph = &builder->graph;
    const SutraSpec *spec = builder->spec;
    SuOnnxValue name = shared("attention_bias", layer), near = shared("attention_near", layer);
    SuOnnxValue bias = padding;
    if (spec->causal || window_of(spec, layer)) {
        SuOnnxValue sees = seen(builder, layer, distance);
        bias = su_onnx_node(
            graph,
            &(SuOnnxNode){.op = "Where", .name = near.name, .in = {sees, bias, lowest(graph)}});
    }
    if (*relative.name) bias = su_onnx_apply2(graph, "Add", name.name, bias, relative);
    builder->bias[layer] = bias;
}

void su_onnx_prepare_bias(SuOnnxBuilder *builder)
{
    const SutraSpec *spec = builder->spec;
    SuOnnxValue padding = padding_bias(builder), distance = {0}, relative = {0};
    if (needs_distances(spec)) distance = distances(builder);
    if (spec->relative_buckets) relative = relative_bias(builder, distance);
    if (spec->position == SUTRA_POSITION_ALIBI) relative = alibi(builder, distance);
    for (uint32_t i = 0; i < spec->num_layers; i++)
        if (bias_layer(spec, i) == i)
            make_bias(builder, i, padding, distance, relative);
        else
            builder->bias[i] = builder->bias[bias_layer(spec, i)];
}

/* ---- RoPE ---- */

/* The first `length` rows of cos or sin of each position's angles: [sequence, head / 2] */
static void turn_rows(SuOnnxBuilder *builder, const char *stem, uint32_t layer,
                      const float *frequencies, double (*turn)(double))
{
    SuOnnxGraph *graph = &builder->graph;
    const SutraSpec *spec = builder->spec;
    size_t half = spec->head_size / 2;
    uint64_t positions = spec->max_positions;
    float *table = su_alloc(positions, half * sizeof *table);
    for (uint64_t p = 0; table && p < positions; p++)
        for (size_t i = 0; i < half; i++)
            table[p * half + i] = (float)turn((double)((float)p * frequencies[i]));
    char name[48];
    snprintf(name, sizeof name, "%s.table.%u", stem, layer);
    SuOnnxValue zero = su_onnx_ints(graph, "axes.0", &(int64_t){0}, 1), rows = shared(stem, layer);
    su_onnx_node(graph, &(SuOnnxNode){.op = "Slice",
                                      .name = rows.name,
                                      .in = {su_onnx_floats(graph, name, table, positions, half),
                                             zero, su_onnx_length(builder), zero}});
}

void su_onnx_prepare_rope(SuOnnxBuilder *builder)
{
    const SutraSpec *spec = builder->spec;
    float frequencies[128];
    for (uint32_t i = 0; i < spec->num_layers; i++) {
        if (rope_layer(spec, i) != i) continue;
        su_rope_frequencies(spec, spec->rope_base[i], frequencies);
        turn_rows(builder, "rope.cos", i, frequencies, cos);
        turn_rows(builder, "rope.sin", i, frequencies, sin);
    }
}

/* Element i of the first half of a head and element i of the second are a pair. */
SuOnnxValue su_onnx_rotate(SuOnnxBuilder *builder, uint32_t layer, const char *name, SuOnnxValue x)
{
    SuOnnxGraph *graph = &builder->graph;
    uint32_t first = rope_layer(builder->spec, layer);
    SuOnnxValue cosine = shared("rope.cos", first), sine = shared("rope.sin", first);
    SuOnnxValue half[2], turned[2];
    char part[4][48];
    snprintf(part[0], sizeof part[0], "%s.half", name);
    su_onnx_node_pair(
        graph,
        &(SuOnnxNode){
            .op = "Split", .name = part[0], .in = {x}, .attributes = {{.name = "axis", .i = -1}}},
        half);
    for (int i = 0; i < 2; i++) {
        snprintf(part[1], sizeof part[1], "%s.along.%d", name, i);
        snprintf(part[2], sizeof part[2], "%s.across.%d", name, i);
        snprintf(part[3], sizeof part[3], "%s.turned.%d", name, i);
        SuOnnxValue along = su_onnx_apply2(graph, "Mul", part[1], half[i], cosine);
        SuOnnxValue across = su_onnx_apply2(graph, "Mul", part[2], half[1 - i], sine);
        turned[i] = su_onnx_apply2(graph, i ? "Add" : "Sub", part[3], along, across);
    }
    return su_onnx_node(graph, &(SuOnnxNode){.op = "Concat",
                                             .name = name,
                                             .in = {turned[0], turned[1]},
                                             .attributes = {{.name = "axis", .i = -1}}});
}
