/* row_writer.h - vectors to a file: npy, jsonl, csv, safetensors, sqlite.
 *
 *   npy          128-byte header, then rows [texts, columns]
 *   safetensors  512-byte header with the one tensor "embeddings", then rows
 *   jsonl        {"index":0,"embedding":[…],"tokens":12,"truncated":false} a line, with
 *                "windows":3 of a text that became windows, and "id": after the index
 *   csv          a row a line: its id if it has one, then numbers
 *   sqlite       a database: write_sqlite.c
 *
 * The two binary headers say how many rows follow: when that is not known at the start, the header
 * is written again at the end (on a stream the output must have been opened with `spool`). */
#ifndef CLI_ROW_WRITER_H
#define CLI_ROW_WRITER_H

#include "record_id.h"

enum {
    CLI_FORMAT_NONE = 0,
    CLI_FORMAT_NPY,
    CLI_FORMAT_JSONL,
    CLI_FORMAT_CSV,
    CLI_FORMAT_SAFETENSORS,
    CLI_FORMAT_SQLITE
};
#define CLI_FORMAT_WORDS "npy|jsonl|csv|safetensors|sqlite"

#define CLI_ROWS_UNKNOWN UINT64_MAX

typedef struct CliRowWriter CliRowWriter;

typedef struct CliRow {
    uint64_t index; /* of its text in the input, from 0 */
    CliId id;
    const void *data;      /* [row_bytes] */
    const SutraItem *item; /* jsonl only */
} CliRow;

/* What a row's vector is found by later, of the same writer or of one that goes on. */
typedef uint64_t CliPlace;

typedef struct CliRowFormat {
    /* What begins a file; NULL: nothing. */
    void (*header)(CliRowWriter *writer, uint64_t rows, bool again);
    CliPlace (*row)(CliRowWriter *writer, const CliRow *row);
    /* A row with the vector of an earlier one; only where cli_output_has_file. */
    void (*copy)(CliRowWriter *writer, const CliRow *row, CliPlace place);
    /* What a place is: bytes of the file, the number of the row, or the index of its text. */
    enum { CLI_PLACES_BYTES, CLI_PLACES_ROWS, CLI_PLACES_INDICES } places;
    /* Of a format that writes to the output's path itself; NULL: it writes to the output. Rows of
     * texts from `records` on, which an earlier run had written, go. */
    void (*begin)(CliRowWriter *writer, uint64_t rows, uint64_t records);
    void (*sync)(CliRowWriter *writer);
    void (*close)(CliRowWriter *writer, bool whole); /* legal when closed */
} CliRowFormat;

struct CliRowWriter {
    CliOutput *output;
    const CliRowFormat *format;
    SutraDtype dtype;
    uint32_t dim;
    uint32_t columns; /* stored elements of a row: dim, or the bytes of the binary types */
    size_t row_bytes;
    const char *model, *revision; /* noted in safetensors files */
    uint64_t expected, written;   /* rows */
    void *database;               /* of sqlite */
};

extern const CliRowFormat cli_npy_format, cli_jsonl_format, cli_csv_format, cli_safetensors_format,
    cli_sqlite_format;

/* By the name's ending; CLI_FORMAT_NONE when it is not one of the five. */
uint32_t cli_format_of_path(const char *path);
/* True if the format's header holds the number of rows. */
bool cli_format_counts_rows(uint32_t format);

/* The rest of *writer is set by the caller. */
void cli_rows_begin(CliRowWriter *writer, uint32_t format, uint32_t dim);
/* The same of what goes on after `rows` rows that are written, of texts below `records`. */
void cli_rows_resume(CliRowWriter *writer, uint32_t format, uint32_t dim, uint64_t rows,
                     uint64_t records);
CliPlace cli_row_write(CliRowWriter *writer, const CliRow *row);
void cli_row_copy(CliRowWriter *writer, const CliRow *row, CliPlace place);
/* All rows of a result, without ids. */
void cli_rows_write(CliRowWriter *writer, const SutraResultView *view);
void cli_rows_end(CliRowWriter *writer);
/* What is written so far is handed to the output, or its file. */
void cli_rows_sync(CliRowWriter *writer);
/* Gives back what the writer holds besides the output; legal after cli_rows_end and when it never
 * began. */
void cli_rows_close(CliRowWriter *writer);

/* Copies a stored row to the end; that of a binary format whose rows begin at `start`. */
void cli_row_copy_stored(CliRowWriter *writer, uint64_t start, CliPlace place);

/* "a,b,c" to the writer's output. */
void cli_row_as_text(CliRowWriter *writer, const void *row);

/* Element i of the row as text; returns its size. */
size_t cli_element_text(SutraDtype dtype, const void *row, size_t i, char *text);

#endif
