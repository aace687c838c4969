/* What is read from the last layer: pooled vectors or token vectors, normalised and converted.
 * Output rows overwrite context->qkv, which is free by then. */
#include "encoder/encoder.h"

#include <string.h>

static void pool_text(SuEncoderContext *context, const SutraBatch *batch, size_t seq, float *row)
{
    const SuEncoder *encoder = context->encoder;
    size_t hidden = encoder->spec.hidden_size;
    size_t begin = batch->cu_seqlens[seq], tokens = batch->cu_seqlens[seq + 1] - begin;
    size_t skip = batch->prompt_len ? batch->prompt_len[seq] : 0;
    if (skip >= tokens) skip = tokens - 1;
    encoder->kernels.pool_f32(batch->pooling, context->x + begin * hidden, hidden, skip, tokens,
                              hidden, row);
    unsigned char *out =
        (unsigned char *)context->qkv + seq * sutra_row_bytes(batch->dtype, batch->dim);
    if (!su_output_row(&encoder->kernels, row, batch->dim, batch->normalize, batch->dtype, out))
        batch->numeric_error[seq] = 1;
}

static void write_tokens(SuEncoderContext *context, const SutraBatch *batch, size_t seq, float *row)
{
    const SuEncoder *encoder = context->encoder;
    size_t hidden = encoder->spec.hidden_size,
           row_bytes = sutra_row_bytes(batch->dtype, batch->dim);
    for (size_t t = batch->cu_seqlens[seq]; t < batch->cu_seqlens[seq + 1]; t++) {
        memcpy(row, context->x + t * hidden, hidden * sizeof *row);
        unsigned char *out = (unsigned char *)context->qkv + t * row_bytes;
        if (!su_output_row(&encoder->kernels, row, batch->dim, batch->normalize, batch->dtype, out))
            batch->numeric_error[seq] = 1;
    }
}

void su_encoder_heads(SuEncoderContext *context, const SutraBatch *batch, SuCrew *crew)
{
    SuShare share = su_crew_share(crew, batch->num_seqs, 1);
    while (su_crew_next(crew, &share))
        for (size_t i = share.begin; i < share.end; i++) {
            if (batch->output == SUTRA_OUT_TOKENS)
                write_tokens(context, batch, i, context->rank_row[crew->rank]);
            else
                pool_text(context, batch, i, context->rank_row[crew->rank]);
        }
}
