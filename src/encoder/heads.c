/* What is read from the last layer: pooled vectors, through the dense heads if there are any, and
 * scores, which are such vectors; or token vectors. Normalised and converted. Output rows overwrite
 * context->qkv, which is free by then. */
#include "batch/row_bytes.h"
#include "encoder/encoder.h"

#include <string.h>

bool su_encoder_reads_one_row(const SuEncoder *encoder, const SutraBatch *batch)
{
    if (su_spec_is_static(&encoder->spec)) return false;
    size_t width = (size_t)encoder->spec.num_heads * encoder->spec.head_size;
    const SuLayer *last = &encoder->layers[encoder->spec.num_layers - 1];
    return su_output_is_pooled(batch->output) &&
           (batch->pooling == SUTRA_POOL_CLS || batch->pooling == SUTRA_POOL_LAST) &&
           width % su_linear_gemm(&encoder->kernels, last->qkv.format)->nr ==
               0; /* q apart from k and v */
}

/* Tokens at a text's start that pooling leaves out: never all of them. */
static size_t skipped_tokens(const SutraBatch *batch, size_t seq)
{
    size_t tokens = batch->cu_seqlens[seq + 1] - batch->cu_seqlens[seq];
    size_t skip = batch->prompt_len ? batch->prompt_len[seq] : 0;
    return skip < tokens ? skip : tokens - 1;
}

size_t su_encoder_read_token(const SutraBatch *batch, size_t seq)
{
    return batch->pooling == SUTRA_POOL_LAST ? batch->cu_seqlens[seq + 1] - 1
                                             : batch->cu_seqlens[seq] + skipped_tokens(batch, seq);
}

/* Row `seq` of the output. */
static void write_row(SuEncoderContext *context, const SutraBatch *batch, size_t seq,
                      const float *row)
{
    const SuEncoder *encoder = context->encoder;
    unsigned char *out =
        (unsigned char *)context->qkv + seq * su_row_bytes(batch->dtype, batch->dim);
    if (!su_output_row(&encoder->kernels, row, encoder->pooled_size, batch, context->range_steps,
                       out))
        batch->numeric_error[seq] = 1;
}

/* The text's pooled row, in `row` or where it lies already; scratch [hidden]. */
static const float *pool_text(SuEncoderContext *context, const SutraBatch *batch, size_t seq,
                              float *row, float *scratch)
{
    const SuEncoder *encoder = context->encoder;
    size_t hidden = encoder->spec.hidden_size;
    if (su_spec_is_static(&encoder->spec)) {
        su_encoder_mean_text(encoder, batch, seq, row, scratch);
        return row;
    }
    size_t begin = batch->cu_seqlens[seq], tokens = batch->cu_seqlens[seq + 1] - begin;
    if (su_encoder_reads_one_row(encoder, batch)) return context->read + seq * hidden;
    encoder->kernels.pool_f32(batch->pooling, context->x + begin * hidden, hidden,
                              skipped_tokens(batch, seq), tokens, hidden, row);
    return row;
}

static void pool_to_dense(SuEncoderContext *context, const SutraBatch *batch,
                          SuRegionThread *thread)
{
    size_t hidden = context->encoder->spec.hidden_size, size = context->encoder->pooled_size;
    float *scratch = context->rank_row[thread->rank];
    SuLoop loop = su_parallel_for(thread, batch->num_seqs);
    while (su_loop_next(thread, &loop))
        for (size_t i = loop.begin; i < loop.end; i++) {
            float *row = context->pooled[0] + i * hidden;
            const float *pooled = pool_text(context, batch, i, row, scratch);
            if (pooled != row) memcpy(row, pooled, hidden * sizeof *row);
        }
    const float *vectors = su_encoder_run_dense(context, batch, thread);
    loop = su_parallel_for(thread, batch->num_seqs);
    while (su_loop_next(thread, &loop))
        for (size_t i = loop.begin; i < loop.end; i++)
            write_row(context, batch, i, vectors + i * size);
}

static void write_tokens(SuEncoderContext *context, const SutraBatch *batch, size_t seq)
{
    const SuEncoder *encoder = context->encoder;
    size_t hidden = encoder->spec.hidden_size, row_bytes = su_row_bytes(batch->dtype, batch->dim);
    for (size_t t = batch->cu_seqlens[seq]; t < batch->cu_seqlens[seq + 1]; t++) {
        unsigned char *out = (unsigned char *)context->qkv + t * row_bytes;
        if (!su_output_row(&encoder->kernels, context->x + t * hidden, (uint32_t)hidden, batch,
                           context->range_steps, out))
            batch->numeric_error[seq] = 1;
    }
}

void su_encoder_heads(SuEncoderContext *context, const SutraBatch *batch, SuRegionThread *thread)
{
    if (su_output_is_pooled(batch->output) && context->encoder->num_dense) {
        pool_to_dense(context, batch, thread);
        return;
    }
    float *row = context->rank_row[thread->rank];
    size_t hidden = context->encoder->spec.hidden_size;
    SuLoop loop = su_parallel_for(thread, batch->num_seqs);
    while (su_loop_next(thread, &loop))
        for (size_t i = loop.begin; i < loop.end; i++) {
            if (batch->output == SUTRA_OUT_TOKENS)
                write_tokens(context, batch, i);
            else
                write_row(context, batch, i, pool_text(context, batch, i, row, row + hidden));
        }
}
