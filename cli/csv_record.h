/* csv_record.h - records of comma-separated values (RFC 4180) and of tab-separated ones.
 *
 *   csv   fields between commas. One that begins with '"' goes on to the next '"' that is not
 *         doubled, over newlines too; elsewhere '"' is a character like others
 *   tsv   fields between tabs; nothing is quoted
 *
 * A record ends with "\n", and "\r" before that is not part of it. */
#ifndef CLI_CSV_RECORD_H
#define CLI_CSV_RECORD_H

#include <stdbool.h>
#include <stddef.h>

typedef struct CliCsvScan {
    char separator; /* ',' or '\t': then nothing is quoted */
    enum {
        CLI_CSV_FIELD,
        CLI_CSV_PLAIN,
        CLI_CSV_QUOTED,
        CLI_CSV_CLOSED,
        CLI_CSV_RETURN
    } state;     /* zero: a start */
    bool broken; /* something follows a closing quote, or the text ended before that */
} CliCsvScan;

/* Looks for the "\n" that ends the record from data[from]; returns its place, or `to` when it is
 * not there yet: then the scan goes on from there. Stops at what is broken. */
size_t cli_csv_scan(CliCsvScan *scan, const char *data, size_t from, size_t to);

typedef struct CliCsvField {
    size_t start, size; /* in the record, quotes and doubled ones included */
} CliCsvField;

/* Takes the next field off the record data[*at … size); false: there is none. *at starts at 0. */
bool cli_csv_field(char separator, const char *data, size_t size, size_t *at, CliCsvField *field);

/* The text of a field, where it lies; what is written never overtakes what is read. */
void cli_csv_decode(char separator, char *data, CliCsvField *field);

#endif
