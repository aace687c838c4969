/* Self-attention: the norm before it, of pre-norm encoders; one GEMM for q, k, v, which writes each
 * head's as a matrix of its own where a head is whole panels of the GEMM; attention for each (text,
 * head); output projection + residual; the norm after it, of post-norm ones. */
#include "encoder/encoder.h"

#include <string.h>

/* Where q, k and v of a head lie in context->qkv: [3 heads][tokens][head] or [tokens][3 heads,
 * head]. */
typedef struct Layout {
    size_t head_stride, row_stride; /* elements */
} Layout;

/* In bf16 where the linears are narrow, the heads fit, no bias is added, and that is faster. */
static bool attends_in_bf16(const SuEncoder *encoder, const SuLayer *layer)
{
    return encoder->kernels.attention_bf16.run && su_format_is_narrow(layer->qkv.format) &&
           encoder->spec.head_size % 32 == 0 && !encoder->relative_bias;
}

float *su_encoder_attention_input(const SuEncoderContext *context, const SuLayer *layer)
{
    bool pre = context->encoder->spec.norm == SUTRA_NORM_PRE;
    return pre && layer->attention_norm.n ? context->attention : context->x;
}

/* Of distance 0; NULL: none. */
static const float *bias_of(const SuEncoder *encoder, size_t head)
{
    if (!encoder->relative_bias) return NULL;
    size_t row = su_relative_bias_row(&encoder->spec);
    return encoder->relative_bias + head * row + row / 2;
}

static Layout layout_of(const SuEncoder *encoder, const SuLayer *layer, const SutraBatch *batch)
{
    size_t head = encoder->spec.head_size;
    if (head % su_linear_gemm(&encoder->kernels, layer->qkv.format)->nr == 0)
        return (Layout){.head_stride = batch->num_tokens * head, .row_stride = head};
    return (Layout){.head_stride = head, .row_stride = 3 * encoder->spec.num_heads * head};
}

/* One head of one text: all of its queries, or that of the row that is read, which lies at row seq.
 */
static void attend(SuEncoderContext *context, const SuLayer *layer, const SutraBatch *batch,
                   bool read_only, size_t seq, size_t head)
{
    const SuEncoder *encoder = context->encoder;
    Layout layout = layout_of(encoder, layer, batch);
    size_t head_size = encoder->spec.head_size, heads = encoder->spec.num_heads;
    size_t begin = batch->cu_seqlens[seq], tokens = batch->cu_seqlens[seq + 1] - begin;
    size_t row = read_only ? seq : begin;
    size_t at = head * layout.head_stride, all = heads * layout.head_stride;
    const float *q = context->qkv + at + row * layout.row_stride,
                *k = context->qkv + at + all + begin * layout.row_stride;
    SuAttentionF32Args args = {.q = q,
                               .k = k,
                               .v = k + all,
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
                               .bias = bias_of(encoder, head),
                               .first_query =
                                   read_only ? su_encoder_read_token(batch, seq) - begin : 0};
    bool bf16 = attends_in_bf16(encoder, layer);
    uint16_t *half = (uint16_t *)(void *)context->qkv + at;
    if (su_encoder_rotates(encoder)) {
        void *rows = bf16 ? (void *)half : (void *)(context->qkv + at);
        size_t size = bf16 ? sizeof *half : sizeof *context->qkv;
        su_rope_run(context, layer,
                    &(SuRopeArgs){.q = (char *)rows + row * layout.row_stride * size,
                                  .k = (char *)rows + (all + begin * layout.row_stride) * size,
                                  .stride = layout.row_stride,
                                  .queries = args.num_queries,
                                  .first = args.first_query,
                                  .keys = tokens,
                                  .bf16 = bf16});
    }
    if (!bf16) {
        encoder->kernels.attention_f32.run(&args);
        return;
    }
    encoder->kernels.attention_bf16.run(
        &(SuAttentionBf16Args){.q = half + row * layout.row_stride,
                               .k = half + all + begin * layout.row_stride,
                               .v = half + 2 * all + begin * layout.row_stride,
                               .out = args.out,
                               .q_stride = args.q_stride,
                               .k_stride = args.k_stride,
                               .v_stride = args.v_stride,
                               .out_stride = args.out_stride,
                               .num_queries = args.num_queries,
                               .num_keys = args.num_keys,
                               .head_size = args.head_size,
                               .local = args.local,
                               .before = args.before,
                               .after = args.after,
                               .first_query = args.first_query});
}

