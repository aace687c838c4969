/* write_text.c - vectors as text: JSON lines and comma-separated values. */
#include "row_writer.h"

#include "base/number_text.h"

#include <string.h>

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

/* From here to the end of the line a row is what another with the same vector is. */
static CliPlace vector_place(const CliRowWriter *writer) { return writer->output->position; }

static void copy_line(CliRowWriter *writer, CliPlace place)
{
    for (;;) {
        char piece[CLI_OUTPUT_ROOM];
        size_t size = cli_output_read_back(writer->output, place, piece, sizeof piece);
        const char *end = memchr(piece, '\n', size);
        if (end) size = (size_t)(end - piece) + 1;
        cli_output_write(writer->output, piece, size);
        if (end || !size) return;
        place += size;
    }
}

static void jsonl_begin(CliRowWriter *writer, const CliRow *row)
{
    cli_output_print(writer->output, "{\"index\":%llu", (unsigned long long)row->index);
    if (!row->id.kind) return;
    cli_output_write(writer->output, ",\"id\":", 6);
    cli_id_as_json(writer->output, &row->id);
}

static CliPlace jsonl_row(CliRowWriter *writer, const CliRow *row)
{
    const SutraItem *item = row->item;
    jsonl_begin(writer, row);
    CliPlace place = vector_place(writer);
    cli_output_write(writer->output, ",\"embedding\":[", 14);
    cli_row_as_text(writer, row->data);
    cli_output_print(writer->output, "],\"tokens\":%u,\"truncated\":%s", item->tokens_used,
                     item->flags & SUTRA_ITEM_TRUNCATED ? "true" : "false");
    if (item->windows) cli_output_print(writer->output, ",\"windows\":%u", item->windows);
    cli_output_write(writer->output, "}\n", 2);
    return place;
}

static void jsonl_copy(CliRowWriter *writer, const CliRow *row, CliPlace place)
{
    jsonl_begin(writer, row);
    copy_line(writer, place);
}

static void csv_begin(CliRowWriter *writer, const CliRow *row)
{
    if (!row->id.kind) return;
    cli_id_as_csv(writer->output, &row->id);
    cli_output_write(writer->output, ",", 1);
}

static CliPlace csv_row(CliRowWriter *writer, const CliRow *row)
{
    csv_begin(writer, row);
    CliPlace place = vector_place(writer);
    cli_row_as_text(writer, row->data);
    cli_output_write(writer->output, "\n", 1);
    return place;
}

static void csv_copy(CliRowWriter *writer, const CliRow *row, CliPlace place)
{
    csv_begin(writer, row);
    copy_line(writer, place);
}

const CliRowFormat cli_jsonl_format = {.row = jsonl_row, .copy = jsonl_copy};
const CliRowFormat cli_csv_format = {.row = csv_row, .copy = csv_copy};
