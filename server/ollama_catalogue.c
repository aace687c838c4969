#include "ollama_catalogue.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "json_body.h"
#include "ollama_names.h"
#include "server_context.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#define API_VERSION "0.13.0"

/* ---- members of objects ---- */

static void put_time(SuReplyText *body, const char *before, int64_t seconds)
{
    char text[80] = "";
    struct tm parts;
    time_t time = (time_t)seconds;
    if (gmtime_r(&time, &parts)) strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
    su_reply_put_string(body, before, text);
}

/* "22.7M" */
static void put_parameters(SuReplyText *body, const char *before, uint64_t number)
{
    char text[32];
    double millions = (double)number * 1e-6;
    if (millions < 1000)
        snprintf(text, sizeof text, "%.*fM", millions < 100 ? 2 : 0, millions);
    else
        snprintf(text, sizeof text, "%.1fB", millions * 1e-3);
    su_reply_put_string(body, before, text);
}

static const char *level_of(const SutraModelInfo *info)
{
    static const char *const levels[][2] = {
        {"fp32", "F32"}, {"fp16", "F16"}, {"bf16", "BF16"}, {"int8", "Q8_0"}};
    const char *name = sutra_compute_name(info->compute);
    for (size_t i = 0; i < sizeof levels / sizeof *levels; i++)
        if (strcmp(name, levels[i][0]) == 0) return levels[i][1];
    return name;
}

static void put_details(SuReplyText *body, const SuModelEntry *entry)
{
    const SutraModelInfo *info = &entry->info;
    bool is_open = entry->model != NULL;
    const char *family = is_open ? info->family : "";
    su_reply_put_string(
        body, ",\"details\":{\"parent_model\":\"\",\"format\":\"safetensors\",\"family\":", family);
    su_reply_string(body, ",\"families\":[");
    if (is_open) su_reply_json(body, (SuText){family, strlen(family)});
    put_parameters(body, "],\"parameter_size\":", is_open ? info->num_parameters : 0);
    su_reply_put_string(body, ",\"quantization_level\":", is_open ? level_of(info) : "");
    su_reply_bytes(body, "}", 1);
}

/* Digits of SHA-256 alone, as Ollama has them; zeros: not known. */
static void put_digest(SuReplyText *body, const SuModelEntry *entry)
{
    static const char none[] = "0000000000000000000000000000000000000000000000000000000000000000";
    const char *digest = entry->model ? entry->info.digest : "";
    bool is_known = strncmp(digest, "sha256:", 7) == 0;
    su_reply_put_string(body, ",\"digest\":", is_known ? digest + 7 : none);
}

/* {"name", "model", "size", "digest", "details"; the object stays open. A name without a tag gets
 * Ollama's. */
static void begin_model(SuReplyText *body, bool is_first, const char *name,
                        const SuModelEntry *entry)
{
    char tagged[512];
    snprintf(tagged, sizeof tagged, "%.500s%s", name, strchr(name, ':') ? "" : ":latest");
    su_reply_put_string(body, is_first ? "{\"name\":" : ",{\"name\":", tagged);
    su_reply_put_string(body, ",\"model\":", tagged);
    su_reply_put_number(body, ",\"size\":", entry->model ? entry->info.weight_bytes : 0);
    put_digest(body, entry);
    put_details(body, entry);
}

/* ---- what there is ---- */

void su_ollama_root(SuExchange *exchange)
{
    su_reply_string(&exchange->response.body, "Ollama is running");
    exchange->response.content_type = "text/plain; charset=utf-8";
    su_exchange_answer(exchange);
}

void su_ollama_version(SuExchange *exchange)
{
    su_reply_put_string(&exchange->response.body,
                        "{\"version\":\"" API_VERSION "\",\"sutra\":", sutra_version());
    su_reply_bytes(&exchange->response.body, "}", 1);
    su_exchange_answer(exchange);
}

static void put_tag(SuExchange *exchange, const char *name, const SuModelEntry *entry,
                    bool is_first)
{
    const SuServerContext *context = exchange->context;
    SuReplyText *body = &exchange->response.body;
    begin_model(body, is_first, name, entry);
    put_time(body, ",\"modified_at\":", context->started);
    su_reply_bytes(body, "}", 1);
}

