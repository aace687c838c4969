#include "tei_tokens.h"

#include "base/memory.h"
#include "dialect_tei.h"
#include "json_body.h"
#include "request_tokens.h"

#include <string.h>

enum { ADD_SPECIAL = 1, SKIP_SPECIAL = 2 }; /* in request->encoding */
enum { ANSWER_PER_BYTE = 16 };              /* bytes of an answer for one of the request, about */

/* ---- texts to tokens ---- */

static bool read_special(SuReading *r, const json_t *value, uint32_t flag)
{
    bool is_set;
    bool good = su_field_flag(r, value, &is_set);
    if (!is_set) r->request->encoding &= ~flag;
    return good;
}

static bool read_add_special(SuReading *r, const json_t *value)
{
    return read_special(r, value, ADD_SPECIAL);
}

static bool read_skip_special(SuReading *r, const json_t *value)
{
    return read_special(r, value, SKIP_SPECIAL);
}

static bool read_body(const SuEmbedLimits *limits, SuText body, const SuField *fields,
                      SuEmbedRequest *request, SuProblem *problem)
{
    SuReading r;
    const json_t *root = su_reading_begin(&r, &su_tei_words, limits, body, request, problem);
    request->encoding = ADD_SPECIAL | SKIP_SPECIAL;
    request->work_bytes = body.size * ANSWER_PER_BYTE;
    return root && su_fields_read(&r, root, fields);
}

static bool read_tokenize(const SuEmbedLimits *limits, SuText body, SuEmbedRequest *request,
                          SuProblem *problem)
{
    static const SuField fields[] = {{"inputs", su_field_inputs, true},
                                     {"model", su_field_model, false},
                                     {"add_special_tokens", read_add_special, false},
                                     {"prompt_name", su_field_prompt_name, false},
                                     {NULL, NULL, false}};
    return read_body(limits, body, fields, request, problem);
}

/* Where a code point of a text begins, walking from the one asked for before. */
typedef struct Position {
    SuText text;
    size_t byte;
    uint32_t code_point;
} Position;

static bool is_continuation(const Position *position)
{
    return position->byte < position->text.size &&
           (position->text.data[position->byte] & 0xc0) == 0x80;
}

static size_t byte_of(Position *position, uint32_t code_point)
{
    while (position->code_point < code_point && position->byte < position->text.size) {
        do position->byte++;
        while (is_continuation(position));
        position->code_point++;
    }
    while (position->code_point > code_point) {
        do position->byte--;
        while (is_continuation(position));
        position->code_point--;
    }
    return position->byte;
}

static void write_token(const SuEmbedAnswer *answer, const SutraTokensView *view, size_t t,
                        Position *position, SuReplyText *body)
{
    int32_t id = view->token_ids[t];
    su_reply_put_number(body, "{\"id\":", (uint64_t)id);
    su_reply_string(body, ",\"text\":");
    if (view->special[t]) {
        SuText token;
        token.data = sutra_model_token(answer->model->model, id, &token.size);
        su_reply_json(body, token);
        su_reply_string(body, ",\"special\":true,\"start\":null,\"stop\":null}");
        return;
    }
    size_t begin = byte_of(position, view->begin[t]), end = byte_of(position, view->end[t]);
    su_reply_json(body, (SuText){position->text.data + begin, end - begin});
    su_reply_put_number(body, ",\"special\":false,\"start\":", begin);
    su_reply_put_number(body, ",\"stop\":", end);
    su_reply_string(body, "}");
}

static void write_tokens(const SuEmbedAnswer *answer, const SutraTokensView *view, size_t i,
                         SuText text, SuReplyText *body)
{
    Position position = {.text = text};
    bool adds = answer->request->encoding & ADD_SPECIAL, is_first = true;
    for (size_t t = view->cu_seqlens[i]; t < view->cu_seqlens[i + 1]; t++) {
        if (view->special[t] && !adds) continue;
        if (!is_first) su_reply_string(body, ",");
        is_first = false;
        write_token(answer, view, t, &position, body);
    }
}

static bool tokenize_one(const SuEmbedAnswer *answer, size_t i, const char *prompt,
                         SuReplyText *body, SutraError *err)
{
    SutraTokens *tokens;
    SutraTokensView view = {.struct_size = sizeof view};
    size_t size;
    char *text = su_prompted_text(prompt, &answer->request->inputs[i], &size);
    if (!text) {
        su_error_set(err, SUTRA_E_MEMORY, "out of memory for a text");
        return false;
    }
    SutraInput input = {.text = text, .text_size = size};
    if (sutra_tokenize(answer->model->model, &input, 1, 0, &tokens, err) != SUTRA_OK) {
        su_free(text);
        return false;
    }
    sutra_tokens_view(tokens, &view, NULL);
    su_reply_string(body, i ? ",[" : "[[");
    write_tokens(answer, &view, 0, (SuText){text, size}, body);
    su_reply_string(body, "]");
    sutra_tokens_free(tokens);
    su_free(text);
    return true;
}

