#include "dialect_ollama.h"

#include "json_body.h"
#include "ollama_names.h"
#include "request_fields.h"

#include <string.h>

/* ---- the request ---- */

static bool check_text(const SuReading *r, const char *field, const json_t *item, size_t i)
{
    return json_is_string(item) || su_problem_set(r->problem, 400, NULL, field,
                                                  "invalid input type: item %zu is not a text", i);
}

#define WORDS(texts)                                                           \
    {                                                                          \
        .status = 400, .quote = "", .end = "",                                 \
        .unknown = {"unknown field \"", "\"; the texts are in \"" texts "\""}, \
        .check_text = check_text                                               \
    }

static const SuFieldWords embed_words = WORDS("input"), embeddings_words = WORDS("prompt");

/* Without a text the model is opened, that is all. */
static bool read_input(SuReading *r, const json_t *value)
{
    if (!json_is_array(value) && !json_is_string(value))
        return su_problem_set(r->problem, 400, NULL, "input",
                              "invalid input type: it must be a text or a list of texts");
    if (json_is_string(value) && json_string_length(value) == 0) return true;
    return su_field_inputs(r, value);
}

static bool read_prompt(SuReading *r, const json_t *value)
{
    if (!json_is_string(value)) return su_field_refuse(r, "a text");
    return json_string_length(value) == 0 || su_field_inputs(r, value);
}

static bool read_dimensions(SuReading *r, const json_t *value)
{
    json_int_t number = json_integer_value(value);
    if (!json_is_integer(value) || number < 0 || number > 1 << 20)
        return su_field_refuse(r, "a whole number; 0: as many as the model has");
    r->request->options.dim = (uint32_t)number;
    return true;
}

static bool read_keep_alive(SuReading *r, const json_t *value)
{
    SuText text = su_json_text(value);
    if (json_is_number(value)) {
        r->request->keep_ns = su_keep_alive_of_seconds(json_number_value(value));
        return true;
    }
    if (json_is_string(value) && su_keep_alive_read(text, &r->request->keep_ns)) return true;
    return su_field_refuse(r, "a number of seconds or a duration such as \"5m\" or \"1h30m\"");
}

static bool read_options(SuReading *r, const json_t *value)
{
    const json_t *most = json_object_get(value, "num_ctx");
    json_int_t number = json_integer_value(most);
    if (!json_is_object(value)) return su_field_refuse(r, "an object");
    if (!most || json_is_null(most)) return true;
    r->field = "options.num_ctx";
    if (!json_is_integer(most) || number < 1 || number > UINT32_MAX)
        return su_field_refuse(r, "a whole number from 1");
    r->request->most_tokens = (uint32_t)number;
    return true;
}

/* Of both paths. */
#define FIELDS                                                                          \
    {"model", su_field_model, false}, {"truncate", su_field_truncate, false},           \
        {"dimensions", read_dimensions, false}, {"keep_alive", read_keep_alive, false}, \
        {"options", read_options, false}, {"stream", su_field_unused, false},           \
        {"format", su_field_unused, false}, {"raw", su_field_unused, false},            \
        {"system", su_field_unused, false}, {"template", su_field_unused, false},       \
        {"context", su_field_unused, false}, {"think", su_field_unused, false},         \
        {"insecure", su_field_unused, false},                                           \
    {                                                                                   \
        NULL, NULL, false                                                               \
    }

static const SuField embed_fields[] = {{"input", read_input, false}, FIELDS};
static const SuField embeddings_fields[] = {{"prompt", read_prompt, false}, FIELDS};

static bool read_body(const SuFieldWords *words, const SuField *fields, const SuEmbedLimits *limits,
                      SuText body, SuEmbedRequest *request, SuProblem *problem)
{
    SuReading r;
    if (body.size == 0) return su_problem_set(problem, 400, NULL, NULL, "missing request body");
    const json_t *root = su_reading_begin(&r, words, limits, body, request, problem);
    request->options.truncation = SUTRA_TRUNCATE_MODEL;
    return root && su_fields_read(&r, root, fields);
}

