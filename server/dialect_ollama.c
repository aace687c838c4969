#include "dialect_ollama.h"

#include "base/memory.h"
#include "embed_serve.h"
#include "json_body.h"
#include "ollama_names.h"

#include <string.h>

/* ---- the request ---- */

static bool refuse_type(SuProblem *problem, const char *field, const char *wanted)
{
    return su_problem_set(problem, 400, NULL, field, "%s must be %s", field, wanted);
}

static bool make_inputs(SuEmbedRequest *request, size_t n, SuProblem *problem)
{
    request->inputs = su_alloc(n, sizeof *request->inputs);
    if (!request->inputs)
        return su_problem_set(problem, 503, "out_of_memory", NULL, "the server is out of memory");
    request->num_inputs = n;
    return true;
}

static bool read_input(const SuEmbedLimits *limits, const json_t *value, SuEmbedRequest *request,
                       SuProblem *problem)
{
    bool is_list = json_is_array(value);
    size_t n = is_list ? json_array_size(value) : json_string_length(value) > 0;
    if (!is_list && !json_is_string(value))
        return su_problem_set(problem, 400, NULL, "input",
                              "invalid input type: it must be a text or a list of texts");
    if (n > limits->max_inputs)
        return su_problem_set(problem, 400, NULL, "input",
                              "input holds %zu texts; this server takes %u in a request", n,
                              limits->max_inputs);
    if (n == 0) return true;
    if (!make_inputs(request, n, problem)) return false;
    for (size_t i = 0; i < n; i++) {
        const json_t *item = is_list ? json_array_get(value, i) : value;
        SuText text = su_json_text(item);
        if (!json_is_string(item))
            return su_problem_set(problem, 400, NULL, "input",
                                  "invalid input type: item %zu is not a text", i);
        request->inputs[i] = (SutraInput){.text = text.data, .text_size = text.size};
    }
    return true;
}

static bool read_prompt(const SuEmbedLimits *limits, const json_t *value, SuEmbedRequest *request,
                        SuProblem *problem)
{
    SuText text = su_json_text(value);
    (void)limits;
    if (!json_is_string(value)) return refuse_type(problem, "prompt", "a text");
    if (text.size == 0) return true;
    if (!make_inputs(request, 1, problem)) return false;
    request->inputs[0] = (SutraInput){.text = text.data, .text_size = text.size};
    return true;
}

static bool read_model(const SuEmbedLimits *limits, const json_t *value, SuEmbedRequest *request,
                       SuProblem *problem)
{
    (void)limits;
    request->model = su_json_text(value);
    return json_is_string(value) || refuse_type(problem, "model", "a model's name");
}

static bool read_truncate(const SuEmbedLimits *limits, const json_t *value, SuEmbedRequest *request,
                          SuProblem *problem)
{
    (void)limits;
    request->options.truncation = json_is_true(value) ? SUTRA_TRUNCATE_MODEL : SUTRA_TRUNCATE_ERROR;
    return json_is_boolean(value) || refuse_type(problem, "truncate", "true or false");
}

static bool read_dimensions(const SuEmbedLimits *limits, const json_t *value,
                            SuEmbedRequest *request, SuProblem *problem)
{
    json_int_t number = json_integer_value(value);
    (void)limits;
    if (!json_is_integer(value) || number < 0 || number > 1 << 20)
        return refuse_type(problem, "dimensions", "a whole number; 0: as many as the model has");
    request->options.dim = (uint32_t)number;
    return true;
}

static bool read_keep_alive(const SuEmbedLimits *limits, const json_t *value,
                            SuEmbedRequest *request, SuProblem *problem)
{
    SuText text = su_json_text(value);
    (void)limits;
    if (json_is_number(value)) {
        request->keep_ns = su_keep_alive_of_seconds(json_number_value(value));
        return true;
    }
    if (json_is_string(value) && su_keep_alive_read(text, &request->keep_ns)) return true;
    return refuse_type(problem, "keep_alive",
                       "a number of seconds or a duration such as \"5m\" or \"1h30m\"");
}

static bool read_options(const SuEmbedLimits *limits, const json_t *value, SuEmbedRequest *request,
                         SuProblem *problem)
{
    const json_t *most = json_object_get(value, "num_ctx");
    json_int_t number = json_integer_value(most);
    (void)limits;
    if (!json_is_object(value)) return refuse_type(problem, "options", "an object");
    if (!most || json_is_null(most)) return true;
    if (!json_is_integer(most) || number < 1 || number > UINT32_MAX)
        return refuse_type(problem, "options.num_ctx", "a whole number from 1");
    request->most_tokens = (uint32_t)number;
    return true;
}

static bool pass_over(const SuEmbedLimits *limits, const json_t *value, SuEmbedRequest *request,
                      SuProblem *problem)
{
    (void)limits;
    (void)value;
    (void)request;
    (void)problem;
    return true;
}

typedef struct Field {
    const char *name;
    bool (*read)(const SuEmbedLimits *limits, const json_t *value, SuEmbedRequest *request,
                 SuProblem *problem);
} Field;

/* Of both paths; the first one is the path's own: input or prompt. */
static const Field fields[] = {
    {"model", read_model},           {"truncate", read_truncate}, {"dimensions", read_dimensions},
    {"keep_alive", read_keep_alive}, {"options", read_options},   {"stream", pass_over},
    {"format", pass_over},           {"raw", pass_over},          {"system", pass_over},
    {"template", pass_over},         {"context", pass_over},      {"think", pass_over},
    {"insecure", pass_over},
};
enum { NUM_FIELDS = sizeof fields / sizeof *fields };

static const Field *find_field(const char *name, const Field *texts)
{
    if (strcmp(name, texts->name) == 0) return texts;
    for (size_t i = 0; i < NUM_FIELDS; i++)
        if (strcmp(name, fields[i].name) == 0) return &fields[i];
    return NULL;
}

static bool read_fields(const SuEmbedLimits *limits, SuText body, const Field *texts,
                        SuEmbedRequest *request, SuProblem *problem)
{
    const char *name;
    json_t *value;
    if (body.size == 0) return su_problem_set(problem, 400, NULL, NULL, "missing request body");
    json_t *root = request->document = su_json_body_read(body, problem);
    if (!root) return false;
    request->options.truncation = SUTRA_TRUNCATE_MODEL;
    json_object_foreach(root, name, value)
    {
        const Field *field = find_field(name, texts);
        if (!field)
            return su_problem_set(problem, 400, NULL, NULL,
                                  "unknown field \"%.100s\"; the texts are in \"%s\"", name,
                                  texts->name);
        if (!json_is_null(value) && !field->read(limits, value, request, problem)) return false;
    }
    return true;
}

static bool read_embed(const SuEmbedLimits *limits, SuText body, SuEmbedRequest *request,
                       SuProblem *problem)
{
    static const Field texts = {"input", read_input};
    request->options.normalize = SUTRA_NORMALIZE_YES;
    return read_fields(limits, body, &texts, request, problem);
}

static bool read_embeddings(const SuEmbedLimits *limits, SuText body, SuEmbedRequest *request,
                            SuProblem *problem)
{
    static const Field texts = {"prompt", read_prompt};
    request->options.normalize = SUTRA_NORMALIZE_NO;
    return read_fields(limits, body, &texts, request, problem);
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
    static const SuEmbedDialect dialect = {read_embed, find_model, write_embed};
    su_embed_serve(exchange, &dialect);
}

void su_ollama_embeddings(SuExchange *exchange)
{
    static const SuEmbedDialect dialect = {read_embeddings, find_model, write_embeddings};
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
