#include "pipeline/batch_run.h"

#include "backend/backend_call.h"
#include "backend/device_route.h"
#include "base/clock.h"
#include "base/status.h"
#include "pipeline/row_cache.h"
#include "pipeline/window_request.h"

#include <stdio.h>
#include <string.h>

SuBatchKind su_batch_kind(const SuRequest *request)
{
    const SuEmbedPlan *plan = request->plan;
    return (SuBatchKind){.session = request->session,
                         .output = plan->output,
                         .dtype = plan->dtype,
                         .pooling = plan->pooling,
                         .dim = plan->dim,
                         .normalize = plan->normalize,
                         .raw_scores = plan->raw_scores,
                         .row_bytes = plan->row_bytes,
                         .ranges = plan->ranges};
}

/* row_bytes follows from dtype and dim. */
bool su_batch_kind_equal(const SuBatchKind *a, const SuBatchKind *b)
{
    return a->session == b->session && a->output == b->output && a->dtype == b->dtype &&
           a->pooling == b->pooling && a->dim == b->dim && a->normalize == b->normalize &&
           a->raw_scores == b->raw_scores && a->ranges == b->ranges;
}

/* No larger than the context: another one may need more. */
static void start(SuWorker *worker, const SuBatchKind *kind, void *context, uint32_t max_tokens)
{
    worker->kind = *kind;
    worker->context = context;
    worker->batch.max_tokens = worker->batch.max_seqs = max_tokens;
    su_ragged_batch_clear(&worker->batch);
}

void su_batch_start(SuWorker *worker, const SuBatchKind *kind, uint32_t rank)
{
    const SuSession *session = kind->session;
    void *context = session->contexts ? session->contexts[rank] : NULL;
    start(worker, kind, context, session->max_tokens);
}

void su_batch_start_team(SuWorker *worker, const SuBatchKind *kind)
{
    start(worker, kind, kind->session->contexts[0], kind->session->team_tokens);
}

void su_batch_start_long(SuWorker *worker, const SuBatchKind *kind)
{
    start(worker, kind, kind->session->long_context, kind->session->long_tokens);
}

/* Text s of the batch has a row in the view, which begins with text `first`. */
static void copy_row(const SuWorker *worker, uint32_t s, uint32_t first,
                     const SutraResultView *view, bool numeric_error, uint64_t compute_ns)
{
    const SuRaggedBatch *batch = &worker->batch;
    SuRequest *request = worker->owners[s].request;
    const SuEmbedTarget *target = &request->target;
    const unsigned char *data = view->data;
    size_t i = batch->source[s];
    if (target->items) target->items[i].compute_ns = compute_ns;
    if (numeric_error) {
        su_request_fail_item(request, i, SUTRA_E_NUMERIC,
                             view->output == SUTRA_OUT_SCORES ? "the score is NaN or infinity"
                                                              : "the vector holds NaN or infinity");
    } else if (target->offsets) {
        const uint32_t *cu = batch->cu_seqlens;
        memcpy(target->data + target->offsets[i] * view->row_bytes,
               data + (size_t)(cu[s] - cu[first]) * view->row_bytes,
               (size_t)(cu[s + 1] - cu[s]) * view->row_bytes);
    } else {
        const unsigned char *row = data + (size_t)(s - first) * view->row_bytes;
        memcpy(target->data + i * view->row_bytes, row, view->row_bytes);
        su_row_cache_put(
            request, i, row,
            (SuCacheFacts){.tokens_seen = worker->owners[s].tokens_seen,
                           .tokens_used = batch->cu_seqlens[s + 1] - batch->cu_seqlens[s]});
    }
}

static void deliver(void *user, uint32_t first, uint32_t count, const SutraResultView *view,
                    const uint8_t *numeric_error, uint64_t run_ns)
{
    for (uint32_t s = 0; s < count; s++)
        copy_row(user, first + s, first, view, numeric_error[s], run_ns);
}

static void fail(void *user, uint32_t first, uint32_t count, SutraStatus status,
                 const char *message)
{
    const SuWorker *worker = user;
    for (uint32_t s = first; s < first + count; s++)
        su_request_fail_item(worker->owners[s].request, worker->batch.source[s], status, message);
}

