/* server_api.c - sutra_server.h: options, the parts of a server in the order they are made and
 * ended, and its routes. */
#include "access_log.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "cache_pages.h"
#include "dialect_cohere.h"
#include "dialect_ollama.h"
#include "dialect_openai.h"
#include "dialect_sutra.h"
#include "dialect_tei.h"
#include "health.h"
#include "metrics_page.h"
#include "ollama_catalogue.h"
#include "rerank_documents.h"
#include "server_context.h"
#include "stream_socket.h"
#include "sutra_server.h"
#include "tei_info.h"
#include "tei_tokens.h"
#include "web_page.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

struct SutraServer {
    SuServerContext context; /* first: what handlers get */
    SutraServerOptions options;
    SuHttpOptions http;
    char *host, *key, *origins;  /* NULL: none */
    SuTokenBytes *openai_tokens; /* NULL: none */
    bool made_key, has_run;
    atomic_bool reloads; /* it was asked to */
};

static const SuRoute routes[] = {
    {"GET", "/health", su_health, true},
    {"GET", "/ready", su_ready, true},
    {"GET", "/metrics", su_metrics_page, false},
    {"POST", "/v1/embeddings", su_openai_embeddings, false},
    {"POST", "/v1/embed", su_cohere_embed_v1, false},
    {"POST", "/v2/embed", su_cohere_embed, false},
    {"POST", "/v1/rerank", su_rerank_v1, false},
    {"POST", "/v2/rerank", su_rerank_v2, false},
    {"GET", "/v1/models", su_openai_models, false},
    {"GET", "/v1/models/{}", su_openai_model, false},
    {"GET", "/v1/stream", su_stream_socket, false},
    {"GET", "/cache/stats", su_cache_stats, false},
    {"POST", "/cache/clear", su_cache_clear, false},
    {"GET", "/ping", su_health, true},
    {"GET", "/info", su_tei_info, false},
    {"POST", "/embed", su_sutra_embed, false},
    {"POST", "/embed_all", su_tei_embed_all, false},
    {"POST", "/embed_sparse", su_tei_embed_sparse, false},
    {"POST", "/similarity", su_tei_similarity, false},
    {"POST", "/rerank", su_tei_rerank, false},
    {"POST", "/predict", su_tei_predict, false},
    {"POST", "/tokenize", su_tei_tokenize, false},
    {"POST", "/decode", su_tei_decode, false},
    {"GET", "/", su_web_root, true},
    {"GET", "/page/{}", su_web_file, true},
    {"GET", "/docs", su_web_docs, true},
    {"GET", "/openapi.json", su_web_openapi, true},
    {"POST", "/", su_tei_any, false},
    {"POST", "/invocations", su_tei_any, false},
    {"POST", "/embeddings", su_openai_embeddings, false},
    {"POST", "/api/embed", su_ollama_embed, false},
    {"POST", "/api/embeddings", su_ollama_embeddings, false},
    {"POST", "/api/generate", su_ollama_generate, false},
    {"POST", "/api/chat", su_ollama_chat, false},
    {"GET", "/api/version", su_ollama_version, false},
    {"GET", "/api/tags", su_ollama_tags, false},
    {"GET", "/api/ps", su_ollama_ps, false},
    {"POST", "/api/show", su_ollama_show, false},
    {"POST", "/api/pull", su_ollama_pull, false},
    {"DELETE", "/api/delete", su_ollama_delete, false},
};

/* "/embed" is the prefix of "/embeddings", which is OpenAI's; so is "/v1/embed". */
static const SuProblemRoute problems[] = {{"/v1/embeddings", su_openai_problem},
                                          {"/v1/embed", su_cohere_problem},
                                          {"/v1/rerank", su_rerank_problem},
                                          {"/v2/", su_cohere_problem},
                                          {"/api/", su_ollama_problem},
                                          {"/embeddings", su_openai_problem},
                                          {"/embed", su_tei_problem},
                                          {"/similarity", su_tei_problem},
                                          {"/rerank", su_tei_problem},
                                          {"/predict", su_tei_problem},
                                          {"/tokenize", su_tei_problem},
                                          {"/decode", su_tei_problem},
                                          {"/info", su_tei_problem},
                                          {"/invocations", su_tei_problem},
                                          {"", su_openai_problem}};

static const SuRouteTable table = {routes, sizeof routes / sizeof *routes, problems,
                                   sizeof problems / sizeof *problems};

enum { BODIES = 16 }; /* of the largest size that are received at a time */

static uint32_t or_default(uint32_t value, uint32_t other) { return value ? value : other; }

