#include "report_table.h"

#include "base/number_text.h"
#include "json_text.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { MOST_COLUMNS = 20 };

static void number_text(double number, char *text, size_t capacity)
{
    double size = fabs(number);
    /* what is just below 100 is a percentage whose rest counts */
    int digits = size >= 100 ? 0 : size >= 98 ? 3 : size >= 10 ? 1 : size >= 0.1 ? 2 : 3;
    if (number == floor(number) && size < 1e9)
        snprintf(text, capacity, "%.0f", number);
    else if (size < 0.01)
        snprintf(text, capacity, "%.1e", number);
    else
        snprintf(text, capacity, "%.*f", digits, number);
}

static void cell_text(const SutraBenchCell *cell, char *text, size_t capacity)
{
    if (cell->is_text)
        snprintf(text, capacity, "%s", cell->text);
    else
        number_text(cell->number, text, capacity);
}

static void print_padded(CliOutput *out, const char *text, int width, bool left, bool last)
{
    if (last && left) width = 0;
    cli_output_print(out, "%*s%s", left ? -width : width, text, last ? "\n" : "  ");
}

void cli_print_table(CliOutput *out, const SutraBenchTable *table)
{
    int width[MOST_COLUMNS];
    char text[96];
    cli_output_print(out, "%s\n", table->name);
    for (size_t c = 0; c < table->num_columns; c++) {
        width[c] = (int)strlen(table->columns[c]);
        for (size_t r = 0; r < table->num_rows; r++) {
            cell_text(&table->cells[r * table->num_columns + c], text, sizeof text);
            if ((int)strlen(text) > width[c]) width[c] = (int)strlen(text);
        }
    }
    for (size_t c = 0; c < table->num_columns; c++)
        print_padded(out, table->columns[c], width[c], !table->num_rows || table->cells[c].is_text,
                     c + 1 == table->num_columns);
    for (size_t i = 0; i < table->num_rows * table->num_columns; i++) {
        size_t c = i % table->num_columns;
        cell_text(&table->cells[i], text, sizeof text);
        print_padded(out, text, width[c], table->cells[i].is_text, c + 1 == table->num_columns);
    }
    cli_output_print(out, "\n");
}

void cli_json_table(CliOutput *out, const SutraBenchTable *table)
{
    cli_json_string(out, table->name, strlen(table->name));
    cli_output_print(out, ":[");
    for (size_t i = 0; i < table->num_rows * table->num_columns; i++) {
        size_t c = i % table->num_columns;
        const SutraBenchCell *cell = &table->cells[i];
        char number[SU_NUMBER_TEXT];
        cli_output_print(out, "%s", c ? "," : i ? "},{" : "{");
        cli_json_string(out, table->columns[c], strlen(table->columns[c]));
        cli_output_print(out, ":");
        if (cell->is_text) {
            cli_json_string(out, cell->text, strlen(cell->text));
        } else {
            su_double_text(cell->number, number);
            cli_output_print(out, "%s", number);
        }
    }
    cli_output_print(out, table->num_rows ? "}]" : "]");
}
