/* The memory of a run. */
#include "base/status.h"
#include "encoder/encoder.h"

/* Rows of the feed-forward block that are computed at a time by each rank: 128 x 1536 floats fit
 * L2; of rows that are kept as floats and converted, half as many. */
enum { FFN_ROWS = 128, FFN_ROWS_CONVERTED = 64 };

/* Widest rows, in bytes, that linears `first` and `second` of the layers read converted; 0: none
 * is. */
static size_t widest_rows(const SuEncoder *encoder, size_t first, size_t second)
{
    size_t widest = 0;
    for (uint32_t i = 0; i < encoder->spec.num_layers; i++) {
        const SuLayer *layer = &encoder->layers[i];
        const SuLinear *linears[] = {&layer->qkv, &layer->attention_out, &layer->up, &layer->down};
        for (size_t n = first; n <= second; n++) {
            size_t bytes = su_linear_reads_floats(linears[n]) ? 0 : su_linear_row_bytes(linears[n]);
            if (bytes > widest) widest = bytes;
        }
    }
    return widest;
}

static SuRows carve_rows(SuArena *arena, size_t rows, size_t row_bytes)
{
    SuRows carved = {0};
    if (row_bytes == 0) return carved;
    carved.data = su_arena_carve(arena, rows * row_bytes);
    carved.scales = su_arena_carve(arena, rows * sizeof *carved.scales);
    return carved;
}

/* What the layers need, and the output. */
static void carve_layers(SuEncoderContext *context, SuArena *arena)
{
    const SuEncoder *encoder = context->encoder;
    const SutraSpec *spec = &encoder->spec;
    size_t tokens = context->max_tokens, hidden = spec->hidden_size, widest = encoder->widest_head;
    size_t width = (size_t)spec->num_heads * spec->head_size;
    size_t output = 3 * width > widest ? 3 * width : widest;
    context->x = su_arena_carve(arena, tokens * hidden * sizeof(float));
    context->qkv = su_arena_carve(arena, tokens * output * sizeof(float));
    size_t attended = width > hidden ? width : hidden;
    context->attention = su_arena_carve(arena, tokens * attended * sizeof(float));
    for (uint32_t i = 0; i < encoder->num_ropes; i++)
        context->turns[i] = su_arena_carve(arena, tokens * spec->head_size * sizeof(float));
    context->read = su_arena_carve(arena, context->max_seqs * hidden * sizeof(float));
    size_t converted = widest_rows(encoder, SU_LINEAR_DOWN, SU_LINEAR_DOWN);
    size_t rows = (size_t)(converted ? FFN_ROWS_CONVERTED : FFN_ROWS) * context->max_team;
    if (rows > tokens) rows = tokens;
    context->ffn_block = (uint32_t)rows;
    context->ffn = su_arena_carve(arena, rows * (size_t)spec->ffn_size * sizeof(float));
    context->ffn_rows = carve_rows(arena, rows, converted);
    converted = widest_rows(encoder, SU_LINEAR_QKV, SU_LINEAR_UP);
    context->rows = carve_rows(arena, tokens, converted);
    context->read_rows = carve_rows(arena, context->max_seqs, converted);
}

static void carve(SuEncoderContext *context, SuArena *arena)
{
    const SuEncoder *encoder = context->encoder;
    size_t hidden = encoder->spec.hidden_size, widest = encoder->widest_head;
    if (su_spec_is_static(&encoder->spec))
        context->qkv = su_arena_carve(arena, context->max_seqs * widest * sizeof(float));
    else
        carve_layers(context, arena);
    for (int i = 0; i < 2 && encoder->num_dense; i++)
        context->pooled[i] = su_arena_carve(arena, context->max_seqs * widest * sizeof(float));
    context->range_steps = su_arena_carve(arena, widest * sizeof(float));
    context->rank_row = su_arena_carve(arena, context->max_team * sizeof *context->rank_row);
    for (uint32_t i = 0; i < context->max_team; i++) {
        float *row = su_arena_carve(arena, 4 * hidden * sizeof(float));
        if (!arena->base) continue;
        context->rank_row[i] = row;
    }
}

SutraStatus su_encoder_context_create(const SuEncoder *encoder, uint32_t max_tokens,
                                      uint32_t max_seqs, uint32_t max_team, SuEncoderContext **out,
                                      SutraError *err)
{
    *out = NULL;
    SuEncoderContext *context = su_calloc(1, sizeof *context);
    if (!context) SU_RAISE(err, SUTRA_E_MEMORY, "out of memory for an encoder context");
    *context = (SuEncoderContext){
        .encoder = encoder, .max_tokens = max_tokens, .max_seqs = max_seqs, .max_team = max_team};
    SuArena arena = {0};
    carve(context, &arena);
    context->memory_size = arena.used;
    context->memory = su_alloc_aligned(arena.used);
    if (!context->memory) {
        su_free(context);
        SU_RAISE(err, SUTRA_E_MEMORY,
                 "out of memory for an encoder context of %u tokens (%zu bytes)", max_tokens,
                 arena.used);
    }
    arena = (SuArena){.base = context->memory, .size = arena.used};
    carve(context, &arena);
    *out = context;
    return SUTRA_OK;
}

void su_encoder_context_free(SuEncoderContext *context)
{
    if (!context) return;
    su_free_aligned(context->memory);
    su_free(context);
}
