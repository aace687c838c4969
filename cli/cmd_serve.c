/* cmd_serve.c - sutra serve: models over HTTP, by libsutra-server.
 *
 * The library is opened here and nowhere else, as that of pull is: no other command pays for it at
 * its start. SIGTERM and SIGINT let it end what it has begun; a second one ends it at once. SIGHUP
 * has it open its models anew, unless it is a terminal's that has gone: then it ends it too. */
#include "atomic_file.h"
#include "commands.h"
#include "console.h"
#include "engine_plan.h"
#include "line_queue.h"
#include "model_session.h"
#include "sutra_server.h"

#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

typedef struct ServeArgs {
    CliModelArgs model;
    CliTextList models, aliases;
    const char *host, *port, *api_key, *cors_origin, *openai_tokens;
    uint32_t max_body, max_inputs, max_request_tokens, max_answers, max_connections, max_streams;
    uint32_t max_queued_tokens, cache_bytes;
    uint32_t receive_ms, send_ms, idle_ms, queue_ms, drain_ms;
    uint32_t log;
    bool truncate, no_page;
} ServeArgs;

enum { MOST_MS = 3600000 };
enum { LOG_JSON = 2, LOG_TEXT = 3 }; /* places among the words of --log */

static const CliOption own_options[] = {
    {"model", 'm', CLI_OPTION_LIST, "MODEL", offsetof(ServeArgs, models),
     "a model to serve, named as elsewhere; again for more. Requests that name none get the first "
     "(default: $SUTRA_MODEL, else " CLI_DEFAULT_MODEL ")",
     0, 0},
    {"alias", 0, CLI_OPTION_LIST, "NAME=MODEL", offsetof(ServeArgs, aliases),
     "another name of a model given by -m; again for more; '*=MODEL': any name that is not known",
     0, 0},
    {"host", 0, CLI_OPTION_TEXT, "HOST", offsetof(ServeArgs, host),
     "name or address to listen at (default: 127.0.0.1); one that others reach needs an API key", 0,
     0},
    {"port", 0, CLI_OPTION_TEXT, "PORT", offsetof(ServeArgs, port),
     "port to listen at; 0: a free one (default: 8080)", 0, 0},
    {"api-key", 0, CLI_OPTION_TEXT, "KEY", offsetof(ServeArgs, api_key),
     "what clients must send as Authorization: Bearer KEY (default: $SUTRA_API_KEY; where others "
     "reach the server one is made and printed, unless SUTRA_NO_AUTH=1)",
     0, 0},
    {"cors-origin", 0, CLI_OPTION_TEXT, "URL", offsetof(ServeArgs, cors_origin),
     "origins with commas between them whose pages may ask the server from browsers, as "
     "https://app.example; '*': any (default: none)",
     0, 0},
    {"openai-tokens", 0, CLI_OPTION_TEXT, "FILE", offsetof(ServeArgs, openai_tokens),
     "a file of tiktoken's (cl100k_base.tiktoken): token ids that clients of OpenAI send become "
     "the "
     "texts they stand for (default: they are refused)",
     0, 0},
    {"truncate", 0, CLI_OPTION_FLAG, NULL, offsetof(ServeArgs, truncate),
     "cut texts that are too long, and say so, instead of refusing them", 0, 0},
    {"no-page", 0, CLI_OPTION_FLAG, NULL, offsetof(ServeArgs, no_page),
     "no page for browsers at / and /docs", 0, 0},
    {"max-body", 0, CLI_OPTION_NUMBER, "BYTES", offsetof(ServeArgs, max_body),
     "largest body of a request (default: 16777216)", 1, 1u << 30},
    {"max-answers", 0, CLI_OPTION_NUMBER, "BYTES", offsetof(ServeArgs, max_answers),
     "most bytes of answers that clients have not read yet, all together; requests on top get 503 "
     "(default: 1073741824)",
     1, UINT32_MAX},
    {"max-inputs", 0, CLI_OPTION_NUMBER, "N", offsetof(ServeArgs, max_inputs),
     "most texts of a request (default: 2048)", 1, 1u << 20},
    {"max-request-tokens", 0, CLI_OPTION_NUMBER, "N", offsetof(ServeArgs, max_request_tokens),
     "most tokens of a request's texts together, which are then tokenised twice (default: any)", 1,
     UINT32_MAX},
    {"max-connections", 0, CLI_OPTION_NUMBER, "N", offsetof(ServeArgs, max_connections),
     "most connections; what comes on top gets 503 (default: 4096)", 1, 1u << 20},
    {"max-streams", 0, CLI_OPTION_NUMBER, "N", offsetof(ServeArgs, max_streams),
     "most WebSocket streams; what comes on top gets 503 (default: 256)", 1, 65536},
    {"max-queued-tokens", 0, CLI_OPTION_NUMBER, "N", offsetof(ServeArgs, max_queued_tokens),
     "most tokens that wait for a thread; requests on top get 429 (default: 4194304)", 1,
     UINT32_MAX},
    {"cache-bytes", 0, CLI_OPTION_NUMBER, "BYTES", offsetof(ServeArgs, cache_bytes),
     "memory for vectors and scores of texts seen before (default: none)", 65536, UINT32_MAX},
    {"log", 0, CLI_OPTION_CHOICE, "off|json|text", offsetof(ServeArgs, log),
     "write a line about each request to standard error, without its texts (default: off)", 0, 0},
    {"receive-ms", 0, CLI_OPTION_NUMBER, "MS", offsetof(ServeArgs, receive_ms),
     "longest time from a request's first byte to its last; then 408 (default: 30000)", 1, MOST_MS},
    {"send-ms", 0, CLI_OPTION_NUMBER, "MS", offsetof(ServeArgs, send_ms),
     "longest time that a client may take to read an answer (default: 60000)", 1, MOST_MS},
    {"idle-ms", 0, CLI_OPTION_NUMBER, "MS", offsetof(ServeArgs, idle_ms),
     "longest time between two requests of a connection (default: 75000)", 1, MOST_MS},
    {"queue-ms", 0, CLI_OPTION_NUMBER, "MS", offsetof(ServeArgs, queue_ms),
     "longest time that a request waits for a thread; then 503 (default: 60000)", 1, MOST_MS},
    {"drain-ms", 0, CLI_OPTION_NUMBER, "MS", offsetof(ServeArgs, drain_ms),
     "longest time for what has begun when the server is told to end (default: 25000)", 1, MOST_MS},
};
/* Without --profile, which chooses one model. */
static const CliOptionGroup groups[] = {
    {own_options, CLI_COUNT(own_options), 0},
    {cli_engine_options + 1, CLI_COUNT(cli_engine_options) - 1, offsetof(ServeArgs, model)},
    {cli_cache_options, CLI_COUNT(cli_cache_options), offsetof(ServeArgs, model)},
};