static bool tokenize(const SuEmbedAnswer *answer, SuHttpResponse *response, SuProblem *problem)
{
    SutraError err = {0};
    const SuEmbedRequest *request = answer->request;
    const char *prompt = NULL;
    bool good = sutra_model_prompt(answer->model->model, request->inputs[0].prompt_name, &prompt,
                                   &err) == SUTRA_OK;
    for (size_t i = 0; good && i < request->num_inputs; i++)
        good = tokenize_one(answer, i, prompt, &response->body, &err);
    if (!good) su_problem_of_engine(problem, &err);
    su_reply_string(&response->body, "]");
    return good;
}

void su_tei_tokenize(SuExchange *exchange)
{
    static const SuEmbedDialect dialect = {
        .read = read_tokenize, .find = su_tei_find, .work = tokenize};
    su_embed_serve(exchange, &dialect);
}

/* ---- tokens to texts ---- */

/* Lists of token ids, one after the other; request->own. */
typedef struct TokenLists {
    size_t count;
    size_t *ends; /* [count] */
    int32_t *ids; /* [ends[count - 1]] */
} TokenLists;

/* Ids beyond the largest that a token may have become one that none has. */
static bool read_list(SuReading *r, const json_t *list, TokenLists *lists, size_t i)
{
    size_t n = i ? lists->ends[i - 1] : 0;
    if (!json_is_array(list)) return su_field_refuse(r, "a list of token ids, or of such lists");
    if (json_array_size(list) == 0) return r->words->empty(r, r->field);
    for (size_t k = 0; k < json_array_size(list); k++) {
        const json_t *item = json_array_get(list, k);
        json_int_t id = json_integer_value(item);
        if (!json_is_integer(item) || id < 0 || id > UINT32_MAX)
            return su_field_refuse(r, "a list of token ids, or of such lists");
        lists->ids[n++] = id > INT32_MAX ? -1 : (int32_t)id;
    }
    lists->ends[i] = n;
    return true;
}

static bool read_ids(SuReading *r, const json_t *value)
{
    bool is_batch = json_is_array(json_array_get(value, 0));
    size_t count = is_batch ? json_array_size(value) : 1, ids = 0;
    if (count > r->limits->max_inputs) return r->words->too_many(r, r->field, count);
    for (size_t i = 0; i < count; i++)
        ids += json_array_size(is_batch ? json_array_get(value, i) : value);
    TokenLists *lists =
        su_alloc(1, sizeof *lists + count * sizeof *lists->ends + ids * sizeof *lists->ids);
    r->request->own = lists;
    if (!lists)
        return su_problem_set(r->problem, 503, "out_of_memory", NULL,
                              "the server is out of memory");
    lists->count = count;
    lists->ends = (size_t *)(lists + 1);
    lists->ids = (int32_t *)(lists->ends + count);
    for (size_t i = 0; i < count; i++)
        if (!read_list(r, is_batch ? json_array_get(value, i) : value, lists, i)) return false;
    return true;
}

static bool read_decode(const SuEmbedLimits *limits, SuText body, SuEmbedRequest *request,
                        SuProblem *problem)
{
    static const SuField fields[] = {{"ids", read_ids, true},
                                     {"model", su_field_model, false},
                                     {"skip_special_tokens", read_skip_special, false},
                                     {NULL, NULL, false}};
    return read_body(limits, body, fields, request, problem);
}

static bool decode(const SuEmbedAnswer *answer, SuHttpResponse *response, SuProblem *problem)
{
    const TokenLists *lists = answer->request->own;
    int skips = (answer->request->encoding & SKIP_SPECIAL) != 0;
    for (size_t i = 0, begin = 0; i < lists->count; begin = lists->ends[i++]) {
        SutraError err = {0};
        size_t size;
        char *text;
        if (sutra_decode(answer->model->model, lists->ids + begin, lists->ends[i] - begin, skips,
                         &text, &size, &err) != SUTRA_OK) {
            su_problem_of_engine(problem, &err);
            return false;
        }
        su_reply_string(&response->body, i ? "," : "[");
        su_reply_json(&response->body, (SuText){text, size});
        sutra_text_free(text);
    }
    su_reply_string(&response->body, "]");
    return true;
}

void su_tei_decode(SuExchange *exchange)
{
    static const SuEmbedDialect dialect = {
        .read = read_decode, .find = su_tei_find, .work = decode};
    su_embed_serve(exchange, &dialect);
}
