/* One request, from texts to rows. */
#include "base/clock.h"
#include "base/status.h"
#include "pipeline/engine.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

enum {
    TEAM_TOKENS = 192,   /* per thread: requests below this are shared out layer by layer */
    BYTES_PER_TOKEN = 4, /* of an estimate that only balances work */
    SMALLEST_BATCH = 64  /* tokens */
};

typedef struct Call {
    SutraEngine *engine;
    const SutraModel *model;
    const SuSession *session;
    const SutraInput *inputs;
    size_t n;
    const SuEmbedPlan *plan;
    const SuEmbedTarget *target;
    uint64_t queue_ns;
    size_t total_estimate;  /* tokens */
    _Atomic size_t next;    /* first text not yet claimed */
    _Atomic size_t claimed; /* tokens, estimated */
    pthread_mutex_t failure_lock;
    size_t failed_item; /* lowest failing index, SIZE_MAX: none */
    SutraStatus failed_status;
    SutraError failure;
} Call;

static void note_failure(Call *call, size_t item, SutraStatus status, const char *message)
{
    pthread_mutex_lock(&call->failure_lock);
    if (item < call->failed_item) {
        call->failed_item = item;
        call->failed_status = status;
        snprintf(call->failure.message, sizeof call->failure.message, "%s", message);
    }
    pthread_mutex_unlock(&call->failure_lock);
}

static void fail_item(Call *call, size_t i, SutraStatus status, const char *message)
{
    const SuEmbedTarget *target = call->target;
    if (target->items) target->items[i].status = status;
    if (target->offsets)
        memset(target->data + target->offsets[i] * call->plan->row_bytes, 0,
               (target->offsets[i + 1] - target->offsets[i]) * call->plan->row_bytes);
    else
        memset(target->data + i * call->plan->row_bytes, 0, call->plan->row_bytes);
    note_failure(call, i, status, message);
}

/* ---- tokens of one text ---- */

typedef struct Tokens {
    const int32_t *ids, *types;
    size_t used, seen;
    uint32_t prompt_len;
} Tokens;

static SutraStatus take_token_ids(const SutraInput *input, const SuEmbedPlan *plan, Tokens *tokens,
                                  SutraError *err)
{
    if (input->num_token_ids == 0) SU_RAISE(err, SUTRA_E_ARGUMENT, "token_ids is empty");
    size_t used = input->num_token_ids < plan->max_tokens ? input->num_token_ids : plan->max_tokens;
    size_t first = plan->truncation == SUTRA_TRUNCATE_LEFT ? input->num_token_ids - used : 0;
    *tokens = (Tokens){.ids = input->token_ids + first, .used = used, .seen = input->num_token_ids};
    return SUTRA_OK;
}

/* Tokens of the prompt that pooling leaves out: as many as it has alone, cut like a text; one less
 * where the last of them is a special token (nearly always the closing one). */
static SutraStatus prompt_length(const SutraModel *model, SuWorker *worker, const char *prompt,
                                 const SuEmbedPlan *plan, uint32_t *length, SutraError *err)
{
    SuEncoding encoding;
    SuEncodeRequest request = {.text = prompt,
                               .text_size = strlen(prompt),
                               .max_tokens = plan->max_tokens,
                               .truncate_left = plan->truncation == SUTRA_TRUNCATE_LEFT};
    *length = 0;
    if (!*prompt || model->pool_prompt) return SUTRA_OK;
    if (prompt != worker->prompt) {
        SU_TRY(su_tokenizer_encode(model->tokenizer, worker->scratch, &request, &encoding, err));
        size_t last = encoding.num_tokens ? encoding.num_tokens - 1 : 0;
        bool special = encoding.num_tokens &&
                       su_tokenizer_is_named_special(model->tokenizer, encoding.token_ids[last]);
        worker->prompt = prompt;
        worker->prompt_tokens = (uint32_t)(special ? last : encoding.num_tokens);
    }
    *length = worker->prompt_tokens;
    return SUTRA_OK;
}

/* A text alone for vectors, two for a score: token_ids, which have no types, are no pair. */
static SutraStatus check_pair(const SutraInput *input, SutraOutput output, SutraError *err)
{
    if (output != SUTRA_OUT_SCORES && input->pair)
        SU_RAISE(err, SUTRA_E_ARGUMENT, "pair is only for score output");
    if (output == SUTRA_OUT_SCORES && input->token_ids)
        SU_RAISE(err, SUTRA_E_ARGUMENT, "score output takes a text and its pair, not token_ids");
    if (output == SUTRA_OUT_SCORES && !input->pair)
        SU_RAISE(err, SUTRA_E_ARGUMENT, "score output takes a text and its pair: pair is NULL");
    return SUTRA_OK;
}

