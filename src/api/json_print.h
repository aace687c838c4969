/* json_print.h - facts as JSON into the caller's memory; see sutra_system_describe. */
#ifndef SU_JSON_PRINT_H
#define SU_JSON_PRINT_H

#include "sutra.h"

#include <stdbool.h>

/* Formats into json [capacity]. Errors: LIMIT when it does not fit. */
SutraStatus su_json_print(char *json, size_t capacity, size_t *size, SutraError *err,
                          const char *format, ...) __attribute__((format(printf, 5, 6)));

/* A part of it of any length, all zero at the start. Who asks for memory remembers its lack. */
typedef struct SuJsonPart {
    char *text; /* [size], NUL-terminated; freed by su_free */
    size_t size, capacity;
    bool failed; /* out of memory */
} SuJsonPart;

void su_json_add(SuJsonPart *part, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* A string with its quotes; bytes that are not UTF-8 become U+FFFD. */
void su_json_add_string(SuJsonPart *part, const char *text);

#endif
