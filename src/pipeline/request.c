#include "pipeline/request.h"

#include "base/status.h"

#include <stdio.h>
#include <string.h>

enum { BYTES_PER_TOKEN = 4 };

void su_request_init(SuRequest *request)
{
    pthread_mutex_init(&request->lock, NULL);
    pthread_cond_init(&request->changed, NULL);
    request->left = request->n;
    request->failed_item = SIZE_MAX;
    request->status = SUTRA_OK;
    request->estimate = 0;
    for (size_t i = 0; i < request->n; i++) request->estimate += su_request_estimate(request, i);
}

void su_request_destroy(SuRequest *request)
{
    pthread_cond_destroy(&request->changed);
    pthread_mutex_destroy(&request->lock);
}

void su_request_fail_item(SuRequest *request, size_t item, SutraStatus status, const char *message)
{
    const SuEmbedTarget *target = &request->target;
    size_t first = target->offsets ? target->offsets[item] : item;
    size_t rows = target->offsets ? target->offsets[item + 1] - first : 1;
    if (target->items) target->items[item].status = status;
    memset(target->data + first * request->plan->row_bytes, 0, rows * request->plan->row_bytes);
    pthread_mutex_lock(&request->lock);
    if (item < request->failed_item) {
        request->failed_item = item;
        request->status = status;
        snprintf(request->failure.message, sizeof request->failure.message, "%s", message);
    }
    pthread_mutex_unlock(&request->lock);
}

void su_request_finish(SuRequest *request)
{
    SutraEngine *engine = request->engine;
    if (!request->whole) {
        atomic_fetch_add(&engine->requests, 1);
        atomic_fetch_add(&engine->texts, request->n);
        if (request->status != SUTRA_OK) atomic_fetch_add(&engine->failed, 1);
    }
    if (request->on_finished) {
        request->on_finished(request);
        return;
    }
    pthread_mutex_lock(&request->lock);
    request->finished = true;
    pthread_cond_signal(&request->changed);
    pthread_mutex_unlock(&request->lock);
}

void su_request_items_done(SuRequest *request, size_t count)
{
    if (count && atomic_fetch_sub_explicit(&request->left, count, memory_order_acq_rel) == count)
        su_request_finish(request);
}

void su_request_fail(SuRequest *request, SutraStatus status, const SutraError *err)
{
    request->status = status;
    request->failure = *err;
    su_request_finish(request);
}

SutraStatus su_request_status(const SuRequest *request, SutraError *err)
{
    if (request->status != SUTRA_OK && request->failed_item != SIZE_MAX)
        su_error_set_item(err, request->status, request->failed_item, request->n > 1,
                          request->failure.message);
    else if (request->status != SUTRA_OK && err)
        *err = request->failure;
    return request->status;
}

size_t su_request_estimate(const SuRequest *request, size_t item)
{
    if (request->tokens) return request->tokens[item].used;
    const SutraInput *input = &request->inputs[item];
    size_t bytes = (input->text ? input->text_size : 0) + (input->pair ? input->pair_size : 0);
    size_t tokens = input->token_ids ? input->num_token_ids : bytes / BYTES_PER_TOKEN + 2;
    return tokens < request->plan->max_tokens ? tokens : request->plan->max_tokens;
}
