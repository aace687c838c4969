#include "unicode/utf8.h"

#include "base/utf8_sequence.h"

#include <string.h>

bool su_utf8_validate(const char *text, size_t size, size_t *bad, size_t *num_code_points)
{
    const unsigned char *b = (const unsigned char *)text;
    size_t at = 0, count = 0;
    while (at < size) {
        uint64_t word[2];
        while (size - at >= sizeof word) { /* 16 bytes of ASCII at a time */
            memcpy(word, b + at, sizeof word);
            if ((word[0] | word[1]) & UINT64_C(0x8080808080808080)) break;
            at += sizeof word;
            count += sizeof word;
        }
        if (at == size) break;
        size_t step = su_utf8_sequence_size(b + at, size - at);
        if (step == 0) {
            *bad = at;
            *num_code_points = count;
            return false;
        }
        at += step;
        count++;
    }
    *num_code_points = count;
    return true;
}

bool su_utf8_is_cut(const char *text, size_t size)
{
    unsigned char whole[4] = {0, 0x80, 0x80, 0x80};
    memcpy(whole, text, size);
    if (size == 1 && whole[0] == 0xe0) whole[1] = 0xa0;
    if (size == 1 && whole[0] == 0xf0) whole[1] = 0x90;
    return su_utf8_sequence_size(whole, sizeof whole) > size;
}

size_t su_utf8_count(const char *text, size_t size)
{
    size_t count = 0;
    for (size_t i = 0; i < size; i++) count += !su_utf8_is_continuation(text[i]);
    return count;
}
