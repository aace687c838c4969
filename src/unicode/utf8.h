/* utf8.h - UTF-8: validation, and reading and writing of text that is known to be valid. */
#ifndef SU_UTF8_H
#define SU_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* True if text is valid UTF-8 (no surrogates, no overlong forms, nothing above U+10FFFF).
 * Otherwise *bad is the offset of the first byte that does not belong to a valid sequence.
 * *num_code_points counts the code points before the end or *bad. */
bool su_utf8_validate(const char *text, size_t size, size_t *bad, size_t *num_code_points);

/* Whether text, of 1 to 3 bytes, is the start of a code point that more bytes could complete. */
bool su_utf8_is_cut(const char *text, size_t size);

/* Code points of valid text; a sequence that is cut at either end counts where it begins. */
size_t su_utf8_count(const char *text, size_t size);

static inline bool su_utf8_is_continuation(char byte)
{
    return ((unsigned char)byte & 0xc0) == 0x80;
}

/* The code point that begins at text; *size is set to its bytes. text is valid and holds all of
 * it. */
static inline uint32_t su_utf8_decode(const char *text, size_t *size)
{
    const unsigned char *b = (const unsigned char *)text;
    if (b[0] < 0x80) {
        *size = 1;
        return b[0];
    }
    if (b[0] < 0xe0) {
        *size = 2;
        return (b[0] & 0x1fu) << 6 | (b[1] & 0x3fu);
    }
    if (b[0] < 0xf0) {
        *size = 3;
        return (b[0] & 0x0fu) << 12 | (b[1] & 0x3fu) << 6 | (b[2] & 0x3fu);
    }
    *size = 4;
    return (b[0] & 0x07u) << 18 | (b[1] & 0x3fu) << 12 | (b[2] & 0x3fu) << 6 | (b[3] & 0x3fu);
}

/* The code point that ends before text + end (end > 0); *begin is set to where it begins. */
static inline uint32_t su_utf8_decode_before(const char *text, size_t end, size_t *begin)
{
    size_t size, at = end - 1;
    while (at > 0 && su_utf8_is_continuation(text[at])) at--;
    *begin = at;
    return su_utf8_decode(text + at, &size);
}

/* Writes 1 to 4 bytes and returns how many. */
static inline size_t su_utf8_encode(uint32_t code_point, char *out)
{
    if (code_point < 0x80) {
        out[0] = (char)code_point;
        return 1;
    }
    if (code_point < 0x800) {
        out[0] = (char)(0xc0 | code_point >> 6);
        out[1] = (char)(0x80 | (code_point & 0x3f));
        return 2;
    }
    if (code_point < 0x10000) {
        out[0] = (char)(0xe0 | code_point >> 12);
        out[1] = (char)(0x80 | (code_point >> 6 & 0x3f));
        out[2] = (char)(0x80 | (code_point & 0x3f));
        return 3;
    }
    out[0] = (char)(0xf0 | code_point >> 18);
    out[1] = (char)(0x80 | (code_point >> 12 & 0x3f));
    out[2] = (char)(0x80 | (code_point >> 6 & 0x3f));
    out[3] = (char)(0x80 | (code_point & 0x3f));
    return 4;
}

#endif
