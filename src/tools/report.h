/* report.h - tables under construction, of sutra bench and sutra quantize: see SutraBenchTable. */
#ifndef SU_REPORT_H
#define SU_REPORT_H

#include "base/status.h"
#include "sutra_tools.h"

enum { SU_REPORT_MAX_COLUMNS = 20 };

SutraStatus su_report_create(SutraBenchReport **report, SutraError *err);

/* columns: names between "|". Cells are added to the table that was begun last, row by row. Memory
 * errors stick: su_report_status. */
void su_report_table(SutraBenchReport *report, const char *name, const char *columns);
void su_report_text(SutraBenchReport *report, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* A number that is not finite becomes the text "-". */
void su_report_number(SutraBenchReport *report, double number);
/* A row of a table "what|value|unit". */
void su_report_fact(SutraBenchReport *report, const char *what, double value, const char *unit);
SutraStatus su_report_status(const SutraBenchReport *report, SutraError *err);

#endif
