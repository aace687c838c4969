/* Options of a request, checked and completed from the model. */
#include "base/status.h"
#include "batch/row_bytes.h"
#include "pipeline/engine.h"

#include <math.h>
#include <string.h>

SutraStatus su_options_read(void *options, uint32_t known, const void *given, const char *name,
                            SutraError *err)
{
    memset(options, 0, known);
    if (!given) return SUTRA_OK;
    uint32_t size;
    memcpy(&size, given, sizeof size);
    if (size < sizeof size) SU_RAISE(err, SUTRA_E_ABI, "%s: struct_size is not set", name);
    if (size > known) {
        /* A newer caller: fine as long as it asks for nothing this library does not know. */
        const unsigned char *bytes = given;
        for (uint32_t i = known; i < size; i++)
            if (bytes[i])
                SU_RAISE(err, SUTRA_E_ABI,
                         "%s: struct_size is %u, this library knows the first %u bytes", name, size,
                         known);
    }
    memcpy(options, given, size < known ? size : known);
    return SUTRA_OK;
}

static SutraStatus check_enums(const SutraEmbedOptions *o, SutraError *err)
{
    if ((unsigned)o->output > SUTRA_OUT_SCORES)
        SU_RAISE(err, SUTRA_E_ARGUMENT, "output %d is not known", (int)o->output);
    if ((unsigned)o->dtype > SUTRA_UBINARY)
        SU_RAISE(err, SUTRA_E_ARGUMENT, "dtype %d is not known", (int)o->dtype);
    if ((unsigned)o->pooling > SUTRA_POOL_LAST)
        SU_RAISE(err, SUTRA_E_ARGUMENT, "pooling %d is not known", (int)o->pooling);
    if (o->normalize > SUTRA_NORMALIZE_NO)
        SU_RAISE(err, SUTRA_E_ARGUMENT, "normalize %u is not known", o->normalize);
    if (o->truncation > SUTRA_TRUNCATE_WINDOW)
        SU_RAISE(err, SUTRA_E_ARGUMENT, "truncation %u is not known", o->truncation);
    if (o->when_full > SUTRA_WHEN_FULL_FAIL)
        SU_RAISE(err, SUTRA_E_ARGUMENT, "when_full %u is not known", o->when_full);
    if ((unsigned)o->aggregate > SUTRA_AGGREGATE_LAST)
        SU_RAISE(err, SUTRA_E_ARGUMENT, "aggregate %d is not known", (int)o->aggregate);
    return SUTRA_OK;
}

static SutraStatus plan_length(const SutraModel *model, const SutraEmbedOptions *o,
                               SuEmbedPlan *plan, SutraError *err)
{
    bool pair = o->output == SUTRA_OUT_SCORES;
    uint32_t special = su_tokenizer_num_special(model->tokenizer, pair);
    plan->max_tokens = o->max_tokens ? o->max_tokens : model->max_tokens;
    if (model->max_positions && plan->max_tokens > model->max_positions)
        SU_RAISE(err, SUTRA_E_LIMIT, "max_tokens %u is more than the model's %u positions",
                 plan->max_tokens, model->max_positions);
    if (plan->max_tokens <= special)
        SU_RAISE(err, SUTRA_E_ARGUMENT, "max_tokens %u leaves no room beside %u special tokens",
                 plan->max_tokens, special);
    plan->truncation = o->truncation;
    if (plan->truncation == SUTRA_TRUNCATE_MODEL)
        plan->truncation = model->truncate_left ? SUTRA_TRUNCATE_LEFT : SUTRA_TRUNCATE_RIGHT;
    return SUTRA_OK;
}

/* max_tokens is settled; a prompt takes more of it, which the text that has it finds out. */
static SutraStatus plan_windows(const SutraModel *model, const SutraEmbedOptions *o,
                                SuEmbedPlan *plan, SutraError *err)
{
    const char *option = o->window_overlap ? "window_overlap" : o->aggregate ? "aggregate" : NULL;
    if (o->truncation != SUTRA_TRUNCATE_WINDOW) {
        if (!option) return SUTRA_OK;
        SU_RAISE(err, SUTRA_E_ARGUMENT, "%s goes with truncation = SUTRA_TRUNCATE_WINDOW only",
                 option);
    }
    if (o->output != SUTRA_OUT_POOLED)
        SU_RAISE(err, SUTRA_E_UNSUPPORTED,
                 "windows are for pooled vectors: %s of a long text are not put together",
                 o->output == SUTRA_OUT_TOKENS ? "token vectors" : "scores");
    uint32_t room = plan->max_tokens - su_tokenizer_num_special(model->tokenizer, false);
    if (o->window_overlap != SUTRA_WINDOW_NO_OVERLAP && o->window_overlap >= room)
        SU_RAISE(err, SUTRA_E_ARGUMENT,
                 "window_overlap %u is not less than the %u tokens of text in a window of %u",
                 o->window_overlap, room, plan->max_tokens);
    plan->window_overlap = o->window_overlap;
    plan->aggregate = o->aggregate;
    return SUTRA_OK;
}

/* The reference runs the model's modules, Normalize among them, then cuts, then normalises if
 * asked. A dim that the caller gives asks for it (sutra.h). */
