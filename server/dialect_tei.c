#include "dialect_tei.h"

#include "base/memory.h"
#include "json_body.h"
#include "ranks.h"
#include "request_fields.h"

#include <stdio.h>
#include <string.h>

enum { RETURN_TEXT = 1, SIMILARITY = 2, SINGLE = 4 }; /* in request->encoding */

/* ---- fields ---- */

static bool refuse_empty(const SuReading *r, const char *field)
{
    return su_problem_set(r->problem, 400, "empty", field, "`%s` cannot be empty", field);
}

static bool refuse_many(const SuReading *r, const char *field, size_t n)
{
    return su_problem_set(r->problem, 413, "batch_size", field,
                          "batch size %zu > maximum allowed batch size %u", n,
                          r->limits->max_inputs);
}

const SuFieldWords su_tei_words = {.status = 422,
                                   .quote = "`",
                                   .end = "",
                                   .unknown = {"unknown field `", "`"},
                                   .missing = {"missing field `", "`"},
                                   .too_many = refuse_many,
                                   .empty = refuse_empty};

/* After `truncate`: what is not cut is cut at no side. */
static bool read_direction(SuReading *r, const json_t *value)
{
    SuText text = su_json_text(value);
    SutraEmbedOptions *options = &r->request->options;
    bool left = json_is_string(value) && su_text_is_word(text, "left");
    if (!left && !(json_is_string(value) && su_text_is_word(text, "right")))
        return su_field_refuse(r, "\"left\" or \"right\"");
    if (options->truncation != SUTRA_TRUNCATE_ERROR)
        options->truncation = left ? SUTRA_TRUNCATE_LEFT : SUTRA_TRUNCATE_RIGHT;
    return true;
}

static bool read_raw_scores(SuReading *r, const json_t *value)
{
    bool is_set;
    bool good = su_field_flag(r, value, &is_set);
    r->request->options.raw_scores = is_set;
    return good;
}

static bool read_return_text(SuReading *r, const json_t *value)
{
    bool is_set;
    bool good = su_field_flag(r, value, &is_set);
    if (is_set) r->request->encoding |= RETURN_TEXT;
    return good;
}

static bool read_documents(SuReading *r, const json_t *texts)
{
    if (!json_is_array(texts)) return su_field_refuse(r, "a list of texts");
    return su_field_inputs(r, texts);
}

/* After the texts, which become what they are pairs with. */
static bool read_query(SuReading *r, const json_t *value)
{
    SuText query = su_json_text(value);
    if (!json_is_string(value)) return su_field_refuse(r, "a text");
    for (size_t i = 0; i < r->request->num_inputs; i++) {
        SutraInput *input = &r->request->inputs[i];
        *input = (SutraInput){.text = query.data,
                              .text_size = query.size,
                              .pair = input->text,
                              .pair_size = input->text_size};
    }
    return true;
}

static bool read_sentences(SuReading *r, const json_t *value)
{
    const json_t *source = json_object_get(value, "source_sentence");
    const json_t *sentences = json_object_get(value, "sentences");
    SuText text = su_json_text(source);
    if (!json_is_object(value) || json_object_size(value) != 2 || !json_is_string(source) ||
        !json_is_array(sentences))
        return su_field_refuse(r, "an object with a text `source_sentence` and a list `sentences`");
    r->field = "sentences";
    if (json_array_size(sentences) == 0) return refuse_empty(r, r->field);
    if (!su_field_make_inputs(r, json_array_size(sentences) + 1)) return false;
    r->request->inputs[0] = (SutraInput){.text = text.data, .text_size = text.size};
    return su_field_texts(r, sentences, 1);
}

static bool read_parameters(SuReading *r, const json_t *value)
{
    static const SuField fields[] = {{"truncate", su_field_truncate, false},
                                     {"truncation_direction", read_direction, false},
                                     {"prompt_name", su_field_prompt_name, false},
                                     {NULL, NULL, false}};
    if (!json_is_object(value)) return su_field_refuse(r, "an object");
    return su_fields_read(r, value, fields);
}

static bool refuse_alone(const SuReading *r)
{
    return su_problem_set(r->problem, 424, "unsupported", r->field,
                          "this server scores pairs of texts, [text, text], not texts alone");
}

