/* onnx_builder.h - an encoder and its heads as a graph, from SutraSpec and tensors by role.
 *
 *   input_ids, attention_mask [, token_type_ids]      [batch, sequence]
 *     embeddings, layers, final norm               -> last_hidden_state [batch, sequence, hidden]
 *     pooling, dense heads, normalisation, cut     -> sentence_embedding [batch, dim]
 *     or pooling, heads up to that of scores       -> logits [batch, 1]
 *   static models have no layers and no last_hidden_state: rows, pooling, and what comes after it
 *
 * Every step is the one that src/encoder takes. Weights of linears are [in, out], for MatMul. */
#ifndef SU_ONNX_BUILDER_H
#define SU_ONNX_BUILDER_H

#include "model/model.h"
#include "onnx_graph.h"

typedef struct SuOnnxBuilder {
    SuOnnxGraph graph;
    const SutraModel *model;
    const SutraSpec *spec;
    bool int8; /* linears of the layers and the token table in s8, with scales a row */
    SuOnnxValue input_ids, attention_mask, token_type_ids;
    SuOnnxValue length, range; /* see su_onnx_length, su_onnx_range; empty before their first use */
    /* [num_layers] what is added to the scores of attention: [batch, heads or 1, sequence or 1,
     * sequence] */
    SuOnnxValue *bias;
    SutraTensor type_row; /* the type that all tokens have, where types are no input */
} SuOnnxBuilder;

/* Whether texts have token types: there are several. */
static inline bool su_onnx_has_types(const SutraSpec *spec) { return spec->num_types > 1; }

/* Fills the graph; bias has room for all layers. Failures are the graph's. */
void su_onnx_build(SuOnnxBuilder *builder);

/* ---- parts (onnx_parts.c) ---- */

/* The batch's sequence, [1]; 0, 1, …, [sequence]. */
SuOnnxValue su_onnx_length(SuOnnxBuilder *builder);
SuOnnxValue su_onnx_range(SuOnnxBuilder *builder);

/* x W^T + bias; the bias may be absent. quantised: in s8 where the builder says so. */
typedef struct SuOnnxLinear {
    const char *name;
    SutraRole weight, bias;
    uint32_t layer;
    bool quantised;
} SuOnnxLinear;
SuOnnxValue su_onnx_linear(SuOnnxBuilder *builder, const SuOnnxLinear *linear, SuOnnxValue x);

/* Layer norm; x itself where there is no such tensor. */
SuOnnxValue su_onnx_norm(SuOnnxBuilder *builder, const char *name, SuOnnxValue x, SutraRole weight,
                         SutraRole bias, uint32_t layer, float eps);
SuOnnxValue su_onnx_activation(SuOnnxBuilder *builder, uint32_t activation, const char *name,
                               SuOnnxValue x);

/* ---- stages ---- */

SuOnnxValue su_onnx_embeddings(SuOnnxBuilder *builder);
/* Instead of it where there are no layers: weighted rows; the mask loses the dropped token. */
SuOnnxValue su_onnx_static_rows(SuOnnxBuilder *builder);
/* What layers share: bias, and the tables of RoPE. */
void su_onnx_prepare_bias(SuOnnxBuilder *builder);
void su_onnx_prepare_rope(SuOnnxBuilder *builder);
/* q or k [batch, heads, sequence, head] turned by position. */
SuOnnxValue su_onnx_rotate(SuOnnxBuilder *builder, uint32_t layer, const char *name, SuOnnxValue x);
void su_onnx_heads(SuOnnxBuilder *builder, SuOnnxValue tokens);

#endif
