#include "quantize.h"

#include <stdarg.h>
#include <stdio.h>

void su_quantize_progress(const SuQuantizer *quantizer, const char *format, ...)
{
    char line[96];
    if (!quantizer->options.progress) return;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    quantizer->options.progress(quantizer->options.user, line);
}
