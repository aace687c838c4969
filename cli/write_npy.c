/* write_npy.c - NumPy's format, version 1.0.
 *
 *   "\x93NUMPY" 1 0 | size of what follows, 16 bits | Python dict, spaces, "\n" | rows
 *   0             6 8                              10                        128
 */
#include "row_writer.h"

#include <stdio.h>
#include <string.h>

enum { HEADER_SIZE = 128, PREAMBLE_SIZE = 10 };

static const char *const types[] = {
    [SUTRA_F32] = "<f4", [SUTRA_F16] = "<f2",    [SUTRA_I8] = "|i1",
    [SUTRA_U8] = "|u1",  [SUTRA_BINARY] = "|i1", [SUTRA_UBINARY] = "|u1",
};

static void npy_header(CliRowWriter *writer, uint64_t rows, bool again)
{
    char header[HEADER_SIZE + 1];
    memcpy(header, "\x93NUMPY\1\0", 8);
    header[8] = (HEADER_SIZE - PREAMBLE_SIZE) & 0xff;
    header[9] = (HEADER_SIZE - PREAMBLE_SIZE) >> 8;
    int size = snprintf(header + PREAMBLE_SIZE, HEADER_SIZE - PREAMBLE_SIZE,
                        "{'descr': '%s', 'fortran_order': False, 'shape': (%llu, %u), }",
                        types[writer->dtype], (unsigned long long)rows, writer->columns);
    memset(header + PREAMBLE_SIZE + size, ' ', (size_t)(HEADER_SIZE - PREAMBLE_SIZE - size));
    header[HEADER_SIZE - 1] = '\n';
    if (again)
        cli_output_patch_front(writer->output, header, HEADER_SIZE);
    else
        cli_output_write(writer->output, header, HEADER_SIZE);
}

static CliPlace npy_row(CliRowWriter *writer, const CliRow *row)
{
    cli_output_write(writer->output, row->data, writer->row_bytes);
    return writer->written;
}

static void npy_copy(CliRowWriter *writer, const CliRow *row, CliPlace place)
{
    (void)row;
    cli_row_copy_stored(writer, HEADER_SIZE, place);
}

const CliRowFormat cli_npy_format = {
    .header = npy_header, .row = npy_row, .copy = npy_copy, .places = CLI_PLACES_ROWS};
