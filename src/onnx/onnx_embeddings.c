/* Embeddings and their norm: norm((token + type) + position); rows of static models. */
#include "onnx_builder.h"

#include "base/memory.h"

#include <string.h>

static SuOnnxValue gather(SuOnnxGraph *graph, const char *name, SuOnnxValue table, SuOnnxValue ids)
{
    return su_onnx_apply2(graph, "Gather", name, table, ids);
}

static SuOnnxValue token_rows(SuOnnxBuilder *builder, SuOnnxValue ids)
{
    SuOnnxGraph *graph = &builder->graph;
    const SutraTensor *table = su_model_tensor(builder->model, SUTRA_ROLE_TOKEN_EMBEDDING, 0);
    if (!builder->int8)
        return gather(graph, "token",
                      su_onnx_tensor(graph, "token.weight", table, SU_ONNX_F32, false, NULL), ids);
    SuOnnxValue scales;
    SuOnnxValue rows = su_onnx_tensor(graph, "token.weight", table, SU_ONNX_I8, false, &scales);
    SuOnnxValue row =
        su_onnx_cast(graph, "token.f32", gather(graph, "token.s8", rows, ids), SU_ONNX_F32);
    SuOnnxValue scale = gather(graph, "token.scale", scales, ids);
    return su_onnx_apply2(graph, "Mul", "token", row,
                          su_onnx_unsqueeze(graph, "token.scale.column", scale, 2));
}

static SuOnnxValue add_types(SuOnnxBuilder *builder, SuOnnxValue x)
{
    SuOnnxGraph *graph = &builder->graph;
    const SutraTensor *table = su_model_tensor(builder->model, SUTRA_ROLE_TYPE_EMBEDDING, 0);
    if (!table) return x;
    if (su_onnx_has_types(builder->spec)) {
        SuOnnxValue rows = su_onnx_tensor(graph, "type.weight", table, SU_ONNX_F32, false, NULL);
        SuOnnxValue type = gather(graph, "type", rows, builder->token_type_ids);
        return su_onnx_apply2(graph, "Add", "token.and.type", x, type);
    }
    builder->type_row = *table;
    builder->type_row.num_dims = 1;
    builder->type_row.shape[0] = table->shape[1];
    SuOnnxValue row =
        su_onnx_tensor(graph, "type.weight", &builder->type_row, SU_ONNX_F32, false, NULL);
    return su_onnx_apply2(graph, "Add", "token.and.type", x, row);
}

/* RoBERTa's: tokens with the id offset - 1, that of padding, have it for their position, and are
 * not counted. */
static SuOnnxValue counted_positions(SuOnnxBuilder *builder)
{
    SuOnnxGraph *graph = &builder->graph;
    SuOnnxValue pad = su_onnx_int(graph, "pad_id", (int64_t)builder->spec->position_offset - 1);
    SuOnnxValue is_pad = su_onnx_apply2(graph, "Equal", "is_pad", builder->input_ids, pad);
    SuOnnxValue is_token = su_onnx_apply(graph, "Not", "is_token", is_pad);
    SuOnnxValue ones = su_onnx_cast(graph, "ones", is_token, SU_ONNX_I64);
    SuOnnxValue count =
        su_onnx_apply2(graph, "CumSum", "count", ones, su_onnx_int(graph, "axis.1", 1));
    SuOnnxValue counted = su_onnx_apply2(graph, "Mul", "counted", count, ones);
    return su_onnx_apply2(graph, "Add", "position_ids", counted, pad);
}

static SuOnnxValue position_rows(SuOnnxBuilder *builder, SuOnnxValue table)
{
    SuOnnxGraph *graph = &builder->graph;
    if (builder->spec->position_offset)
        return gather(graph, "position", table, counted_positions(builder));
    return gather(graph, "position", table,
                  su_onnx_unsqueeze(graph, "position_ids", su_onnx_range(builder), 0));
}

SuOnnxValue su_onnx_embeddings(SuOnnxBuilder *builder)
{
    SuOnnxGraph *graph = &builder->graph;
    const SutraTensor *positions =
        su_model_tensor(builder->model, SUTRA_ROLE_POSITION_EMBEDDING, 0);
    SuOnnxValue x = add_types(builder, token_rows(builder, builder->input_ids));
    if (positions) {
        SuOnnxValue table =
            su_onnx_tensor(graph, "position.weight", positions, SU_ONNX_F32, false, NULL);
        x = su_onnx_apply2(graph, "Add", "sum", x, position_rows(builder, table));
    }
    return su_onnx_norm(builder, "norm", x, SUTRA_ROLE_EMBEDDING_NORM_WEIGHT,
                        SUTRA_ROLE_EMBEDDING_NORM_BIAS, 0, builder->spec->norm_eps);
}

/* ---- static models ---- */

/* Which row of the table each token has; the ids themselves where each has its own. */
static SuOnnxValue rows_of_tokens(SuOnnxBuilder *builder)
{
    SuOnnxGraph *graph = &builder->graph;
    const SutraTensor *stored = su_model_tensor(builder->model, SUTRA_ROLE_TOKEN_ROW, 0);
    if (!stored) return builder->input_ids;
    size_t n = (size_t)stored->shape[0];
    int64_t *rows = su_alloc(n, sizeof *rows);
    for (size_t i = 0; rows && i < n; i++) {
        int32_t row;
        memcpy(&row, (const char *)stored->data + i * sizeof row, sizeof row);
        rows[i] = row;
    }
    SuOnnxValue table = su_onnx_ints(graph, "embeddings.token.rows", rows, n);
    su_free(rows);
    return gather(graph, "token.row", table, builder->input_ids);
}

/* The mask, 0 too where the token is the one that is dropped. */
static SuOnnxValue counted_tokens(SuOnnxBuilder *builder)
{
    SuOnnxGraph *graph = &builder->graph;
    if (!builder->spec->dropped_token) return builder->attention_mask;
    SuOnnxValue dropped =
        su_onnx_int(graph, "dropped_id", (int64_t)builder->spec->dropped_token - 1);
    SuOnnxValue is_dropped =
        su_onnx_apply2(graph, "Equal", "is_dropped", builder->input_ids, dropped);
    SuOnnxValue kept = su_onnx_apply(graph, "Not", "is_kept", is_dropped);
    kept = su_onnx_cast(graph, "kept", kept, SU_ONNX_I64);
    return su_onnx_apply2(graph, "Mul", "counted_mask", builder->attention_mask, kept);
}

SuOnnxValue su_onnx_static_rows(SuOnnxBuilder *builder)
{
    SuOnnxGraph *graph = &builder->graph;
    const SutraTensor *weights = su_model_tensor(builder->model, SUTRA_ROLE_TOKEN_WEIGHT, 0);
    SuOnnxValue x = token_rows(builder, rows_of_tokens(builder));
    builder->attention_mask = counted_tokens(builder);
    if (!weights) return x;
    SuOnnxValue table = su_onnx_tensor(graph, "token.factors", weights, SU_ONNX_F32, false, NULL);
    SuOnnxValue factor = gather(graph, "token.factor", table, builder->input_ids);
    return su_onnx_apply2(graph, "Mul", "token.weighted", x,
                          su_onnx_unsqueeze(graph, "token.factor.column", factor, 2));
}
