/* Embeddings and their norm: x = norm((token + type) + position). */
#include "encoder/encoder.h"

/* Row of a table as aligned floats: in place when it is stored so, else widened into scratch
 * [hidden]. */
static const float *table_row(const SuEncoder *encoder, const SuEmbeddingTable *table, size_t row,
                              float *scratch)
{
    if (!table->data) return NULL;
    const unsigned char *at = table->data + row * table->row_bytes;
    size_t n = encoder->spec.hidden_size;
    if (table->dtype == SUTRA_TENSOR_F32) return (const float *)(const void *)at;
    if (table->dtype == SUTRA_TENSOR_F16)
        encoder->kernels.widen_f16((const uint16_t *)(const void *)at, n, scratch);
    else if (table->dtype == SUTRA_TENSOR_I8)
        encoder->kernels.widen_s8((const int8_t *)(const void *)at, table->scales[row], n, scratch);
    else
        encoder->kernels.widen_bf16((const uint16_t *)(const void *)at, n, scratch);
    return scratch;
}

static void embed_text(SuEncoderContext *context, const SutraBatch *batch, uint32_t seq,
                       float *scratch)
{
    const SuEncoder *encoder = context->encoder;
    size_t hidden = encoder->spec.hidden_size;
    const SuLinear *next = &encoder->layers[0].qkv;
    uint32_t begin = batch->cu_seqlens[seq], end = batch->cu_seqlens[seq + 1];
    for (uint32_t t = begin; t < end; t++) {
        size_t type = batch->type_ids ? (size_t)batch->type_ids[t] : 0;
        size_t position = (size_t)(t - begin) + encoder->spec.position_offset;
        const float *token_row =
            table_row(encoder, &encoder->token, (size_t)batch->token_ids[t], scratch);
        const float *type_row = table_row(encoder, &encoder->type, type, scratch + hidden);
        const float *position_row =
            table_row(encoder, &encoder->position, position, scratch + 2 * hidden);
        encoder->kernels.embed_norm_f32(&encoder->embedding_norm, token_row, type_row, position_row,
                                        context->x + t * hidden);
        if (!su_linear_reads_floats(next))
            su_linear_convert_row(&encoder->kernels, next, context->x + t * hidden, context->rows,
                                  t);
    }
}

void su_encoder_embed(SuEncoderContext *context, const SutraBatch *batch, SuRegionThread *thread)
{
    SuLoop loop = su_parallel_for(thread, batch->num_seqs);
    while (su_loop_next(thread, &loop))
        for (size_t i = loop.begin; i < loop.end; i++)
            embed_text(context, batch, (uint32_t)i, context->rank_row[thread->rank]);
}
