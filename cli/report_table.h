/* report_table.h - tables of a report, for readers and as JSON. */
#ifndef CLI_REPORT_TABLE_H
#define CLI_REPORT_TABLE_H

#include "atomic_file.h"
#include "sutra_tools.h"

/* Its name, its columns, a line a row, an empty line. */
void cli_print_table(CliOutput *out, const SutraBenchTable *table);

/* "name":[{"column":value,…},…] */
void cli_json_table(CliOutput *out, const SutraBenchTable *table);

#endif
