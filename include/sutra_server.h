/* sutra_server.h - models over HTTP, in the dialects that clients speak. Part of
 * libsutra-server.so, which `sutra serve` alone opens.
 *
 *   sutra_server_create, sutra_server_add_model …, sutra_server_add_alias …, sutra_server_run,
 *   sutra_server_free
 *
 * The library neither prints nor reads the environment: what there is to say goes to the options'
 * functions, and the caller's signal handler calls sutra_server_stop. SIGPIPE must be ignored.
 */
#ifndef SUTRA_SERVER_H
#define SUTRA_SERVER_H

#include "sutra.h"

#ifdef __cplusplus
extern "C" {
#endif

#define SUTRA_SERVER_LIBRARY "libsutra-server.so.0"

typedef struct SutraServer SutraServer;

typedef struct SutraServerOptions {
    uint32_t struct_size;
    uint32_t port;    /* 0: a free one */
    const char *host; /* name or address to listen at; NULL: 127.0.0.1 */
    /* What clients send as "Authorization: Bearer KEY"; NULL: none on a loopback address, elsewhere
     * one is made. */
    const char *api_key;
    uint32_t no_auth;         /* 1: no key is made */
    uint32_t max_connections; /* 0: 4,096 */
    uint64_t max_body;        /* bytes; 0: 16 MiB. All requests together: 16 times that */
    uint32_t max_head;        /* bytes of request line and headers; 0: 16 KiB */
    uint32_t max_inputs;      /* texts of a request; 0: 2,048 */
    uint32_t truncate;        /* 1: too long texts are cut, and said to be; 0: refused */
    uint32_t receive_ms;      /* until a request is there as a whole; 0: 30,000 */
    uint32_t send_ms;         /* until an answer has left; 0: 60,000 */
    uint32_t idle_ms;         /* between requests of a connection; 0: 75,000 */
    uint32_t queue_ms;        /* until a request is taken up by the engine; 0: 60,000 */
    uint32_t drain_ms;        /* from sutra_server_stop to the end; 0: 25,000 */
    uint32_t reserved;
    const SutraEngineOptions *engine; /* NULL: defaults; borrowed by sutra_server_create */
    /* Told once the server answers: "http://127.0.0.1:8080", and the key if one was made, else
     * NULL. */
    void (*ready)(void *user, const char *url, const char *made_key);
    /* As SutraEngineOptions.log; any thread. */
    void (*log)(void *user, int level, const char *line);
    void *user;
    /* Bytes of answers that are being made or that clients have not read yet, all together; 0: 1
     * GiB. Requests on top get 503. */
    uint64_t max_answers;
    /* Told of each request that is over, a line without a newline; on the thread of
     * sutra_server_run, which must not wait there. NULL: nobody is. JSON: time, id, method, path
     * (its first 256 bytes, without the query), status (499: the client left first), received and
     * sent (bytes of bodies), texts, tokens, truncated, seconds, and of those queue_seconds (the
     * longest of its texts), tokenize_seconds (of all), compute_seconds (the longest run). */
    void (*access)(void *user, const char *line);
    /* Origins with commas between them whose pages browsers let ask (CORS): "https://a.example";
     * "*": any. Copied. NULL: none but the server's own. */
    const char *cors_origins;
    uint32_t access_text; /* 1: lines for people instead of JSON */
    uint32_t no_page;     /* 1: no page for browsers at / and /docs */
    uint32_t max_streams; /* of /v1/stream at a time; on top 503; 0: 256 */
    uint32_t reserved32;
    /* A file of tiktoken's ("cl100k_base.tiktoken"): token ids in requests to OpenAI's API become
     * the texts that they stand for. NULL: they are refused. */
    const char *openai_tokens;
    /* Where the model `id` is now, asked by a reload: a path as of sutra_server_add_model, into
     * path [capacity]. On a thread of the server. NULL: where it was. */
    SutraStatus (*locate)(void *user, const char *id, char *path, size_t capacity, SutraError *err);
    /* Of the texts of a request for vectors or scores, each as far as it is read, prompts and
     * special tokens included; 0: any. Each text is then tokenised twice. Not of streams. */
    uint64_t max_request_tokens;
} SutraServerOptions;

/* Makes the engine. The options are copied, host and api_key too. Errors: ARGUMENT, MEMORY, LIMIT,
 * IO, and those of sutra_engine_create. */
SUTRA_API SutraStatus sutra_server_create(const SutraServerOptions *options, SutraServer **server,
                                          SutraError *err);

/* Requests may name the model `id`; one without a name gets the first that was added. Opens
 * nothing. Before sutra_server_run. Errors: as sutra_models_add. */
SUTRA_API SutraStatus sutra_server_add_model(SutraServer *server, const char *id, const char *path,
                                             const SutraModelOptions *options, SutraError *err);
/* Another name of a model that was added; "*": every name that is not known. Errors: ARGUMENT,
 * MEMORY. */
SUTRA_API SutraStatus sutra_server_add_alias(SutraServer *server, const char *name, const char *id,
                                             SutraError *err);

/* Opens the first model and makes it ready, listens, and serves until it is stopped. Errors:
 * ARGUMENT (no model), IO (the address), those of sutra_model_open; TIMEOUT: it was stopped and has
 * ended, but a model is still being opened, so that sutra_server_free would wait. */
SUTRA_API SutraStatus sutra_server_run(SutraServer *server, SutraError *err);

/* Any thread, and signal handlers: no more connections, what has begun is answered, then
 * sutra_server_run returns OK, after drain_ms at most. A second call ends it at once. */
SUTRA_API void sutra_server_stop(SutraServer *server);

/* Any thread, and signal handlers: the files of all open models are opened anew, while requests go
 * on. Those that come once a model is ready get it, those that began before are answered by the one
 * before, which is then freed. What cannot be opened stays as it was, and is logged. */
SUTRA_API void sutra_server_reload(SutraServer *server);

/* Waits for a model that is being opened. */
SUTRA_API void sutra_server_free(SutraServer *server);

/* For dlsym. */
typedef SutraStatus (*SutraServerCreateFunction)(const SutraServerOptions *, SutraServer **,
                                                 SutraError *);
typedef SutraStatus (*SutraServerAddModelFunction)(SutraServer *, const char *, const char *,
                                                   const SutraModelOptions *, SutraError *);
typedef SutraStatus (*SutraServerAddAliasFunction)(SutraServer *, const char *, const char *,
                                                   SutraError *);
typedef SutraStatus (*SutraServerRunFunction)(SutraServer *, SutraError *);
typedef void (*SutraServerStopFunction)(SutraServer *);
typedef void (*SutraServerReloadFunction)(SutraServer *);
typedef void (*SutraServerFreeFunction)(SutraServer *);

#ifdef __cplusplus
}
#endif
#endif
