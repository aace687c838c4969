#include "dialect_openai.h"

#include "base/memory.h"
#include "embed_serve.h"
#include "json_body.h"

#include <string.h>

enum { ENCODING_FLOAT, ENCODING_BASE64 };

/* ---- the request ---- */

static bool refuse_type(SuProblem *problem, const char *field, const char *wanted)
{
    return su_problem_set(problem, 400, NULL, field, "`%s` must be %s.", field, wanted);
}

static bool read_one_input(const json_t *value, SutraInput *input, SuProblem *problem)
{
    if (json_is_integer(value) || json_is_array(value))
        return su_problem_set(
            problem, 400, "token_ids_not_supported", "input",
            "`input` holds token ids, which are those of another model's tokenizer: send texts. "
            "LangChain's OpenAIEmbeddings does with check_embedding_ctx_length=False.");
    if (!json_is_string(value)) return refuse_type(problem, "input", "a text or a list of texts");
    SuText text = su_json_text(value);
    if (text.size == 0)
        return su_problem_set(problem, 400, NULL, "input", "`input` cannot be an empty string.");
    *input = (SutraInput){.text = text.data, .text_size = text.size};
    return true;
}

static bool read_input(const SuEmbedLimits *limits, const json_t *input, SuEmbedRequest *request,
                       SuProblem *problem)
{
    size_t n = json_is_array(input) ? json_array_size(input) : 1;
    if (!input) return su_problem_set(problem, 400, NULL, "input", "`input` is missing.");
    if (n == 0)
        return su_problem_set(problem, 400, NULL, "input", "`input` cannot be an empty array.");
    if (json_is_array(input) && !json_is_string(json_array_get(input, 0))) {
        SutraInput none;
        return read_one_input(json_array_get(input, 0), &none, problem);
    }
    if (n > limits->max_inputs)
        return su_problem_set(problem, 400, NULL, "input",
                              "`input` holds %zu texts; this server takes %u in a request.", n,
                              limits->max_inputs);
    request->inputs = su_alloc(n, sizeof *request->inputs);
    if (!request->inputs)
        return su_problem_set(problem, 503, "out_of_memory", NULL, "The server is out of memory.");
    request->num_inputs = n;
    for (size_t i = 0; i < n; i++) {
        const json_t *value = json_is_array(input) ? json_array_get(input, i) : input;
        if (!read_one_input(value, &request->inputs[i], problem)) return false;
    }
    return true;
}

/* A whole number of min … max; json null: *number stays. */
static bool read_number(const json_t *value, const char *field, uint64_t min, uint64_t max,
                        uint64_t *number, SuProblem *problem)
{
    json_int_t given = json_integer_value(value);
    if (json_is_integer(value) && given >= 0 && (uint64_t)given >= min && (uint64_t)given <= max) {
        *number = (uint64_t)given;
        return true;
    }
    return su_problem_set(problem, 400, NULL, field,
                          "`%s` must be a whole number from %llu to %llu.", field,
                          (unsigned long long)min, (unsigned long long)max);
}

static bool read_model(const SuEmbedLimits *limits, const json_t *value, SuEmbedRequest *request,
                       SuProblem *problem)
{
    (void)limits;
    request->model = su_json_text(value);
    return json_is_string(value) || refuse_type(problem, "model", "a model's name");
}

static bool read_encoding(const SuEmbedLimits *limits, const json_t *value, SuEmbedRequest *request,
                          SuProblem *problem)
{
    SuText text = su_json_text(value);
    (void)limits;
    bool is_base64 = json_is_string(value) && su_text_is(text, "base64");
    request->encoding = is_base64 ? ENCODING_BASE64 : ENCODING_FLOAT;
    return is_base64 || (json_is_string(value) && su_text_is(text, "float")) ||
           refuse_type(problem, "encoding_format", "\"float\" or \"base64\"");
}

static bool read_dimensions(const SuEmbedLimits *limits, const json_t *value,
                            SuEmbedRequest *request, SuProblem *problem)
{
    uint64_t number = 0;
    (void)limits;
    bool good = read_number(value, "dimensions", 1, 1 << 20, &number, problem);
    request->options.dim = (uint32_t)number;
    return good;
}

