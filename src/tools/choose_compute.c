/* sutra_compute_choose: precisions from the fastest on, each against fp32 on the same texts. */
#include "base/memory.h"
#include "base/status.h"
#include "sample_texts.h"
#include "sutra_tools.h"

#include <stdio.h>
#include <string.h>

typedef struct Sample {
    uint32_t dim;
    float *vectors; /* [SU_SAMPLE_TEXTS, dim] */
} Sample;

static SutraStatus embed_sample(SutraEngine *engine, const SutraModel *model, Sample *sample,
                                SutraError *err)
{
    SutraInput inputs[SU_SAMPLE_TEXTS];
    SutraModelInfo info = {.struct_size = sizeof info};
    SutraEmbedOptions options = {.struct_size = sizeof options, .normalize = SUTRA_NORMALIZE_YES};
    memset(inputs, 0, sizeof inputs);
    for (size_t i = 0; i < SU_SAMPLE_TEXTS; i++) {
        inputs[i].text = su_sample_texts[i];
        inputs[i].text_size = strlen(su_sample_texts[i]);
    }
    SU_TRY(sutra_model_info(model, &info, err));
    if (*info.score_activation)
        SU_RAISE(err, SUTRA_E_UNSUPPORTED,
                 "%s is a reranker: a precision is chosen by vectors, which it doesn't give; name "
                 "one",
                 info.name);
    sample->dim = info.dim;
    sample->vectors = su_alloc((size_t)SU_SAMPLE_TEXTS * info.dim, sizeof(float));
    if (!sample->vectors) SU_RAISE(err, SUTRA_E_MEMORY, "out of memory for sample vectors");
    return sutra_embed_into(engine, model, inputs, SU_SAMPLE_TEXTS, &options, sample->vectors,
                            (size_t)SU_SAMPLE_TEXTS * info.dim * sizeof(float), NULL, err);
}

static SutraStatus embed_in(const char *path, const SutraModelOptions *options,
                            SutraCompute compute, Sample *sample, SutraError *err)
{
    SutraEngineOptions engine_options = {.struct_size = sizeof engine_options};
    SutraModelOptions model_options = *options;
    SutraEngine *engine = NULL;
    SutraModel *model = NULL;
    *sample = (Sample){0};
    model_options.compute = compute;
    SutraStatus status = sutra_model_open(path, &model_options, &model, err);
    if (status == SUTRA_OK) status = sutra_engine_create(&engine_options, &engine, err);
    if (status == SUTRA_OK) status = embed_sample(engine, model, sample, err);
    sutra_engine_free(engine);
    sutra_model_free(model);
    return status;
}

static double mean_cosine(const Sample *a, const Sample *b)
{
    double sum = 0;
    for (size_t i = 0; i < (size_t)SU_SAMPLE_TEXTS * a->dim; i++)
        sum += (double)a->vectors[i] * (double)b->vectors[i];
    return sum / SU_SAMPLE_TEXTS;
}

static void add_reason(SutraComputeChoice *choice, const char *text)
{
    size_t used = strlen(choice->reason);
    snprintf(choice->reason + used, sizeof choice->reason - used, "%s%s", used ? "; " : "", text);
}

/* Takes the precision if it is good enough. */
static SutraStatus try_compute(const char *path, const SutraModelOptions *options,
                               SutraCompute compute, const char *name, const Sample *exact,
                               double min_quality, SutraComputeChoice *choice, SutraError *err)
{
    char text[96];
    Sample sample;
    if (!sutra_compute_is_native(compute)) {
        snprintf(text, sizeof text, "%s: not an instruction of this processor", name);
        add_reason(choice, text);
        return SUTRA_OK;
    }
    SutraStatus status = embed_in(path, options, compute, &sample, err);
    if (status == SUTRA_OK) {
        double quality = 100.0 * mean_cosine(exact, &sample);
        bool good = quality >= min_quality;
        snprintf(text, sizeof text, "%s: %.2f %% of fp32 on %d texts, %s %.4g", name, quality,
                 (int)SU_SAMPLE_TEXTS, good ? "at least" : "less than", min_quality);
        add_reason(choice, text);
        if (good) {
            choice->compute = compute;
            choice->quality = quality;
        }
    }
    su_free(sample.vectors);
    return status;
}

static SutraStatus choose(const char *path, const SutraModelOptions *options, double min_quality,
                          const Sample *exact, SutraComputeChoice *choice, SutraError *err)
{
    static const struct {
        SutraCompute compute;
        const char *name;
    } tried[] = {{SUTRA_COMPUTE_INT8, "int8"}, {SUTRA_COMPUTE_BF16, "bf16"}};
    for (size_t i = 0; i < sizeof tried / sizeof *tried; i++) {
        SU_TRY(try_compute(path, options, tried[i].compute, tried[i].name, exact, min_quality,
                           choice, err));
        if (choice->compute) return SUTRA_OK;
    }
    choice->compute = SUTRA_COMPUTE_FP32;
    choice->quality = 100.0;
    return SUTRA_OK;
}

SutraStatus sutra_compute_choose(const char *path, const SutraModelOptions *options,
                                 double min_quality, SutraComputeChoice *choice, SutraError *err)
{
    SutraModelOptions defaults = {.struct_size = sizeof defaults};
    Sample exact;
    if (!path || !choice) SU_RAISE(err, SUTRA_E_ARGUMENT, "path or choice is NULL");
    if (choice->struct_size < sizeof *choice)
        SU_RAISE(err, SUTRA_E_ABI, "SutraComputeChoice: struct_size is not set");
    if (!(min_quality >= 0 && min_quality <= 100))
        SU_RAISE(err, SUTRA_E_ARGUMENT, "a quality of %g is not in 0 to 100 percent", min_quality);
    if (!options) options = &defaults;
    *choice = (SutraComputeChoice){.struct_size = sizeof *choice, .num_texts = SU_SAMPLE_TEXTS};
    SutraStatus status = embed_in(path, options, SUTRA_COMPUTE_FP32, &exact, err);
    if (status == SUTRA_OK) status = choose(path, options, min_quality, &exact, choice, err);
    su_free(exact.vectors);
    return status;
}
