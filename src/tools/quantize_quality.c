/* How close vectors stay to those of fp32; linears that stay in bf16; methods beside each other. */
#include "base/memory.h"
#include "quantize.h"
#include "report.h"

#include <stdlib.h>
#include <string.h>

#define DEFAULT_ALPHA 0.5 /* of the comparison, where no other is given */

static SuQuality compare_vectors(const SuQuantizer *quantizer)
{
    size_t n = su_text_range_count(&quantizer->held_out);
    size_t dim = su_model_features(quantizer->model, SUTRA_OUT_POOLED);
    SuQuality quality = {.least = 1};
    for (size_t i = 0; i < n; i++) {
        double cosine = 0;
        for (size_t j = i * dim; j < (i + 1) * dim; j++)
            cosine += (double)quantizer->vectors[j] * quantizer->exact_vectors[j];
        quality.mean += cosine / (double)n;
        if (cosine < quality.least) quality.least = cosine;
    }
    return quality;
}

SutraStatus su_quantize_quality(const SuQuantizer *quantizer, const SuLinearRecipe *recipes,
                                bool tables, SuQuality *quality, SutraError *err)
{
    const SutraModel *model = quantizer->model;
    SuEncoder *encoder = NULL;
    SU_TRY(su_encoder_create(&model->spec, tables ? quantizer->tensors : model->tensors,
                             tables ? quantizer->num_tensors : model->num_tensors,
                             quantizer->kernels.isa, recipes, &encoder, err));
    SutraStatus status = su_quantize_embed(model, encoder, &quantizer->held_out, quantizer->pool,
                                           NULL, quantizer->vectors, err);
    su_encoder_free(encoder);
    if (status == SUTRA_OK) *quality = compare_vectors(quantizer);
    return status;
}

typedef struct Candidate {
    size_t index;
    double loss;
} Candidate;

static int by_loss(const void *a, const void *b)
{
    const Candidate *x = a, *y = b;
    if (x->loss != y->loss) return x->loss > y->loss ? -1 : 1;
    return x->index < y->index ? -1 : x->index > y->index;
}

/* Each linear quantised alone. */
static SutraStatus rank_linears(SuQuantizer *quantizer, Candidate *candidates, SutraError *err)
{
    SuLinearRecipe *alone = su_calloc(quantizer->num_linears, sizeof *alone);
    SutraStatus status = SUTRA_OK;
    if (!alone) SU_RAISE(err, SUTRA_E_MEMORY, "out of memory for the linears");
    for (size_t i = 0; i < quantizer->num_linears && status == SUTRA_OK; i++) {
        SuQuality quality = {0};
        su_quantize_progress(quantizer, "linear %zu of %zu alone", i + 1, quantizer->num_linears);
        alone[i] = quantizer->recipes[i];
        status = su_quantize_quality(quantizer, alone, false, &quality, err);
        alone[i] = (SuLinearRecipe){.format = SU_FORMAT_F32};
        quantizer->alone[i] = 1 - quality.mean;
        candidates[i] = (Candidate){i, quantizer->alone[i]};
    }
    su_free(alone);
    if (status == SUTRA_OK) qsort(candidates, quantizer->num_linears, sizeof *candidates, by_loss);
    return status;
}

/* The quality with the first `kept` candidates in bf16; recipes [num_linears] are filled. */
static SutraStatus try_kept(const SuQuantizer *quantizer, const Candidate *candidates, size_t kept,
                            SuLinearRecipe *recipes, double *quality, SutraError *err)
{
    SuQuality found = {0};
    memcpy(recipes, quantizer->recipes, quantizer->num_linears * sizeof *recipes);
    for (size_t i = 0; i < kept; i++)
        recipes[candidates[i].index] = (SuLinearRecipe){.format = SU_FORMAT_BF16};
    su_quantize_progress(quantizer, "%zu linears in bf16", kept);
    SU_TRY(su_quantize_quality(quantizer, recipes, true, &found, err));
    *quality = 100 * found.mean;
    return SUTRA_OK;
}