/* Elsewhere than on a loopback address there is a key, unless nobody wants one. */
static SutraStatus settle_key(SutraServer *server, SutraError *err)
{
    unsigned char bytes[24];
    bool is_loopback = true;
    const char *given = server->options.api_key;
    if (given) {
        if (!*given) SU_RAISE(err, SUTRA_E_ARGUMENT, "the API key is empty");
        for (const char *c = given; *c; c++)
            if (*c <= ' ' || *c > '~')
                SU_RAISE(err, SUTRA_E_ARGUMENT,
                         "the API key may hold printable ASCII without spaces alone: clients could "
                         "not send it");
        server->key = su_strdup(given);
        if (!server->key) SU_RAISE(err, SUTRA_E_MEMORY, "out of memory for the server");
        return SUTRA_OK;
    }
    SU_TRY(su_http_is_loopback(server->host, &is_loopback, err));
    if (is_loopback || server->options.no_auth) return SUTRA_OK;
    server->key = su_calloc(sizeof bytes * 2 + 8, 1);
    if (!server->key) SU_RAISE(err, SUTRA_E_MEMORY, "out of memory for the server");
    if (getrandom(bytes, sizeof bytes, 0) != (ssize_t)sizeof bytes)
        SU_RAISE(err, SUTRA_E_IO, "no random numbers for an API key");
    strcpy(server->key, "sk-");
    for (size_t i = 0; i < sizeof bytes; i++) sprintf(server->key + 3 + 2 * i, "%02x", bytes[i]);
    server->made_key = true;
    return SUTRA_OK;
}

static void finished(SuExchange *exchange)
{
    SuServerContext *context = exchange->context;
    char line[SU_ACCESS_LINE_MAX];
    uint64_t now = su_clock_ns();
    su_metrics_count(&context->metrics, exchange, now);
    if (!context->access) return;
    (context->access_text ? su_access_line_text : su_access_line_json)(exchange, now, line);
    context->access(context->access_user, line);
}

static void on_woken(void *context)
{
    SutraServer *server = context;
    if (!atomic_exchange(&server->reloads, false)) return;
    if (!su_http_server_is_stopping(&server->context.http))
        su_model_table_reload(&server->context.models);
}

static void settle_http(SutraServer *server)
{
    const SutraServerOptions *options = &server->options;
    uint64_t max_body = options->max_body ? options->max_body : 16u << 20;
    server->http =
        (SuHttpOptions){.host = server->host,
                        .port = (uint16_t)options->port,
                        .key = server->key,
                        .origins = server->origins,
                        .max_answers = options->max_answers ? options->max_answers : 1u << 30,
                        .no_auth = options->no_auth == 1,
                        .table = table,
                        .context = &server->context,
                        .finished = finished,
                        .woken = on_woken,
                        .limits = {.max_body = max_body,
                                   .max_received = BODIES * max_body,
                                   .max_head = or_default(options->max_head, 16384),
                                   .max_connections = or_default(options->max_connections, 4096),
                                   .receive_ms = or_default(options->receive_ms, 30000),
                                   .send_ms = or_default(options->send_ms, 60000),
                                   .idle_ms = or_default(options->idle_ms, 75000),
                                   .drain_ms = or_default(options->drain_ms, 25000)}};
    server->context.max_streams = or_default(options->max_streams, 256);
    server->context.limits =
        (SuEmbedLimits){.max_inputs = or_default(options->max_inputs, 2048),
                        .truncates = options->truncate == 1,
                        .queue_ns = or_default(options->queue_ms, 60000) * UINT64_C(1000000),
                        .max_request_tokens = options->max_request_tokens,
                        .max_text = max_body,
                        .openai_tokens = server->openai_tokens};
}

/* Its first request is then as fast as the rest. */
static SutraStatus prepare_model(void *user, SutraModel *model, SutraError *err)
{
    SuServerContext *context = user;
    SutraEmbedOptions options = {.struct_size = sizeof options};
    SutraModelInfo info = {.struct_size = sizeof info};
    SU_TRY(sutra_model_info(model, &info, err));
    if (info.outputs >> SUTRA_OUT_SCORES & 1) options.output = SUTRA_OUT_SCORES;
    return sutra_model_warmup(context->engine, model, &options, err);
}

static SutraStatus make_parts(SutraServer *server, SutraError *err)
{
    SuServerContext *context = &server->context;
    SutraModelsOptions models = {
        .struct_size = sizeof models, .log = server->options.log, .log_user = server->options.user};
    su_metrics_open(&context->metrics, &table);
    context->started = time(NULL);
    context->log = server->options.log;
    context->log_user = server->options.user;
    context->access = server->options.access;
    context->access_user = server->options.user;
    context->access_text = server->options.access_text == 1;
    context->no_page = server->options.no_page == 1;
    SU_TRY(su_http_server_open(&context->http, &server->http, err));
    SU_TRY(su_worker_start(&context->worker, err));
    SU_TRY(su_worker_start(&context->opener, err));
    SU_TRY(
        su_model_table_open(&context->models, &context->http.loop, &context->opener, &models, err));
    context->models.reload = (SuModelReload){.locate = server->options.locate,
                                             .locate_user = server->options.user,
                                             .prepare = prepare_model,
                                             .prepare_user = context,
                                             .log = server->options.log,
                                             .log_user = server->options.user};
    return sutra_engine_create(server->options.engine, &context->engine, err);
}

