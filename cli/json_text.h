/* json_text.h - strings as JSON. */
#ifndef CLI_JSON_TEXT_H
#define CLI_JSON_TEXT_H

#include "atomic_file.h"

/* Writes "text" with quotes, as sutra_json_escape has it. */
void cli_json_string(CliOutput *output, const char *text, size_t size);

/* The same into memory of at least 3 bytes, NUL-terminated; a text that does not fit is cut between
 * characters. */
void cli_json_quote(const char *text, size_t size, char *quoted, size_t capacity);

#endif
