#include "row_writer.h"

#include "base/number_text.h"

#include <string.h>
#include <strings.h>

static const CliRowFormat *const formats[] = {
    [CLI_FORMAT_NPY] = &cli_npy_format,
    [CLI_FORMAT_JSONL] = &cli_jsonl_format,
    [CLI_FORMAT_CSV] = &cli_csv_format,
    [CLI_FORMAT_SAFETENSORS] = &cli_safetensors_format,
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

void cli_rows_begin(CliRowWriter *writer, uint32_t format, uint32_t dim)
{
    bool packed = writer->dtype == SUTRA_BINARY || writer->dtype == SUTRA_UBINARY;
    writer->format = formats[format];
    writer->columns = packed ? (uint32_t)sutra_row_bytes(writer->dtype, dim) : dim;
    writer->row_bytes = sutra_row_bytes(writer->dtype, dim);
    writer->format->header(writer, writer->expected == CLI_ROWS_UNKNOWN ? 0 : writer->expected,
                           false);
}

void cli_rows_write(CliRowWriter *writer, const SutraResultView *view)
{
    writer->format->rows(writer, view);
    writer->written += view->num_items;
}

void cli_rows_end(CliRowWriter *writer)
{
    if (writer->expected == CLI_ROWS_UNKNOWN) writer->format->header(writer, writer->written, true);
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
