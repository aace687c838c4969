#include "api/json_print.h"

#include "base/status.h"

#include <stdarg.h>
#include <stdio.h>

SutraStatus su_json_print(char *json, size_t capacity, size_t *size, SutraError *err,
                          const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int length = vsnprintf(json, json ? capacity : 0, format, args);
    va_end(args);
    if (length < 0) SU_RAISE(err, SUTRA_E_ARGUMENT, "formatting failed");
    if (size) *size = (size_t)length;
    if (!json || (size_t)length >= capacity)
        SU_RAISE(err, SUTRA_E_LIMIT, "%d bytes and a NUL do not fit into %zu", length,
                 json ? capacity : 0);
    return SUTRA_OK;
}

void su_json_escape(const char *text, char *escaped, size_t capacity)
{
    size_t used = 0;
    for (; *text && used + 2 < capacity; text++) {
        unsigned char byte = (unsigned char)*text;
        if (byte == '"' || byte == '\\') escaped[used++] = '\\';
        escaped[used++] = byte < 0x20 || byte > 0x7e ? '?' : *text;
    }
    escaped[used] = '\0';
}
