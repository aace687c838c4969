/* Feed-forward: up + activation, down + residual, norm, a block of rows at a time so that the wide
 * rows stay in cache. */
#include "encoder/encoder.h"

void su_encoder_feed_forward(SuEncoderContext *context, const SuLayerF32 *layer, float *x,
                             size_t rows, SuCrew *crew)
{
    const SuEncoder *encoder = context->encoder;
    for (size_t row = 0; row < rows; row += context->ffn_rows) {
        size_t left = rows - row, block = left < context->ffn_rows ? left : context->ffn_rows;
        float *at = x + row * encoder->spec.hidden_size;
        su_encoder_linear(encoder, &layer->up, crew,
                          &(SuLinearIo){.a = at,
                                        .rows = block,
                                        .activation = (SutraActivation)encoder->spec.activation,
                                        .c = context->ffn});
        su_encoder_linear(encoder, &layer->down, crew,
                          &(SuLinearIo){.a = context->ffn, .rows = block, .residual = at, .c = at});
    }
    su_encoder_norm(encoder, &layer->ffn_norm, crew, x, rows);
}
