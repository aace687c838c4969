#include "embed_serve.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "engine_counts.h"
#include "request_tokens.h"

#include <stdio.h>
#include <string.h>

/* What is larger goes to the worker: about half a millisecond of work. */
enum { MOST_BODY = 65536, MOST_VALUES = 12288, MOST_COUNTED = 4096 };
enum { VALUE_BYTES = 16 }; /* that a float takes in an answer, at most */
enum { WAITING_NS = 100000000 };

typedef struct EmbedCall {
    SuPost post; /* the next step on the loop */
    SuWork work; /* the next step on the worker */
    SuModelWaiter waiter;
    SuExchange *exchange;
    SuServerContext *context;
    const SuEmbedDialect *dialect;
    SuEmbedRequest request;
    SuProblem problem;
    bool is_read; /* or worked on; else problem says why not */
    SuModelEntry *entry;
    bool uses_model;
    uint64_t find_ns, load_ns;
    SutraJob *job;
    SutraResult *result;
    SutraError err;
} EmbedCall;

#define CALL_OF(member_pointer, member) \
    ((EmbedCall *)(void *)((char *)(member_pointer)-offsetof(EmbedCall, member)))

static void end_call(EmbedCall *call)
{
    su_free(call->request.inputs);
    su_free(call->request.own);
    json_decref(call->request.document);
    sutra_job_free(call->job);
    sutra_result_free(call->result);
    if (call->uses_model) su_model_entry_done(call->entry, call->request.keep_ns);
    su_free(call);
}

static void answer(EmbedCall *call)
{
    su_exchange_answer(call->exchange);
    end_call(call);
}

static void fail(EmbedCall *call)
{
    su_exchange_fail(call->exchange, &call->problem.http);
    end_call(call);
}

/* Of a tenth of a second ago at most: those who are sent away come in great numbers. */
static uint64_t waiting_tokens(SuServerContext *context)
{
    uint64_t now = su_clock_ns();
    if (now < context->waiting_until_ns) return context->waiting_tokens;
    json_t *counts = su_engine_counts(context->engine);
    context->waiting_tokens = (uint64_t)su_engine_count(counts, "waiting", "tokens");
    context->waiting_until_ns = now + WAITING_NS;
    json_decref(counts);
    return context->waiting_tokens;
}

/* When to come again to a server that has too much to do: once what waits now is done. */
static void say_when(EmbedCall *call)
{
    const char *code = call->problem.http.code;
    if (call->problem.http.status != 429 && !(code && strcmp(code, "timeout") == 0)) return;
    uint64_t waiting = waiting_tokens(call->context);
    call->problem.http.retry_after = su_metrics_wait(&call->context->metrics, waiting);
}

static void next_on_loop(EmbedCall *call, void (*step)(SuPost *post))
{
    call->post.run = step;
    su_loop_post(&call->context->http.loop, &call->post);
}

static void next_on_worker(EmbedCall *call, void (*step)(SuWork *work))
{
    call->work.run = step;
    su_worker_give(&call->context->worker, &call->work);
}

/* ---- the answer ---- */

static SuEmbedAnswer facts_of(const EmbedCall *call, const SutraResultView *view)
{
    const SuRequestFacts *counted = &call->exchange->facts;
    return (SuEmbedAnswer){.request = &call->request,
                           .model = call->entry,
                           .id = call->exchange->id,
                           .view = view,
                           .tokens = counted->tokens,
                           .truncated = counted->truncated_texts,
                           .load_ns = call->load_ns,
                           .total_ns = su_clock_ns() - call->exchange->begin_ns};
}

static void write_answer(EmbedCall *call)
{
    SutraResultView view = {.struct_size = sizeof view};
    char number[24];
    if (call->result) sutra_result_view(call->result, &view, NULL);
    SuEmbedAnswer facts = facts_of(call, &view);
    if (facts.truncated) {
        snprintf(number, sizeof number, "%llu", (unsigned long long)facts.truncated);
        su_response_header(&call->exchange->response, "X-Sutra-Truncated", number);
    }
    call->dialect->write(&facts, &call->exchange->response);
}

static void on_written(SuPost *post) { answer(CALL_OF(post, post)); }

static void write_on_worker(SuWork *work)
{
    EmbedCall *call = CALL_OF(work, work);
    write_answer(call);
    next_on_loop(call, on_written);
}

