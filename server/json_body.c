#include "json_body.h"

/* Counts values by what separates them. NULL, or what is too much. */
static const char *check_bounds(SuText body)
{
    size_t depth = 0, values = 0;
    bool in_string = false;
    for (size_t i = 0; i < body.size; i++) {
        char c = body.data[i];
        if (in_string) {
            if (c == '\\')
                i++;
            else if (c == '"')
                in_string = false;
        } else if (c == '"') {
            in_string = true;
        } else if (c == '[' || c == '{') {
            values++;
            if (++depth > SU_JSON_DEPTH) return "is nested too deeply";
        } else if (c == ']' || c == '}') {
            depth -= depth > 0;
        } else if (c == ',') {
            values++;
        }
        if (values > SU_JSON_VALUES) return "holds too many values";
    }
    return NULL;
}

json_t *su_json_body_read(SuText body, SuProblem *problem)
{
    json_error_t error;
    const char *too_much = check_bounds(body);
    if (too_much) {
        su_problem_set(problem, 400, NULL, NULL, "The body %s.", too_much);
        return NULL;
    }
    json_t *root = json_loadb(body.data ? body.data : "", body.size,
                              JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &error);
    if (json_is_object(root)) return root;
    if (root)
        su_problem_set(problem, 400, NULL, NULL, "The body is not a JSON object.");
    else if (json_error_code(&error) == json_error_out_of_memory)
        su_problem_set(problem, 503, "out_of_memory", NULL, "The server is out of memory.");
    else
        su_problem_set(problem, 400, NULL, NULL,
                       "The body is not valid JSON: line %d, column %d: %s.", error.line,
                       error.column, error.text);
    json_decref(root);
    return NULL;
}