static void project(SuEncoderContext *context, const SuLayer *layer, const SutraBatch *batch,
                    SuLinearIo io, SuRegionThread *thread)
{
    const SuEncoder *encoder = context->encoder;
    Layout layout = layout_of(encoder, layer, batch);
    io.c = context->qkv;
    io.observer = context->observer;
    io.c_bf16 = attends_in_bf16(encoder, layer);
    if (layout.row_stride == encoder->spec.head_size) {
        io.c_group = encoder->spec.head_size;
        io.c_group_stride = layout.head_stride;
    }
    su_linear_run(&encoder->kernels, &layer->qkv, thread, &io);
}

/* Rows of `from` that pooling reads to context->read; and those that `qkv` reads instead of them,
 * if it isn't NULL and reads no floats. */
static void gather_read_rows(SuEncoderContext *context, const float *from, const SuLinear *qkv,
                             const SutraBatch *batch, SuRegionThread *thread)
{
    size_t hidden = context->encoder->spec.hidden_size;
    bool converted = qkv && !su_linear_reads_floats(qkv);
    SuLoop loop = su_parallel_for(thread, batch->num_seqs);
    while (su_loop_next(thread, &loop))
        for (size_t i = loop.begin; i < loop.end; i++) {
            size_t token = su_encoder_read_token(batch, i);
            memcpy(context->read + i * hidden, from + token * hidden, hidden * sizeof *from);
            if (!converted) continue;
            SuRows rows = su_linear_rows_at(qkv, context->rows, token);
            SuRows to = su_linear_rows_at(qkv, context->read_rows, i);
            memcpy(to.data, rows.data, su_linear_row_bytes(qkv));
            *to.scales = *rows.scales;
        }
}

static void project_qkv(SuEncoderContext *context, const SuLayer *layer, const SutraBatch *batch,
                        bool read_only, SuRegionThread *thread)
{
    const SuLinear *qkv = &layer->qkv;
    float *input = su_encoder_attention_input(context, layer);
    SuLinearIo all = {.a = su_linear_rows(qkv, input, context->rows), .rows = batch->num_tokens};
    if (read_only) {
        size_t width = layer->attention_out.in;
        gather_read_rows(context, input, qkv, batch, thread);
        SuLinearIo read = {.a = su_linear_rows(qkv, context->read, context->read_rows),
                           .rows = batch->num_seqs,
                           .columns = width};
        project(context, layer, batch, read, thread);
        if (input != context->x) gather_read_rows(context, context->x, NULL, batch, thread);
        all.first = width;
        all.columns = 2 * width;
    }
    project(context, layer, batch, all, thread);
}

void su_encoder_self_attention(SuEncoderContext *context, const SuLayer *layer,
                               const SutraBatch *batch, bool read_only, SuRegionThread *thread)
{
    const SuEncoder *encoder = context->encoder;
    size_t heads = encoder->spec.num_heads;
    size_t rows = read_only ? batch->num_seqs : batch->num_tokens;
    float *x = read_only ? context->read : context->x;
    bool pre = encoder->spec.norm == SUTRA_NORM_PRE;
    if (pre && layer->attention_norm.n)
        su_linear_norm(&encoder->kernels, &layer->attention_norm, thread, context->x,
                       context->attention, batch->num_tokens, &layer->qkv, context->rows);
    project_qkv(context, layer, batch, read_only, thread);
    SuLoop loop = su_parallel_for(thread, batch->num_seqs * heads);
    while (su_loop_next(thread, &loop))
        for (size_t i = loop.begin; i < loop.end; i++)
            attend(context, layer, batch, read_only, i / heads, i % heads);
    SuLinearIo out = {.rows = rows, .residual = x, .c = x, .observer = context->observer};
    out.a = su_linear_convert(&encoder->kernels, &layer->attention_out, thread, context->attention,
                              rows, context->rows);
    su_linear_run(&encoder->kernels, &layer->attention_out, thread, &out);
    if (!pre)
        su_linear_norm(&encoder->kernels, &layer->attention_norm, thread, x, x, rows, &layer->up,
                       context->rows);
}
