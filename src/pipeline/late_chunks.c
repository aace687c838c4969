#include "pipeline/late_chunks.h"

#include "backend/cpu_backend.h"
#include "base/status.h"

#include <math.h>
#include <string.h>

/* Bytes of the text that a token comes from; none of special tokens and of the prompt. */
typedef struct Span {
    size_t begin, end;
} Span;

typedef struct Late {
    SuEmbedPlan plan;   /* of the chunks' vectors */
    SutraResult *whole; /* the token vectors */
    Span *spans;        /* [tokens] */
    size_t tokens;
    float *vector, *steps; /* [hidden] */
} Late;

static SutraStatus check_model(const SutraModel *model, const SuEmbedPlan *plan, SutraError *err)
{
    for (uint32_t i = 0; i < model->spec.num_heads_out; i++)
        if (model->spec.heads[i].kind >= SUTRA_HEAD_DENSE)
            SU_RAISE(err, SUTRA_E_UNSUPPORTED,
                     "%s has modules after its pooling, which take whole texts, no chunks",
                     model->name);
    if (plan->output != SUTRA_OUT_POOLED)
        SU_RAISE(err, SUTRA_E_ARGUMENT, "late chunks are pooled vectors: output is another");
    if (plan->pooling == SUTRA_POOL_CLS || plan->pooling == SUTRA_POOL_LAST)
        SU_RAISE(err, SUTRA_E_ARGUMENT,
                 "late chunks are pooled from all of their tokens, not the %s: give a pooling",
                 plan->pooling == SUTRA_POOL_CLS ? "first" : "last");
    return SUTRA_OK;
}

/* The text goes through whole, or not at all. */
static SutraStatus embed_tokens(SutraEngine *engine, const SutraModel *model,
                                const SutraInput *input, Late *late, SutraItem *item,
                                SutraError *err)
{
    const SutraEmbedOptions options = {.struct_size = sizeof options,
                                       .output = SUTRA_OUT_TOKENS,
                                       .max_tokens = late->plan.max_tokens,
                                       .normalize = SUTRA_NORMALIZE_NO,
                                       .truncation = SUTRA_TRUNCATE_ERROR};
    SutraStatus status = su_embed_to_result(engine, model, input, 1, &options, &late->whole, err);
    if (late->whole && item) *item = late->whole->view.items[0];
    if (status != SUTRA_OK && item) item->status = status;
    return status;
}

static bool is_continuation(char byte) { return ((unsigned char)byte & 0xc0) == 0x80; }

/* Goes from byte *at, code point *count, to another code point. */
static size_t move_to(const char *text, size_t size, size_t *at, size_t *count, size_t code_point)
{
    for (; *count < code_point && *at < size; ++*count) {
        ++*at;
        while (*at < size && is_continuation(text[*at])) ++*at;
    }
    for (; *count > code_point; --*count) {
        --*at;
        while (is_continuation(text[*at])) --*at;
    }
    return *at;
}

static size_t count_code_points(const char *text)
{
    size_t count = 0;
    for (; *text; text++) count += !is_continuation(*text);
    return count;
}

static void fill_spans(const SutraInput *input, const char *prompt, const SuEncoding *encoding,
                       Late *late)
{
    size_t at = 0, count = 0, skipped = count_code_points(prompt);
    for (size_t i = 0; i < late->tokens; i++) {
        size_t begin = encoding->begin[i], end = encoding->end[i];
        late->spans[i] = (Span){0};
        if (end <= skipped) continue;
        begin = begin > skipped ? begin - skipped : 0;
        late->spans[i].begin = move_to(input->text, input->text_size, &at, &count, begin);
        late->spans[i].end = move_to(input->text, input->text_size, &at, &count, end - skipped);
    }
}

