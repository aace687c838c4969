/* Self-attention: one GEMM for q, k, v, which writes each head's as a matrix of its own where a head
 * is whole panels of the GEMM; attention for each (text, head); output projection + residual; norm. */
#include "encoder/encoder.h"

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

static void attend(SuEncoderContext *context, const SutraBatch *batch, uint32_t seq, uint32_t head)
{
    const SuEncoder *encoder = context->encoder;
    Layout layout = layout_of(encoder, batch);
    size_t head_size = encoder->spec.head_size, heads = encoder->spec.num_heads;
    size_t begin = batch->cu_seqlens[seq], tokens = batch->cu_seqlens[seq + 1] - begin;
    const float *q = context->qkv + begin * layout.row_stride + head * layout.head_stride;
    SuAttentionF32Args args = {.q = q,
                               .k = q + heads * layout.head_stride,
                               .v = q + 2 * heads * layout.head_stride,
                               .out = context->attention + (begin * heads + head) * head_size,
                               .q_stride = layout.row_stride,
                               .k_stride = layout.row_stride,
                               .v_stride = layout.row_stride,
                               .out_stride = heads * head_size,
                               .num_queries = tokens,
                               .num_keys = tokens,
                               .head_size = head_size};
    encoder->kernels.attention_f32.run(&args);
}

static void project_qkv(SuEncoderContext *context, const SuLayerF32 *layer, const SutraBatch *batch,
                        SuCrew *crew)
{
    const SuEncoder *encoder = context->encoder;
    Layout layout = layout_of(encoder, batch);
    SuLinearIo io = {.a = context->x, .rows = batch->num_tokens, .c = context->qkv};
    if (layout.row_stride == encoder->spec.head_size) {
        io.c_group = encoder->spec.head_size;
        io.c_group_stride = layout.head_stride;
    }
    su_encoder_linear(encoder, &layer->qkv, crew, &io);
}

void su_encoder_self_attention(SuEncoderContext *context, const SuLayerF32 *layer,
                               const SutraBatch *batch, SuCrew *crew)
{
    const SuEncoder *encoder = context->encoder;
    uint32_t heads = encoder->spec.num_heads;
    project_qkv(context, layer, batch, crew);
    SuShare share = su_crew_share(crew, (size_t)batch->num_seqs * heads, 1);
    while (su_crew_next(crew, &share))
        for (size_t i = share.begin; i < share.end; i++)
            attend(context, batch, (uint32_t)(i / heads), (uint32_t)(i % heads));
    su_encoder_linear(encoder, &layer->attention_out, crew,
                      &(SuLinearIo){.a = context->attention,
                                    .rows = batch->num_tokens,
                                    .residual = context->x,
                                    .c = context->x});
    su_encoder_norm(encoder, &layer->attention_norm, crew, context->x, batch->num_tokens);
}