static bool read_embed(const SuEmbedLimits *limits, SuText body, SuEmbedRequest *request,
                       SuProblem *problem)
{
    request->options.normalize = SUTRA_NORMALIZE_YES;
    return read_body(&embed_words, embed_fields, limits, body, request, problem);
}

static bool read_embeddings(const SuEmbedLimits *limits, SuText body, SuEmbedRequest *request,
                            SuProblem *problem)
{
    request->options.normalize = SUTRA_NORMALIZE_NO;
    return read_body(&embeddings_words, embeddings_fields, limits, body, request, problem);
}

static SuModelEntry *find_model(const SuModelTable *models, const SuEmbedRequest *request,
                                SuProblem *problem)
{
    SuText name = request->model;
    SuModelEntry *entry = su_ollama_find(models, name);
    if (!entry)
        su_problem_set(problem, 404, "model_not_found", "model",
                       "model \"%.*s\" not found, try pulling it first",
                       (int)(name.size < 200 ? name.size : 200), name.data);
    return entry;
}

/* ---- answers ---- */

/* The name that the client used, which it looks for. */
static void write_embed(const SuEmbedAnswer *answer, SuHttpResponse *response)
{
    SuReplyText *body = &response->body;
    const SutraResultView *view = answer->view;
    SuText name = answer->request->model;
    if (!name.data) name = (SuText){answer->model->id, strlen(answer->model->id)};
    su_reply_string(body, "{\"model\":");
    su_reply_json(body, name);
    su_reply_string(body, ",\"embeddings\":[");
    for (size_t i = 0; i < view->num_items; i++) {
        if (i) su_reply_bytes(body, ",", 1);
        su_reply_floats(body, (const float *)view->data + i * view->dim, view->dim);
    }
    su_reply_string(body, "],\"total_duration\":");
    su_reply_number(body, answer->total_ns);
    su_reply_string(body, ",\"load_duration\":");
    su_reply_number(body, answer->load_ns);
    su_reply_string(body, ",\"prompt_eval_count\":");
    su_reply_number(body, answer->tokens);
    su_reply_bytes(body, "}", 1);
}

static void write_embeddings(const SuEmbedAnswer *answer, SuHttpResponse *response)
{
    const SutraResultView *view = answer->view;
    su_reply_string(&response->body, "{\"embedding\":");
    su_reply_floats(&response->body, view->data, view->num_items ? view->dim : 0);
    su_reply_bytes(&response->body, "}", 1);
}

void su_ollama_embed(SuExchange *exchange)
{
    static const SuEmbedDialect dialect = {
        .read = read_embed, .find = find_model, .write = write_embed};
    su_embed_serve(exchange, &dialect);
}

void su_ollama_embeddings(SuExchange *exchange)
{
    static const SuEmbedDialect dialect = {
        .read = read_embeddings, .find = find_model, .write = write_embeddings};
    su_embed_serve(exchange, &dialect);
}

static void refuse_capability(SuExchange *exchange, const char *what)
{
    SuProblem problem;
    su_problem_set(&problem, 400, "unsupported", NULL,
                   "models of this server do not support %s: it gives embeddings (/api/embed)",
                   what);
    su_exchange_fail(exchange, &problem.http);
}

void su_ollama_generate(SuExchange *exchange) { refuse_capability(exchange, "generate"); }

void su_ollama_chat(SuExchange *exchange) { refuse_capability(exchange, "chat"); }

/* Of a text that is too long clients know Ollama's words. */
void su_ollama_problem(SuHttpResponse *response, const SuHttpProblem *problem)
{
    SuProblem words;
    bool is_long = problem->code && strcmp(problem->code, "context_length_exceeded") == 0;
    su_problem_set(&words, problem->status, NULL, NULL, "%s%s",
                   is_long ? "the input length exceeds the context length: " : "",
                   problem->message);
    su_reply_string(&response->body, "{\"error\":");
    su_reply_json(&response->body, (SuText){words.message, strlen(words.message)});
    su_reply_bytes(&response->body, "}", 1);
}
