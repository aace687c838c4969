#include "reply_text.h"

#include "base/memory.h"
#include "base/number_text.h"

#include <stdio.h>
#include <string.h>

char *su_reply_room(SuReplyText *text, size_t size)
{
    if (text->failed) return NULL;
    if (size > text->capacity - text->size) {
        size_t capacity;
        text->failed = su_add_overflows(text->size, size, &capacity) || capacity > SIZE_MAX / 2;
        if (text->failed) return NULL;
        if (capacity < text->capacity * 2) capacity = text->capacity * 2;
        if (capacity < 512) capacity = 512;
        char *grown = su_realloc(text->data, capacity, 1);
        text->failed = !grown;
        if (!grown) return NULL;
        text->data = grown;
        text->capacity = capacity;
    }
    return text->data + text->size;
}

void su_reply_bytes(SuReplyText *text, const void *bytes, size_t size)
{
    char *to = su_reply_room(text, size);
    if (!to || size == 0) return;
    memcpy(to, bytes, size);
    text->size += size;
}

void su_reply_string(SuReplyText *text, const char *string)
{
    su_reply_bytes(text, string, strlen(string));
}

void su_reply_number(SuReplyText *text, uint64_t number)
{
    char digits[24];
    int size = snprintf(digits, sizeof digits, "%llu", (unsigned long long)number);
    su_reply_bytes(text, digits, (size_t)size);
}

void su_reply_free(SuReplyText *text)
{
    su_free(text->data);
    *text = (SuReplyText){0};
}

/* Bytes of the UTF-8 character at the front; 0: it is none. */
static size_t character_size(const unsigned char *at, size_t left)
{
    static const unsigned char least[] = {0x80, 0x80, 0xa0, 0x90},
                               most[] = {0xbf, 0xbf, 0x9f, 0x8f};
    if (at[0] < 0x80) return 1;
    size_t size = at[0] >= 0xf0 ? 4 : at[0] >= 0xe0 ? 3 : 2;
    if (at[0] < 0xc2 || at[0] > 0xf4 || left < size) return 0;
    unsigned char low = at[0] == 0xe0 ? least[2] : at[0] == 0xf0 ? least[3] : 0x80;
    unsigned char high = at[0] == 0xed ? most[2] : at[0] == 0xf4 ? most[3] : 0xbf;
    if (at[1] < low || at[1] > high) return 0;
    for (size_t i = 2; i < size; i++)
        if ((at[i] & 0xc0) != 0x80) return 0;
    return size;
}

void su_reply_json(SuReplyText *text, SuText string)
{
    const unsigned char *at = (const unsigned char *)string.data;
    char escaped[8];
    su_reply_bytes(text, "\"", 1);
    for (size_t i = 0, size; i < string.size; i += size) {
        size = character_size(at + i, string.size - i);
        if (size == 0) {
            size = 1;
            su_reply_string(text, "\\ufffd");
        } else if (at[i] == '"' || at[i] == '\\') {
            snprintf(escaped, sizeof escaped, "\\%c", at[i]);
            su_reply_string(text, escaped);
        } else if (at[i] < 0x20 || at[i] == 0x7f) {
            snprintf(escaped, sizeof escaped, "\\u%04x", at[i]);
            su_reply_string(text, escaped);
        } else {
            su_reply_bytes(text, at + i, size);
        }
    }
    su_reply_bytes(text, "\"", 1);
}

void su_reply_put_string(SuReplyText *text, const char *before, const char *string)
{
    su_reply_string(text, before);
    su_reply_json(text, (SuText){string, strlen(string)});
}

void su_reply_put_number(SuReplyText *text, const char *before, uint64_t number)
{
    su_reply_string(text, before);
    su_reply_number(text, number);
}

void su_reply_float(SuReplyText *text, float value)
{
    char *room = su_reply_room(text, SU_NUMBER_TEXT);
    if (room) text->size += su_float_text(value, room);
}

void su_reply_floats(SuReplyText *text, const float *values, size_t n)
{
    char *begin = su_reply_room(text, n * (SU_NUMBER_TEXT + 1) + 2), *to = begin;
    if (!begin) return;
    *to++ = '[';
    for (size_t i = 0; i < n; i++) {
        if (i) *to++ = ',';
        to += su_float_text(values[i], to);
    }
    *to++ = ']';
    text->size += (size_t)(to - begin);
}

void su_reply_base64(SuReplyText *text, const void *bytes, size_t size)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const unsigned char *from = bytes;
    char *begin = su_reply_room(text, (size + 2) / 3 * 4), *to = begin;
    if (!begin) return;
    for (size_t i = 0; i < size; i += 3) {
        size_t left = size - i;
        uint32_t group = (uint32_t)from[i] << 16;
        if (left > 1) group |= (uint32_t)from[i + 1] << 8;
        if (left > 2) group |= from[i + 2];
        *to++ = digits[group >> 18];
        *to++ = digits[group >> 12 & 63];
        *to++ = left > 1 ? digits[group >> 6 & 63] : '=';
        *to++ = left > 2 ? digits[group & 63] : '=';
    }
    text->size += (size_t)(to - begin);
}
