#include "rerank_documents.h"

#include "base/memory.h"
#include "dialect_cohere.h"
#include "json_body.h"
#include "ranks.h"

#include <string.h>

enum { RETURN_DOCUMENTS = 1 }; /* in request->encoding */

/* ---- the request ---- */

static bool read_documents(SuReading *r, const json_t *value)
{
    if (!json_is_array(value)) return su_field_refuse(r, "a list of texts, or of objects");
    if (!su_field_make_inputs(r, json_array_size(value))) return false;
    for (size_t i = 0; i < json_array_size(value); i++) {
        const json_t *item = json_array_get(value, i);
        const json_t *text = json_is_object(item) ? json_object_get(item, "text") : item;
        if (!json_is_string(text))
            return su_field_refuse(r, "a list of texts, or of objects with a text");
        r->request->inputs[i] =
            (SutraInput){.pair = json_string_value(text), .pair_size = json_string_length(text)};
    }
    return true;
}

/* After the documents. */
static bool read_query(SuReading *r, const json_t *value)
{
    SuText query = su_json_text(value);
    if (!json_is_string(value) || query.size == 0)
        return su_field_refuse(r, "a text that is not empty");
    for (size_t i = 0; i < r->request->num_inputs; i++) {
        r->request->inputs[i].text = query.data;
        r->request->inputs[i].text_size = query.size;
    }
    return true;
}

static bool read_top_n(SuReading *r, const json_t *value)
{
    uint64_t number = 0;
    bool good = su_field_number(r, value, 1, UINT32_MAX, &number);
    r->request->most_rows = (uint32_t)number;
    return good;
}

static bool read_return_documents(SuReading *r, const json_t *value)
{
    bool is_set;
    bool good = su_field_flag(r, value, &is_set);
    if (is_set) r->request->encoding |= RETURN_DOCUMENTS;
    return good;
}

static bool read_max_chunks(SuReading *r, const json_t *value)
{
    if (json_is_integer(value) && json_integer_value(value) == 1) return true;
    return su_field_refuse(r, "1: this server does not cut documents into chunks");
}

static bool read_rank_fields(SuReading *r, const json_t *value)
{
    SuText name = su_json_text(json_array_get(value, 0));
    if (json_array_size(value) == 1 && name.data && su_text_is(name, "text")) return true;
    return su_field_refuse(r, "[\"text\"]: documents are ranked by their text");
}

#define FIELDS                                                          \
    {"documents", read_documents, true}, {"query", read_query, true},   \
        {"model", su_field_model, false}, {"top_n", read_top_n, false}, \
        {"max_tokens_per_doc", su_field_max_tokens, false},             \
    {                                                                   \
        "priority", su_field_unused, false                              \
    }

static const SuField fields_v1[] = {FIELDS,
                                    {"return_documents", read_return_documents, false},
                                    {"truncation", su_field_truncate, false},
                                    {"max_chunks_per_doc", read_max_chunks, false},
                                    {"rank_fields", read_rank_fields, false},
                                    {NULL, NULL, false}};
static const SuField fields_v2[] = {FIELDS, {NULL, NULL, false}};

static bool read_fields(const SuEmbedLimits *limits, SuText body, const SuField *fields,
                        SuEmbedRequest *request, SuProblem *problem)
{
    SuReading r;
    const json_t *root = su_reading_begin(&r, &su_cohere_words, limits, body, request, problem);
    request->options.truncation = SUTRA_TRUNCATE_MODEL;
    request->options.output = SUTRA_OUT_SCORES;
    return root && su_fields_read(&r, root, fields);
}

static bool read_v1(const SuEmbedLimits *limits, SuText body, SuEmbedRequest *request,
                    SuProblem *problem)
{
    return read_fields(limits, body, fields_v1, request, problem);
}

static bool read_v2(const SuEmbedLimits *limits, SuText body, SuEmbedRequest *request,
                    SuProblem *problem)
{
    return read_fields(limits, body, fields_v2, request, problem);
}

static bool fit_length(const SuModelEntry *model, SuEmbedRequest *request, SuProblem *problem)
{
    uint32_t most = model->info.max_tokens;
    if (request->most_tokens >= most || request->most_tokens == 0) return true;
    return su_problem_set(problem, 400, NULL, "max_tokens_per_doc",
                          "max_tokens_per_doc may be no less than %u: what the model reads of a "
                          "query and a document is not cut further",
                          most);
}

/* ---- answers ---- */

static void write_results(const SuEmbedAnswer *answer, const SuRank *ranks, SuReplyText *body)
{
    const SuEmbedRequest *request = answer->request;
    size_t n = request->num_inputs;
    if (request->most_rows && request->most_rows < n) n = request->most_rows;
    su_reply_string(body, ",\"results\":[");
    for (size_t i = 0; i < n; i++) {
        const SutraInput *input = &request->inputs[ranks[i].index];
        su_reply_put_number(body, i ? ",{\"index\":" : "{\"index\":", ranks[i].index);
        su_reply_string(body, ",\"relevance_score\":");
        su_reply_float(body, ranks[i].score);
        if (request->encoding & RETURN_DOCUMENTS) {
            su_reply_string(body, ",\"document\":{\"text\":");
            su_reply_json(body, (SuText){input->pair, input->pair_size});
            su_reply_string(body, "}");
        }
        su_reply_string(body, "}");
    }
    su_reply_string(body, "]");
}

static void write_answer(const SuEmbedAnswer *answer, const char *version, SuReplyText *body)
{
    SuRank *ranks = su_ranks_create(answer);
    if (!ranks) {
        body->failed = true;
        return;
    }
    su_reply_put_string(body, "{\"id\":", answer->id);
    su_reply_put_string(body, ",\"model\":", answer->model->id);
    write_results(answer, ranks, body);
    su_cohere_meta(answer, version, "search_units", 1, body);
    su_reply_put_number(body, ",\"usage\":{\"total_tokens\":", answer->tokens);
    su_reply_string(body, "}}");
    su_free(ranks);
}

static void write_v1(const SuEmbedAnswer *answer, SuHttpResponse *response)
{
    write_answer(answer, "1", &response->body);
}

static void write_v2(const SuEmbedAnswer *answer, SuHttpResponse *response)
{
    write_answer(answer, "2", &response->body);
}

void su_rerank_v1(SuExchange *exchange)
{
    static const SuEmbedDialect dialect = {
        .read = read_v1, .find = su_cohere_find, .fit = fit_length, .write = write_v1};
    su_embed_serve(exchange, &dialect);
}

void su_rerank_v2(SuExchange *exchange)
{
    static const SuEmbedDialect dialect = {
        .read = read_v2, .find = su_cohere_find, .fit = fit_length, .write = write_v2};
    su_embed_serve(exchange, &dialect);
}

void su_rerank_problem(SuHttpResponse *response, const SuHttpProblem *problem)
{
    const char *message = problem->message ? problem->message : su_http_reason(response->status);
    su_reply_put_string(&response->body, "{\"message\":", message);
    su_reply_put_string(&response->body, ",\"detail\":", message);
    su_reply_string(&response->body, "}");
}
