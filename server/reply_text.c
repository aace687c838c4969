#include "reply_text.h"

#include "base/json_escape.h"
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

void su_reply_json(SuReplyText *text, SuText string)
{
    enum { LONGEST_ESCAPE = 6 };
    su_reply_bytes(text, "\"", 1);
    while (string.size) {
        size_t used, piece = string.size < 4096 ? string.size : 4096;
        char *to = su_reply_room(text, piece * LONGEST_ESCAPE);
        if (!to) return;
        text->size += su_json_escape(string.data, string.size, to, piece * LONGEST_ESCAPE, &used);
        string = (SuText){string.data + used, string.size - used};
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