static SutraStatus tokenize_text(const SutraModel *model, SuWorker *worker, const SutraInput *input,
                                 const SuEmbedPlan *plan, Tokens *tokens, SutraError *err)
{
    SU_TRY(su_input_check(input, err));
    SU_TRY(check_pair(input, plan->output, err));
    if (input->token_ids) return take_token_ids(input, plan, tokens, err);
    const char *prompt = "";
    uint32_t skip = 0;
    SU_TRY(su_model_prompt(model, input->prompt_name, &prompt, err));
    SU_TRY(prompt_length(model, worker, prompt, plan, &skip, err));
    SuEncoding encoding;
    SuEncodeRequest request = {.prefix = prompt,
                               .prefix_size = strlen(prompt),
                               .text = input->text ? input->text : "",
                               .text_size = input->text_size,
                               .pair = input->pair,
                               .pair_size = input->pair_size,
                               .max_tokens = plan->max_tokens,
                               .truncate_left = plan->truncation == SUTRA_TRUNCATE_LEFT};
    SU_TRY(su_tokenizer_encode(model->tokenizer, worker->scratch, &request, &encoding, err));
    if (encoding.num_tokens == 0) SU_RAISE(err, SUTRA_E_ARGUMENT, "the text has no tokens");
    *tokens = (Tokens){encoding.token_ids, encoding.type_ids, encoding.num_tokens,
                       encoding.tokens_seen, skip};
    return SUTRA_OK;
}

static SutraStatus check_length(const SuEmbedPlan *plan, const Tokens *tokens, SutraError *err)
{
    if (tokens->seen > tokens->used && plan->truncation == SUTRA_TRUNCATE_ERROR)
        SU_RAISE(err, SUTRA_E_LIMIT, "the %s has %zu tokens, more than %u",
                 plan->output == SUTRA_OUT_SCORES ? "pair" : "text", tokens->seen,
                 plan->max_tokens);
    return SUTRA_OK;
}

/* ---- batches ---- */

static void copy_rows(Call *call, const SuRaggedBatch *batch, const SutraResultView *view,
                      uint64_t compute_ns)
{
    const SuEmbedTarget *target = call->target;
    const unsigned char *data = view->data;
    for (uint32_t s = 0; s < batch->num_seqs; s++) {
        size_t i = batch->source[s];
        if (batch->numeric_error[s]) {
            fail_item(call, i, SUTRA_E_NUMERIC,
                      view->output == SUTRA_OUT_SCORES ? "the score is NaN or infinity"
                                                       : "the vector holds NaN or infinity");
        } else if (target->offsets) {
            size_t first = batch->cu_seqlens[s], rows = batch->cu_seqlens[s + 1] - first;
            memcpy(target->data + target->offsets[i] * view->row_bytes,
                   data + first * view->row_bytes, rows * view->row_bytes);
        } else {
            memcpy(target->data + i * view->row_bytes, data + s * view->row_bytes, view->row_bytes);
        }
        if (target->items) target->items[i].compute_ns = compute_ns;
    }
}

/* One item a text, in rows of the size that the caller's memory was made for, or a reason. */
static SutraStatus run_backend(const Call *call, void *context, const SutraBatch *batch,
                               SutraResultView *view, SutraError *reason)
{
    const SutraBackend *backend = call->session->backend;
    SutraStatus status = backend->run(context, batch, view, reason);
    if (status != SUTRA_OK) return su_backend_reason(backend, "run", status, reason);
    if (!view->data || view->num_items != batch->num_seqs ||
        view->row_bytes != call->plan->row_bytes)
        SU_RAISE(
            reason, SUTRA_E_DEVICE,
            "run of the %s backend gave %zu texts with rows of %zu bytes in place of %u of %zu",
            backend->name, view->data ? view->num_items : 0, view->row_bytes, batch->num_seqs,
            call->plan->row_bytes);
    return SUTRA_OK;
}