typedef struct ServerLibrary {
    void *handle;
    SutraServerCreateFunction create;
    SutraServerAddModelFunction add_model;
    SutraServerAddAliasFunction add_alias;
    SutraServerRunFunction run;
    SutraServerStopFunction stop;
    SutraServerReloadFunction reload;
    SutraServerFreeFunction free;
} ServerLibrary;

/* What the server's functions are given. */
typedef struct Serving {
    CliLineQueue *lines;
    const ServeArgs *args;
    char **ids; /* [one a model] in the order of -m */
    size_t num_ids;
} Serving;

/* What the signal handlers read. */
static SutraServerStopFunction volatile stop_server;
static SutraServerReloadFunction volatile reload_server;
static SutraServer *volatile running_server;

static void on_signal(int number)
{
    int before = errno;
    (void)number;
    stop_server(running_server);
    errno = before;
}

static void on_hangup(int number)
{
    int before = errno;
    (void)number;
    reload_server(running_server);
    errno = before;
}

static void catch_signals(const ServerLibrary *library, SutraServer *server)
{
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
    struct sigaction action = {.sa_handler = on_signal}, before;
    sigemptyset(&action.sa_mask);
    stop_server = library->stop;
    reload_server = library->reload;
    running_server = server;
    for (size_t i = 0; i < CLI_COUNT(signals); i++) {
        bool reloads = signals[i] == SIGHUP && !isatty(STDIN_FILENO);
        action.sa_handler = reloads ? on_hangup : on_signal;
        if (sigaction(signals[i], NULL, &before) == 0 && before.sa_handler != SIG_IGN)
            sigaction(signals[i], &action, NULL);
    }
}

