#include "dialect_sutra.h"

#include "dialect_tei.h"

#include <stdio.h>

enum { IS_OWN = 1u << 31 }; /* in request->encoding */

static const SuField fields[] = {{"texts", su_field_inputs, true},
                                 {"model", su_field_model, false},
                                 {"normalize", su_field_normalize, false},
                                 {"target_dimension", su_field_dimensions, false},
                                 {"truncate", su_field_truncate, false},
                                 {"prompt_name", su_field_prompt_name, false},
                                 {NULL, NULL, false}};

static bool read_request(const SuEmbedLimits *limits, SuText body, SuEmbedRequest *request,
                         SuProblem *problem)
{
    SuReading r;
    const json_t *root = su_reading_begin(&r, &su_tei_words, limits, body, request, problem);
    if (!root) return false;
    bool has_texts = json_object_get(root, "texts"), has_inputs = json_object_get(root, "inputs");
    if (has_texts == has_inputs)
        return su_problem_set(problem, 422, NULL, "inputs", "%s",
                              has_texts ? "`inputs` and `texts` are both given: one is enough"
                                        : "missing field `inputs`, or `texts`");
    if (has_inputs) return su_tei_read_embed(&r, root);
    request->encoding = IS_OWN;
    return su_fields_read(&r, root, fields);
}

static void write_time(SuReplyText *body, const char *before, uint64_t nanoseconds)
{
    char text[40];
    int size = snprintf(text, sizeof text, "%.3f", (double)nanoseconds / 1e6);
    su_reply_string(body, before);
    su_reply_bytes(body, text, (size_t)size);
}

static void write_own(const SuEmbedAnswer *answer, SuReplyText *body)
{
    const SutraResultView *view = answer->view;
    uint64_t compute_ns = 0;
    su_reply_string(body, "{\"embeddings\":[");
    for (size_t i = 0; i < view->num_items; i++) {
        if (i) su_reply_string(body, ",");
        su_reply_floats(body, (const float *)view->data + i * view->dim, view->dim);
        if (view->items[i].compute_ns > compute_ns) compute_ns = view->items[i].compute_ns;
    }
    su_reply_put_string(body, "],\"model\":", answer->model->id);
    su_reply_put_number(body, ",\"dimensions\":", view->dim);
    su_reply_put_number(body, ",\"batch_size\":", view->num_items);
    su_reply_put_number(body, ",\"tokens\":", answer->tokens);
    su_reply_put_number(body, ",\"truncated\":", answer->truncated);
    write_time(body, ",\"processing_time_ms\":", answer->total_ns);
    write_time(body, ",\"model_time_ms\":", compute_ns);
    su_reply_string(body, "}");
}

static void write_answer(const SuEmbedAnswer *answer, SuHttpResponse *response)
{
    if (answer->request->encoding & IS_OWN)
        write_own(answer, &response->body);
    else
        su_tei_write_embed(answer, response);
}

void su_sutra_embed(SuExchange *exchange)
{
    static const SuEmbedDialect dialect = {
        .read = read_request, .find = su_tei_find, .write = write_answer};
    su_embed_serve(exchange, &dialect);
}
