#include "dialect_cohere.h"

#include "json_body.h"

#include <math.h>
#include <string.h>

/* In request->encoding: a bit an embedding type, and which input_type, counted from 1. */
typedef enum EmbeddingType { FLOAT, INT8, UINT8, BINARY, UBINARY, BASE64, NUM_TYPES } EmbeddingType;
enum { TYPES = (1 << NUM_TYPES) - 1, INPUT_TYPE_SHIFT = 8 };

static const char *const type_names[NUM_TYPES] = {"float",  "int8",    "uint8",
                                                  "binary", "ubinary", "base64"};

/* Names of prompts, in the order that they are looked for. */
static const struct {
    const char *name, *prompts[2];
} input_types[] = {{"search_query", {"query", NULL}},
                   {"search_document", {"document", "passage"}},
                   {"classification", {"classification", NULL}},
                   {"clustering", {"clustering", NULL}}};
enum { NUM_INPUT_TYPES = sizeof input_types / sizeof *input_types };

/* ---- the request ---- */

static bool refuse_empty(const SuReading *r, const char *field)
{
    return su_problem_set(r->problem, 400, NULL, field, "%s cannot be empty", field);
}

const SuFieldWords su_cohere_words = {.status = 400,
                                      .quote = "",
                                      .end = "",
                                      .unknown = {"unknown field: ", ""},
                                      .missing = {"", " is missing"},
                                      .empty = refuse_empty};

static bool read_texts(SuReading *r, const json_t *value)
{
    if (!json_is_array(value)) return su_field_refuse(r, "a list of texts");
    return su_field_inputs(r, value);
}

/* {"content": [{"type": "text", "text": "…"}]} */
static bool read_content(SuReading *r, const json_t *item, size_t i)
{
    const json_t *content = json_object_get(item, "content"), *part = json_array_get(content, 0);
    const json_t *text = json_object_get(part, "text");
    const char *type = json_string_value(json_object_get(part, "type"));
    if (json_array_size(content) != 1 || !json_is_string(text) || !type ||
        strcmp(type, "text") != 0)
        return su_field_refuse(r, "a list of {\"content\": [{\"type\": \"text\", \"text\": "
                                  "\"…\"}]}: models of this server read one text each");
    r->request->inputs[i] =
        (SutraInput){.text = json_string_value(text), .text_size = json_string_length(text)};
    return true;
}

static bool read_inputs(SuReading *r, const json_t *value)
{
    if (!json_is_array(value)) return su_field_refuse(r, "a list of objects");
    if (r->request->num_inputs)
        return su_problem_set(r->problem, 400, NULL, "inputs",
                              "texts and inputs are both given: one is enough");
    if (!su_field_make_inputs(r, json_array_size(value))) return false;
    for (size_t i = 0; i < json_array_size(value); i++)
        if (!read_content(r, json_array_get(value, i), i)) return false;
    return true;
}

static bool refuse_images(SuReading *r, const json_t *value)
{
    (void)value;
    return su_problem_set(r->problem, 400, "unsupported", "images",
                          "models of this server read texts, no images");
}

static bool read_input_type(SuReading *r, const json_t *value)
{
    SuText text = su_json_text(value);
    for (uint32_t i = 0; text.data && i < NUM_INPUT_TYPES; i++) {
        if (!su_text_is(text, input_types[i].name)) continue;
        r->request->encoding |= (i + 1) << INPUT_TYPE_SHIFT;
        return true;
    }
    return su_field_refuse(r, "search_query, search_document, classification or clustering");
}

static bool read_type(SuReading *r, const json_t *value)
{
    SuText text = su_json_text(value);
    for (uint32_t i = 0; text.data && i < NUM_TYPES; i++) {
        if (!su_text_is(text, type_names[i])) continue;
        r->request->encoding |= 1u << i;
        return true;
    }
    return su_field_refuse(r, "a list of float, int8, uint8, binary, ubinary and base64");
}

static bool read_types(SuReading *r, const json_t *value)
{
    if (!json_is_array(value)) return read_type(r, NULL);
    for (size_t i = 0; i < json_array_size(value); i++)
        if (!read_type(r, json_array_get(value, i))) return false;
    return true;
}

