/* bench_options.h - what a caller of sutra_bench_* asks for, and how it hears of progress. */
#ifndef SU_BENCH_OPTIONS_H
#define SU_BENCH_OPTIONS_H

#include "sutra_tools.h"

/* The caller's options over defaults of zero. Errors: ABI; ARGUMENT (NULL). */
SutraStatus su_bench_options_read(const SutraBenchOptions *given, SutraBenchOptions *options,
                                  SutraError *err);
void su_bench_progress(const SutraBenchOptions *options, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