static bool read_user(const SuEmbedLimits *limits, const json_t *value, SuEmbedRequest *request,
                      SuProblem *problem)
{
    (void)limits;
    (void)request;
    return json_is_string(value) || refuse_type(problem, "user", "a string");
}

static bool read_prompt_name(const SuEmbedLimits *limits, const json_t *value,
                             SuEmbedRequest *request, SuProblem *problem)
{
    SuText text = su_json_text(value);
    (void)limits;
    if (!json_is_string(value) || memchr(text.data, 0, text.size))
        return refuse_type(problem, "prompt_name", "the name of a prompt");
    for (size_t i = 0; i < request->num_inputs; i++) request->inputs[i].prompt_name = text.data;
    return true;
}

static bool read_truncate(const SuEmbedLimits *limits, const json_t *value, SuEmbedRequest *request,
                          SuProblem *problem)
{
    (void)limits;
    request->options.truncation = json_is_true(value) ? SUTRA_TRUNCATE_MODEL : SUTRA_TRUNCATE_ERROR;
    return json_is_boolean(value) || refuse_type(problem, "truncate", "true or false");
}

static bool read_priority(const SuEmbedLimits *limits, const json_t *value, SuEmbedRequest *request,
                          SuProblem *problem)
{
    uint64_t number = 0;
    (void)limits;
    bool good = read_number(value, "priority", 0, 255, &number, problem);
    request->options.priority = (uint8_t)number;
    return good;
}

static bool read_timeout(const SuEmbedLimits *limits, const json_t *value, SuEmbedRequest *request,
                         SuProblem *problem)
{
    uint64_t most = limits->queue_ns / 1000000, number = most;
    bool good = read_number(value, "timeout_ms", 1, most, &number, problem);
    request->options.timeout_ns = number * 1000000;
    return good;
}

/* In this order: a prompt goes to inputs that are read. */
static const struct {
    const char *name;
    bool (*read)(const SuEmbedLimits *limits, const json_t *value, SuEmbedRequest *request,
                 SuProblem *problem);
} fields[] = {
    {"input", read_input},
    {"model", read_model},
    {"encoding_format", read_encoding},
    {"dimensions", read_dimensions},
    {"user", read_user},
    {"prompt_name", read_prompt_name},
    {"truncate", read_truncate},
    {"priority", read_priority},
    {"timeout_ms", read_timeout},
};
enum { NUM_FIELDS = sizeof fields / sizeof *fields };

static bool check_names(const json_t *root, SuProblem *problem)
{
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)root, name, value)
    {
        size_t i = 0;
        while (i < NUM_FIELDS && strcmp(name, fields[i].name) != 0) i++;
        if (i == NUM_FIELDS)
            return su_problem_set(problem, 400, NULL, NULL,
                                  "Unrecognized request argument supplied: %.100s", name);
    }
    return true;
}

static bool read_request(const SuEmbedLimits *limits, SuText body, SuEmbedRequest *request,
                         SuProblem *problem)
{
    json_t *root = request->document = su_json_body_read(body, problem);
    if (!root || !check_names(root, problem)) return false;
    for (size_t i = 0; i < NUM_FIELDS; i++) {
        const json_t *value = json_object_get(root, fields[i].name);
        if (i > 0 && (!value || json_is_null(value))) continue;
        if (!fields[i].read(limits, value, request, problem)) return false;
    }
    return true;
}

/* ---- answers ---- */

static void write_answer(const SuEmbedAnswer *answer, SuHttpResponse *response)
{
    SuReplyText *body = &response->body;
    const SutraResultView *view = answer->view;
    su_reply_string(body, "{\"object\":\"list\",\"data\":[");
    for (size_t i = 0; i < view->num_items; i++) {
        const float *row = (const float *)view->data + i * view->dim;
        su_reply_string(body, i ? ",{\"object\":\"embedding\",\"index\":"
                                : "{\"object\":\"embedding\",\"index\":");
        su_reply_number(body, i);
        su_reply_string(body, ",\"embedding\":");
        if (answer->request->encoding == ENCODING_BASE64) {
            su_reply_bytes(body, "\"", 1);
            su_reply_base64(body, row, view->row_bytes);
            su_reply_bytes(body, "\"", 1);
        } else {
            su_reply_floats(body, row, view->dim);
        }
        su_reply_bytes(body, "}", 1);
    }
    su_reply_string(body, "],\"model\":");
    su_reply_json(body, (SuText){answer->model->id, strlen(answer->model->id)});
    su_reply_string(body, ",\"usage\":{\"prompt_tokens\":");
    su_reply_number(body, answer->tokens);
    su_reply_string(body, ",\"total_tokens\":");
    su_reply_number(body, answer->tokens);
    su_reply_bytes(body, "}", 1);
    if (answer->truncated) {
        su_reply_string(body, ",\"truncated\":");
        su_reply_number(body, answer->truncated);
    }
    su_reply_bytes(body, "}", 1);
}

