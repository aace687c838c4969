/* Any UTF-8 as a regular expression, and a text that it is searched in: matches lie in the text,
 * one behind the other, between characters. Input: expression, 0xff, text. */
#include "support/fuzz.h"

#include "tokenizer/pattern.h"
#include "unicode/utf8.h"

#include <string.h>

static void search(const SuPattern *pattern, const char *text, size_t size)
{
    SutraError err;
    SuPatternScratch scratch = {0};
    SuPatternCursor cursor = su_pattern_cursor(pattern, &scratch, text, size);
    size_t begin, end, last = 0;
    bool found = true;
    while (su_pattern_next(&cursor, &begin, &end, &found, &err) == SUTRA_OK && found) {
        if (begin < last || end < begin || end > size) abort();
        if (begin < size && ((unsigned char)text[begin] & 0xc0) == 0x80) abort();
        if (end < size && ((unsigned char)text[end] & 0xc0) == 0x80) abort();
        if (begin == end && !su_pattern_matches_empty(pattern)) abort();
        last = end;
    }
    su_pattern_scratch_free(&scratch);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    SutraError err;
    SuPattern *pattern;
    const uint8_t *end = size ? memchr(data, 0xff, size) : NULL;
    if (!end) return 0;
    size_t length = (size_t)(end - data), rest = size - length - 1, bad, points;
    if (!su_utf8_validate((const char *)data, length, &bad, &points)) return 0;
    if (su_pattern_create((const char *)data, length, "s", "w", &pattern, &err) != SUTRA_OK)
        return 0;
    if (su_utf8_validate((const char *)end + 1, rest, &bad, &points))
        search(pattern, (const char *)end + 1, rest);
    su_pattern_free(pattern);
    return 0;
}
