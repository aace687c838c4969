/* write_safetensors.c - one tensor, "embeddings", and which model made it.
 *
 *   size of the header, 64 bits | JSON, padded with spaces | rows
 *   0                           8                        512
 */
#include "row_writer.h"

#include "json_text.h"

#include <stdio.h>
#include <string.h>

enum { HEADER_SIZE = 512, PREAMBLE_SIZE = 8, QUOTED_SIZE = 160 };

static const char *const types[] = {
    [SUTRA_F32] = "F32", [SUTRA_F16] = "F16",   [SUTRA_I8] = "I8",
    [SUTRA_U8] = "U8",   [SUTRA_BINARY] = "I8", [SUTRA_UBINARY] = "U8",
};

static void safetensors_header(CliRowWriter *writer, uint64_t rows, bool again)
{
    char header[HEADER_SIZE], model[QUOTED_SIZE], revision[QUOTED_SIZE];
    cli_json_quote(writer->model, strlen(writer->model), model, sizeof model);
    cli_json_quote(writer->revision, strlen(writer->revision), revision, sizeof revision);
    int size = snprintf(header + PREAMBLE_SIZE, HEADER_SIZE - PREAMBLE_SIZE,
                        "{\"__metadata__\":{\"model\":%s,\"revision\":%s},"
                        "\"embeddings\":{\"dtype\":\"%s\",\"shape\":[%llu,%u],"
                        "\"data_offsets\":[0,%llu]}}",
                        model, revision, types[writer->dtype], (unsigned long long)rows,
                        writer->columns, (unsigned long long)(rows * writer->row_bytes));
    memset(header + PREAMBLE_SIZE + size, ' ', (size_t)(HEADER_SIZE - PREAMBLE_SIZE - size));
    for (int i = 0; i < PREAMBLE_SIZE; i++)
        header[i] = (char)((uint64_t)(HEADER_SIZE - PREAMBLE_SIZE) >> 8 * i & 0xff);
    if (again)
        cli_output_patch_front(writer->output, header, HEADER_SIZE);
    else
        cli_output_write(writer->output, header, HEADER_SIZE);
}

static CliPlace safetensors_row(CliRowWriter *writer, const CliRow *row)
{
    cli_output_write(writer->output, row->data, writer->row_bytes);
    return writer->written;
}

static void safetensors_copy(CliRowWriter *writer, const CliRow *row, CliPlace place)
{
    (void)row;
    cli_row_copy_stored(writer, HEADER_SIZE, place);
}

const CliRowFormat cli_safetensors_format = {.header = safetensors_header,
                                             .row = safetensors_row,
                                             .copy = safetensors_copy,
                                             .places = CLI_PLACES_ROWS};
