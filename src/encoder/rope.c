/* RoPE (Su et al. 2021): tables of cosines and sines by position, and q and k turned by them. */
#include "encoder/encoder.h"

#include <math.h>

/* In fp32 as the references compute it: far into a text the angles' rounding is what one sees. */
void su_rope_frequencies(const SutraSpec *spec, float base, float *frequencies)
{
    for (uint32_t i = 0; i < spec->head_size / 2; i++) {
        float exponent = (float)(2 * i) / (float)spec->head_size;
        float power = (float)pow((double)base, (double)exponent);
        frequencies[i] = 1.0f / power / spec->rope_divisor;
    }
}

static void fill_turn(float *turns, uint32_t position, const float *frequencies, size_t half)
{
    for (size_t i = 0; i < half; i++) {
        float angle = (float)position * frequencies[i];
        turns[i] = (float)cos((double)angle);
        turns[half + i] = (float)sin((double)angle);
    }
}

void su_rope_extend(SuEncoderContext *context, uint32_t positions)
{
    const SuEncoder *encoder = context->encoder;
    size_t size = encoder->spec.head_size;
    for (; context->turned < positions; context->turned++)
        for (uint32_t i = 0; i < encoder->num_ropes; i++)
            fill_turn(context->turns[i] + context->turned * size, context->turned,
                      encoder->rope_frequencies[i], size / 2);
}

void su_rope_run(const SuEncoderContext *context, const SuLayer *layer, const SuRopeArgs *args)
{
    const SuKernels *kernels = &context->encoder->kernels;
    const float *turns = context->turns[layer->turns];
    size_t size = context->encoder->spec.head_size;
    const float *first = turns + args->first * size;
    if (args->bf16) {
        kernels->rotate_bf16(args->q, args->stride, first, args->queries, size);
        kernels->rotate_bf16(args->k, args->stride, turns, args->keys, size);
    } else {
        kernels->rotate_f32(args->q, args->stride, first, args->queries, size);
        kernels->rotate_f32(args->k, args->stride, turns, args->keys, size);
    }
}