/* What there is to count, however the request ended. */
static void count_items(EmbedCall *call)
{
    SutraResultView view = {.struct_size = sizeof view};
    SuRequestFacts facts = {0};
    bool has_view = call->result && sutra_result_view(call->result, &view, NULL) == SUTRA_OK;
    if (!has_view && call->err.status == SUTRA_E_CANCELLED)
        facts.cancelled_texts = call->request.num_inputs;
    for (size_t i = 0; i < view.num_items; i++) {
        const SutraItem *item = &view.items[i];
        facts.tokens += item->tokens_used;
        facts.truncated_texts += (item->flags & SUTRA_ITEM_TRUNCATED) != 0;
        facts.cancelled_texts += item->status == SUTRA_E_CANCELLED;
        facts.tokenize_ns += item->tokenize_ns;
        if (item->queue_ns > facts.queue_ns) facts.queue_ns = item->queue_ns;
        if (item->compute_ns > facts.compute_ns) facts.compute_ns = item->compute_ns;
    }
    su_metrics_leave(&call->context->metrics, facts.tokens, su_clock_ns());
    if (call->err.status == SUTRA_OK) facts.texts = view.num_items;
    call->exchange->facts = facts;
}

static void on_finished(SuPost *post)
{
    EmbedCall *call = CALL_OF(post, post);
    SutraResultView view = {.struct_size = sizeof view};
    call->exchange->gone = NULL;
    count_items(call);
    if (!call->exchange->connection) {
        answer(call);
    } else if (call->err.status != SUTRA_OK || !call->result) {
        su_problem_of_engine(&call->problem, &call->err);
        say_when(call);
        fail(call);
    } else if (sutra_result_view(call->result, &view, NULL) == SUTRA_OK &&
               (view.offsets ? view.offsets[view.num_items] : view.num_items) * view.dim >
                   MOST_VALUES) {
        next_on_worker(call, write_on_worker);
    } else {
        write_answer(call);
        answer(call);
    }
}

/* On a thread of the engine. */
static void on_done(void *user, SutraResult *result, const SutraError *err)
{
    EmbedCall *call = user;
    call->result = result;
    call->err = *err;
    next_on_loop(call, on_finished);
}

/* ---- the engine ---- */

static void on_gone(SuExchange *exchange)
{
    EmbedCall *call = exchange->work;
    sutra_job_cancel(call->job);
}

/* Numbers of the answer, at most. */
static uint64_t count_values(const EmbedCall *call)
{
    const SuEmbedRequest *request = &call->request;
    uint64_t dim = request->options.dim ? request->options.dim : call->entry->info.dim, rows = 0;
    if (request->options.output != SUTRA_OUT_TOKENS) return request->num_inputs * dim;
    for (size_t i = 0; i < request->num_inputs; i++) {
        uint64_t most = request->inputs[i].text_size + 64; /* special tokens and a prompt */
        rows += most < call->entry->info.max_tokens ? most : call->entry->info.max_tokens;
    }
    return rows * dim;
}

/* Room for an answer of so many bytes; false: there is none, which is answered. */
static bool expect(EmbedCall *call, uint64_t bytes)
{
    if (su_exchange_expect(call->exchange, bytes)) return true;
    su_problem_set(&call->problem, 503, "overloaded", NULL,
                   "The server has no room for one more answer of this size: others are not read "
                   "yet.");
    fail(call);
    return false;
}

/* Of a text, as far as it is read. */
static uint32_t most_tokens(const EmbedCall *call)
{
    uint32_t most = call->request.most_tokens, models = call->entry->info.max_tokens;
    return most && most < models ? most : models;
}

static void submit(EmbedCall *call)
{
    SuEmbedRequest *request = &call->request;
    SutraError err = {0};
    request->options.max_tokens = most_tokens(call);
    if (!expect(call, count_values(call) * VALUE_BYTES)) return;
    call->exchange->work = call;
    SutraStatus status =
        sutra_submit(call->context->engine, call->entry->model, request->inputs,
                     request->num_inputs, &request->options, on_done, call, &call->job, &err);
    if (status == SUTRA_OK) {
        call->exchange->gone = on_gone;
        su_metrics_enter(&call->context->metrics, su_clock_ns());
        return;
    }
    su_problem_of_engine(&call->problem, &err);
    say_when(call);
    fail(call);
}

/* ---- a limit on tokens ---- */

static void count_tokens(EmbedCall *call)
{
    const SuEmbedRequest *request = &call->request;
    call->is_read = su_request_tokens_fit(call->entry->model, request->inputs, request->num_inputs,
                                          most_tokens(call),
                                          call->context->limits.max_request_tokens, &call->problem);
}

static void on_counted(SuPost *post)
{
    EmbedCall *call = CALL_OF(post, post);
    if (!call->exchange->connection)
        answer(call);
    else if (call->is_read)
        submit(call);
    else
        fail(call);
}