/* Takes the worker's batch through the encoder and empties it. */
static void run_batch(Call *call, SuWorker *worker, void *context, const SutraTeam *team)
{
    SuRaggedBatch *batch = &worker->batch;
    if (batch->num_seqs == 0) return;
    SutraBatch run = {.struct_size = sizeof run,
                      .num_seqs = batch->num_seqs,
                      .num_tokens = batch->num_tokens,
                      .max_seqlen = batch->max_seqlen,
                      .token_ids = batch->token_ids,
                      .type_ids = batch->type_ids,
                      .cu_seqlens = batch->cu_seqlens,
                      .prompt_len = batch->prompt_len,
                      .output = call->plan->output,
                      .dtype = call->plan->dtype,
                      .dim = call->plan->dim,
                      .normalize = call->plan->normalize,
                      .pooling = call->plan->pooling,
                      .team = team,
                      .numeric_error = batch->numeric_error,
                      .ranges = call->plan->ranges};
    SutraResultView view = {.struct_size = sizeof view};
    SutraError reason = {0};
    uint64_t start = su_clock_ns();
    SutraStatus status = run_backend(call, context, &run, &view, &reason);
    if (status == SUTRA_OK) {
        copy_rows(call, batch, &view, su_clock_ns() - start);
    } else {
        for (uint32_t s = 0; s < batch->num_seqs; s++)
            fail_item(call, batch->source[s], status, reason.message);
    }
    su_ragged_batch_clear(batch);
}

static void describe_item(Call *call, size_t i, const Tokens *tokens, uint64_t tokenize_ns)
{
    if (!call->target->items) return;
    call->target->items[i] =
        (SutraItem){.tokens_seen = tokens->seen > UINT32_MAX ? UINT32_MAX : (uint32_t)tokens->seen,
                    .tokens_used = (uint32_t)tokens->used,
                    .flags = tokens->seen > tokens->used ? SUTRA_ITEM_TRUNCATED : 0,
                    .queue_ns = call->queue_ns,
                    .tokenize_ns = tokenize_ns};
}

/* Tokenises text i into the worker's batch, which is run first when it is full. */
static void add_text(Call *call, SuWorker *worker, size_t i, void *context, const SutraTeam *team)
{
    Tokens tokens = {0};
    SutraError reason = {0};
    uint64_t start = su_clock_ns();
    SutraStatus status =
        tokenize_text(call->model, worker, &call->inputs[i], call->plan, &tokens, &reason);
    if (status == SUTRA_OK) status = check_length(call->plan, &tokens, &reason);
    describe_item(call, i, &tokens, su_clock_ns() - start);
    if (status != SUTRA_OK) {
        fail_item(call, i, status, reason.message);
        return;
    }
    for (size_t t = 0; t < tokens.used; t++) {
        if ((uint32_t)tokens.ids[t] < call->model->spec.vocab_size) continue;
        snprintf(reason.message, sizeof reason.message,
                 "token id %d has no row in the token embedding, which has %u", tokens.ids[t],
                 call->model->spec.vocab_size);
        fail_item(call, i, SUTRA_E_ARGUMENT, reason.message);
        return;
    }
    if (!su_ragged_batch_fits(&worker->batch, tokens.used)) run_batch(call, worker, context, team);
    atomic_fetch_add_explicit(&call->engine->tokens, tokens.used, memory_order_relaxed);
    su_ragged_batch_append(&worker->batch, tokens.ids, tokens.types, (uint32_t)tokens.used,
                           tokens.prompt_len, i);
}

static size_t estimate(const Call *call, size_t i)
{
    const SutraInput *input = &call->inputs[i];
    size_t bytes = (input->text ? input->text_size : 0) + (input->pair ? input->pair_size : 0);
    size_t tokens = input->token_ids ? input->num_token_ids : bytes / BYTES_PER_TOKEN + 2;
    return tokens < call->plan->max_tokens ? tokens : call->plan->max_tokens;
}

/* Tokens after which a thread runs its batch: fewer as the end nears, so that all threads finish
 * together. */
static size_t batch_goal(const Call *call)
{
    size_t claimed = atomic_load_explicit(&call->claimed, memory_order_relaxed);
    size_t left = call->total_estimate > claimed ? call->total_estimate - claimed : 0;
    size_t goal = left / (3 * (size_t)call->engine->num_threads);
    if (goal > call->engine->batch_tokens) return call->engine->batch_tokens;
    return goal < SMALLEST_BATCH ? SMALLEST_BATCH : goal;
}

