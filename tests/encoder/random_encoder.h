/* random_encoder.h - an encoder of a chosen shape with random weights in memory, and the same one in
 * double, an operation at a time, as the definition of what it computes. */
#ifndef SU_RANDOM_ENCODER_H
#define SU_RANDOM_ENCODER_H

#include "encoder/encoder.h"

enum { RANDOM_VOCAB = 61, RANDOM_MAX_TENSORS = 10 + 18 * 8 };

typedef struct RandomEncoder {
    SutraSpec spec;
    SutraTensor tensors[RANDOM_MAX_TENSORS];
    float *data[RANDOM_MAX_TENSORS];
    size_t num_tensors;
} RandomEncoder;

/* spec's sizes and parts, at most 8 layers; vocab_size and norm_eps are filled in, and the activation
 * if it is 0. Scores of attention spread over several units, so
 * that a key that is wrongly seen or missed changes the result. */
void random_encoder_fill(RandomEncoder *encoder, const SutraSpec *spec, uint32_t seed);
void random_encoder_free(RandomEncoder *encoder);
const float *random_encoder_find(const RandomEncoder *encoder, SutraRole role, uint32_t layer);

/* x [n, hidden]: the last layer's rows of one text. */
void naive_encoder_run(const RandomEncoder *encoder, const int32_t *ids, size_t n, double *x);

#endif
