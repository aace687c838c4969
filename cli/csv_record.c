#include "csv_record.h"

#include <string.h>

size_t cli_csv_scan(CliCsvScan *scan, const char *data, size_t from, size_t to)
{
    for (size_t i = from; i < to; i++) {
        char c = data[i];
        if (scan->state == CLI_CSV_QUOTED) {
            const char *quote = memchr(data + i, '"', to - i);
            if (!quote) return to;
            i = (size_t)(quote - data);
            scan->state = CLI_CSV_CLOSED;
        } else if (c == '\n') {
            return i;
        } else if (c == scan->separator && scan->state != CLI_CSV_RETURN) {
            scan->state = CLI_CSV_FIELD;
        } else if (scan->state == CLI_CSV_CLOSED && (c == '"' || c == '\r')) {
            scan->state = c == '"' ? CLI_CSV_QUOTED : CLI_CSV_RETURN;
        } else if (scan->state >= CLI_CSV_CLOSED) {
            scan->broken = true;
            return i;
        } else {
            bool opens = scan->state == CLI_CSV_FIELD && c == '"' && scan->separator == ',';
            scan->state = opens ? CLI_CSV_QUOTED : CLI_CSV_PLAIN;
        }
    }
    return to;
}

/* Just past the quoted field's last quote. */
static size_t end_of_quoted(const char *data, size_t size, size_t at)
{
    for (at++; at < size; at++) {
        if (data[at] != '"') continue;
        if (at + 1 == size || data[at + 1] != '"') return at + 1;
        at++;
    }
    return size;
}

bool cli_csv_field(char separator, const char *data, size_t size, size_t *at, CliCsvField *field)
{
    if (*at > size) return false;
    size_t start = *at, end = start;
    if (separator == ',' && start < size && data[start] == '"')
        end = end_of_quoted(data, size, start);
    const char *next = end < size ? memchr(data + end, separator, size - end) : NULL;
    end = next ? (size_t)(next - data) : size;
    *field = (CliCsvField){start, end - start};
    *at = end + 1;
    return true;
}

void cli_csv_decode(char separator, char *data, CliCsvField *field)
{
    const char *from = data + field->start;
    if (separator != ',' || !field->size || *from != '"') return;
    const char *end = from + field->size - 1; /* the closing quote */
    char *to = data + ++field->start;
    size_t size = 0;
    for (from++; from < end; from++) {
        to[size++] = *from;
        if (*from == '"') from++;
    }
    field->size = size;
}
