#include "report.h"

#include "base/memory.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

typedef struct Table {
    SutraBenchTable view;
    char columns[768]; /* names, each NUL-terminated */
    const char *names[SU_REPORT_MAX_COLUMNS];
    SutraBenchCell *cells;
    size_t num_cells, capacity;
} Table;

struct SutraBenchReport {
    Table tables[8];
    size_t num_tables;
    bool failed;
};

SutraStatus su_report_create(SutraBenchReport **report, SutraError *err)
{
    *report = su_calloc(1, sizeof **report);
    if (!*report) SU_RAISE(err, SUTRA_E_MEMORY, "out of memory for a report");
    return SUTRA_OK;
}

void sutra_bench_report_free(SutraBenchReport *report)
{
    if (!report) return;
    for (size_t i = 0; i < report->num_tables; i++) su_free(report->tables[i].cells);
    su_free(report);
}

void su_report_table(SutraBenchReport *report, const char *name, const char *columns)
{
    if (report->num_tables == 8) {
        report->failed = true;
        return;
    }
    Table *table = &report->tables[report->num_tables++];
    snprintf(table->columns, sizeof table->columns, "%s", columns);
    table->view = (SutraBenchTable){.name = name, .columns = table->names};
    for (char *at = table->columns; at && table->view.num_columns < SU_REPORT_MAX_COLUMNS;) {
        char *next = strchr(at, '|');
        if (next) *next++ = 0;
        table->names[table->view.num_columns++] = at;
        at = next;
    }
}

static SutraBenchCell *next_cell(SutraBenchReport *report)
{
    Table *table = &report->tables[report->num_tables - 1];
    if (table->num_cells == table->capacity) {
        size_t capacity = table->capacity ? 2 * table->capacity : 64;
        SutraBenchCell *cells = su_realloc(table->cells, capacity, sizeof *cells);
        report->failed = report->failed || !cells;
        if (!cells) return NULL;
        table->cells = cells;
        table->capacity = capacity;
    }
    return &table->cells[table->num_cells++];
}

void su_report_text(SutraBenchReport *report, const char *format, ...)
{
    SutraBenchCell *cell = next_cell(report);
    if (!cell) return;
    *cell = (SutraBenchCell){.is_text = 1};
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(cell->text, sizeof cell->text, format, arguments);
    va_end(arguments);
}

void su_report_number(SutraBenchReport *report, double number)
{
    if (!isfinite(number)) {
        su_report_text(report, "-");
        return;
    }
    SutraBenchCell *cell = next_cell(report);
    if (cell) *cell = (SutraBenchCell){.number = number};
}

void su_report_fact(SutraBenchReport *report, const char *what, double value, const char *unit)
{
    su_report_text(report, "%s", what);
    su_report_number(report, value);
    su_report_text(report, "%s", unit);
}

SutraStatus su_report_status(const SutraBenchReport *report, SutraError *err)
{
    if (report->failed) SU_RAISE(err, SUTRA_E_MEMORY, "out of memory for a report");
    return SUTRA_OK;
}

size_t sutra_bench_num_tables(const SutraBenchReport *report) { return report->num_tables; }

SutraBenchTable sutra_bench_table(const SutraBenchReport *report, size_t i)
{
    SutraBenchTable view = report->tables[i].view;
    view.cells = report->tables[i].cells;
    view.num_rows = report->tables[i].num_cells / view.num_columns;
    return view;
}
