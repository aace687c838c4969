#include "api/json_print.h"

#include "base/json_escape.h"
#include "base/memory.h"
#include "base/status.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

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

/* Room for so many more bytes and a NUL. */
static bool reserve(SuJsonPart *part, size_t more)
{
    size_t needed = part->size + more + 1;
    if (part->failed || needed <= part->capacity) return !part->failed;
    size_t capacity = needed < 2 * part->capacity ? 2 * part->capacity : needed;
    char *text = su_realloc(part->text, capacity, 1);
    part->failed = !text;
    if (!text) return false;
    part->text = text;
    part->capacity = capacity;
    return true;
}

void su_json_add(SuJsonPart *part, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int length = vsnprintf(NULL, 0, format, args);
    if (length >= 0 && reserve(part, (size_t)length)) {
        vsnprintf(part->text + part->size, (size_t)length + 1, format, again);
        part->size += (size_t)length;
    }
    va_end(again);
    va_end(args);
}

void su_json_add_string(SuJsonPart *part, const char *text)
{
    enum { LONGEST = 6 /* of a byte */ };
    size_t size = strlen(text), used;
    su_json_add(part, "\"");
    if (!reserve(part, LONGEST * size)) return;
    part->size += su_json_escape(text, size, part->text + part->size, LONGEST * size, &used);
    su_json_add(part, "\"");
}