/* The fewest linears in bf16: known to be too few at `few`, enough at `many`. */
static SutraStatus find_fewest(SuQuantizer *quantizer, const Candidate *candidates,
                               SuLinearRecipe *recipes, SutraError *err)
{
    size_t few = 0, many = quantizer->num_linears;
    double quality, least = quantizer->options.keep;
    SU_TRY(try_kept(quantizer, candidates, many, recipes, &quality, err));
    if (quality < least)
        SU_RAISE(err, SUTRA_E_ARGUMENT,
                 "a quality of %.9g %% cannot be kept: with all linears in bf16 it is %.4f %%%s",
                 least, quality,
                 quantizer->tables[0].rows.data ? "; keep the embeddings as they are" : "");
    while (many - few > 1) {
        size_t middle = few + (many - few) / 2;
        SU_TRY(try_kept(quantizer, candidates, middle, recipes, &quality, err));
        *(quality < least ? &few : &many) = middle;
    }
    SU_TRY(try_kept(quantizer, candidates, many, recipes, &quality, err));
    memcpy(quantizer->recipes, recipes, quantizer->num_linears * sizeof *recipes);
    return SUTRA_OK;
}

SutraStatus su_quantize_keep(SuQuantizer *quantizer, SutraError *err)
{
    SuQuality quality = {0};
    size_t n = quantizer->num_linears;
    SU_TRY(su_quantize_quality(quantizer, quantizer->recipes, true, &quality, err));
    if (100 * quality.mean >= quantizer->options.keep) return SUTRA_OK;
    if (quantizer->options.compute == SUTRA_COMPUTE_FP16) /* bf16 is further away */
        SU_RAISE(err, SUTRA_E_ARGUMENT,
                 "a quality of %.9g %% cannot be kept: with all linears in fp16 it is %.7f %%",
                 quantizer->options.keep, 100 * quality.mean);
    Candidate *candidates = su_alloc(n, sizeof *candidates);
    SuLinearRecipe *recipes = su_alloc(n, sizeof *recipes);
    SutraStatus status = SUTRA_OK;
    if (!candidates || !recipes)
        status = su_error_set(err, SUTRA_E_MEMORY, "out of memory for the linears");
    if (status == SUTRA_OK) status = rank_linears(quantizer, candidates, err);
    if (status == SUTRA_OK) status = find_fewest(quantizer, candidates, recipes, err);
    su_free(candidates);
    su_free(recipes);
    return status;
}

static SutraStatus compare_one(SuQuantizer *quantizer, SutraScales scales, double alpha,
                               SutraError *err)
{
    static const char *const names[] = {"dynamic", "min-max", "percentile", "mse", "entropy"};
    SuQuality quality = {0};
    su_quantize_progress(quantizer, "comparing: %s, smoothing %g", names[scales], alpha);
    su_quantize_plan(quantizer, scales, alpha);
    SU_TRY(su_quantize_quality(quantizer, quantizer->recipes, true, &quality, err));
    su_report_text(quantizer->report, "%s", names[scales]);
    if (alpha > 0)
        su_report_text(quantizer->report, "alpha %.3g", alpha);
    else
        su_report_text(quantizer->report, "none");
    su_report_number(quantizer->report, 100 * quality.mean);
    su_report_number(quantizer->report, 100 * quality.least);
    return SUTRA_OK;
}

SutraStatus su_quantize_compare(SuQuantizer *quantizer, SutraError *err)
{
    double alpha = quantizer->options.smooth > 0 ? quantizer->options.smooth : DEFAULT_ALPHA;
    su_report_table(quantizer->report, "comparison", "scales|smoothing|quality %|least %");
    for (int i = SUTRA_SCALES_DYNAMIC; i <= SUTRA_SCALES_ENTROPY; i++) {
        SU_TRY(compare_one(quantizer, (SutraScales)i, 0, err));
        SU_TRY(compare_one(quantizer, (SutraScales)i, alpha, err));
    }
    return SUTRA_OK;
}
