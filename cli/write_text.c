/* write_text.c - vectors as text: JSON lines and comma-separated values. */
#include "row_writer.h"

#include "base/number_text.h"

static void no_header(CliRowWriter *writer, uint64_t rows, bool again)
{
    (void)writer;
    (void)rows;
    (void)again;
}

void cli_row_as_text(CliRowWriter *writer, const void *row)
{
    enum { GROUP = CLI_OUTPUT_ROOM / SU_NUMBER_TEXT };
    for (size_t i = 0; i < writer->columns;) {
        char *room = cli_output_room(writer->output, CLI_OUTPUT_ROOM);
        size_t used = 0, end = i + GROUP < writer->columns ? i + GROUP : writer->columns;
        for (; i < end; i++) {
            if (i) room[used++] = ',';
            used += cli_element_text(writer->dtype, row, i, room + used);
        }
        cli_output_fill(writer->output, used);
    }
}

static void jsonl_rows(CliRowWriter *writer, const SutraResultView *view)
{
    for (size_t i = 0; i < view->num_items; i++) {
        cli_output_print(writer->output, "{\"index\":%llu,\"embedding\":[",
                         (unsigned long long)(writer->written + i));
        cli_row_as_text(writer, (const char *)view->data + i * view->row_bytes);
        const SutraItem *item = &view->items[i];
        cli_output_print(writer->output, "],\"tokens\":%u,\"truncated\":%s", item->tokens_used,
                         item->flags & SUTRA_ITEM_TRUNCATED ? "true" : "false");
        if (item->windows) cli_output_print(writer->output, ",\"windows\":%u", item->windows);
        cli_output_write(writer->output, "}\n", 2);
    }
}

static void csv_rows(CliRowWriter *writer, const SutraResultView *view)
{
    for (size_t i = 0; i < view->num_items; i++) {
        cli_row_as_text(writer, (const char *)view->data + i * view->row_bytes);
        cli_output_write(writer->output, "\n", 1);
    }
}

const CliRowFormat cli_jsonl_format = {no_header, jsonl_rows};
const CliRowFormat cli_csv_format = {no_header, csv_rows};
