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

#define ONES UINT64_C(0x0101010101010101)
#define HIGH_BITS (ONES << 7)

uint32_t su_text_number(uint32_t *to, const char *bytes, size_t size, uint32_t next)
{
    size_t at = 0;
    while (at < size) {
        uint64_t word = HIGH_BITS;
        if (size - at >= sizeof word) memcpy(&word, bytes + at, sizeof word);
        if (word & HIGH_BITS) {
            next += !su_utf8_is_continuation(bytes[at]);
            to[at++] = next - 1;
            continue;
        }
        for (uint32_t i = 0; i < sizeof word; i++) to[at + i] = next + i;
        next += sizeof word;
        at += sizeof word;
    }
    return next;
}

/* The bytes of a word up to the first that is `byte`, or all. */
static size_t bytes_before(uint64_t word, char byte)
{
    word ^= ONES * (unsigned char)byte;
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    word = __builtin_bswap64(word);
#endif
    word = (word - ONES) & ~word & HIGH_BITS; /* the lowest bit: of the first zero byte */
    return word ? (size_t)__builtin_ctzll(word) / 8 : sizeof word;
}

void su_text_append_replacing(SuText *text, SuTextView in, char byte, const char *to,
                              size_t to_size, bool with_source)
{
    size_t out = text->size, at = 0;
    uint32_t next = in.first;
    while (at < in.size) { /* up to the byte, or 8 bytes */
        size_t step = sizeof(uint64_t);
        uint64_t word = 0;
        bool all = in.size - at >= step; /* so that sizes of copies are known */
        if (all)
            memcpy(&word, in.bytes + at, sizeof word);
        else
            memcpy(&word, in.bytes + at, step = in.size - at);
        memcpy(text->bytes + out, &word, sizeof word);
        size_t before = bytes_before(word, byte);
        bool found = before < step;
        if (found) step = before;
        if (with_source && in.source && all)
            memcpy(text->source + out, in.source + at, sizeof word * sizeof *in.source);
        else if (with_source && in.source)
            memcpy(text->source + out, in.source + at, step * sizeof *in.source);
        else if (with_source)
            next = su_text_number(text->source + out, in.bytes + at, step, next);
        at += step;
        out += step;
        if (!found) continue;
        for (size_t i = 0; i < to_size; i++) text->bytes[out + i] = to[i];
        uint32_t source = in.source ? in.source[at] : next++;
        for (size_t i = 0; i < to_size && with_source; i++) text->source[out + i] = source;
        at++;
        out += to_size;
    }
    text->size = out;
}

void su_text_finish(SuText *text) { memset(text->bytes + text->size, 0, SU_TEXT_PADDING); }

void su_text_free(SuText *text)
{
    su_free(text->bytes);
    su_free(text->source);
    *text = (SuText){0};
}
