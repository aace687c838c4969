#include "stream_message.h"

#include "json_body.h"

#include <string.h>

/* ---- in ---- */

static const char *const verbs[] = {
    [SU_STREAM_START] = "start",
    [SU_STREAM_TEXT] = "text",
    [SU_STREAM_FLUSH] = "flush",
    [SU_STREAM_FINISH] = "finish",
};

bool su_stream_message_read(SuText message, SuStreamVerb *verb, json_t **document,
                            SuProblem *problem)
{
    *document = su_json_body_read(message, problem);
    if (!*document) return false;
    SuText type = su_json_text(json_object_get(*document, "type"));
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++) {
        if (!type.data || !su_text_is(type, verbs[i])) continue;
        *verb = (SuStreamVerb)i;
        if (*verb != SU_STREAM_TEXT || json_is_string(json_object_get(*document, "text")))
            return true;
        return su_problem_set(problem, 400, "invalid_message", "text",
                              "A message of the type \"text\" has a string `text`.");
    }
    return su_problem_set(problem, 400, "invalid_message", "type",
                          "`type` must be \"start\", \"text\", \"flush\" or \"finish\".");
}

static const char *const by_words[] = {[SUTRA_CHUNK_TOKENS] = "tokens",
                                       [SUTRA_CHUNK_SENTENCES] = "sentences",
                                       [SUTRA_CHUNK_PARAGRAPHS] = "paragraphs",
                                       NULL};
static const char *const aggregate_words[] = {"none",
                                              [1 + SUTRA_AGGREGATE_MEAN] = "mean",
                                              [1 + SUTRA_AGGREGATE_MAX] = "max",
                                              [1 + SUTRA_AGGREGATE_LENGTH] = "length",
                                              [1 + SUTRA_AGGREGATE_CENTER] = "center",
                                              [1 + SUTRA_AGGREGATE_LAST] = "last",
                                              NULL};
static const char *const encoding_words[] = {"float", "base64", NULL};

/* Of a "start". */
static const struct Field {
    const char *name;
    enum { TEXT, NUMBER, FLAG, WORD } kind;
    size_t place; /* of a SuText, else a uint32_t */
    const char *const *words;
} fields[] = {
    {"model", TEXT, offsetof(SuStreamWish, model), NULL},
    {"prompt_name", TEXT, offsetof(SuStreamWish, prompt_name), NULL},
    {"max_tokens", NUMBER, offsetof(SuStreamWish, max_tokens), NULL},
    {"overlap", NUMBER, offsetof(SuStreamWish, overlap), NULL},
    {"dimensions", NUMBER, offsetof(SuStreamWish, dim), NULL},
    {"normalize", FLAG, offsetof(SuStreamWish, normalize), NULL},
    {"return_text", FLAG, offsetof(SuStreamWish, returns_text), NULL},
    {"by", WORD, offsetof(SuStreamWish, by), by_words},
    {"aggregate", WORD, offsetof(SuStreamWish, aggregate), aggregate_words},
    {"encoding_format", WORD, offsetof(SuStreamWish, is_base64), encoding_words},
};
enum { NUM_FIELDS = sizeof fields / sizeof *fields };

static bool refuse(SuProblem *problem, const char *field, const char *wanted)
{
    return su_problem_set(problem, 400, "invalid_message", field, "`%s` must be %s.", field,
                          wanted);
}

static bool read_word(const json_t *value, const struct Field *field, uint32_t *place,
                      SuProblem *problem)
{
    SuText text = su_json_text(value);
    char list[120] = "one of";
    for (size_t i = 0; field->words[i]; i++) {
        if (text.data && su_text_is(text, field->words[i])) {
            *place = (uint32_t)i;
            return true;
        }
        strcat(strcat(list, i ? ", " : " "), field->words[i]);
    }
    return refuse(problem, field->name, list);
}

static bool read_field(SuStreamWish *wish, const struct Field *field, const json_t *value,
                       SuProblem *problem)
{
    void *place = (char *)wish + field->place;
    SuText text = su_json_text(value);
    json_int_t number = json_integer_value(value);
    switch (field->kind) {
    case TEXT:
        *(SuText *)place = text;
        return (text.data && !memchr(text.data, 0, text.size)) ||
               refuse(problem, field->name, "a text");
    case NUMBER:
        *(uint32_t *)place = (uint32_t)number;
        return (json_is_integer(value) && number >= 0 && number <= 1 << 24) ||
               refuse(problem, field->name, "a whole number from 0 to 16777216");
    case FLAG:
        *(uint32_t *)place = json_is_true(value);
        return json_is_boolean(value) || refuse(problem, field->name, "true or false");
    case WORD:
        break;
    }
    return read_word(value, field, place, problem);
}