/* [text, text]; [text] is a text alone. */
static bool read_sequence(SuReading *r, const json_t *value, size_t i)
{
    SutraInput *input = &r->request->inputs[i];
    const json_t *text = json_array_get(value, 0), *pair = json_array_get(value, 1);
    size_t n = json_array_size(value);
    if (n < 1 || n > 2 || !json_is_string(text) || (n == 2 && !json_is_string(pair)))
        return su_field_refuse(r, "a text, a pair of texts, or a list of lists of one or two");
    if (n == 1) return refuse_alone(r);
    *input = (SutraInput){.text = json_string_value(text),
                          .text_size = json_string_length(text),
                          .pair = json_string_value(pair),
                          .pair_size = json_string_length(pair)};
    return true;
}

static bool read_sequences(SuReading *r, const json_t *value)
{
    if (json_is_string(value)) return refuse_alone(r);
    if (!json_is_array(json_array_get(value, 0))) {
        r->request->encoding |= SINGLE;
        return su_field_make_inputs(r, 1) && read_sequence(r, value, 0);
    }
    if (!su_field_make_inputs(r, json_array_size(value))) return false;
    for (size_t i = 0; i < json_array_size(value); i++)
        if (!read_sequence(r, json_array_get(value, i), i)) return false;
    return true;
}

static const SuField embed_fields[] = {{"inputs", su_field_inputs, true},
                                       {"model", su_field_model, false},
                                       {"truncate", su_field_truncate, false},
                                       {"truncation_direction", read_direction, false},
                                       {"prompt_name", su_field_prompt_name, false},
                                       {"normalize", su_field_normalize, false},
                                       {"dimensions", su_field_dimensions, false},
                                       {NULL, NULL, false}};
static const SuField token_fields[] = {{"inputs", su_field_inputs, true},
                                       {"model", su_field_model, false},
                                       {"truncate", su_field_truncate, false},
                                       {"truncation_direction", read_direction, false},
                                       {"prompt_name", su_field_prompt_name, false},
                                       {NULL, NULL, false}};
static const SuField similarity_fields[] = {{"inputs", read_sentences, true},
                                            {"model", su_field_model, false},
                                            {"parameters", read_parameters, false},
                                            {NULL, NULL, false}};
static const SuField rerank_fields[] = {{"texts", read_documents, true},
                                        {"query", read_query, true},
                                        {"model", su_field_model, false},
                                        {"truncate", su_field_truncate, false},
                                        {"truncation_direction", read_direction, false},
                                        {"raw_scores", read_raw_scores, false},
                                        {"return_text", read_return_text, false},
                                        {NULL, NULL, false}};
static const SuField predict_fields[] = {
    {"inputs", read_sequences, true},       {"model", su_field_model, false},
    {"truncate", su_field_truncate, false}, {"truncation_direction", read_direction, false},
    {"raw_scores", read_raw_scores, false}, {NULL, NULL, false}};

bool su_tei_read_embed(SuReading *r, const json_t *root)
{
    r->request->options.normalize = SUTRA_NORMALIZE_YES;
    return su_fields_read(r, root, embed_fields);
}

/* NULL fields: those that the body is of. */
static bool read_body(const SuEmbedLimits *limits, SuText body, const SuField *fields,
                      SuEmbedRequest *request, SuProblem *problem)
{
    SuReading r;
    const json_t *root = su_reading_begin(&r, &su_tei_words, limits, body, request, problem);
    if (!root) return false;
    if (!fields) {
        bool is_similarity = json_is_object(json_object_get(root, "inputs"));
        fields = json_object_get(root, "query") ? rerank_fields
                 : is_similarity                ? similarity_fields
                                                : embed_fields;
        if (is_similarity) request->encoding |= SIMILARITY;
    }
    request->options.normalize = SUTRA_NORMALIZE_YES;
    if (fields == rerank_fields || fields == predict_fields)
        request->options.output = SUTRA_OUT_SCORES;
    if (fields == token_fields) request->options.output = SUTRA_OUT_TOKENS;
    if (request->options.output) request->options.normalize = SUTRA_NORMALIZE_NO;
    return su_fields_read(&r, root, fields);
}

static bool read_embed_all(const SuEmbedLimits *limits, SuText body, SuEmbedRequest *request,
                           SuProblem *problem)
{
    return read_body(limits, body, token_fields, request, problem);
}

static bool read_similarity(const SuEmbedLimits *limits, SuText body, SuEmbedRequest *request,
                            SuProblem *problem)
{
    return read_body(limits, body, similarity_fields, request, problem);
}

static bool read_rerank(const SuEmbedLimits *limits, SuText body, SuEmbedRequest *request,
                        SuProblem *problem)
{
    return read_body(limits, body, rerank_fields, request, problem);
}

static bool read_predict(const SuEmbedLimits *limits, SuText body, SuEmbedRequest *request,
                         SuProblem *problem)
{
    return read_body(limits, body, predict_fields, request, problem);
}

