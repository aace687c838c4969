/* Feed-forward: up + activation (or gate), down + residual, with its norm before or after: a block
 * of rows at a time so that the wide rows stay in cache. */
#include "encoder/encoder.h"

/* Whether up can write the rows that down reads: bf16 without padding. */
static bool writes_rows(const SuLayer *layer)
{
    const SuLinear *down = &layer->down;
    return su_format_is_narrow(layer->up.format) && down->row_size == 2 &&
           su_linear_row_bytes(down) == 2 * down->in;
}

static SuRows run_up(SuEncoderContext *context, const SuLayer *layer, SuRows a, size_t rows,
                     SuRegionThread *thread)
{
    const SuEncoder *encoder = context->encoder;
    bool direct = writes_rows(layer);
    SuLinearIo io = {.a = a,
                     .rows = rows,
                     .activation = (SutraActivation)encoder->spec.activation,
                     .c = direct ? context->ffn_rows.data : context->ffn,
                     .c_bf16 = direct,
                     .observer = context->observer};
    su_linear_run(&encoder->kernels, &layer->up, thread, &io);
    if (direct) return context->ffn_rows;
    return su_linear_convert(&encoder->kernels, &layer->down, thread, context->ffn, rows,
                             context->ffn_rows);
}

void su_encoder_feed_forward(SuEncoderContext *context, const SuLayer *layer, float *x, size_t rows,
                             const SuLinear *next, SuRegionThread *thread)
{
    const SuEncoder *encoder = context->encoder;
    bool pre = encoder->spec.norm == SUTRA_NORM_PRE;
    float *input = pre ? context->attention : x;
    if (pre)
        su_linear_norm(&encoder->kernels, &layer->ffn_norm, thread, x, input, rows, &layer->up,
                       context->rows);
    SuRows all = su_linear_rows(&layer->up, input, context->rows);
    for (size_t row = 0; row < rows; row += context->ffn_block) {
        size_t left = rows - row, block = left < context->ffn_block ? left : context->ffn_block;
        float *at = x + row * encoder->spec.hidden_size;
        SuRows wide =
            run_up(context, layer, su_linear_rows_at(&layer->up, all, row), block, thread);
        su_linear_run(
            &encoder->kernels, &layer->down, thread,
            &(SuLinearIo){
                .a = wide, .rows = block, .residual = at, .c = at, .observer = context->observer});
    }
    if (!pre)
        su_linear_norm(&encoder->kernels, &layer->ffn_norm, thread, x, x, rows, next,
                       context->rows);
}