static void count_on_worker(SuWork *work)
{
    EmbedCall *call = CALL_OF(work, work);
    count_tokens(call);
    next_on_loop(call, on_counted);
}

static void count_and_submit(EmbedCall *call)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < call->request.num_inputs; i++)
        bytes += call->request.inputs[i].text_size + call->request.inputs[i].pair_size;
    if (bytes > MOST_COUNTED) {
        next_on_worker(call, count_on_worker);
        return;
    }
    count_tokens(call);
    on_counted(&call->post);
}

/* ---- what needs no engine ---- */

static void on_worked(SuPost *post)
{
    EmbedCall *call = CALL_OF(post, post);
    if (call->is_read)
        answer(call);
    else
        fail(call);
}

static void work_on_worker(SuWork *work)
{
    EmbedCall *call = CALL_OF(work, work);
    const SutraResultView none = {.struct_size = sizeof none};
    SuEmbedAnswer facts = facts_of(call, &none);
    call->is_read = call->dialect->work(&facts, &call->exchange->response, &call->problem);
    next_on_loop(call, on_worked);
}

/* ---- the model ---- */

static void use_model(EmbedCall *call)
{
    const SuEmbedDialect *dialect = call->dialect;
    if (dialect->fit && !dialect->fit(call->entry, &call->request, &call->problem)) {
        fail(call);
    } else if (dialect->work) {
        if (expect(call, call->request.work_bytes)) next_on_worker(call, work_on_worker);
    } else if (call->request.num_inputs > 0 && call->context->limits.max_request_tokens) {
        count_and_submit(call);
    } else if (call->request.num_inputs > 0) {
        submit(call);
    } else {
        write_answer(call);
        answer(call);
    }
}

static void on_opened(SuModelWaiter *waiter)
{
    EmbedCall *call = CALL_OF(waiter, waiter);
    SuModelEntry *entry = call->entry;
    call->load_ns = su_clock_ns() - call->find_ns;
    call->uses_model = entry->model != NULL;
    if (call->uses_model) su_model_entry_use(entry);
    if (!call->exchange->connection) {
        answer(call);
    } else if (entry->model) {
        use_model(call);
    } else {
        /* the message holds paths, which are not the client's business */
        su_log(call->context->log, call->context->log_user, SU_LOG_WARNING,
               "model %s cannot be opened: %s", entry->id, entry->err.message);
        su_problem_set(&call->problem, 503, "model_not_available", "model",
                       "The model `%.100s` cannot be opened now; the server's log says why.",
                       entry->id);
        fail(call);
    }
}

static void find_model(EmbedCall *call)
{
    call->find_ns = su_clock_ns();
    call->entry = call->dialect->find(&call->context->models, &call->request, &call->problem);
    if (!call->entry) {
        fail(call);
        return;
    }
    call->waiter.opened = on_opened;
    su_model_entry_want(call->entry, &call->waiter);
}

/* ---- the request ---- */

static void read_request(EmbedCall *call)
{
    const SuEmbedLimits *limits = &call->context->limits;
    call->request.options = (SutraEmbedOptions){
        .struct_size = sizeof call->request.options,
        .truncation = limits->truncates ? SUTRA_TRUNCATE_MODEL : SUTRA_TRUNCATE_ERROR,
        .when_full = SUTRA_WHEN_FULL_FAIL,
        .quick_done = 1,
        .timeout_ns = limits->queue_ns};
    call->request.keep_ns = SU_KEEP_ALIVE_EVER;
    call->is_read =
        call->dialect->read(limits, call->exchange->body, &call->request, &call->problem);
}

static void go_on(EmbedCall *call)
{
    if (!call->exchange->connection)
        answer(call);
    else if (call->is_read)
        find_model(call);
    else
        fail(call);
}

static void on_read(SuPost *post) { go_on(CALL_OF(post, post)); }

static void read_on_worker(SuWork *work)
{
    EmbedCall *call = CALL_OF(work, work);
    read_request(call);
    next_on_loop(call, on_read);
}

void su_embed_serve(SuExchange *exchange, const SuEmbedDialect *dialect)
{
    static const SuHttpProblem no_memory = {503, "out_of_memory", NULL,
                                            "The server is out of memory.", 0};
    EmbedCall *call = su_calloc(1, sizeof *call);
    if (!call) {
        su_exchange_fail(exchange, &no_memory);
        return;
    }
    call->exchange = exchange;
    call->context = exchange->context;
    call->dialect = dialect;
    if (exchange->body.size > MOST_BODY) {
        next_on_worker(call, read_on_worker);
        return;
    }
    read_request(call);
    go_on(call);
}