static SutraStatus find_spans(SutraEngine *engine, const SutraModel *model, const SutraInput *input,
                              Late *late, SutraError *err)
{
    const char *prompt = "";
    SuEncoding encoding;
    SU_TRY(su_model_prompt(model, input->prompt_name, &prompt, err));
    SuEncodeRequest request = {.prefix = prompt,
                               .prefix_size = strlen(prompt),
                               .text = input->text,
                               .text_size = input->text_size,
                               .want_offsets = true};
    late->tokens = late->whole->view.offsets[1];
    late->spans = su_alloc(late->tokens, sizeof *late->spans);
    late->vector = su_alloc(late->whole->view.dim, sizeof *late->vector);
    late->steps = su_alloc(late->whole->view.dim, sizeof *late->steps);
    if (!late->spans || !late->vector || !late->steps)
        SU_RAISE(err, SUTRA_E_MEMORY, "out of memory for %zu tokens", late->tokens);
    pthread_mutex_lock(&engine->counter_lock);
    SutraStatus status =
        su_tokenizer_encode(model->tokenizer, engine->counter.scratch, &request, &encoding, err);
    if (status == SUTRA_OK) fill_spans(input, prompt, &encoding, late);
    pthread_mutex_unlock(&engine->counter_lock);
    return status;
}

/* Token by token, in order; how many there were. */
static size_t pool(const Late *late, const SutraChunk *chunk)
{
    size_t dim = late->whole->view.dim, count = 0;
    float *x = late->vector, weights = 0;
    SutraPooling how = late->plan.pooling;
    for (size_t j = 0; j < dim; j++) x[j] = how == SUTRA_POOL_MAX ? -INFINITY : 0;
    for (size_t i = 0; i < late->tokens; i++) {
        const Span *span = &late->spans[i];
        const float *row = (const float *)late->whole->view.data + i * dim;
        if (span->end <= chunk->begin || span->begin >= chunk->end || span->end <= span->begin)
            continue;
        float weight = how == SUTRA_POOL_WEIGHTED_MEAN ? (float)++count : (++count, 1.0f);
        weights += weight;
        for (size_t j = 0; j < dim; j++) {
            if (how != SUTRA_POOL_MAX)
                x[j] += weight * row[j];
            else if (row[j] > x[j])
                x[j] = row[j];
        }
    }
    float divisor = how == SUTRA_POOL_MAX         ? 1.0f
                    : how == SUTRA_POOL_MEAN_SQRT ? sqrtf((float)count)
                                                  : weights;
    for (size_t j = 0; j < dim && count; j++) x[j] /= divisor;
    return count;
}

static SutraStatus make_rows(const Late *late, const SutraInput *input, const SutraChunk *chunks,
                             size_t n, unsigned char *out, SutraError *err)
{
    const SuEmbedPlan *plan = &late->plan;
    const SutraBatch form = {.struct_size = sizeof form,
                             .dtype = plan->dtype,
                             .dim = plan->dim,
                             .normalize = plan->normalize,
                             .ranges = plan->ranges};
    for (size_t i = 0; i < n; i++) {
        if (chunks[i].begin >= chunks[i].end || chunks[i].end > input->text_size)
            SU_RAISE(err, SUTRA_E_ARGUMENT, "chunk %zu is no part of a text of %zu bytes", i,
                     input->text_size);
        if (pool(late, &chunks[i]) == 0)
            SU_RAISE(err, SUTRA_E_ARGUMENT, "chunk %zu has no tokens", i);
        if (!su_cpu_backend_convert(&form, late->vector, late->whole->view.dim, late->steps,
                                    out + i * plan->row_bytes))
            SU_RAISE(err, SUTRA_E_NUMERIC, "the vector of chunk %zu holds NaN or infinity", i);
    }
    return SUTRA_OK;
}

SutraStatus su_embed_late(SutraEngine *engine, const SutraModel *model, const SutraInput *input,
                          const SutraChunk *chunks, size_t n, const SutraEmbedOptions *options,
                          void *out, size_t capacity, SutraItem *item, SutraError *err)
{
    Late late = {.whole = NULL};
    size_t needed;
    SU_TRY(su_embed_plan(model, options, &late.plan, err));
    SU_TRY(check_model(model, &late.plan, err));
    if (su_mul_overflows(n, late.plan.row_bytes, &needed) || needed > capacity || (!out && n))
        SU_RAISE(err, SUTRA_E_ARGUMENT, "out has %zu bytes, %zu vectors need %zu each", capacity, n,
                 late.plan.row_bytes);
    SutraStatus status = embed_tokens(engine, model, input, &late, item, err);
    if (status == SUTRA_OK) status = find_spans(engine, model, input, &late, err);
    if (status == SUTRA_OK) status = make_rows(&late, input, chunks, n, out, err);
    su_result_free(late.whole);
    su_free(late.spans);
    su_free(late.vector);
    su_free(late.steps);
    return status;
}