static bool read_truncate(SuReading *r, const json_t *value)
{
    static const struct {
        const char *name;
        uint8_t truncation;
    } sides[] = {{"NONE", SUTRA_TRUNCATE_ERROR},
                 {"START", SUTRA_TRUNCATE_LEFT},
                 {"END", SUTRA_TRUNCATE_RIGHT}};
    SuText text = su_json_text(value);
    for (size_t i = 0; text.data && i < sizeof sides / sizeof *sides; i++) {
        if (!su_text_is_word(text, sides[i].name)) continue;
        r->request->options.truncation = sides[i].truncation;
        return true;
    }
    return su_field_refuse(r, "NONE, START or END");
}

static const SuField fields[] = {{"texts", read_texts, false},
                                 {"inputs", read_inputs, false},
                                 {"images", refuse_images, false},
                                 {"model", su_field_model, false},
                                 {"input_type", read_input_type, false},
                                 {"embedding_types", read_types, false},
                                 {"output_dimension", su_field_dimensions, false},
                                 {"max_tokens", su_field_max_tokens, false},
                                 {"truncate", read_truncate, false},
                                 {"priority", su_field_unused, false},
                                 {NULL, NULL, false}};

static bool read_request(const SuEmbedLimits *limits, SuText body, SuEmbedRequest *request,
                         SuProblem *problem)
{
    SuReading r;
    const json_t *root = su_reading_begin(&r, &su_cohere_words, limits, body, request, problem);
    request->options.truncation = SUTRA_TRUNCATE_RIGHT;
    request->options.normalize = SUTRA_NORMALIZE_YES;
    if (!root || !su_fields_read(&r, root, fields)) return false;
    return request->num_inputs || su_problem_set(problem, 400, NULL, "texts", "texts is missing");
}

SuModelEntry *su_cohere_find(const SuModelTable *models, const SuEmbedRequest *request,
                             SuProblem *problem)
{
    SuText name = request->model;
    SuModelEntry *entry = NULL;
    if (!name.data && request->options.output == SUTRA_OUT_SCORES)
        entry = su_model_table_reranker(models);
    if (!entry) entry = su_model_table_find(models, name);
    if (!entry)
        su_problem_set(problem, 404, "model_not_found", "model", "model '%.*s' not found",
                       (int)(name.size < 200 ? name.size : 200), name.data);
    return entry;
}

/* A prompt of the model for the input_type. */
static const char *prompt_for(const SutraModelInfo *info, uint32_t input_type)
{
    for (size_t k = 0; k < 2; k++) {
        const char *name = input_types[input_type].prompts[k];
        for (uint32_t i = 0; name && i < info->num_prompts; i++)
            if (strcmp(info->prompt_names[i], name) == 0) return name;
    }
    return "";
}

static bool fit_prompt(const SuModelEntry *model, SuEmbedRequest *request, SuProblem *problem)
{
    uint32_t input_type = request->encoding >> INPUT_TYPE_SHIFT;
    (void)problem;
    for (size_t i = 0; input_type && i < request->num_inputs; i++)
        request->inputs[i].prompt_name = prompt_for(&model->info, input_type - 1);
    return true;
}

/* ---- answers ---- */

static void write_integers(const SutraResultView *view, const float *row, EmbeddingType type,
                           SuReplyText *body)
{
    bool is_bits = type == BINARY || type == UBINARY;
    bool is_signed = type == INT8 || type == BINARY;
    for (uint32_t i = 0; i < view->dim; i += is_bits ? 8 : 1) {
        int code = 0;
        if (is_bits) {
            for (uint32_t k = 0; k < 8 && i + k < view->dim; k++)
                if (row[i + k] > 0) code |= 0x80 >> k;
        } else {
            float scaled = rintf(127 * row[i]);
            code = 128 + (int)(scaled > 127 ? 127 : scaled < -127 ? -127 : scaled);
        }
        if (is_signed) code -= 128;
        su_reply_string(body, i ? (code < 0 ? ",-" : ",") : code < 0 ? "[-" : "[");
        su_reply_number(body, (uint64_t)(code < 0 ? -code : code));
    }
    su_reply_string(body, "]");
}

