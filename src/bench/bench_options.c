#include "bench_options.h"

#include "base/status.h"
#include "bench_shims.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

SutraStatus su_bench_options_read(const SutraBenchOptions *given, SutraBenchOptions *options,
                                  SutraError *err)
{
    *options = (SutraBenchOptions){0};
    if (!given) SU_RAISE(err, SUTRA_E_ARGUMENT, "bench: options is NULL");
    if (given->struct_size < sizeof given->struct_size || given->struct_size > sizeof *options)
        SU_RAISE(err, SUTRA_E_ABI, "SutraBenchOptions: struct_size %u", given->struct_size);
    memcpy(options, given, given->struct_size);
    if (options->num_threads > SU_BENCH_MAX_THREADS)
        SU_RAISE(err, SUTRA_E_ARGUMENT, "bench: %u threads are more than %d", options->num_threads,
                 SU_BENCH_MAX_THREADS);
    if (options->num_inputs && !options->inputs)
        SU_RAISE(err, SUTRA_E_ARGUMENT, "bench: inputs is NULL");
    return SUTRA_OK;
}

void su_bench_progress(const SutraBenchOptions *options, const char *format, ...)
{
    char line[96];
    if (!options->progress) return;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    options->progress(options->user, line);
}
