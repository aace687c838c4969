/* Self-attention: one GEMM for q, k, v; attention for each (text, head); output projection +
 * residual; norm. */
#include "encoder/encoder.h"

static void attend(SuEncoderContext *context, const SutraBatch *batch, uint32_t seq, uint32_t head,
                   float *keys)
{
    const SuEncoder *encoder = context->encoder;
    size_t head_size = encoder->spec.head_size, width = encoder->spec.num_heads * head_size;
    size_t begin = batch->cu_seqlens[seq], tokens = batch->cu_seqlens[seq + 1] - begin;
    const float *q = context->qkv + begin * 3 * width + head * head_size;
    encoder->kernels.attention_f32.pack_keys(q + width, 3 * width, tokens, head_size, keys);
    SuAttentionF32Args args = {.q = q,
                               .k_packed = keys,
                               .v = q + 2 * width,
                               .out = context->attention + begin * width + head * head_size,
                               .q_stride = 3 * width,
                               .v_stride = 3 * width,
                               .out_stride = width,
                               .num_queries = tokens,
                               .num_keys = tokens,
                               .head_size = head_size};
    encoder->kernels.attention_f32.run(&args);
}

void su_encoder_self_attention(SuEncoderContext *context, const SuLayerF32 *layer,
                               const SutraBatch *batch, const SuCrew *crew)
{
    const SuEncoder *encoder = context->encoder;
    uint32_t heads = encoder->spec.num_heads;
    su_encoder_linear(encoder, &layer->qkv, crew, context->x, batch->num_tokens, SUTRA_ACT_NONE,
                      NULL, context->qkv);
    su_barrier_wait(crew->barrier, crew->size);
    SuRange range = su_crew_share(crew, (size_t)batch->num_seqs * heads, 1);
    for (size_t i = range.begin; i < range.end; i++)
        attend(context, batch, (uint32_t)(i / heads), (uint32_t)(i % heads),
               context->rank_keys[crew->rank]);
    su_barrier_wait(crew->barrier, crew->size);
    su_encoder_linear(encoder, &layer->attention_out, crew, context->attention, batch->num_tokens,
                      SUTRA_ACT_NONE, context->x, context->x);
    su_barrier_wait(crew->barrier, crew->size);
    su_encoder_norm(encoder, &layer->attention_norm, crew, context->x, batch->num_tokens);
    su_barrier_wait(crew->barrier, crew->size);
}
