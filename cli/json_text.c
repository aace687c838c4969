#include "json_text.h"

#include "utf8_check.h"

#include <stdio.h>
#include <string.h>

/* The character at `text` as it stands in a JSON string; *used: its bytes in text. At most 6 bytes.
 * What is not valid UTF-8 becomes U+FFFD. */
static size_t escape(const char *text, size_t left, char out[7], size_t *used)
{
    unsigned char c = (unsigned char)text[0];
    *used = 1;
    if (c == '"' || c == '\\') return (size_t)snprintf(out, 7, "\\%c", c);
    if (c == '\n') return (size_t)snprintf(out, 7, "\\n");
    if (c == '\t') return (size_t)snprintf(out, 7, "\\t");
    if (c < 0x20 || c == 0x7f) return (size_t)snprintf(out, 7, "\\u%04x", c);
    size_t length = cli_utf8_length(c);
    if (length > left || cli_utf8_valid(text, length) != length)
        return (size_t)snprintf(out, 7, "\xef\xbf\xbd");
    memcpy(out, text, length);
    *used = length;
    return length;
}

void cli_json_string(CliOutput *output, const char *text, size_t size)
{
    cli_output_write(output, "\"", 1);
    for (size_t i = 0, used; i < size; i += used) {
        char out[7];
        size_t length = escape(text + i, size - i, out, &used);
        cli_output_write(output, out, length);
    }
    cli_output_write(output, "\"", 1);
}

void cli_json_quote(const char *text, size_t size, char *quoted, size_t capacity)
{
    size_t at = 0;
    quoted[at++] = '"';
    for (size_t i = 0, used; i < size; i += used) {
        char out[7];
        size_t length = escape(text + i, size - i, out, &used);
        if (at + length + 2 > capacity) break;
        memcpy(quoted + at, out, length);
        at += length;
    }
    quoted[at++] = '"';
    quoted[at] = '\0';
}
