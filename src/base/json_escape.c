#include "base/json_escape.h"

#include "base/utf8_sequence.h"

#include <string.h>

/* A character of `size` bytes as it is written; returns the bytes of that. */
static size_t write_escape(unsigned char c, char out[6])
{
    static const char digits[] = "0123456789abcdef";
    const char letter = c == '\n' ? 'n' : c == '\t' ? 't' : c == '"' || c == '\\' ? (char)c : 0;
    if (letter) {
        out[0] = '\\';
        out[1] = letter;
        return 2;
    }
    memcpy(out, "\\u00", 4);
    out[4] = digits[c >> 4];
    out[5] = digits[c & 15];
    return 6;
}

size_t su_json_escape(const char *text, size_t size, char *escaped, size_t capacity, size_t *used)
{
    size_t at = 0, written = 0;
    while (at < size) {
        unsigned char c = (unsigned char)text[at];
        char out[6];
        const char *from = out;
        size_t step = su_utf8_sequence_size((const unsigned char *)text + at, size - at), length;
        if (step == 0) {
            from = "\xef\xbf\xbd";
            length = 3;
            step = 1;
        } else if (c < 0x20 || c == 0x7f || c == '"' || c == '\\') {
            length = write_escape(c, out);
        } else {
            from = text + at;
            length = step;
        }
        if (length > capacity - written) break;
        memcpy(escaped + written, from, length);
        written += length;
        at += step;
    }
    *used = at;
    return written;
}
