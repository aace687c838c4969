/* quantize.h - a model on its way into another precision.
 *
 *   open -> calibrate (fp32 encoder, statistics) -> plan (recipes) -> keep -> pack -> report, write
 *
 * Recipes are what su_encoder_create reads; everything they point to belongs to the quantizer. */
#ifndef SU_QUANTIZE_H
#define SU_QUANTIZE_H

#include "quantize_scales.h"
#include "quantize_texts.h"

/* An embedding table in s8. */
typedef struct SuQuantizedTable {
    SutraTensor rows, scales; /* their data belongs to the table; NULL: there is none */
} SuQuantizedTable;

enum { SU_QUANTIZED_TABLES = 2 };

/* What calibration knows of one linear. */
typedef struct SuLinearStats {
    size_t in, num_rows, seen;
    float *low, *high; /* [in] of each channel, and 0 */
    float *weight_max; /* [in] largest |weight| of each channel */
    float *factor;     /* [in] smoothing, where a plan has it */
    float *rows;       /* [num_rows, in] a sample of the rows seen */
    size_t capacity;   /* rows that there is room for */
} SuLinearStats;

typedef struct SuQuantizer {
    SutraQuantizeOptions options;
    SutraModel *model;
    SuKernels kernels;
    SuEncoder *encoder; /* as it is written */
    size_t num_linears;
    SuLinearRecipe *recipes; /* [num_linears] */
    double *alone; /* [num_linears] loss where it alone is quantised; negative: not known */
    SuQuantizedTable tables[SU_QUANTIZED_TABLES];
    SutraTensor *tensors; /* [num_tensors] of the model, its tables replaced */
    size_t num_tensors;
    SutraBenchReport *report;

    /* where vectors are compared: with texts, or keep */
    SuThreadPool *pool;
    SuEncoder *exact; /* fp32 */
    SuQuantizeTexts texts;
    SuTextRange held_out; /* texts that quality is measured on */
    float *exact_vectors; /* [held out, features], like the next */
    float *vectors;
    SuLinearStats *stats; /* [num_linears], NULL without calibration texts */
} SuQuantizer;

typedef struct SuQuality {
    double mean, least; /* cosine to fp32 */
} SuQuality;

/* That weights are finite, and those of linears halves in fp16. Errors: FORMAT, naming the
 * tensor. */
SutraStatus su_quantize_check_weights(const SuQuantizer *quantizer, SutraError *err);

/* s8 rows [n] of x: scale = max |x| / 127, 0 where that is no normal number; elements rounded to
 * the nearest multiple. */
float su_quantize_scale_s8(const float *x, size_t n);
int8_t su_quantize_s8(float x, float scale);
void su_quantize_row_s8(const float *x, size_t n, int8_t *to, float *scale);
/* Token and position embeddings. Errors: MEMORY. */
SutraStatus su_quantize_tables(SuQuantizer *quantizer, SutraError *err);

/* Linear `index` of all, as it is stored: [out, in], to be su_free'd. Errors: MEMORY. */
SutraStatus su_quantize_weights(const SuQuantizer *quantizer, size_t index, float **weights,
                                size_t *in, size_t *out, SutraError *err);
/* Root of the mean squared error over that of the weights [out, in], in a recipe. Errors:
 * MEMORY. */
SutraStatus su_quantize_weight_error(const SuKernels *kernels, const SuLinearRecipe *recipe,
                                     const float *weights, size_t in, size_t out, double *error,
                                     SutraError *err);
/* "qkv", "attention out", "up", "down"; static. */
const char *su_quantize_linear_name(size_t index);
const SuLinear *su_quantize_linear(const SuEncoder *encoder, size_t index);

/* Texts, the fp32 encoder, its vectors; with calibration texts the statistics. Errors: as
 * sutra_quantize. */
SutraStatus su_quantize_calibrate(SuQuantizer *quantizer, SutraError *err);
/* Frees what calibration made; recipes with factors are of no use afterwards. */
void su_quantize_calibration_free(SuQuantizer *quantizer);

/* Recipes of all linears: int8 by a method. smooth 0: without factors; else those that read the
 * output of a norm have them, as in the paper: of what attention and activation put out, the
 * outliers are of few tokens, and weights that take them in lose more than rows gain. */
void su_quantize_plan(SuQuantizer *quantizer, SutraScales scales, double smooth);

/* Of an encoder with these recipes, with `tensors` of the quantizer if `tables`. Errors: MEMORY,
 * NUMERIC. */
SutraStatus su_quantize_quality(const SuQuantizer *quantizer, const SuLinearRecipe *recipes,
                                bool tables, SuQuality *quality, SutraError *err);

/* Leaves linears in bf16, those first that lose most alone, until options.keep holds. Errors:
 * ARGUMENT (it does not with all of them). */
SutraStatus su_quantize_keep(SuQuantizer *quantizer, SutraError *err);

/* The tables "linears" and "totals", of the encoder as it is written; "comparison" if asked for,
 * which changes the plan. */
SutraStatus su_quantize_report(SuQuantizer *quantizer, SutraError *err);
SutraStatus su_quantize_compare(SuQuantizer *quantizer, SutraError *err);

void su_quantize_progress(const SuQuantizer *quantizer, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
