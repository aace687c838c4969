/* bench_report.h - tables under construction, for sutra_bench_*: see SutraBenchTable. */
#ifndef SU_BENCH_REPORT_H
#define SU_BENCH_REPORT_H

#include "base/status.h"
#include "sutra_tools.h"

enum { SU_BENCH_MAX_COLUMNS = 20 };

SutraStatus su_bench_report_create(SutraBenchReport **report, SutraError *err);

/* columns: names between "|". Cells are added to the table that was begun last, row by row. Memory
 * errors stick: su_bench_report_status. */
void su_bench_table(SutraBenchReport *report, const char *name, const char *columns);
void su_bench_text(SutraBenchReport *report, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* A number that is not finite becomes the text "-". */
void su_bench_number(SutraBenchReport *report, double number);
/* A row of a table "what|value|unit". */
void su_bench_fact(SutraBenchReport *report, const char *what, double value, const char *unit);
SutraStatus su_bench_report_status(const SutraBenchReport *report, SutraError *err);

/* The caller's options over defaults of zero. Errors: ABI; ARGUMENT (NULL). */
SutraStatus su_bench_options_read(const SutraBenchOptions *given, SutraBenchOptions *options,
                                  SutraError *err);
void su_bench_progress(const SutraBenchOptions *options, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