static SuModelEntry *find_model(const SuModelTable *models, const SuEmbedRequest *request,
                                SuProblem *problem)
{
    SuText name = request->model;
    SuModelEntry *entry = su_model_table_find(models, name);
    if (!entry)
        su_problem_set(problem, 404, "model_not_found", "model",
                       "The model `%.*s` does not exist; GET /v1/models lists those that do.",
                       (int)(name.size < 200 ? name.size : 200), name.data);
    return entry;
}

void su_openai_embeddings(SuExchange *exchange)
{
    static const SuEmbedDialect dialect = {read_request, find_model, write_answer};
    su_embed_serve(exchange, &dialect);
}

static void write_model(SuReplyText *body, const SuServerContext *context, SuText id,
                        const SuModelEntry *entry)
{
    su_reply_string(body, "{\"id\":");
    su_reply_json(body, id);
    su_reply_string(body, ",\"object\":\"model\",\"created\":");
    su_reply_number(body, (uint64_t)context->started);
    su_reply_string(body, ",\"owned_by\":\"sutra\",\"root\":");
    su_reply_json(body, (SuText){entry->id, strlen(entry->id)});
    su_reply_bytes(body, "}", 1);
}

void su_openai_models(SuExchange *exchange)
{
    const SuServerContext *context = exchange->context;
    const SuModelTable *table = &context->models;
    SuReplyText *body = &exchange->response.body;
    su_reply_string(body, "{\"object\":\"list\",\"data\":[");
    for (size_t i = 0; i < table->num_entries; i++) {
        if (i) su_reply_bytes(body, ",", 1);
        const char *id = table->entries[i]->id;
        write_model(body, context, (SuText){id, strlen(id)}, table->entries[i]);
    }
    for (size_t i = 0; i < table->num_aliases; i++) {
        const char *name = table->aliases[i].name;
        if (strcmp(name, "*") == 0) continue;
        su_reply_bytes(body, ",", 1);
        write_model(body, context, (SuText){name, strlen(name)}, table->aliases[i].entry);
    }
    su_reply_string(body, "]}");
    su_exchange_answer(exchange);
}

void su_openai_model(SuExchange *exchange)
{
    const SuServerContext *context = exchange->context;
    SuText name = exchange->rest;
    const SuModelEntry *entry = su_model_table_find(&context->models, name);
    SuProblem problem = {0};
    if (entry) {
        write_model(&exchange->response.body, context, name, entry);
        su_exchange_answer(exchange);
        return;
    }
    su_problem_set(&problem, 404, "model_not_found", "model", "The model `%.*s` does not exist.",
                   (int)(name.size < 200 ? name.size : 200), name.data);
    su_exchange_fail(exchange, &problem.http);
}

static void write_string_or_null(SuReplyText *body, const char *text)
{
    if (text)
        su_reply_json(body, (SuText){text, strlen(text)});
    else
        su_reply_string(body, "null");
}

void su_openai_problem(SuHttpResponse *response, const SuHttpProblem *problem)
{
    SuReplyText *body = &response->body;
    const char *type = problem->status >= 500   ? "server_error"
                       : problem->status == 429 ? "requests"
                                                : "invalid_request_error";
    su_reply_string(body, "{\"error\":{\"message\":");
    write_string_or_null(body, problem->message);
    su_reply_string(body, ",\"type\":");
    write_string_or_null(body, type);
    su_reply_string(body, ",\"param\":");
    write_string_or_null(body, problem->param);
    su_reply_string(body, ",\"code\":");
    write_string_or_null(body, problem->code);
    su_reply_string(body, "}}");
}
