#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>

void su_log(void (*log)(void *user, int level, const char *line), void *user, int level,
            const char *format, ...)
{
    char line[512];
    if (!log) return;
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    log(user, level, line);
}