SutraStatus sutra_server_create(const SutraServerOptions *options, SutraServer **result,
                                SutraError *err)
{
    *result = NULL;
    if (options->struct_size != sizeof *options)
        SU_RAISE(err, SUTRA_E_ABI, "SutraServerOptions is of another version");
    if (options->port > 65535) SU_RAISE(err, SUTRA_E_ARGUMENT, "port %u", options->port);
    SutraServer *server = su_calloc(1, sizeof *server);
    if (!server) SU_RAISE(err, SUTRA_E_MEMORY, "out of memory for the server");
    server->options = *options;
    server->host = su_strdup(options->host ? options->host : "127.0.0.1");
    if (options->cors_origins) server->origins = su_strdup(options->cors_origins);
    bool has_all = server->host && (server->origins || !options->cors_origins);
    SutraStatus status = SUTRA_OK;
    if (!has_all) status = su_error_set(err, SUTRA_E_MEMORY, "out of memory for the server");
    if (status == SUTRA_OK) status = settle_key(server, err);
    if (status == SUTRA_OK && options->openai_tokens)
        status = su_token_bytes_open(options->openai_tokens, &server->openai_tokens, err);
    if (status == SUTRA_OK) {
        settle_http(server);
        status = make_parts(server, err);
    }
    server->options.engine = NULL;
    server->options.api_key = server->options.cors_origins = server->options.openai_tokens = NULL;
    if (status == SUTRA_OK)
        *result = server;
    else
        sutra_server_free(server);
    return status;
}

SutraStatus sutra_server_add_model(SutraServer *server, const char *id, const char *path,
                                   const SutraModelOptions *options, SutraError *err)
{
    return su_model_table_add(&server->context.models, id, path, options, err);
}

SutraStatus sutra_server_add_alias(SutraServer *server, const char *name, const char *id,
                                   SutraError *err)
{
    return su_model_table_alias(&server->context.models, name, id, err);
}

/* So that what is wrong with the first model is seen at once. */
static SutraStatus open_first(SuServerContext *context, SutraError *err)
{
    if (context->models.num_entries == 0) SU_RAISE(err, SUTRA_E_ARGUMENT, "no model to serve");
    SuModelEntry *first = context->models.entries[0];
    SU_TRY(su_model_entry_open(first, err));
    return prepare_model(context, first->model, err);
}

/* As long as the server might still have gone on. A model on a disk that hangs may take for ever. */
static SutraStatus wait_for_models(SuServerContext *context, SutraError *err)
{
    enum { LOOK_AGAIN_NS = 20000000 };
    const SuHttpServer *http = &context->http;
    for (;;) {
        uint64_t now = su_clock_ns(), next = now + LOOK_AGAIN_NS;
        if (su_worker_rests(&context->opener, next < http->end_ns ? next : http->end_ns))
            return SUTRA_OK;
        if (http->stops > 1 || su_clock_ns() >= http->end_ns) break;
    }
    SU_RAISE(err, SUTRA_E_TIMEOUT, "the server has ended, but a model is still being opened: %s",
             su_model_table_at_work(&context->models));
}

SutraStatus sutra_server_run(SutraServer *server, SutraError *err)
{
    SuServerContext *context = &server->context;
    if (server->has_run) SU_RAISE(err, SUTRA_E_ARGUMENT, "the server has run");
    server->has_run = true;
    SU_TRY(open_first(context, err));
    uint32_t wanted = context->http.owner.limits.max_connections;
    uint32_t fit = su_http_server_fit(&context->http);
    if (fit < wanted)
        su_log(context->log, context->log_user, SU_LOG_WARNING,
               "at most %u connections instead of %u: the process may have no more open files", fit,
               wanted);
    SU_TRY(su_http_server_bind(&context->http, &server->http, err));
    if (server->options.ready)
        server->options.ready(server->options.user, context->http.url,
                              server->made_key ? server->key : NULL);
    SU_TRY(su_http_server_run(&context->http, err));
    return wait_for_models(context, err);
}

void sutra_server_stop(SutraServer *server) { su_http_server_stop(&server->context.http); }

void sutra_server_reload(SutraServer *server)
{
    atomic_store(&server->reloads, true);
    su_loop_wake(&server->context.http.loop);
}

/* No client is left when it begins; what they asked for ends one thread after the other. */
void sutra_server_free(SutraServer *server)
{
    if (!server) return;
    SuServerContext *context = &server->context;
    su_worker_stop(&context->opener);
    su_worker_stop(&context->worker);
    if (context->http.loop.base) su_loop_flush(&context->http.loop);
    sutra_engine_free(context->engine);
    if (context->http.loop.base) su_loop_flush(&context->http.loop);
    su_model_table_close(&context->models);
    su_http_server_close(&context->http);
    su_token_bytes_free(server->openai_tokens);
    su_free(server->host);
    su_free(server->key);
    su_free(server->origins);
    su_free(server);
}