static void write_rows(const SutraResultView *view, EmbeddingType type, SuReplyText *body)
{
    for (size_t i = 0; i < view->num_items; i++) {
        const float *row = (const float *)view->data + i * view->dim;
        su_reply_string(body, i ? "," : "[");
        if (type == FLOAT) {
            su_reply_floats(body, row, view->dim);
        } else if (type == BASE64) {
            su_reply_string(body, "\"");
            su_reply_base64(body, row, view->row_bytes);
            su_reply_string(body, "\"");
        } else {
            write_integers(view, row, type, body);
        }
    }
    su_reply_string(body, "]");
}

void su_cohere_meta(const SuEmbedAnswer *answer, const char *version, const char *unit,
                    uint64_t billed, SuReplyText *body)
{
    su_reply_put_string(body, ",\"meta\":{\"api_version\":{\"version\":", version);
    su_reply_put_string(body, "},\"billed_units\":{", unit);
    su_reply_put_number(body, ":", billed);
    su_reply_string(body, "}");
    if (answer->truncated) {
        su_reply_put_number(body, ",\"warnings\":[\"", answer->truncated);
        su_reply_string(body, " of the texts were truncated\"]");
    }
    su_reply_string(body, "}");
}

static void write_by_type(const SuEmbedAnswer *answer, SuReplyText *body)
{
    uint32_t types = answer->request->encoding & TYPES;
    const char *before = "{";
    if (!types) types = 1 << FLOAT;
    for (uint32_t type = 0; type < NUM_TYPES; type++) {
        if (!(types >> type & 1)) continue;
        su_reply_put_string(body, before, type_names[type]);
        su_reply_string(body, ":");
        write_rows(answer->view, (EmbeddingType)type, body);
        before = ",";
    }
    su_reply_string(body, "}");
}

static void write_answer(const SuEmbedAnswer *answer, const char *version, bool by_type,
                         SuReplyText *body)
{
    const SuEmbedRequest *request = answer->request;
    su_reply_put_string(body, "{\"id\":", answer->id);
    su_reply_put_string(
        body, ",\"response_type\":", by_type ? "embeddings_by_type" : "embeddings_floats");
    su_reply_string(body, ",\"embeddings\":");
    if (by_type)
        write_by_type(answer, body);
    else
        write_rows(answer->view, FLOAT, body);
    su_reply_string(body, ",\"texts\":[");
    for (size_t i = 0; i < request->num_inputs; i++) {
        if (i) su_reply_string(body, ",");
        su_reply_json(body, (SuText){request->inputs[i].text, request->inputs[i].text_size});
    }
    su_reply_string(body, "]");
    su_cohere_meta(answer, version, "input_tokens", answer->tokens, body);
    su_reply_string(body, "}");
}

static void write_v2(const SuEmbedAnswer *answer, SuHttpResponse *response)
{
    write_answer(answer, "2", true, &response->body);
}

static void write_v1(const SuEmbedAnswer *answer, SuHttpResponse *response)
{
    write_answer(answer, "1", answer->request->encoding & TYPES, &response->body);
}

void su_cohere_embed(SuExchange *exchange)
{
    static const SuEmbedDialect dialect = {
        .read = read_request, .find = su_cohere_find, .fit = fit_prompt, .write = write_v2};
    su_embed_serve(exchange, &dialect);
}

void su_cohere_embed_v1(SuExchange *exchange)
{
    static const SuEmbedDialect dialect = {
        .read = read_request, .find = su_cohere_find, .fit = fit_prompt, .write = write_v1};
    su_embed_serve(exchange, &dialect);
}

void su_cohere_problem(SuHttpResponse *response, const SuHttpProblem *problem)
{
    const char *message = problem->message ? problem->message : su_http_reason(response->status);
    su_reply_put_string(&response->body, "{\"message\":", message);
    su_reply_string(&response->body, "}");
}
