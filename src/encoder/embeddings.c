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

/* The next token's; *counted are before it. Where positions begin at n + 1, a token with the id n,
 * that of padding, has position n and is not counted (RoBERTa). */
static size_t position_of(const SuEncoder *encoder, int32_t token, size_t *counted)
{
    size_t first = encoder->spec.position_offset;
    if (first > 0 && (size_t)token == first - 1) return first - 1;
    return first + (*counted)++;
}

static void embed_text(SuEncoderContext *context, const SutraBatch *batch, uint32_t seq,
                       float *scratch)
{
    const SuEncoder *encoder = context->encoder;
    size_t hidden = encoder->spec.hidden_size;
    const SuLinear *next = &encoder->layers[0].qkv;
    bool converts = !su_linear_reads_floats(next) &&
                    su_encoder_attention_input(context, &encoder->layers[0]) == context->x;
    size_t counted = 0;
    for (uint32_t t = batch->cu_seqlens[seq]; t < batch->cu_seqlens[seq + 1]; t++) {
        size_t type = batch->type_ids ? (size_t)batch->type_ids[t] : 0;
        size_t position = position_of(encoder, batch->token_ids[t], &counted);
        const float *token_row =
            table_row(encoder, &encoder->token, (size_t)batch->token_ids[t], scratch);
        const float *type_row = table_row(encoder, &encoder->type, type, scratch + hidden);
        const float *position_row =
            table_row(encoder, &encoder->position, position, scratch + 2 * hidden);
        encoder->kernels.embed_norm_f32(&encoder->embedding_norm, token_row, type_row, position_row,
                                        context->x + t * hidden);
        if (converts)
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