static void count_run(const SuWorker *worker, const SutraTeam *team)
{
    SutraEngine *engine = worker->kind.session->engine;
    SuRunCounts *counts = team ? &engine->team : &engine->wide;
    atomic_fetch_add_explicit(&counts->runs, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&counts->tokens, worker->batch.num_tokens, memory_order_relaxed);
}

/* Each text has its row, or says why not, but is not counted as done. */
static void encode(SuWorker *worker, const SutraTeam *team)
{
    SuRaggedBatch *batch = &worker->batch;
    const SuBatchKind *kind = &worker->kind;
    SutraBatch run = {.struct_size = sizeof run,
                      .num_seqs = batch->num_seqs,
                      .num_tokens = batch->num_tokens,
                      .max_seqlen = batch->max_seqlen,
                      .token_ids = batch->token_ids,
                      .type_ids = batch->type_ids,
                      .cu_seqlens = batch->cu_seqlens,
                      .prompt_len = batch->prompt_len,
                      .output = kind->output,
                      .dtype = kind->dtype,
                      .dim = kind->dim,
                      .normalize = kind->normalize,
                      .raw_scores = kind->raw_scores,
                      .pooling = kind->pooling,
                      .team = team,
                      .numeric_error = batch->numeric_error,
                      .ranges = kind->ranges};
    count_run(worker, team);
    SuDevicePool *devices = kind->session->engine->devices;
    if (devices) {
        SuDeviceRun on_devices = {.model = &kind->session->on_devices,
                                  .batch = &run,
                                  .row_bytes = kind->row_bytes,
                                  .user = worker,
                                  .deliver = deliver,
                                  .fail = fail};
        su_device_route(devices, &on_devices);
        return;
    }
    SutraResultView view = {.struct_size = sizeof view, .output = kind->output};
    SutraError reason = {0};
    uint64_t start = su_clock_ns();
    SutraStatus status = su_backend_run(kind->session->backend, worker->context, &run,
                                        kind->row_bytes, &view, &reason);
    uint64_t compute_ns = su_clock_ns() - start;
    if (status == SUTRA_OK)
        deliver(worker, 0, batch->num_seqs, &view, batch->numeric_error, compute_ns);
    else
        fail(worker, 0, batch->num_seqs, status, reason.message);
}

/* The texts are done: requests, their models and the session may go. */
static void end_texts(SuWorker *worker)
{
    SuRaggedBatch *batch = &worker->batch;
    /* Texts of one request lie side by side: one count for all of them. */
    for (uint32_t s = 0, first = 0; s < batch->num_seqs; s++) {
        if (s + 1 < batch->num_seqs && worker->owners[s + 1].request == worker->owners[s].request)
            continue;
        su_request_items_done(worker->owners[s].request, s + 1 - first);
        first = s + 1;
    }
    su_ragged_batch_clear(batch);
}

void su_batch_run(SuWorker *worker, const SutraTeam *team)
{
    if (worker->batch.num_seqs == 0) return;
    encode(worker, team);
    end_texts(worker);
}

static void describe_item(const SuRequest *request, size_t i, const SuTextTokens *tokens,
                          uint64_t queue_ns, uint64_t tokenize_ns)
{
    if (!request->target.items) return;
    request->target.items[i] =
        (SutraItem){.tokens_seen = tokens->seen > UINT32_MAX ? UINT32_MAX : (uint32_t)tokens->seen,
                    .tokens_used = (uint32_t)tokens->used,
                    .flags = tokens->seen > tokens->used ? SUTRA_ITEM_TRUNCATED : 0,
                    .queue_ns = queue_ns,
                    .tokenize_ns = tokenize_ns};
}

static SutraStatus check_ids(const SutraModel *model, const SuTextTokens *tokens, SutraError *err)
{
    for (size_t t = 0; t < tokens->used; t++)
        if ((uint32_t)tokens->ids[t] >= model->spec.vocab_size)
            SU_RAISE(err, SUTRA_E_ARGUMENT,
                     "token id %d has no row in the token embedding, which has %u", tokens->ids[t],
                     model->spec.vocab_size);
    return SUTRA_OK;
}

static SutraStatus find_tokens(SuWorker *worker, const SuRequest *request, size_t i,
                               SuTextTokens *tokens, SutraError *err)
{
    if (request->tokens) {
        *tokens = request->tokens[i];
        return SUTRA_OK;
    }
    SU_TRY(su_text_tokens(request->model, worker, &request->inputs[i], request->plan, tokens, err));
    return check_ids(request->model, tokens, err);
}