/* An empty batch no larger than the session's contexts; another model may have needed larger
 * ones. */
static SuWorker *start_worker(Call *call, uint32_t rank)
{
    SuWorker *worker = &call->engine->workers[rank];
    worker->batch.max_tokens = worker->batch.max_seqs = call->session->max_tokens;
    worker->prompt = NULL;
    su_ragged_batch_clear(&worker->batch);
    return worker;
}

static void work_alone(void *arg, uint32_t rank)
{
    Call *call = arg;
    SuWorker *worker = start_worker(call, rank);
    void *context = call->session->contexts[rank];
    size_t i;
    while ((i = atomic_fetch_add_explicit(&call->next, 1, memory_order_relaxed)) < call->n) {
        atomic_fetch_add_explicit(&call->claimed, estimate(call, i), memory_order_relaxed);
        add_text(call, worker, i, context, NULL);
        if (worker->batch.num_tokens >= batch_goal(call)) run_batch(call, worker, context, NULL);
    }
    run_batch(call, worker, context, NULL);
}

static void run_team(void *self, void (*body)(void *arg, uint32_t rank), void *arg)
{
    SutraEngine *engine = self;
    su_thread_pool_run_available(engine->pool, engine->num_threads, body, arg);
}

static void work_as_team(Call *call)
{
    SutraEngine *engine = call->engine;
    SutraTeam team = {.size = engine->num_threads, .run = run_team, .self = engine};
    SuWorker *worker = start_worker(call, 0);
    for (size_t i = 0; i < call->n; i++)
        add_text(call, worker, i, call->session->contexts[0], &team);
    run_batch(call, worker, call->session->contexts[0], &team);
}

static void run_call(Call *call)
{
    SutraEngine *engine = call->engine;
    for (size_t i = 0; i < call->n; i++) call->total_estimate += estimate(call, i);
    if (engine->num_threads > 1 &&
        (call->n < engine->num_threads ||
         call->total_estimate < (size_t)TEAM_TOKENS * engine->num_threads))
        work_as_team(call);
    else
        su_thread_pool_run_available(engine->pool, engine->num_threads, work_alone, call);
}

SutraStatus su_embed_call(SutraEngine *engine, const SutraModel *model, const SutraInput *inputs,
                          size_t n, const SuEmbedPlan *plan, const SuEmbedTarget *target,
                          uint64_t queue_ns, SutraError *err)
{
    SuSession *session = NULL;
    SutraModel *held = su_model_retain((SutraModel *)model);
    pthread_mutex_lock(&engine->call_lock);
    SutraStatus status =
        su_session_prepare(engine, model, plan->output, plan->max_tokens, &session, err);
    if (status == SUTRA_OK) {
        Call call = {.engine = engine,
                     .model = model,
                     .session = session,
                     .inputs = inputs,
                     .n = n,
                     .plan = plan,
                     .target = target,
                     .queue_ns = queue_ns,
                     .failed_item = SIZE_MAX,
                     .failure_lock = PTHREAD_MUTEX_INITIALIZER};
        run_call(&call);
        atomic_fetch_add(&engine->requests, 1);
        atomic_fetch_add(&engine->texts, n);
        if (call.failed_item != SIZE_MAX) {
            atomic_fetch_add(&engine->failed, 1);
            status = call.failed_status;
            su_error_set_item(err, status, call.failed_item, n > 1, call.failure.message);
        }
    }
    pthread_mutex_unlock(&engine->call_lock);
    su_model_free(held);
    return status;
}

SutraStatus su_embed_count_tokens(SutraEngine *engine, const SutraModel *model,
                                  const SutraInput *inputs, size_t n, const SuEmbedPlan *plan,
                                  size_t *offsets, SutraError *err)
{
    SutraStatus status = SUTRA_OK;
    pthread_mutex_lock(&engine->call_lock);
    SuWorker *worker = &engine->workers[0];
    worker->prompt = NULL;
    offsets[0] = 0;
    for (size_t i = 0; i < n && status == SUTRA_OK; i++) {
        Tokens tokens = {0};
        SutraStatus item = tokenize_text(model, worker, &inputs[i], plan, &tokens, err);
        if (item == SUTRA_E_MEMORY) status = item;
        offsets[i + 1] = offsets[i] + (item == SUTRA_OK ? tokens.used : 0);
    }
    pthread_mutex_unlock(&engine->call_lock);
    return status;
}
