/* Feed-forward: up + activation, down + residual, norm, a block of rows at a time so that the wide
 * rows stay in cache. */
#include "encoder/encoder.h"

void su_encoder_feed_forward(SuEncoderContext *context, const SuLayerF32 *layer,
                             const SutraBatch *batch, SuCrew *crew)
{
    const SuEncoder *encoder = context->encoder;
    size_t hidden = encoder->spec.hidden_size;
    for (size_t row = 0; row < batch->num_tokens; row += context->ffn_rows) {
        size_t left = batch->num_tokens - row,
               rows = left < context->ffn_rows ? left : context->ffn_rows;
        float *x = context->x + row * hidden;
        su_encoder_linear(encoder, &layer->up, crew,
                          &(SuLinearIo){.a = x,
                                        .rows = rows,
                                        .activation = (SutraActivation)encoder->spec.activation,
                                        .c = context->ffn});
        su_encoder_linear(encoder, &layer->down, crew,
                          &(SuLinearIo){.a = context->ffn, .rows = rows, .residual = x, .c = x});
    }
    su_encoder_norm(encoder, &layer->ffn_norm, crew, context->x, batch->num_tokens);
}
