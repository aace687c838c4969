/* json_text.h - strings as JSON. */
#ifndef CLI_JSON_TEXT_H
#define CLI_JSON_TEXT_H

#include "atomic_file.h"

/* Writes "text" with quotes and escapes, of valid UTF-8. */
void cli_json_string(CliOutput *output, const char *text, size_t size);

/* The same into memory, NUL-terminated; a text that does not fit is cut between characters. */
void cli_json_quote(const char *text, size_t size, char *quoted, size_t capacity);

#endif