static bool read_any(const SuEmbedLimits *limits, SuText body, SuEmbedRequest *request,
                     SuProblem *problem)
{
    return read_body(limits, body, NULL, request, problem);
}

/* ---- models ---- */

SuModelEntry *su_tei_find(const SuModelTable *models, const SuEmbedRequest *request,
                          SuProblem *problem)
{
    SuText name = request->model;
    SuModelEntry *entry = NULL;
    if (!name.data && request->options.output == SUTRA_OUT_SCORES)
        entry = su_model_table_reranker(models);
    if (!entry) entry = su_model_table_find(models, name);
    if (!entry)
        su_problem_set(problem, 404, "model_not_found", "model", "the model `%.*s` does not exist",
                       (int)(name.size < 200 ? name.size : 200), name.data);
    return entry;
}

/* ---- answers ---- */

static uint64_t count_characters(const char *text, size_t size)
{
    uint64_t count = 0;
    for (size_t i = 0; i < size; i++) count += (text[i] & 0xc0) != 0x80;
    return count;
}

static void write_header(SuHttpResponse *response, const char *name, uint64_t number)
{
    char text[24];
    snprintf(text, sizeof text, "%llu", (unsigned long long)number);
    su_response_header(response, name, text);
}

/* Times are in ms, and of the texts' mean, as there. */
static void write_headers(const SuEmbedAnswer *answer, SuHttpResponse *response)
{
    const SutraResultView *view = answer->view;
    uint64_t characters = 0, queue = 0, tokenize = 0, compute = 0, n = 1000000;
    for (size_t i = 0; i < view->num_items; i++) {
        const SutraInput *input = &answer->request->inputs[i];
        characters += count_characters(input->text, input->text_size) +
                      count_characters(input->pair, input->pair_size);
        queue += view->items[i].queue_ns;
        tokenize += view->items[i].tokenize_ns;
        compute += view->items[i].compute_ns;
    }
    if (view->num_items) n *= view->num_items;
    su_response_header(response, "x-compute-type", "cpu");
    write_header(response, "x-compute-time", answer->total_ns / 1000000);
    write_header(response, "x-compute-characters", characters);
    write_header(response, "x-compute-tokens", answer->tokens);
    write_header(response, "x-total-time", answer->total_ns / 1000000);
    write_header(response, "x-tokenization-time", tokenize / n);
    write_header(response, "x-queue-time", queue / n);
    write_header(response, "x-inference-time", compute / n);
}

static const float *row_of(const SutraResultView *view, size_t row)
{
    return (const float *)view->data + row * view->dim;
}

void su_tei_write_embed(const SuEmbedAnswer *answer, SuHttpResponse *response)
{
    const SutraResultView *view = answer->view;
    write_headers(answer, response);
    for (size_t i = 0; i < view->num_items; i++) {
        su_reply_string(&response->body, i ? "," : "[");
        su_reply_floats(&response->body, row_of(view, i), view->dim);
    }
    su_reply_string(&response->body, "]");
}

static void write_embed_all(const SuEmbedAnswer *answer, SuHttpResponse *response)
{
    const SutraResultView *view = answer->view;
    write_headers(answer, response);
    for (size_t i = 0; i < view->num_items; i++) {
        su_reply_string(&response->body, i ? ",[" : "[[");
        for (size_t row = view->offsets[i]; row < view->offsets[i + 1]; row++) {
            if (row > view->offsets[i]) su_reply_string(&response->body, ",");
            su_reply_floats(&response->body, row_of(view, row), view->dim);
        }
        su_reply_string(&response->body, "]");
    }
    su_reply_string(&response->body, "]");
}

static void write_similarity(const SuEmbedAnswer *answer, SuHttpResponse *response)
{
    const SutraResultView *view = answer->view;
    const float *source = row_of(view, 0);
    write_headers(answer, response);
    for (size_t i = 1; i < view->num_items; i++) {
        const float *row = row_of(view, i);
        double sum = 0;
        for (size_t k = 0; k < view->dim; k++) sum += (double)source[k] * row[k];
        float cosine = sum > 1 ? 1 : sum < -1 ? -1 : (float)sum; /* of unit vectors, but rounded */
        su_reply_string(&response->body, i > 1 ? "," : "[");
        su_reply_float(&response->body, cosine);
    }
    su_reply_string(&response->body, "]");
}

