#include "dialect_openai.h"

#include "base/log.h"
#include "base/memory.h"
#include "json_body.h"
#include "request_fields.h"

#include <string.h>

enum { ENCODING_FLOAT, ENCODING_BASE64 };
enum { MOST_SEARCHED = 65536 }; /* bytes of a body, for texts that went through a tokenizer */

/* ---- the request ---- */

static bool refuse_empty(const SuReading *r, const char *field)
{
    return su_problem_set(r->problem, 400, NULL, field, "`%s` cannot be an empty array.", field);
}

/* ---- token ids of OpenAI's models ---- */

static bool refuse_ids(const SuReading *r)
{
    return su_problem_set(
        r->problem, 400, "token_ids_not_supported", r->field,
        "`%s` holds token ids, which are those of another model's tokenizer: send texts. "
        "LangChain's OpenAIEmbeddings does with check_embedding_ctx_length=False.",
        r->field);
}

/* Bytes that the ids of a list stand for, which are added to *total. */
static bool measure_ids(const SuReading *r, const json_t *list, uint64_t *total)
{
    if (json_array_size(list) == 0) return su_field_refuse(r, "texts or lists of token ids");
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *item = json_array_get(list, i);
        json_int_t id = json_integer_value(item);
        if (!json_is_integer(item)) return su_field_refuse(r, "texts or lists of token ids");
        SuText bytes = su_token_bytes_of(r->limits->openai_tokens, (uint64_t)id);
        if (!bytes.data)
            return su_problem_set(r->problem, 400, NULL, r->field,
                                  "`%s` holds %lld, which is no token id of this server's file.",
                                  r->field, (long long)id);
        *total += bytes.size;
    }
    return *total <= r->limits->max_text ||
           su_problem_set(r->problem, 400, NULL, r->field,
                          "The token ids of `%s` stand for more than %llu bytes.", r->field,
                          (unsigned long long)r->limits->max_text);
}

/* A list's text, in three times as much room as its bytes take; returns those. */
static size_t decode_ids(const SuReading *r, const json_t *list, char *text, SutraInput *input)
{
    uint64_t size = 0;
    measure_ids(r, list, &size);
    char *to = text + 2 * size;
    for (size_t i = 0; i < json_array_size(list); i++) {
        uint64_t id = (uint64_t)json_integer_value(json_array_get(list, i));
        SuText bytes = su_token_bytes_of(r->limits->openai_tokens, id);
        memcpy(to, bytes.data, bytes.size);
        to += bytes.size;
    }
    *input = (SutraInput){.text = text, .text_size = su_token_bytes_mend(text, size)};
    return size;
}

/* [1, 2], [[1, 2], [3]] */
static bool read_ids(SuReading *r, const json_t *value)
{
    bool is_batch = json_is_array(json_array_get(value, 0));
    size_t n = is_batch ? json_array_size(value) : 1;
    uint64_t total = 0;
    if (!su_field_make_inputs(r, n)) return false;
    for (size_t i = 0; i < n; i++)
        if (!measure_ids(r, is_batch ? json_array_get(value, i) : value, &total)) return false;
    char *text = r->request->own = su_alloc(total * 3 + 1, 1);
    if (!text)
        return su_problem_set(r->problem, 503, "out_of_memory", NULL,
                              "The server is out of memory.");
    for (size_t i = 0; i < n; i++)
        text += 3 * decode_ids(r, is_batch ? json_array_get(value, i) : value, text,
                               &r->request->inputs[i]);
    return true;
}

/* ---- fields ---- */

static bool check_text(const SuReading *r, const char *field, const json_t *item, size_t i)
{
    (void)i;
    if (json_is_integer(item) || json_is_array(item)) return refuse_ids(r);
    if (json_is_string(item) && json_string_length(item) == 0)
        return su_problem_set(r->problem, 400, NULL, field, "`%s` cannot be an empty string.",
                              field);
    return true;
}

static const SuFieldWords words = {.status = 400,
                                   .quote = "`",
                                   .end = ".",
                                   .unknown = {"Unrecognized request argument supplied: ", ""},
                                   .missing = {"`", "` is missing."},
                                   .empty = refuse_empty,
                                   .check_text = check_text};

/* Lists of token ids are that, however long they are. */
static bool read_input(SuReading *r, const json_t *value)
{
    const json_t *first = json_array_get(value, 0);
    bool is_ids = json_is_integer(first) || json_is_array(first);
    if (is_ids && r->limits->openai_tokens) return read_ids(r, value);
    if (first && !json_is_string(first) && !check_text(r, r->field, first, 0)) return false;
    return su_field_inputs(r, value);
}

static bool read_encoding(SuReading *r, const json_t *value)
{
    SuText text = su_json_text(value);
    bool is_base64 = json_is_string(value) && su_text_is(text, "base64");
    r->request->encoding = is_base64 ? ENCODING_BASE64 : ENCODING_FLOAT;
    return is_base64 || (json_is_string(value) && su_text_is(text, "float")) ||
           su_field_refuse(r, "\"float\" or \"base64\"");
}

static const SuField fields[] = {{"input", read_input, true},
                                 {"model", su_field_model, false},
                                 {"encoding_format", read_encoding, false},
                                 {"dimensions", su_field_dimensions, false},
                                 {"user", su_field_unused_text, false},
                                 {"prompt_name", su_field_prompt_name, false},
                                 {"truncate", su_field_truncate, false},
                                 {"priority", su_field_priority, false},
                                 {"timeout_ms", su_field_timeout, false},
                                 {NULL, NULL, false}};

static bool read_request(const SuEmbedLimits *limits, SuText body, SuEmbedRequest *request,
                         SuProblem *problem)
{
    SuReading r;
    const json_t *root = su_reading_begin(&r, &words, limits, body, request, problem);
    return root && su_fields_read(&r, root, fields);
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

/* What a client's tokenizer did not know is lost; its user learns of it here, once. */
static void look_for_unknown(const SuExchange *exchange)
{
    static const char *const unknown[] = {"[UNK]", "<unk>"};
    SuServerContext *context = exchange->context;
    size_t size = exchange->body.size < MOST_SEARCHED ? exchange->body.size : MOST_SEARCHED;
    for (size_t i = 0; size && !context->told_unknown && i < 2; i++) {
        if (!memmem(exchange->body.data, size, unknown[i], strlen(unknown[i]))) continue;
        context->told_unknown = true;
        su_log(context->log, context->log_user, SU_LOG_WARNING,
               "a text sent to /v1/embeddings holds \"%s\": it seems to have been through a "
               "tokenizer and back, which loses what that does not know. LangChain's "
               "OpenAIEmbeddings sends texts as they are with check_embedding_ctx_length=False",
               unknown[i]);
    }
}

void su_openai_embeddings(SuExchange *exchange)
{
    static const SuEmbedDialect dialect = {
        .read = read_request, .find = find_model, .write = write_answer};
    look_for_unknown(exchange);
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
