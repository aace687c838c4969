/* Tables of a report; see bench_report.h. */
#include "bench_report.h"

#include "base/memory.h"
#include "bench_shims.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

typedef struct Table {
    SutraBenchTable view;
    char columns[768]; /* names, each NUL-terminated */
    const char *names[SU_BENCH_MAX_COLUMNS];
    SutraBenchCell *cells;
    size_t num_cells, capacity;
} Table;

struct SutraBenchReport {
    Table tables[8];
    size_t num_tables;
    bool failed;
};

SutraStatus su_bench_report_create(SutraBenchReport **report, SutraError *err)
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

void su_bench_table(SutraBenchReport *report, const char *name, const char *columns)
{
    if (report->num_tables == 8) {
        report->failed = true;
        return;
    }
    Table *table = &report->tables[report->num_tables++];
    snprintf(table->columns, sizeof table->columns, "%s", columns);
    table->view = (SutraBenchTable){.name = name, .columns = table->names};
    for (char *at = table->columns; at && table->view.num_columns < SU_BENCH_MAX_COLUMNS;) {
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

void su_bench_text(SutraBenchReport *report, const char *format, ...)
{
    SutraBenchCell *cell = next_cell(report);
    if (!cell) return;
    *cell = (SutraBenchCell){.is_text = 1};
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(cell->text, sizeof cell->text, format, arguments);
    va_end(arguments);
}

void su_bench_number(SutraBenchReport *report, double number)
{
    if (!isfinite(number)) {
        su_bench_text(report, "-");
        return;
    }
    SutraBenchCell *cell = next_cell(report);
    if (cell) *cell = (SutraBenchCell){.number = number};
}

void su_bench_fact(SutraBenchReport *report, const char *what, double value, const char *unit)
{
    su_bench_text(report, "%s", what);
    su_bench_number(report, value);
    su_bench_text(report, "%s", unit);
}

SutraStatus su_bench_report_status(const SutraBenchReport *report, SutraError *err)
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