static void write_ranks(const SuEmbedRequest *request, const SuRank *ranks, SuReplyText *body)
{
    for (size_t i = 0; i < request->num_inputs; i++) {
        const SutraInput *input = &request->inputs[ranks[i].index];
        su_reply_string(body, i ? ",{\"index\":" : "[{\"index\":");
        su_reply_number(body, ranks[i].index);
        if (request->encoding & RETURN_TEXT) {
            su_reply_string(body, ",\"text\":");
            su_reply_json(body, (SuText){input->pair, input->pair_size});
        }
        su_reply_string(body, ",\"score\":");
        su_reply_float(body, ranks[i].score);
        su_reply_string(body, "}");
    }
    su_reply_string(body, "]");
}

static void write_rerank(const SuEmbedAnswer *answer, SuHttpResponse *response)
{
    SuRank *ranks = su_ranks_create(answer);
    if (!ranks) {
        response->body.failed = true;
        return;
    }
    write_headers(answer, response);
    write_ranks(answer->request, ranks, &response->body);
    su_free(ranks);
}

/* A reranker has one label. */
static void write_predict(const SuEmbedAnswer *answer, SuHttpResponse *response)
{
    SuReplyText *body = &response->body;
    bool is_single = answer->request->encoding & SINGLE;
    write_headers(answer, response);
    if (!is_single) su_reply_string(body, "[");
    for (size_t i = 0; i < answer->view->num_items; i++) {
        su_reply_string(body, i ? ",[{\"score\":" : "[{\"score\":");
        su_reply_float(body, su_rank_score(answer, i));
        su_reply_string(body, ",\"label\":\"LABEL_0\"}]");
    }
    if (!is_single) su_reply_string(body, "]");
}

static void write_any(const SuEmbedAnswer *answer, SuHttpResponse *response)
{
    if (answer->view->output == SUTRA_OUT_SCORES)
        write_rerank(answer, response);
    else if (answer->request->encoding & SIMILARITY)
        write_similarity(answer, response);
    else
        su_tei_write_embed(answer, response);
}

/* ---- routes ---- */

void su_tei_embed_all(SuExchange *exchange)
{
    static const SuEmbedDialect dialect = {
        .read = read_embed_all, .find = su_tei_find, .write = write_embed_all};
    su_embed_serve(exchange, &dialect);
}

void su_tei_similarity(SuExchange *exchange)
{
    static const SuEmbedDialect dialect = {
        .read = read_similarity, .find = su_tei_find, .write = write_similarity};
    su_embed_serve(exchange, &dialect);
}

void su_tei_rerank(SuExchange *exchange)
{
    static const SuEmbedDialect dialect = {
        .read = read_rerank, .find = su_tei_find, .write = write_rerank};
    su_embed_serve(exchange, &dialect);
}

void su_tei_any(SuExchange *exchange)
{
    static const SuEmbedDialect dialect = {
        .read = read_any, .find = su_tei_find, .write = write_any};
    exchange->write_problem = su_tei_problem; /* "/" is no prefix of its own */
    su_embed_serve(exchange, &dialect);
}

void su_tei_embed_sparse(SuExchange *exchange)
{
    static const SuHttpProblem none = {424, "unsupported", NULL,
                                       "no model of this server has a sparse head (SPLADE)", 0};
    su_exchange_fail(exchange, &none);
}

void su_tei_predict(SuExchange *exchange)
{
    static const SuEmbedDialect dialect = {
        .read = read_predict, .find = su_tei_find, .write = write_predict};
    su_embed_serve(exchange, &dialect);
}

/* ---- errors ---- */

void su_tei_problem(SuHttpResponse *response, const SuHttpProblem *problem)
{
    const char *code = problem->code ? problem->code : "";
    bool too_long =
        strcmp(code, "context_length_exceeded") == 0 || strcmp(code, "max_tokens_per_request") == 0;
    bool unsupported = strcmp(code, "unsupported") == 0;
    if (too_long) response->status = 413;
    if (unsupported) response->status = 424;
    bool empty = strcmp(code, "empty") == 0;
    if (response->status == 400 && !empty) response->status = 422;
    const char *type = response->status == 424   ? "backend"
                       : response->status == 429 ? "overloaded"
                       : response->status == 503 ? "unhealthy"
                       : response->status >= 500 ? "backend"
                       : empty                   ? "empty"
                                                 : "validation";
    const char *message = problem->message ? problem->message : su_http_reason(response->status);
    su_reply_string(&response->body, "{\"error\":");
    su_reply_json(&response->body, (SuText){message, strlen(message)});
    su_reply_string(&response->body, ",\"error_type\":\"");
    su_reply_string(&response->body, type);
    su_reply_string(&response->body, "\"}");
}