static uint32_t plan_normalize(const SutraModel *model, const SutraEmbedOptions *o, uint32_t dim)
{
    bool by_model = o->output == SUTRA_OUT_POOLED && model->normalize;
    bool whole = dim == su_model_features(model, o->output);
    if (o->normalize == SUTRA_NORMALIZE_YES) return SUTRA_BATCH_NORMALIZE;
    if (!by_model) return 0;
    if (whole || (o->normalize == SUTRA_NORMALIZE_MODEL && o->dim)) return SUTRA_BATCH_NORMALIZE;
    return SUTRA_BATCH_NORMALIZE_WHOLE;
}

static SutraStatus plan_ranges(const SutraEmbedOptions *o, SuEmbedPlan *plan, SutraError *err)
{
    if (!o->ranges) return SUTRA_OK;
    if (o->dtype != SUTRA_I8 && o->dtype != SUTRA_U8)
        SU_RAISE(err, SUTRA_E_ARGUMENT, "ranges go with int8 and uint8 output only");
    for (uint32_t i = 0; i < plan->dim; i++) {
        float least = o->ranges[i], most = o->ranges[plan->dim + i];
        if (!isfinite(least) || !isfinite(most) || most < least || !isfinite(most - least))
            SU_RAISE(err, SUTRA_E_ARGUMENT, "ranges: element %u has no range from %g to %g", i,
                     (double)least, (double)most);
    }
    plan->ranges = o->ranges;
    return SUTRA_OK;
}

/* A model gives vectors or scores; none has a sparse head. */
static SutraStatus check_output(const SutraModel *model, SutraOutput output, SutraError *err)
{
    bool reranker = su_model_is_reranker(model);
    if (su_model_is_static(model) && output == SUTRA_OUT_TOKENS)
        SU_RAISE(err, SUTRA_E_UNSUPPORTED,
                 "%s is a static model: it gives a vector a text, none a token", model->name);
    if (output == SUTRA_OUT_SPARSE)
        SU_RAISE(err, SUTRA_E_UNSUPPORTED, "%s: the model has no head for sparse output",
                 model->name);
    if (output == SUTRA_OUT_SCORES && !reranker)
        SU_RAISE(err, SUTRA_E_UNSUPPORTED,
                 "%s is an embedding model: it has no head for scores of pairs", model->name);
    if (output != SUTRA_OUT_SCORES && reranker)
        SU_RAISE(err, SUTRA_E_UNSUPPORTED,
                 "%s is a reranker: it gives scores of pairs of texts, no embeddings", model->name);
    return SUTRA_OK;
}

/* Scores are what the model's head makes of them: floats. */
static SutraStatus check_scores(const SutraModel *model, const SutraEmbedOptions *o,
                                SutraError *err)
{
    const char *option = o->dtype != SUTRA_F32                        ? "dtype"
                         : o->normalize == SUTRA_NORMALIZE_YES        ? "normalize"
                         : o->pooling && o->pooling != model->pooling ? "pooling"
                                                                      : NULL;
    if (o->quick_done > 1)
        SU_RAISE(err, SUTRA_E_ARGUMENT, "quick_done %u: it is 1 or 0", o->quick_done);
    if (o->raw_scores > 1 || (o->raw_scores && o->output != SUTRA_OUT_SCORES))
        SU_RAISE(err, SUTRA_E_ARGUMENT, "raw_scores %u: it is 1, and of SUTRA_OUT_SCORES, or 0",
                 o->raw_scores);
    if (o->output == SUTRA_OUT_SCORES && option)
        SU_RAISE(err, SUTRA_E_ARGUMENT,
                 "%s is for vectors: scores are float32, as the head of %s "
                 "gives them",
                 option, model->name);
    return SUTRA_OK;
}

SutraStatus su_embed_plan(const SutraModel *model, const SutraEmbedOptions *options,
                          SuEmbedPlan *plan, SutraError *err)
{
    SutraEmbedOptions o;
    SU_TRY(su_options_read(&o, sizeof o, options, "SutraEmbedOptions", err));
    SU_TRY(check_enums(&o, err));
    *plan = (SuEmbedPlan){.output = o.output, .dtype = o.dtype, .raw_scores = o.raw_scores};
    SU_TRY(check_output(model, o.output, err));
    SU_TRY(check_scores(model, &o, err));
    plan->pooling = o.pooling ? o.pooling : model->pooling;
    if (su_model_is_static(model) && plan->pooling != SUTRA_POOL_MEAN)
        SU_RAISE(err, SUTRA_E_UNSUPPORTED, "%s is a static model: its pooling is the mean",
                 model->name);
    uint32_t features = su_model_features(model, o.output);
    plan->dim = o.dim ? o.dim : o.output == SUTRA_OUT_POOLED ? su_model_dim(model) : features;
    if (plan->dim > features)
        SU_RAISE(err, SUTRA_E_ARGUMENT, "dim %u is more than the model's %u", plan->dim, features);
    plan->row_bytes = su_row_bytes(plan->dtype, plan->dim);
    SU_TRY(plan_ranges(&o, plan, err));
    plan->normalize = plan_normalize(model, &o, plan->dim);
    SU_TRY(plan_length(model, &o, plan, err));
    return plan_windows(model, &o, plan, err);
}
