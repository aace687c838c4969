/* server_context.h - what handlers find in exchange->context. */
#ifndef SU_SERVER_CONTEXT_H
#define SU_SERVER_CONTEXT_H

#include "http_server.h"
#include "metrics.h"
#include "model_table.h"
#include "token_bytes.h"
#include "worker.h"

/* What a request may be. */
typedef struct SuEmbedLimits {
    uint32_t max_inputs;
    bool truncates; /* too long texts are cut unless the request says otherwise; else refused */
    uint64_t queue_ns;
    uint64_t max_request_tokens;       /* of all texts; 0: any */
    uint64_t max_text;                 /* bytes that a request's token ids may stand for */
    const SuTokenBytes *openai_tokens; /* NULL: token ids are refused */
} SuEmbedLimits;

typedef struct SuServerContext {
    SutraEngine *engine;
    SuHttpServer http;
    SuWorker worker;
    SuWorker opener; /* opens models, so that large requests for others do not wait */
    SuModelTable models;
    SuEmbedLimits limits;
    SuMetrics metrics;
    uint32_t num_streams, max_streams; /* of /v1/stream: open, and at most */
    uint64_t waiting_tokens,
        waiting_until_ns; /* tokens in the engine's queue, as good until then */
    int64_t started;      /* seconds since 1970 */
    void (*log)(void *user, int level, const char *line);
    void *log_user;
    void (*access)(void *user, const char *line); /* as SutraServerOptions; NULL: nobody */
    void *access_user;
    bool access_text;
    bool no_page;      /* browsers get what other clients get */
    bool told_unknown; /* what "[UNK]" in a text comes of was said (dialect_openai.c) */
} SuServerContext;

#endif