/* A connection is a descriptor. */
static void raise_descriptor_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

/* False: *err says why. */
static bool open_library(ServerLibrary *library, SutraError *err)
{
    static const char *const names[] = {"sutra_server_create",    "sutra_server_add_model",
                                        "sutra_server_add_alias", "sutra_server_run",
                                        "sutra_server_stop",      "sutra_server_reload",
                                        "sutra_server_free"};
    void *symbols[CLI_COUNT(names)];
    /* NODELETE: plugins stay in the process, and call its functions */
    library->handle = dlopen(SUTRA_SERVER_LIBRARY, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    if (!library->handle) {
        cli_raise(err, SUTRA_E_UNSUPPORTED, "serving needs %s, which cannot be opened: %s",
                  SUTRA_SERVER_LIBRARY, dlerror());
        return false;
    }
    for (size_t i = 0; i < CLI_COUNT(names); i++) {
        symbols[i] = dlsym(library->handle, names[i]);
        if (!symbols[i]) {
            cli_raise(err, SUTRA_E_ABI, "%s has no %s; it is of another version",
                      SUTRA_SERVER_LIBRARY, names[i]);
            return false;
        }
    }
    /* object pointers to function pointers: a conversion that ISO C leaves to POSIX */
    library->create = (SutraServerCreateFunction)symbols[0];
    library->add_model = (SutraServerAddModelFunction)symbols[1];
    library->add_alias = (SutraServerAddAliasFunction)symbols[2];
    library->run = (SutraServerRunFunction)symbols[3];
    library->stop = (SutraServerStopFunction)symbols[4];
    library->reload = (SutraServerReloadFunction)symbols[5];
    library->free = (SutraServerFreeFunction)symbols[6];
    return true;
}

static void say_ready(void *user, const char *url, const char *made_key)
{
    const Serving *serving = user;
    char line[400];
    if (made_key) {
        snprintf(line, sizeof line, "sutra: API key: %s", made_key);
        cli_lines_add(serving->lines, line);
    }
    snprintf(line, sizeof line, "listening on %s", url);
    cli_lines_add(serving->lines, line);
}

static void say_line(void *user, int level, const char *line)
{
    const Serving *serving = user;
    char text[600];
    if (level > 1) return;
    snprintf(text, sizeof text, "sutra: %s", line);
    cli_lines_add(serving->lines, text);
}

static void say_request(void *user, const char *line)
{
    const Serving *serving = user;
    cli_lines_add(serving->lines, line);
}

static const char *model_name(const ServeArgs *args, size_t i)
{
    return args->models.count ? args->models.items[i] : NULL;
}

/* A name may by now stand for another revision in the cache. */
static SutraStatus locate(void *user, const char *id, char *path, size_t capacity, SutraError *err)
{
    const Serving *serving = user;
    size_t i = 0;
    while (i + 1 < serving->num_ids && strcmp(serving->ids[i], id) != 0) i++;
    return cli_find_model(model_name(serving->args, i), NULL, path, capacity, err);
}

/* A model's id: the name it was given by, of a path the last part. */
static char *model_id(const char *name, const char *path)
{
    if (!name) name = getenv("SUTRA_MODEL");
    if (!name || !*name) name = CLI_DEFAULT_MODEL;
    char *id = cli_strdup(name);
    if (strcmp(name, path) != 0) return id;
    size_t size = strlen(id);
    while (size > 1 && id[size - 1] == '/') id[--size] = '\0';
    const char *slash = strrchr(id, '/');
    char *last = cli_strdup(slash && slash[1] ? slash + 1 : id);
    free(id);
    char *ending = strrchr(last, '.');
    if (ending && ending != last && strcmp(ending, ".sutra") == 0) *ending = '\0';
    return last;
}

static SutraStatus add_model(const ServerLibrary *library, SutraServer *server, Serving *serving,
                             SutraError *err)
{
    char path[PATH_MAX], cache[PATH_MAX];
    SutraModelOptions options;
    const char *name = model_name(serving->args, serving->num_ids);
    SutraStatus status = cli_find_model(name, NULL, path, sizeof path, err);
    if (status == SUTRA_OK)
        status = cli_model_plan(&serving->args->model, path, cache, sizeof cache, &options, err);
    if (status != SUTRA_OK) return status;
    char *id = serving->ids[serving->num_ids++] = model_id(name, path);
    return library->add_model(server, id, path, &options, err);
}

/* The target of an alias is a model as -m has it, or its id. */
static SutraStatus add_alias(const ServerLibrary *library, SutraServer *server, const char *alias,
                             SutraError *err)
{
    const char *equals = strchr(alias, '=');
    char path[PATH_MAX];
    if (!equals || equals == alias || !equals[1])
        return cli_raise(err, SUTRA_E_ARGUMENT, "--alias %s is not NAME=MODEL", alias);
    char *name = cli_strdup(alias);
    name[equals - alias] = '\0';
    SutraStatus status = library->add_alias(server, name, equals + 1, err);
    if (status == SUTRA_E_ARGUMENT && strchr(equals, '/') &&
        cli_find_model(equals + 1, NULL, path, sizeof path, err) == SUTRA_OK) {
        char *id = model_id(equals + 1, path);
        status = library->add_alias(server, name, id, err);
        free(id);
    }
    free(name);
    return status;
}

static SutraStatus add_names(const ServerLibrary *library, SutraServer *server, Serving *serving,
                             SutraError *err)
{
    const ServeArgs *args = serving->args;
    size_t num_models = args->models.count ? args->models.count : 1;
    SutraStatus status = SUTRA_OK;
    serving->ids = cli_alloc(num_models, sizeof *serving->ids);
    for (size_t i = 0; status == SUTRA_OK && i < num_models; i++)
        status = add_model(library, server, serving, err);
    for (size_t i = 0; status == SUTRA_OK && i < args->aliases.count; i++)
        status = add_alias(library, server, args->aliases.items[i], err);
    return status;
}

static void free_serving(Serving *serving)
{
    for (size_t i = 0; i < serving->num_ids; i++) free(serving->ids[i]);
    free(serving->ids);
}

static bool read_port(const char *text, uint32_t *port)
{
    char *end;
    *port = 8080;
    if (!text) return true;
    unsigned long number = strtoul(text, &end, 10);
    *port = (uint32_t)number;
    return *text >= '0' && *text <= '9' && !*end && number <= 65535;
}

static void plan(Serving *serving, uint32_t port, SutraServerOptions *options)
{
    const ServeArgs *args = serving->args;
    const char *no_auth = getenv("SUTRA_NO_AUTH");
    *options = (SutraServerOptions){.struct_size = sizeof *options,
                                    .host = args->host,
                                    .port = port,
                                    .api_key = args->api_key,
                                    .cors_origins = args->cors_origin,
                                    .openai_tokens = args->openai_tokens,
                                    .no_auth = no_auth && strcmp(no_auth, "1") == 0,
                                    .max_body = args->max_body,
                                    .max_inputs = args->max_inputs,
                                    .max_request_tokens = args->max_request_tokens,
                                    .max_answers = args->max_answers,
                                    .max_streams = args->max_streams,
                                    .max_connections = args->max_connections,
                                    .truncate = args->truncate,
                                    .receive_ms = args->receive_ms,
                                    .send_ms = args->send_ms,
                                    .idle_ms = args->idle_ms,
                                    .queue_ms = args->queue_ms,
                                    .drain_ms = args->drain_ms,
                                    .ready = say_ready,
                                    .log = say_line,
                                    .user = serving,
                                    .locate = locate,
                                    .access = args->log >= LOG_JSON ? say_request : NULL,
                                    .access_text = args->log == LOG_TEXT,
                                    .no_page = args->no_page};
}

/* All is answered, but a thread hangs that may still use anything: only the process can go. */
static void leave_behind(CliLineQueue *lines, const SutraError *err)
{
    char text[600];
    snprintf(text, sizeof text, "sutra: %s", err->message);
    cli_lines_add(lines, text);
    cli_lines_close(lines);
    _exit(CLI_DONE);
}

/* What --device comes to. Devices are measured with the first model, which is opened for that. */
static SutraStatus settle_device(const ServeArgs *args, SutraEngineOptions *engine,
                                 SutraDeviceChoice *choice, SutraError *err)
{
    char path[PATH_MAX], cache[PATH_MAX];
    SutraModelOptions options;
    SutraModel *model = NULL;
    SutraStatus status = SUTRA_OK;
    if (cli_device_is_measured(&args->model, engine)) {
        status = cli_find_model(model_name(args, 0), NULL, path, sizeof path, err);
        if (status == SUTRA_OK)
            status = cli_model_plan(&args->model, path, cache, sizeof cache, &options, err);
        if (status == SUTRA_OK) status = sutra_model_open(path, &options, &model, err);
    }
    if (status == SUTRA_OK) status = cli_settle_device(&args->model, model, engine, choice, err);
    sutra_model_free(model);
    if (status == SUTRA_OK && choice->reason[0]) cli_message("%s", choice->reason);
    return status;
}

static SutraStatus serve(ServerLibrary *library, const ServeArgs *args, uint32_t port,
                         CliLineQueue *lines, SutraError *err)
{
    SutraEngineOptions engine;
    SutraServerOptions options;
    SutraDeviceChoice choice;
    SutraServer *server = NULL;
    Serving serving = {.lines = lines, .args = args};
    SutraStatus status = cli_engine_plan(&args->model, &engine, err);
    if (status == SUTRA_OK) status = settle_device(args, &engine, &choice, err);
    if (status != SUTRA_OK) return status;
    plan(&serving, port, &options);
    engine.max_queued_tokens = args->max_queued_tokens;
    engine.cache_bytes = args->cache_bytes;
    engine.log = say_line;
    engine.log_user = &serving;
    options.engine = &engine;
    cli_hold_signals(true); /* threads of the server leave signals to this one */
    status = library->create(&options, &server, err);
    cli_hold_signals(false);
    if (status == SUTRA_OK) status = add_names(library, server, &serving, err);
    if (status == SUTRA_OK) {
        signal(SIGPIPE, SIG_IGN);
        raise_descriptor_limit();
        catch_signals(library, server);
        status = library->run(server, err);
        if (status == SUTRA_E_TIMEOUT) leave_behind(lines, err);
    }
    cli_hold_signals(true);
    library->free(server);
    free_serving(&serving);
    return status;
}

static int run_serve(const void *given, const CliArguments *rest)
{
    const ServeArgs *args = given;
    ServerLibrary library = {0};
    SutraError err = {0};
    uint32_t port;
    int code = CLI_DONE;
    if (rest->count) {
        code = cli_usage("serve", "takes no arguments: %s", rest->items[0]);
    } else if (!read_port(args->port, &port)) {
        code = cli_usage("serve", "--port %s is not a port: 0 to 65535", args->port);
    } else {
        CliLineQueue *lines = NULL;
        bool good = open_library(&library, &err) && (lines = cli_lines_open(&err)) &&
                    serve(&library, args, port, lines, &err) == SUTRA_OK;
        cli_lines_close(lines);
        if (library.handle) dlclose(library.handle);
        if (!good) code = cli_fail("%s", err.message);
    }
    return code;
}

const CliCommand cli_serve_command = {
    .name = "serve",
    .arguments = "[OPTION ...]",
    .summary = "answer requests over HTTP, as OpenAI, Ollama, TEI and Cohere do",
    .details =
        "Serves models to clients of OpenAI's embeddings API (POST /v1/embeddings, GET\n"
        "/v1/models), of Ollama's (POST /api/embed, GET /api/tags and others), of\n"
        "text-embeddings-inference (POST /embed, /rerank and others) and of Cohere's (POST\n"
        "/v2/embed, /v2/rerank), takes streams of text (GET /v1/stream, a WebSocket), and says\n"
        "how it is (GET /health, /ready, /metrics). Browsers get a page at / and the API's\n"
        "description at /docs (/openapi.json for programs). Prints where it listens once it is\n"
        "ready. SIGTERM and SIGINT end it after what has begun is answered, SIGHUP has it open "
        "its\n"
        "models anew. Each option may be given as a variable too, --max-body as SUTRA_MAX_BODY;\n"
        "flags as 1.\n"
        "\n"
        "  sutra serve -m all-MiniLM-L6-v2 --alias text-embedding-3-small=all-MiniLM-L6-v2",
    .groups = groups,
    .num_groups = CLI_COUNT(groups),
    .args_size = sizeof(ServeArgs),
    .reads_environment = true,
    .run = run_serve,
};
