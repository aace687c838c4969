/* json_body.h - a request's body as JSON, bounded before it is parsed: a document takes many times
 * its text in memory. */
#ifndef SU_JSON_BODY_H
#define SU_JSON_BODY_H

#include "engine_problem.h"

#include <jansson.h>

enum { SU_JSON_DEPTH = 32, SU_JSON_VALUES = 1 << 20 };

/* The object that the body holds, the caller's (json_decref); strings may hold NUL. NULL: *problem
 * says why not. */
json_t *su_json_body_read(SuText body, SuProblem *problem);

/* A string's bytes; data NULL: it is none. */
static inline SuText su_json_text(const json_t *string)
{
    return (SuText){json_string_value(string), json_string_length(string)};
}

#endif