bool su_stream_wish_read(json_t *document, SuStreamWish *wish, SuProblem *problem)
{
    const char *name;
    json_t *value;
    wish->document = document;
    json_object_foreach(document, name, value)
    {
        size_t i = 0;
        if (strcmp(name, "type") == 0 || json_is_null(value)) continue;
        while (i < NUM_FIELDS && strcmp(name, fields[i].name) != 0) i++;
        if (i == NUM_FIELDS)
            return su_problem_set(problem, 400, "invalid_message", NULL,
                                  "\"start\" has no field `%.100s`.", name);
        if (!read_field(wish, &fields[i], value, problem)) return false;
    }
    return true;
}

/* ---- out ---- */

static void write_row(SuReplyText *line, const SuStreamWish *wish, const float *row, uint32_t dim)
{
    su_reply_string(line, ",\"embedding\":");
    if (wish->is_base64) {
        su_reply_bytes(line, "\"", 1);
        su_reply_base64(line, row, dim * sizeof *row);
        su_reply_bytes(line, "\"", 1);
    } else {
        su_reply_floats(line, row, dim);
    }
}

static void write_problem(SuReplyText *line, const SuHttpProblem *problem)
{
    su_reply_string(line, "\"error\":{\"message\":");
    su_reply_json(line, (SuText){problem->message, strlen(problem->message)});
    if (problem->code) su_reply_put_string(line, ",\"code\":", problem->code);
    su_reply_bytes(line, "}", 1);
}

static void write_engine_error(SuReplyText *line, const SutraError *err)
{
    SuProblem problem;
    su_problem_of_engine(&problem, err);
    su_reply_bytes(line, ",", 1);
    write_problem(line, &problem.http);
}

void su_stream_write_started(SuReplyText *line, const char *model, uint32_t dim,
                             uint32_t max_tokens)
{
    su_reply_put_string(line, "{\"type\":\"started\",\"model\":", model);
    su_reply_put_number(line, ",\"dimensions\":", dim);
    su_reply_put_number(line, ",\"max_tokens\":", max_tokens);
    su_reply_string(line, "}\n");
}

void su_stream_write_chunk(SuReplyText *line, const SuStreamWish *wish,
                           const SutraStreamChunk *chunk, uint32_t dim, const SutraError *err)
{
    size_t size = (size_t)(chunk->chunk.end - chunk->chunk.begin);
    su_reply_put_number(line, "{\"type\":\"chunk\",\"number\":", chunk->number);
    su_reply_put_number(line, ",\"begin\":", chunk->chunk.begin);
    su_reply_put_number(line, ",\"end\":", chunk->chunk.end);
    su_reply_put_number(line, ",\"tokens\":", chunk->chunk.tokens);
    su_reply_string(line, ",\"latency_ms\":");
    su_reply_float(line, (float)((double)chunk->latency_ns * 1e-6));
    if (wish->returns_text) {
        su_reply_string(line, ",\"text\":");
        su_reply_json(line, (SuText){chunk->text, size});
    }
    if (chunk->item.status == SUTRA_OK)
        write_row(line, wish, chunk->vector, dim);
    else
        write_engine_error(line, err);
    su_reply_string(line, "}\n");
}

void su_stream_write_end(SuReplyText *line, const SuStreamWish *wish, const SutraStreamStats *stats,
                         const float *row, uint32_t dim, const SutraError *err)
{
    su_reply_put_number(line, "{\"type\":\"end\",\"chunks\":", stats->chunks);
    su_reply_put_number(line, ",\"tokens\":", stats->tokens);
    su_reply_put_number(line, ",\"bytes\":", stats->bytes);
    if (row) write_row(line, wish, row, dim);
    if (err) write_engine_error(line, err);
    su_reply_string(line, "}\n");
}

void su_stream_write_error(SuReplyText *line, const SuHttpProblem *problem)
{
    su_reply_string(line, "{\"type\":\"error\",");
    write_problem(line, problem);
    su_reply_string(line, "}\n");
}
