/* json_escape.h - the inside of a JSON string. */
#ifndef SU_JSON_ESCAPE_H
#define SU_JSON_ESCAPE_H

#include <stddef.h>

/* As sutra_json_escape of sutra_tools.h. */
size_t su_json_escape(const char *text, size_t size, char *escaped, size_t capacity, size_t *used);

#endif
