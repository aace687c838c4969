/* Self-attention: one GEMM for q, k, v, which writes each head's as a matrix of its own where a head
 * is whole panels of the GEMM; attention for each (text, head); output projection + residual; norm. */
#include "encoder/encoder.h"

#include <string.h>

/* Where q, k and v of a head lie in context->qkv: [3 heads][tokens][head] or [tokens][3 heads, head]. */
typedef struct Layout {
    size_t head_stride, row_stride;
} Layout;

static Layout layout_of(const SuEncoder *encoder, const SutraBatch *batch)
{
    size_t head = encoder->spec.head_size;
    if (head % encoder->kernels.gemm_f32.nr == 0)
        return (Layout){.head_stride = batch->num_tokens * head, .row_stride = head};
    return (Layout){.head_stride = head, .row_stride = 3 * encoder->spec.num_heads * head};
}

/* One head of one text: all of its queries, or that of the row that is read, which lies at row seq. */
static void attend(SuEncoderContext *context, const SuLayerF32 *layer, const SutraBatch *batch,
                   bool read_only, size_t seq, size_t head)
{
    const SuEncoder *encoder = context->encoder;
    Layout layout = layout_of(encoder, batch);
    size_t head_size = encoder->spec.head_size, heads = encoder->spec.num_heads;
    size_t begin = batch->cu_seqlens[seq], tokens = batch->cu_seqlens[seq + 1] - begin;
    size_t row = read_only ? seq : begin;
    const float *matrix = context->qkv + head * layout.head_stride;
    const float *keys = matrix + heads * layout.head_stride + begin * layout.row_stride;
    SuAttentionF32Args args = {.q = matrix + row * layout.row_stride,
                               .k = keys,
                               .v = keys + heads * layout.head_stride,
                               .out = context->attention + (row * heads + head) * head_size,
                               .q_stride = layout.row_stride,
                               .k_stride = layout.row_stride,
                               .v_stride = layout.row_stride,
                               .out_stride = heads * head_size,
                               .num_queries = read_only ? 1 : tokens,
                               .num_keys = tokens,
                               .head_size = head_size,
                               .local = layer->before < tokens || layer->after < tokens,
                               .before = layer->before,
                               .after = layer->after,
                               .first_query =
                                   read_only ? su_encoder_read_token(batch, seq) - begin : 0};
    encoder->kernels.attention_f32.run(&args);
}

static void project(SuEncoderContext *context, const SuLayerF32 *layer, const SutraBatch *batch,
                    SuLinearIo io, SuCrew *crew)
{
    const SuEncoder *encoder = context->encoder;
    Layout layout = layout_of(encoder, batch);
    io.c = context->qkv;
    if (layout.row_stride == encoder->spec.head_size) {
        io.c_group = encoder->spec.head_size;
        io.c_group_stride = layout.head_stride;
    }
    su_encoder_linear(encoder, &layer->qkv, crew, &io);
}

static void gather_read_rows(SuEncoderContext *context, const SutraBatch *batch, SuCrew *crew)
{
    size_t hidden = context->encoder->spec.hidden_size;
    SuShare share = su_crew_share(crew, batch->num_seqs);
    while (su_crew_next(crew, &share))
        for (size_t i = share.begin; i < share.end; i++)
            memcpy(context->read + i * hidden,
                   context->x + su_encoder_read_token(batch, i) * hidden, hidden * sizeof(float));
}

static void project_qkv(SuEncoderContext *context, const SuLayerF32 *layer, const SutraBatch *batch,
                        bool read_only, SuCrew *crew)
{
    SuLinearIo all = {.a = context->x, .rows = batch->num_tokens};
    if (read_only) {
        size_t width = layer->attention_out.in;
        gather_read_rows(context, batch, crew);
        project(context, layer, batch,
                (SuLinearIo){.a = context->read, .rows = batch->num_seqs, .columns = width}, crew);
        all.first = width;
        all.columns = 2 * width;
    }
    project(context, layer, batch, all, crew);
}

void su_encoder_self_attention(SuEncoderContext *context, const SuLayerF32 *layer,
                               const SutraBatch *batch, bool read_only, SuCrew *crew)
{
    const SuEncoder *encoder = context->encoder;
    size_t heads = encoder->spec.num_heads;
    size_t rows = read_only ? batch->num_seqs : batch->num_tokens;
    float *x = read_only ? context->read : context->x;
    project_qkv(context, layer, batch, read_only, crew);
    SuShare share = su_crew_share(crew, batch->num_seqs * heads);
    while (su_crew_next(crew, &share))
        for (size_t i = share.begin; i < share.end; i++)
            attend(context, layer, batch, read_only, i / heads, i % heads);
    su_encoder_linear(encoder, &layer->attention_out, crew,
                      &(SuLinearIo){.a = context->attention, .rows = rows, .residual = x, .c = x});
    su_encoder_norm(encoder, &layer->attention_norm, crew, x, rows);
}
