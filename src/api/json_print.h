/* json_print.h - facts as JSON into the caller's memory; see sutra_system_describe. */
#ifndef SU_JSON_PRINT_H
#define SU_JSON_PRINT_H

#include "sutra.h"

/* Formats into json [capacity]. Errors: LIMIT when it does not fit. */
SutraStatus su_json_print(char *json, size_t capacity, size_t *size, SutraError *err,
                          const char *format, ...) __attribute__((format(printf, 5, 6)));

/* The inside of a JSON string; of what does not fit, the start. Bytes that are not ASCII become
 * '?'. */
void su_json_escape(const char *text, char *escaped, size_t capacity);

#endif
