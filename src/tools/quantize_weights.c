/* The weights of one linear: as stored, as a recipe has them, as the encoder holds them. */
#include "base/memory.h"
#include "quantize.h"
#include "tensor_read.h"

#include <math.h>
#include <string.h>

enum { MOST_PARTS = 3 };

/* A linear and its matrices, under each other. */
typedef struct LinearRole {
    const char *name;
    SutraRole weights[MOST_PARTS];
    size_t parts, gated_parts; /* matrices; of an encoder with a gate */
} LinearRole;

static const LinearRole linear_roles[SU_LAYER_LINEARS] = {
    {"qkv", {SUTRA_ROLE_QUERY_WEIGHT, SUTRA_ROLE_KEY_WEIGHT, SUTRA_ROLE_VALUE_WEIGHT}, 3, 3},
    {"attention out", {SUTRA_ROLE_ATTENTION_OUT_WEIGHT}, 1, 1},
    {"up", {SUTRA_ROLE_FFN_UP_WEIGHT, SUTRA_ROLE_FFN_GATE_WEIGHT}, 1, 2},
    {"down", {SUTRA_ROLE_FFN_DOWN_WEIGHT}, 1, 1},
};

SutraStatus su_quantize_weights(const SuQuantizer *quantizer, size_t index, float **weights,
                                size_t *in, size_t *out, SutraError *err)
{
    const LinearRole *role = &linear_roles[index % SU_LAYER_LINEARS];
    size_t parts = quantizer->model->spec.gated ? role->gated_parts : role->parts;
    uint32_t layer = (uint32_t)(index / SU_LAYER_LINEARS);
    const SutraTensor *first = su_model_tensor(quantizer->model, role->weights[0], layer);
    *weights = NULL;
    if (!first) SU_RAISE(err, SUTRA_E_FORMAT, "layer %u has no %s", layer, role->name);
    size_t part = su_tensor_elements(first);
    *in = (size_t)first->shape[1];
    *out = (size_t)first->shape[0] * parts;
    *weights = su_alloc(part * parts, sizeof **weights);
    if (!*weights) SU_RAISE(err, SUTRA_E_MEMORY, "out of memory for the weights of a linear");
    for (size_t i = 0; i < parts; i++) {
        const SutraTensor *tensor = su_model_tensor(quantizer->model, role->weights[i], layer);
        if (tensor) su_tensor_read(&quantizer->kernels, tensor, 0, part, *weights + i * part);
    }
    return SUTRA_OK;
}

/* To nearest, ties to even, as su_gemm_pack does to finite numbers. */
static float round_bf16(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    bits = (bits + 0x7fffu + (bits >> 16 & 1u)) & 0xffff0000u;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static float round_f16(const SuKernels *kernels, float x)
{
    uint16_t half;
    float wide;
    kernels->output_f16(&x, 1.0f, 1, &half);
    kernels->widen_f16(&half, 1, &wide);
    return wide;
}

/* One row of weights as a linear of that recipe has it. */
static void requantize(const SuKernels *kernels, const SuLinearRecipe *recipe, const float *x,
                       size_t n, int8_t *scratch, float *y)
{
    float scale;
    memcpy(y, x, n * sizeof *y);
    for (size_t i = 0; recipe->format == SU_FORMAT_F16 && i < n; i++)
        y[i] = round_f16(kernels, x[i]);
    for (size_t i = 0; recipe->format == SU_FORMAT_BF16 && i < n; i++) y[i] = round_bf16(x[i]);
    if (recipe->format != SU_FORMAT_INT8) return;
    for (size_t i = 0; recipe->factor && i < n; i++) y[i] /= recipe->factor[i];
    su_quantize_row_s8(y, n, scratch, &scale);
    for (size_t i = 0; i < n; i++)
        y[i] = (float)scratch[i] * scale * (recipe->factor ? recipe->factor[i] : 1.0f);
}

SutraStatus su_quantize_weight_error(const SuKernels *kernels, const SuLinearRecipe *recipe,
                                     const float *weights, size_t in, size_t out, double *error,
                                     SutraError *err)
{
    float *row = su_alloc(in, sizeof *row);
    int8_t *scratch = su_alloc(in, 1);
    double wrong = 0, all = 0;
    for (size_t o = 0; row && scratch && o < out; o++) {
        const float *x = weights + o * in;
        requantize(kernels, recipe, x, in, scratch, row);
        for (size_t i = 0; i < in; i++) {
            double difference = (double)row[i] - x[i];
            wrong += difference * difference;
            all += (double)x[i] * x[i];
        }
    }
    bool complete = row && scratch;
    su_free(row);
    su_free(scratch);
    if (!complete) SU_RAISE(err, SUTRA_E_MEMORY, "out of memory for a row of weights");
    *error = all > 0 ? sqrt(wrong / all) : 0;
    return SUTRA_OK;
}

const char *su_quantize_linear_name(size_t index)
{
    return linear_roles[index % SU_LAYER_LINEARS].name;
}

const SuLinear *su_quantize_linear(const SuEncoder *encoder, size_t index)
{
    const SuLayer *layer = &encoder->layers[index / SU_LAYER_LINEARS];
    const SuLinear *linears[] = {&layer->qkv, &layer->attention_out, &layer->up, &layer->down};
    return linears[index % SU_LAYER_LINEARS];
}
