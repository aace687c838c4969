/* row_writer.h - vectors to a file: npy, jsonl, csv, safetensors.
 *
 *   npy          128-byte header, then rows [texts, columns]
 *   safetensors  512-byte header with the one tensor "embeddings", then rows
 *   jsonl        {"index":0,"embedding":[…],"tokens":12,"truncated":false} a line, with
 *                "windows":3 of a text that became windows
 *   csv          a row a line, numbers alone
 *
 * The two binary headers say how many rows follow: when that is not known at the start, the header
 * is written again at the end (on a stream the output must have been opened with `spool`). */
#ifndef CLI_ROW_WRITER_H
#define CLI_ROW_WRITER_H

#include "atomic_file.h"

enum {
    CLI_FORMAT_NONE = 0,
    CLI_FORMAT_NPY,
    CLI_FORMAT_JSONL,
    CLI_FORMAT_CSV,
    CLI_FORMAT_SAFETENSORS
};
#define CLI_FORMAT_WORDS "npy|jsonl|csv|safetensors"

#define CLI_ROWS_UNKNOWN UINT64_MAX

typedef struct CliRowWriter CliRowWriter;
typedef struct CliRowFormat {
    void (*header)(CliRowWriter *writer, uint64_t rows, bool again);
    void (*rows)(CliRowWriter *writer, const SutraResultView *view);
} CliRowFormat;

struct CliRowWriter {
    CliOutput *output;
    const CliRowFormat *format;
    SutraDtype dtype;
    uint32_t columns; /* stored elements of a row: dim, or the bytes of the binary types */
    size_t row_bytes;
    const char *model, *revision; /* noted in safetensors files */
    uint64_t expected, written;   /* rows */
};

extern const CliRowFormat cli_npy_format, cli_jsonl_format, cli_csv_format, cli_safetensors_format;

/* By the name's ending; CLI_FORMAT_NONE when it is not one of the four. */
uint32_t cli_format_of_path(const char *path);
/* True if the format's header holds the number of rows. */
bool cli_format_counts_rows(uint32_t format);

/* The rest of *writer is set by the caller. */
void cli_rows_begin(CliRowWriter *writer, uint32_t format, uint32_t dim);
void cli_rows_write(CliRowWriter *writer, const SutraResultView *view);
void cli_rows_end(CliRowWriter *writer);

/* "a,b,c" to the writer's output. */
void cli_row_as_text(CliRowWriter *writer, const void *row);

/* Element i of the row as text; returns its size. */
size_t cli_element_text(SutraDtype dtype, const void *row, size_t i, char *text);

#endif