void su_ollama_tags(SuExchange *exchange)
{
    const SuModelTable *table = &((const SuServerContext *)exchange->context)->models;
    su_reply_string(&exchange->response.body, "{\"models\":[");
    for (size_t i = 0; i < table->num_entries; i++) {
        const SuModelEntry *entry = table->entries[i];
        const char *other = su_ollama_library_name(table, entry);
        put_tag(exchange, entry->id, entry, i == 0);
        if (other) put_tag(exchange, other, entry, false);
    }
    for (size_t i = 0; i < table->num_aliases; i++)
        if (strcmp(table->aliases[i].name, "*") != 0)
            put_tag(exchange, table->aliases[i].name, table->aliases[i].entry, false);
    su_reply_string(&exchange->response.body, "]}");
    su_exchange_answer(exchange);
}

/* Seconds since 1970; what stays open for good ends as late as Ollama can say: in 292 years. */
static int64_t end_of(const SuModelEntry *entry)
{
    uint64_t now = su_clock_ns(), left = INT64_MAX;
    if (entry->num_users > 0 && entry->keep_ns < left) left = entry->keep_ns;
    if (entry->end_ns) left = entry->end_ns > now ? entry->end_ns - now : 0;
    return (int64_t)time(NULL) + (int64_t)(left / 1000000000);
}

void su_ollama_ps(SuExchange *exchange)
{
    const SuModelTable *table = &((const SuServerContext *)exchange->context)->models;
    SuReplyText *body = &exchange->response.body;
    bool is_first = true;
    su_reply_string(body, "{\"models\":[");
    for (size_t i = 0; i < table->num_entries; i++) {
        const SuModelEntry *entry = table->entries[i];
        if (!entry->model) continue;
        begin_model(body, is_first, entry->id, entry);
        put_time(body, ",\"expires_at\":", end_of(entry));
        su_reply_put_number(body, ",\"size_vram\":0,\"context_length\":", entry->info.max_tokens);
        su_reply_bytes(body, "}", 1);
        is_first = false;
    }
    su_reply_string(body, "]}");
    su_exchange_answer(exchange);
}

/* ---- requests that name a model ---- */

/* model, or name as it was called before; NULL: the exchange has failed. `advice` goes to the end of
 * the sentence on one that is not known. *root is the caller's. */
static SuModelEntry *read_model(SuExchange *exchange, const char *advice, json_t **root)
{
    const SuServerContext *context = exchange->context;
    SuProblem problem = {0};
    SuModelEntry *entry = NULL;
    *root = NULL;
    if (exchange->body.size == 0)
        su_problem_set(&problem, 400, NULL, NULL, "missing request body");
    else
        *root = su_json_body_read(exchange->body, &problem);
    const json_t *value = json_object_get(*root, "model");
    if (!json_string_length(value)) value = json_object_get(*root, "name");
    SuText name = {json_string_value(value), json_string_length(value)};
    if (*root && name.size == 0)
        su_problem_set(&problem, 400, NULL, "model", "model is required");
    else if (*root)
        entry = su_ollama_find(&context->models, name);
    if (entry) return entry;
    if (problem.http.status == 0)
        su_problem_set(&problem, 404, "model_not_found", "model", "model '%.*s' not found%s",
                       (int)(name.size < 200 ? name.size : 200), name.data, advice);
    json_decref(*root);
    *root = NULL;
    su_exchange_fail(exchange, &problem.http);
    return NULL;
}

typedef struct ShowCall {
    SuModelWaiter waiter;
    SuExchange *exchange;
    SuModelEntry *entry;
} ShowCall;

/* ,"bert.NAME":NUMBER */
static void put_fact(SuReplyText *body, const char *family, const char *name, uint64_t number)
{
    char key[128];
    snprintf(key, sizeof key, "%.60s.%s", family, name);
    su_reply_put_string(body, ",", key);
    su_reply_put_number(body, ":", number);
}

