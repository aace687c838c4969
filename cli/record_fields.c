#include "record_fields.h"

#include "console.h"
#include "sutra_tools.h"
#include "utf8_check.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

static bool ends_with(const char *text, size_t size, const char *ending)
{
    size_t length = strlen(ending);
    return size > length && strncasecmp(text + size - length, ending, length) == 0;
}

CliLayout cli_layout_of(const char *path, bool has_field)
{
    size_t size = strlen(path);
    if (ends_with(path, size, ".gz")) size -= strlen(".gz");
    if (ends_with(path, size, ".zst")) size -= strlen(".zst");
    if (has_field && ends_with(path, size, ".csv")) return CLI_LAYOUT_CSV;
    if (has_field && ends_with(path, size, ".tsv")) return CLI_LAYOUT_TSV;
    return has_field ? CLI_LAYOUT_JSONL : CLI_LAYOUT_LINES;
}

static char separator_of(const CliReader *reader)
{
    return reader->records.layout == CLI_LAYOUT_TSV ? '\t' : ',';
}

static SutraStatus check_utf8(const char *text, size_t size, SutraError *err)
{
    size_t valid = cli_utf8_valid(text, size);
    if (valid == size) return SUTRA_OK;
    return cli_raise(err, SUTRA_E_ARGUMENT, "invalid UTF-8 at byte %zu", valid + 1);
}

/* ---- separated ---- */

/* The columns' names with commas between them, as many as there is room for. */
static void list_columns(char separator, const char *record, size_t size, char *names,
                         size_t capacity)
{
    CliCsvField field;
    size_t at = 0, used = 0;
    names[0] = '\0';
    while (cli_csv_field(separator, record, size, &at, &field) && used < capacity)
        used += (size_t)snprintf(names + used, capacity - used, "%s%.*s", used ? ", " : "",
                                 (int)field.size, record + field.start);
}

/* Sets *column; of several with the name the last, as of the keys of JSON. */
static SutraStatus find_column(const CliReader *reader, char *record, size_t size, const char *name,
                               size_t *column, SutraError *err)
{
    char separator = separator_of(reader), names[160];
    CliCsvField field;
    size_t at = 0, n = 0;
    bool found = false;
    list_columns(separator, record, size, names, sizeof names);
    for (; cli_csv_field(separator, record, size, &at, &field); n++) {
        char copy[256];
        if (field.size > sizeof copy) continue;
        memcpy(copy, record + field.start, field.size);
        CliCsvField text = {0, field.size};
        cli_csv_decode(separator, copy, &text);
        if (text.size != strlen(name) || memcmp(copy + text.start, name, text.size) != 0) continue;
        *column = n;
        found = true;
    }
    if (found) return SUTRA_OK;
    return cli_raise(err, SUTRA_E_FORMAT, "%s: no column \"%s\"; the columns are: %s",
                     reader->source.name, name, names);
}

SutraStatus cli_record_columns(CliReader *reader, char *record, size_t size, SutraError *err)
{
    CliCsvField field;
    size_t at = 0;
    SutraStatus status = check_utf8(record, size, err);
    if (status != SUTRA_OK) return status;
    while (cli_csv_field(separator_of(reader), record, size, &at, &field)) reader->num_columns++;
    status = find_column(reader, record, size, reader->records.field, &reader->text_column, err);
    if (status == SUTRA_OK && reader->records.id)
        status = find_column(reader, record, size, reader->records.id, &reader->id_column, err);
    return status;
}

static SutraStatus separated_fields(const CliReader *reader, CliSpan *span, SutraError *err)
{
    char *record = reader->store->buffer + span->start, separator = separator_of(reader);
    CliCsvField field, text = {0, 0}, id = {0, 0};
    size_t at = 0, n = 0;
    for (; cli_csv_field(separator, record, span->size, &at, &field); n++) {
        if (n == reader->text_column) text = field;
        if (reader->records.id && n == reader->id_column) id = field;
    }
    if (n != reader->num_columns)
        return cli_raise(err, SUTRA_E_FORMAT, "%zu fields where the first line has %zu", n,
                         reader->num_columns);
    cli_csv_decode(separator, record, &text);
    cli_csv_decode(separator, record, &id);
    span->id_start = span->start + id.start;
    span->id_size = id.size;
    span->id_kind = reader->records.id ? CLI_ID_TEXT : CLI_ID_NONE;
    span->start += text.start;
    span->size = text.size;
    return SUTRA_OK;
}

/* ---- JSON ---- */

static SutraStatus no_field(const char *line, size_t size, const char *name, SutraError *err)
{
    char names[160];
    sutra_json_line_names(line, size, names, sizeof names);
    return cli_raise(err, SUTRA_E_FORMAT, "no field \"%s\"; the fields are: %s", name, names);
}

static SutraStatus json_id(const CliReader *reader, const SutraJsonField *field, CliSpan *span,
                           SutraError *err)
{
    if (!field->raw)
        return cli_raise(err, SUTRA_E_FORMAT, "field \"%s\" is neither a string nor a number",
                         field->name);
    span->id_start = (size_t)(field->raw - reader->store->buffer);
    span->id_size = field->raw_size;
    span->id_kind = field->kind == SUTRA_JSON_STRING ? CLI_ID_JSON_STRING : CLI_ID_JSON_NUMBER;
    return SUTRA_OK;
}

/* Messages of sutra_tools.h begin with ": " where no place is named. */
static SutraStatus without_place(SutraStatus status, SutraError *err)
{
    if (status != SUTRA_OK && strncmp(err->message, ": ", 2) == 0)
        memmove(err->message, err->message + 2, strlen(err->message + 2) + 1);
    return status;
}

static SutraStatus json_fields(const CliReader *reader, CliSpan *span, SutraError *err)
{
    SutraJsonField fields[2] = {{.name = reader->records.field}, {.name = reader->records.id}};
    const char *line = reader->store->buffer + span->start;
    size_t size = span->size, num_fields = reader->records.id ? 2 : 1;
    SutraStatus status = sutra_json_line(line, size, "", fields, num_fields, err);
    if (status != SUTRA_OK) return without_place(status, err);
    for (size_t i = 0; i < num_fields; i++)
        if (fields[i].kind == SUTRA_JSON_ABSENT) return no_field(line, size, fields[i].name, err);
    if (reader->records.id) status = json_id(reader, &fields[1], span, err);
    if (status != SUTRA_OK) return status;
    if (fields[0].kind == SUTRA_JSON_STRING)
        span->start = (size_t)(fields[0].raw - reader->store->buffer);
    status = sutra_json_text(&fields[0], "", reader->store->buffer + span->start, &span->size, err);
    return without_place(status, err);
}

SutraStatus cli_record_fields(const CliReader *reader, CliSpan *span, SutraError *err)
{
    SutraStatus status = check_utf8(reader->store->buffer + span->start, span->size, err);
    if (status != SUTRA_OK) return status;
    switch (reader->records.layout) {
    case CLI_LAYOUT_JSONL:
        return json_fields(reader, span, err);
    case CLI_LAYOUT_CSV:
    case CLI_LAYOUT_TSV:
        return separated_fields(reader, span, err);
    case CLI_LAYOUT_GUESS:
    case CLI_LAYOUT_LINES:
        break;
    }
    return SUTRA_OK;
}
