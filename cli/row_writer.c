#include "row_writer.h"

#include "base/number_text.h"

#include <string.h>
#include <strings.h>

static const CliRowFormat *const formats[] = {
    [CLI_FORMAT_NPY] = &cli_npy_format,       [CLI_FORMAT_JSONL] = &cli_jsonl_format,
    [CLI_FORMAT_CSV] = &cli_csv_format,       [CLI_FORMAT_SAFETENSORS] = &cli_safetensors_format,
    [CLI_FORMAT_SQLITE] = &cli_sqlite_format,
};

uint32_t cli_format_of_path(const char *path)
{
    static const struct {
        const char *ending;
        uint32_t format;
    } endings[] = {
        {".npy", CLI_FORMAT_NPY},
        {".jsonl", CLI_FORMAT_JSONL},
        {".ndjson", CLI_FORMAT_JSONL},
        {".csv", CLI_FORMAT_CSV},
        {".safetensors", CLI_FORMAT_SAFETENSORS},
        {".sqlite", CLI_FORMAT_SQLITE},
        {".sqlite3", CLI_FORMAT_SQLITE},
        {".db", CLI_FORMAT_SQLITE},
    };
    size_t size = strlen(path);
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
        size_t ending = strlen(endings[i].ending);
        if (size > ending && strcasecmp(path + size - ending, endings[i].ending) == 0)
            return endings[i].format;
    }
    return CLI_FORMAT_NONE;
}

bool cli_format_counts_rows(uint32_t format)
{
    return format == CLI_FORMAT_NPY || format == CLI_FORMAT_SAFETENSORS;
}

static void settle(CliRowWriter *writer, uint32_t format, uint32_t dim)
{
    bool packed = writer->dtype == SUTRA_BINARY || writer->dtype == SUTRA_UBINARY;
    writer->format = formats[format];
    writer->columns = packed ? (uint32_t)sutra_row_bytes(writer->dtype, dim) : dim;
    writer->row_bytes = sutra_row_bytes(writer->dtype, dim);
    writer->dim = dim;
}

void cli_rows_resume(CliRowWriter *writer, uint32_t format, uint32_t dim, uint64_t rows,
                     uint64_t records)
{
    settle(writer, format, dim);
    writer->written = rows;
    if (writer->format->begin) writer->format->begin(writer, rows, records);
}

void cli_rows_begin(CliRowWriter *writer, uint32_t format, uint32_t dim)
{
    uint64_t rows = writer->expected == CLI_ROWS_UNKNOWN ? 0 : writer->expected;
    settle(writer, format, dim);
    if (writer->format->begin) writer->format->begin(writer, 0, 0);
    if (writer->format->header) writer->format->header(writer, rows, false);
}

CliPlace cli_row_write(CliRowWriter *writer, const CliRow *row)
{
    CliPlace place = writer->format->row(writer, row);
    writer->written++;
    return place;
}

void cli_row_copy(CliRowWriter *writer, const CliRow *row, CliPlace place)
{
    writer->format->copy(writer, row, place);
    writer->written++;
}

void cli_rows_write(CliRowWriter *writer, const SutraResultView *view)
{
    for (size_t i = 0; i < view->num_items; i++)
        cli_row_write(writer, &(CliRow){.index = writer->written,
                                        .data = (const char *)view->data + i * view->row_bytes,
                                        .item = &view->items[i]});
}

void cli_row_copy_stored(CliRowWriter *writer, uint64_t start, CliPlace place)
{
    enum { PIECE = CLI_OUTPUT_ROOM };
    for (size_t at = 0; at < writer->row_bytes; at += PIECE) {
        char piece[PIECE];
        size_t size = writer->row_bytes - at < PIECE ? writer->row_bytes - at : PIECE;
        uint64_t from = start + place * writer->row_bytes + at;
        if (cli_output_read_back(writer->output, from, piece, size) != size)
            memset(piece, 0, size); /* the output has an error, or was cut by somebody */
        cli_output_write(writer->output, piece, size);
    }
}

void cli_rows_end(CliRowWriter *writer)
{
    if (writer->expected == CLI_ROWS_UNKNOWN && writer->format->header)
        writer->format->header(writer, writer->written, true);
    if (writer->format->close) writer->format->close(writer, true);
}

void cli_rows_sync(CliRowWriter *writer)
{
    if (writer->format->sync) writer->format->sync(writer);
}

void cli_rows_close(CliRowWriter *writer)
{
    if (writer->format && writer->format->close) writer->format->close(writer, false);
}

size_t cli_element_text(SutraDtype dtype, const void *row, size_t i, char *text)
{
    const char *bytes = row;
    float number;
    unsigned short half;
    switch (dtype) {
    case SUTRA_F32:
        memcpy(&number, bytes + i * sizeof number, sizeof number);
        return su_float_text(number, text);
    case SUTRA_F16:
        memcpy(&half, bytes + i * sizeof half, sizeof half);
        return su_float_text(su_float_of_half(half), text);
    case SUTRA_I8:
    case SUTRA_BINARY:
        return su_small_integer_text((signed char)bytes[i], text);
    case SUTRA_U8:
    case SUTRA_UBINARY:
        return su_small_integer_text((unsigned char)bytes[i], text);
    }
    return 0;
}
