#include "tokenizer/text_buffer.h"

#include "base/memory.h"
#include "unicode/utf8.h"

#include <string.h>

static SutraStatus grow(void **array, size_t count, size_t size, SutraError *err)
{
    void *grown = su_realloc(*array, count, size);
    if (!grown) SU_RAISE(err, SUTRA_E_MEMORY, "out of memory for %zu bytes of text", count);
    *array = grown;
    return SUTRA_OK;
}

SutraStatus su_text_reserve(SuText *text, size_t size, bool with_source, SutraError *err)
{
    size_t wanted;
    if (su_add_overflows(size, SU_TEXT_PADDING, &wanted))
        SU_RAISE(err, SUTRA_E_MEMORY, "out of memory for %zu bytes of text", size);
    if (wanted > text->capacity) {
        SU_TRY(grow((void **)&text->bytes, wanted, 1, err));
        text->capacity = wanted;
    }
    if (with_source && wanted > text->source_capacity) {
        SU_TRY(grow((void **)&text->source, wanted, sizeof(uint32_t), err));
        text->source_capacity = wanted;
    }
    return SUTRA_OK;
}

size_t su_text_count_byte(const char *text, size_t size, char byte)
{
    size_t count = 0;
    for (size_t i = 0; i < size; i++) count += text[i] == byte;
    return count;
}

static void append_with_source(SuText *text, SuTextView in, char byte, const char *to,
                               size_t to_size)
{
    uint32_t number = in.first - 1;
    size_t size = text->size;
    for (size_t i = 0; i < in.size; i++) {
        number += !su_utf8_is_continuation(in.bytes[i]);
        uint32_t source = in.source ? in.source[i] : number;
        bool found = in.bytes[i] == byte;
        const char *from = found ? to : in.bytes + i;
        for (size_t j = 0; j < (found ? to_size : 1); j++, size++) {
            text->bytes[size] = from[j];
            text->source[size] = source;
        }
    }
    text->size = size;
}

#define ONES UINT64_C(0x0101010101010101)

void su_text_append_replacing(SuText *text, SuTextView in, char byte, const char *to,
                              size_t to_size, bool with_source)
{
    if (with_source) {
        append_with_source(text, in, byte, to, to_size);
        return;
    }
    char *out = text->bytes + text->size;
    size_t at = 0;
    while (in.size - at >= SU_TEXT_SLACK) { /* up to the byte, or 8 bytes */
        uint64_t word;
        memcpy(&word, in.bytes + at, sizeof word);
        memcpy(out, &word, sizeof word);
        word ^= ONES * (unsigned char)byte;
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
        word = __builtin_bswap64(word);
#endif
        word = (word - ONES) & ~word & ONES << 7; /* the lowest bit: of the first zero byte */
        size_t step = word ? (size_t)__builtin_ctzll(word) / 8 : sizeof word;
        at += step;
        out += step;
        if (!word) continue;
        for (size_t i = 0; i < to_size; i++) out[i] = to[i];
        at++;
        out += to_size;
    }
    for (; at < in.size; at++) {
        bool found = in.bytes[at] == byte;
        const char *from = found ? to : in.bytes + at;
        for (size_t i = 0; i < (found ? to_size : 1); i++) *out++ = from[i];
    }
    text->size = (size_t)(out - text->bytes);
}

void su_text_finish(SuText *text) { memset(text->bytes + text->size, 0, SU_TEXT_PADDING); }

void su_text_free(SuText *text)
{
    su_free(text->bytes);
    su_free(text->source);
    *text = (SuText){0};
}
