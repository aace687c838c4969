#include "request_fields.h"

#include "base/memory.h"
#include "json_body.h"

#include <stdio.h>
#include <string.h>

const json_t *su_reading_begin(SuReading *r, const SuFieldWords *words, const SuEmbedLimits *limits,
                               SuText body, SuEmbedRequest *request, SuProblem *problem)
{
    *r = (SuReading){.words = words, .limits = limits, .request = request, .problem = problem};
    request->document = su_json_body_read(body, problem);
    return request->document;
}

bool su_field_refuse(const SuReading *r, const char *wanted)
{
    const SuFieldWords *words = r->words;
    return su_problem_set(r->problem, words->status, NULL, r->field, "%s%s%s must be %s%s",
                          words->quote, r->field, words->quote, wanted, words->end);
}

/* ---- objects ---- */

static bool is_known(const SuField *fields, const char *name)
{
    while (fields->name && strcmp(fields->name, name) != 0) fields++;
    return fields->name;
}

static bool check_names(const SuReading *r, const json_t *object, const SuField *fields)
{
    const char *name, *const *words = r->words->unknown;
    json_t *value;
    json_object_foreach((json_t *)object, name, value)
    {
        if (!is_known(fields, name))
            return su_problem_set(r->problem, r->words->status, NULL, NULL, "%s%.100s%s", words[0],
                                  name, words[1]);
    }
    return true;
}

static bool read_field(SuReading *r, const json_t *object, const SuField *field)
{
    const json_t *value = json_object_get(object, field->name);
    const char *const *words = r->words->missing;
    r->field = field->name;
    if (!value && field->must_be)
        return su_problem_set(r->problem, r->words->status, NULL, field->name, "%s%s%s", words[0],
                              field->name, words[1]);
    if (!value || (json_is_null(value) && !field->must_be)) return true;
    return field->read(r, value);
}

bool su_fields_read(SuReading *r, const json_t *object, const SuField *fields)
{
    const char *outer = r->field;
    if (!check_names(r, object, fields)) return false;
    for (; fields->name; fields++)
        if (!read_field(r, object, fields)) return false;
    r->field = outer;
    return true;
}

/* ---- values ---- */

bool su_field_number(const SuReading *r, const json_t *value, uint64_t min, uint64_t max,
                     uint64_t *number)
{
    char wanted[80];
    json_int_t given = json_integer_value(value);
    if (json_is_integer(value) && given >= 0 && (uint64_t)given >= min && (uint64_t)given <= max) {
        *number = (uint64_t)given;
        return true;
    }
    snprintf(wanted, sizeof wanted, "a whole number from %llu to %llu", (unsigned long long)min,
             (unsigned long long)max);
    return su_field_refuse(r, wanted);
}

bool su_field_flag(const SuReading *r, const json_t *value, bool *flag)
{
    *flag = json_is_true(value);
    return json_is_boolean(value) || su_field_refuse(r, "true or false");
}

bool su_field_unused_text(SuReading *r, const json_t *value)
{
    return json_is_string(value) || su_field_refuse(r, "a string");
}

bool su_field_unused(SuReading *r, const json_t *value)
{
    (void)r;
    (void)value;
    return true;
}

/* ---- texts ---- */

bool su_field_make_inputs(const SuReading *r, size_t n)
{
    const SuFieldWords *words = r->words;
    SuEmbedRequest *request = r->request;
    if (n == 0) return !words->empty || words->empty(r, r->field);
    if (n > r->limits->max_inputs && words->too_many) return words->too_many(r, r->field, n);
    if (n > r->limits->max_inputs)
        return su_problem_set(r->problem, words->status, NULL, r->field,
                              "%s%s%s holds %zu texts; this server takes %u in a request%s",
                              words->quote, r->field, words->quote, n, r->limits->max_inputs,
                              words->end);
    request->inputs = su_calloc(n, sizeof *request->inputs);
    if (!request->inputs)
        return su_problem_set(r->problem, 503, "out_of_memory", NULL,
                              "the server is out of memory");
    request->num_inputs = n;
    return true;
}

static bool read_text(const SuReading *r, const json_t *item, size_t i)
{
    const SuFieldWords *words = r->words;
    SuText text = su_json_text(item);
    if (words->check_text && !words->check_text(r, r->field, item, i)) return false;
    if (!json_is_string(item)) return su_field_refuse(r, "a text or a list of texts");
    r->request->inputs[i] = (SutraInput){.text = text.data, .text_size = text.size};
    return true;
}

bool su_field_texts(const SuReading *r, const json_t *list, size_t first)
{
    for (size_t i = 0; i < json_array_size(list); i++)
        if (!read_text(r, json_array_get(list, i), first + i)) return false;
    return true;
}

bool su_field_inputs(SuReading *r, const json_t *value)
{
    if (json_is_array(value))
        return su_field_make_inputs(r, json_array_size(value)) && su_field_texts(r, value, 0);
    return su_field_make_inputs(r, 1) && read_text(r, value, 0);
}

/* ---- fields ---- */

bool su_field_model(SuReading *r, const json_t *value)
{
    r->request->model = su_json_text(value);
    return json_is_string(value) || su_field_refuse(r, "a model's name");
}

bool su_field_dimensions(SuReading *r, const json_t *value)
{
    uint64_t number = 0;
    bool good = su_field_number(r, value, 1, 1 << 20, &number);
    r->request->options.dim = (uint32_t)number;
    return good;
}

bool su_field_max_tokens(SuReading *r, const json_t *value)
{
    uint64_t number = 0;
    bool good = su_field_number(r, value, 1, UINT32_MAX, &number);
    r->request->most_tokens = (uint32_t)number;
    return good;
}

bool su_field_normalize(SuReading *r, const json_t *value)
{
    bool flag;
    bool good = su_field_flag(r, value, &flag);
    r->request->options.normalize = flag ? SUTRA_NORMALIZE_YES : SUTRA_NORMALIZE_NO;
    return good;
}

bool su_field_truncate(SuReading *r, const json_t *value)
{
    bool flag;
    bool good = su_field_flag(r, value, &flag);
    r->request->options.truncation = flag ? SUTRA_TRUNCATE_MODEL : SUTRA_TRUNCATE_ERROR;
    return good;
}

bool su_field_prompt_name(SuReading *r, const json_t *value)
{
    SuText text = su_json_text(value);
    if (!json_is_string(value) || memchr(text.data, 0, text.size))
        return su_field_refuse(r, "the name of a prompt");
    for (size_t i = 0; i < r->request->num_inputs; i++)
        r->request->inputs[i].prompt_name = text.data;
    return true;
}

bool su_field_priority(SuReading *r, const json_t *value)
{
    uint64_t number = 0;
    bool good = su_field_number(r, value, 0, 255, &number);
    r->request->options.priority = (uint8_t)number;
    return good;
}

bool su_field_timeout(SuReading *r, const json_t *value)
{
    uint64_t most = r->limits->queue_ns / 1000000, number = most;
    bool good = su_field_number(r, value, 1, most, &number);
    r->request->options.timeout_ns = number * 1000000;
    return good;
}
