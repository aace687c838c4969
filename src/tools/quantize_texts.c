#include "quantize_texts.h"

#include "base/memory.h"

#include <string.h>

enum { BATCH_TOKENS = 4096, BATCH_TEXTS = 256 };

/* The special tokens alone, which an empty text has too. */
static SutraStatus count_special(const SutraModel *model, size_t *count, SutraError *err)
{
    SutraTokens *tokens;
    SutraTokensView view = {.struct_size = sizeof view};
    SutraInput empty = {.text = ""};
    SU_TRY(sutra_tokenize(model, &empty, 1, 0, &tokens, err));
    SutraStatus status = sutra_tokens_view(tokens, &view, err);
    if (status == SUTRA_OK) *count = view.cu_seqlens[1];
    sutra_tokens_free(tokens);
    return status;
}

static SutraStatus select_texts(const SutraModel *model, size_t n, SuQuantizeTexts *texts,
                                SutraError *err)
{
    size_t special = 0;
    texts->view = (SutraTokensView){.struct_size = sizeof texts->view};
    SU_TRY(sutra_tokens_view(texts->tokens, &texts->view, err));
    SU_TRY(count_special(model, &special, err));
    texts->items = su_alloc(n, sizeof *texts->items);
    if (!texts->items) SU_RAISE(err, SUTRA_E_MEMORY, "out of memory for %zu texts", n);
    for (size_t i = 0; i < n; i++) {
        size_t size = texts->view.cu_seqlens[i + 1] - texts->view.cu_seqlens[i];
        if (size <= special) continue;
        texts->items[texts->count++] = i;
        if (size > texts->longest) texts->longest = (uint32_t)size;
    }
    if (!texts->count)
        SU_RAISE(err, SUTRA_E_ARGUMENT, "none of the %zu calibration texts has tokens", n);
    return SUTRA_OK;
}

SutraStatus su_quantize_texts_open(const SutraModel *model, const SutraInput *inputs, size_t n,
                                   SuQuantizeTexts *texts, SutraError *err)
{
    *texts = (SuQuantizeTexts){.count = 0};
    SU_TRY(sutra_tokenize(model, inputs, n, model->max_tokens, &texts->tokens, err));
    return select_texts(model, n, texts, err);
}

void su_quantize_texts_close(SuQuantizeTexts *texts)
{
    sutra_tokens_free(texts->tokens);
    su_free(texts->items);
    *texts = (SuQuantizeTexts){.count = 0};
}

size_t su_text_range_count(const SuTextRange *range)
{
    size_t count = range->texts->count;
    return range->first < count ? (count - range->first + range->step - 1) / range->step : 0;
}

typedef struct Batch {
    int32_t *ids, *types;
    uint32_t cu_seqlens[BATCH_TEXTS + 1], count, longest;
    uint8_t numeric_error[BATCH_TEXTS];
} Batch;

static void add_text(Batch *batch, const SutraTokensView *view, size_t item)
{
    size_t begin = view->cu_seqlens[item], size = view->cu_seqlens[item + 1] - begin;
    uint32_t at = batch->cu_seqlens[batch->count];
    memcpy(batch->ids + at, view->token_ids + begin, size * sizeof *batch->ids);
    memcpy(batch->types + at, view->type_ids + begin, size * sizeof *batch->types);
    batch->cu_seqlens[++batch->count] = at + (uint32_t)size;
    if (size > batch->longest) batch->longest = (uint32_t)size;
}

/* Texts of the range from number `from` on, as many as fit; returns the number after them. */
static size_t fill(Batch *batch, const SuTextRange *range, size_t from, size_t capacity)
{
    size_t count = su_text_range_count(range);
    const SutraTokensView *view = &range->texts->view;
    batch->count = batch->longest = 0;
    memset(batch->numeric_error, 0, sizeof batch->numeric_error);
    for (; from < count && batch->count < BATCH_TEXTS; from++) {
        size_t item = range->texts->items[range->first + from * range->step];
        size_t size = view->cu_seqlens[item + 1] - view->cu_seqlens[item];
        if (batch->cu_seqlens[batch->count] + size > capacity) break;
        add_text(batch, view, item);
    }
    return from;
}

static void run_team(void *self, void (*body)(void *arg, uint32_t rank), void *arg)
{
    su_thread_pool_run_available(self, su_thread_pool_size(self), body, arg);
}

static SutraStatus run_batch(const SutraModel *model, SuEncoderContext *context, Batch *batch,
                             const SutraTeam *team, float *vectors, SutraError *err)
{
    uint32_t dim = su_model_features(model, SUTRA_OUT_POOLED);
    SutraBatch run = {.struct_size = sizeof run,
                      .num_seqs = batch->count,
                      .num_tokens = batch->cu_seqlens[batch->count],
                      .max_seqlen = batch->longest,
                      .token_ids = batch->ids,
                      .type_ids = batch->types,
                      .cu_seqlens = batch->cu_seqlens,
                      .output = SUTRA_OUT_POOLED,
                      .dtype = SUTRA_F32,
                      .dim = dim,
                      .normalize = 1,
                      .pooling = model->pooling,
                      .team = team,
                      .numeric_error = batch->numeric_error};
    su_encoder_run(context, &run);
    memcpy(vectors, context->qkv, (size_t)batch->count * dim * sizeof *vectors);
    for (uint32_t i = 0; i < batch->count; i++)
        if (batch->numeric_error[i])
            SU_RAISE(err, SUTRA_E_NUMERIC, "the vector of a calibration text has NaN or infinity");
    return SUTRA_OK;
}

static SutraStatus run_all(const SutraModel *model, SuEncoderContext *context, Batch *batch,
                           const SuTextRange *range, const SutraTeam *team, float *vectors,
                           SutraError *err)
{
    size_t count = su_text_range_count(range);
    for (size_t done = 0, next; done < count; done = next) {
        next = fill(batch, range, done, context->max_tokens);
        SU_TRY(run_batch(model, context, batch, team,
                         vectors + done * su_model_features(model, SUTRA_OUT_POOLED), err));
    }
    return SUTRA_OK;
}

SutraStatus su_quantize_embed(const SutraModel *model, const SuEncoder *encoder,
                              const SuTextRange *range, SuThreadPool *pool,
                              const SuRowObserver *observer, float *vectors, SutraError *err)
{
    SuEncoderContext *context = NULL;
    uint32_t longest = range->texts->longest;
    uint32_t capacity = longest > BATCH_TOKENS ? longest : BATCH_TOKENS;
    SutraTeam team = {.size = su_thread_pool_size(pool), .run = run_team, .self = pool};
    Batch *batch = su_calloc(1, sizeof *batch);
    int32_t *ids = su_alloc(2 * (size_t)capacity, sizeof *ids);
    SutraStatus status = SUTRA_OK;
    if (!batch || !ids) status = su_error_set(err, SUTRA_E_MEMORY, "out of memory for a batch");
    if (status == SUTRA_OK)
        status =
            su_encoder_context_create(encoder, capacity, BATCH_TEXTS, team.size, &context, err);
    if (status == SUTRA_OK) {
        batch->ids = ids;
        batch->types = ids + capacity;
        context->observer = observer;
        status = run_all(model, context, batch, range, observer ? NULL : &team, vectors, err);
    }
    su_encoder_context_free(context);
    su_free(batch);
    su_free(ids);
    return status;
}