static void put_prompts(SuReplyText *body, const SutraModelInfo *info)
{
    su_reply_string(body, ",\"sutra.prompts\":{");
    for (uint32_t i = 0; i < info->num_prompts; i++) {
        su_reply_put_string(body, i ? "," : "", info->prompt_names[i]);
        su_reply_put_string(body, ":", info->prompts[i]);
    }
    su_reply_bytes(body, "}", 1);
}

static void write_show(SuExchange *exchange, const SuModelEntry *entry)
{
    const SuServerContext *context = exchange->context;
    const SutraModelInfo *info = &entry->info;
    SuReplyText *body = &exchange->response.body;
    su_reply_put_string(
        body, "{\"modelfile\":\"\",\"parameters\":\"\",\"template\":\"\",\"model\":", entry->id);
    put_details(body, entry);
    su_reply_put_string(body, ",\"model_info\":{\"general.architecture\":", info->family);
    su_reply_put_string(body, ",\"general.basename\":", info->name);
    su_reply_put_number(body, ",\"general.parameter_count\":", info->num_parameters);
    put_fact(body, info->family, "embedding_length", info->dim);
    put_fact(body, info->family, "context_length", info->max_tokens);
    put_fact(body, info->family, "block_count", info->num_layers);
    put_fact(body, info->family, "attention.head_count", info->num_heads);
    put_fact(body, info->family, "vocab_size", info->vocab_size);
    su_reply_put_string(body, ",\"sutra.pooling\":", info->pooling);
    put_prompts(body, info);
    su_reply_string(body, info->outputs & 1u << SUTRA_OUT_SCORES
                              ? "},\"capabilities\":[]"
                              : "},\"capabilities\":[\"embedding\"]");
    put_time(body, ",\"modified_at\":", context->started);
    su_reply_bytes(body, "}", 1);
}

static void on_opened(SuModelWaiter *waiter)
{
    ShowCall *call = (ShowCall *)(void *)((char *)waiter - offsetof(ShowCall, waiter));
    SuExchange *exchange = call->exchange;
    const SuServerContext *context = exchange->context;
    const SuModelEntry *entry = call->entry;
    SuProblem problem;
    su_free(call);
    if (entry->model) {
        write_show(exchange, entry);
        su_exchange_answer(exchange);
        return;
    }
    su_log(context->log, context->log_user, SU_LOG_WARNING, "model %s cannot be opened: %s",
           entry->id, entry->err.message);
    su_problem_set(&problem, 503, "model_not_available", "model",
                   "model '%.100s' cannot be opened now; the server's log says why", entry->id);
    su_exchange_fail(exchange, &problem.http);
}

void su_ollama_show(SuExchange *exchange)
{
    static const SuHttpProblem no_memory = {503, "out_of_memory", NULL,
                                            "the server is out of memory", 0};
    json_t *root;
    SuModelEntry *entry = read_model(exchange, "", &root);
    json_decref(root);
    if (!entry) return;
    ShowCall *call = su_calloc(1, sizeof *call);
    if (!call) {
        su_exchange_fail(exchange, &no_memory);
        return;
    }
    *call = (ShowCall){{.opened = on_opened}, exchange, entry};
    su_model_entry_want(entry, &call->waiter);
}

/* ---- what changes nothing ---- */

void su_ollama_pull(SuExchange *exchange)
{
    json_t *root;
    SuModelEntry *entry = read_model(exchange,
                                     ": this server pulls no models; `sutra pull NAME` does, and "
                                     "`sutra serve -m NAME` serves them",
                                     &root);
    if (!entry) return;
    bool is_stream = !json_is_false(json_object_get(root, "stream"));
    json_decref(root);
    su_reply_string(&exchange->response.body,
                    is_stream ? "{\"status\":\"pulling manifest\"}\n{\"status\":\"success\"}\n"
                              : "{\"status\":\"success\"}");
    if (is_stream) exchange->response.content_type = "application/x-ndjson";
    su_exchange_answer(exchange);
}

void su_ollama_delete(SuExchange *exchange)
{
    static const SuHttpProblem refused = {403, "read_only", NULL,
                                          "models of this server are those that it was started "
                                          "with, and are not deleted by a request",
                                          0};
    json_t *root;
    SuModelEntry *entry = read_model(exchange, "", &root);
    json_decref(root);
    if (entry) su_exchange_fail(exchange, &refused);
}