/* The text goes on as a request of its windows. */
static SutraStatus make_windows(SuWorker *worker, SuRequest *request, size_t i,
                                const SuTextTokens *tokens, SutraError *err)
{
    SuRequest *windows = NULL;
    SU_TRY(su_window_request_create(worker, request, i, tokens, &windows, err));
    windows->next = worker->windows;
    worker->windows = windows;
    return SUTRA_OK;
}

static void append(SuWorker *worker, SuRequest *request, size_t i, const SuTextTokens *tokens)
{
    atomic_fetch_add_explicit(&request->engine->tokens, tokens->used, memory_order_relaxed);
    worker->owners[worker->batch.num_seqs] =
        (SuOwner){request, tokens->seen > UINT32_MAX ? UINT32_MAX : (uint32_t)tokens->seen};
    su_ragged_batch_append(&worker->batch, tokens->ids, tokens->types, (uint32_t)tokens->used,
                           tokens->prompt_len, i);
}

/* The text of a static model, whatever its length, right from the tokenizer's memory. The batch is
 * empty, and is so afterwards. */
static void run_whole(SuWorker *worker, SuRequest *request, size_t i, const SuTextTokens *tokens)
{
    const SuRaggedBatch own = worker->batch;
    SuRaggedBatch *batch = &worker->batch;
    atomic_fetch_add_explicit(&request->engine->tokens, tokens->used, memory_order_relaxed);
    worker->owners[0] = (SuOwner){request, (uint32_t)tokens->seen};
    batch->token_ids = (int32_t *)tokens->ids; /* only read */
    batch->type_ids = NULL;
    batch->num_seqs = 1;
    batch->num_tokens = batch->max_seqlen = batch->cu_seqlens[1] = (uint32_t)tokens->used;
    batch->prompt_len[0] = 0;
    batch->source[0] = i;
    batch->numeric_error[0] = 0;
    encode(worker, NULL);
    end_texts(worker);
    *batch = own;
}

/* The batch is empty; afterwards it is for the worker's own context again. The session is there
 * as long as the text is not done. */
static void run_long(SuWorker *worker, SuRequest *request, size_t i, const SuTextTokens *tokens)
{
    const SuBatchKind kind = worker->kind;
    void *context = worker->context;
    uint32_t max_tokens = worker->batch.max_tokens;
    pthread_mutex_lock(&kind.session->long_lock);
    su_batch_start_long(worker, &kind);
    append(worker, request, i, tokens);
    encode(worker, NULL);
    pthread_mutex_unlock(&kind.session->long_lock);
    end_texts(worker);
    start(worker, &kind, context, max_tokens);
}

void su_batch_add(SuWorker *worker, SuRequest *request, size_t begin, size_t end, uint64_t queue_ns,
                  const SutraTeam *team)
{
    size_t done = 0;       /* without a batch */
    worker->prompt = NULL; /* another request's may lie where an earlier one's lay */
    for (size_t i = begin; i < end; i++) {
        SuTextTokens tokens = {0};
        SutraError reason = {0};
        if (su_row_cache_take(request, i, queue_ns)) {
            done++;
            continue;
        }
        uint64_t start = su_clock_ns();
        SutraStatus status = find_tokens(worker, request, i, &tokens, &reason);
        describe_item(request, i, &tokens, queue_ns, su_clock_ns() - start);
        bool is_whole = tokens.used <= request->plan->max_tokens;
        if (status == SUTRA_OK && !is_whole)
            status = make_windows(worker, request, i, &tokens, &reason);
        if (status != SUTRA_OK) {
            su_request_fail_item(request, i, status, reason.message);
            done++;
            continue;
        }
        if (!is_whole) continue;
        if (!su_ragged_batch_fits(&worker->batch, tokens.used)) su_batch_run(worker, team);
        if (tokens.used > worker->batch.max_tokens && su_model_is_static(request->model))
            run_whole(worker, request, i, &tokens);
        else if (tokens.used > worker->batch.max_tokens)
            run_long(worker, request, i, &tokens);
        else
            append(worker, request, i, &tokens);
    }
    su_request_items_done(request, done);
}
