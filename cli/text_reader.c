#include "text_reader.h"

#include "console.h"
#include "record_fields.h"
#include "sutra_tools.h"
#include "utf8_check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_CAPACITY = 64 * 1024, WHERE_SIZE = 320 };
/* A store that held long lines is given back when the next block needs less by that factor. */
enum { ROOMY = 8 };

SutraStatus cli_reader_open(CliReader *reader, const char *path, const char *field, SutraError *err)
{
    const CliRecordOptions options = {.field = field,
                                      .layout = field ? CLI_LAYOUT_JSONL : CLI_LAYOUT_LINES};
    return cli_reader_open_records(reader, path, &options, err);
}

SutraStatus cli_reader_open_records(CliReader *reader, const char *path,
                                    const CliRecordOptions *options, SutraError *err)
{
    *reader = (CliReader){.records = *options};
    if (!options->layout) reader->records.layout = cli_layout_of(path, options->field != NULL);
    reader->csv.separator = reader->records.layout == CLI_LAYOUT_TSV ? '\t' : ',';
    return cli_source_open(&reader->source, path, err);
}

void cli_reader_open_arguments(CliReader *reader, char **arguments, size_t count)
{
    *reader = (CliReader){.source = {.name = "arguments", .fd = -1, .stop_fd = -1},
                          .arguments = arguments,
                          .num_arguments = count};
}

static void drop_rejects(CliTextStore *store)
{
    for (size_t i = 0; i < store->num_rejects; i++) free(store->rejects[i].reason);
    store->num_rejects = 0;
}

void cli_store_free(CliTextStore *store)
{
    drop_rejects(store);
    free(store->buffer);
    free(store->spans);
    free(store->inputs);
    free(store->numbers);
    free(store->rejects);
    *store = (CliTextStore){0};
}

void cli_reader_close(CliReader *reader)
{
    cli_source_close(&reader->source);
    cli_store_free(&reader->own);
    *reader = (CliReader){.source = {.fd = -1, .stop_fd = -1}};
}

static void line_name(const CliReader *reader, uint64_t line, char *where, size_t capacity)
{
    snprintf(where, capacity, "%s:%llu", reader->source.name, (unsigned long long)line + 1);
}

uint64_t cli_block_line(const CliBlock *block, size_t i) { return block->spans[i].line + 1; }

void cli_block_where(const CliBlock *block, size_t i, char *where, size_t capacity)
{
    if (block->reader->arguments)
        snprintf(where, capacity, "text %llu", (unsigned long long)cli_block_line(block, i));
    else
        line_name(block->reader, cli_block_line(block, i) - 1, where, capacity);
}

static CliSpan *grow_spans(CliTextStore *store, size_t count)
{
    if (count == store->spans_capacity) {
        store->spans_capacity = count ? count * 2 : 256;
        store->spans = cli_realloc(store->spans, store->spans_capacity, sizeof *store->spans);
        store->inputs = cli_realloc(store->inputs, store->spans_capacity, sizeof *store->inputs);
        store->numbers = cli_realloc(store->numbers, store->spans_capacity, sizeof *store->numbers);
    }
    return &store->spans[count];
}

static bool is_separated(const CliReader *reader)
{
    return reader->records.layout == CLI_LAYOUT_CSV || reader->records.layout == CLI_LAYOUT_TSV;
}

/* What is no text: a reject, or the end of reading. */
static SutraStatus reject(CliReader *reader, uint64_t line, uint64_t index, SutraError *err)
{
    CliTextStore *store = reader->store;
    char where[WHERE_SIZE], reason[sizeof err->message];
    if (!reader->records.rejects) {
        snprintf(reason, sizeof reason, "%s", err->message);
        line_name(reader, line, where, sizeof where);
        return cli_raise(err, err->status, "%s: %s", where, reason);
    }
    if (store->num_rejects == store->rejects_capacity) {
        store->rejects_capacity = store->num_rejects ? store->num_rejects * 2 : 16;
        store->rejects =
            cli_realloc(store->rejects, store->rejects_capacity, sizeof *store->rejects);
    }
    store->rejects[store->num_rejects++] = (CliReject){line, index, cli_strdup(err->message)};
    return SUTRA_OK;
}

/* Numbers a record; true: it is one of this shard's. */
static bool count_record(CliReader *reader, uint64_t *index)
{
    *index = reader->next_record++;
    return !reader->records.shards || *index % reader->records.shards == reader->records.shard;
}

/* Takes the record buffer[start … start + size), which begins on `line`. */
static SutraStatus take_record(CliReader *reader, size_t start, size_t size, uint64_t line,
                               CliBlock *block, SutraError *err)
{
    uint64_t index;
    if (reader->records.layout == CLI_LAYOUT_JSONL &&
        sutra_json_line_is_blank(reader->store->buffer + start, size))
        return SUTRA_OK;
    if (is_separated(reader) && !size) return SUTRA_OK;
    if (is_separated(reader) && !reader->num_columns)
        return cli_record_columns(reader, reader->store->buffer + start, size, err);
    if (!count_record(reader, &index)) return SUTRA_OK;
    CliSpan *span = grow_spans(reader->store, block->count);
    *span = (CliSpan){.start = start, .size = size, .line = line, .index = index};
    SutraStatus status = cli_record_fields(reader, span, err);
    if (status != SUTRA_OK) return reject(reader, line, index, err);
    block->count++;
    return status;
}

/* Reads some more, or nothing; at the end the source has `ended`. */
static SutraStatus fill(CliReader *reader, SutraError *err)
{
    CliTextStore *store = reader->store;
    if (reader->filled == store->capacity) {
        store->capacity = store->capacity ? store->capacity * 2 : FIRST_CAPACITY;
        store->buffer = cli_realloc(store->buffer, store->capacity, 1);
    }
    size_t size;
    SutraStatus status = cli_source_read(&reader->source, store->buffer + reader->filled,
                                         store->capacity - reader->filled, &size, err);
    reader->filled += size;
    if (status == SUTRA_OK || status == SUTRA_E_IO || status == SUTRA_E_CANCELLED) return status;
    char where[WHERE_SIZE], reason[sizeof err->message];
    snprintf(reason, sizeof reason, "%s", err->message);
    line_name(reader, reader->next_line, where, sizeof where);
    return cli_raise(err, status, "%s: %s; what comes before this line could be read", where,
                     reason);
}

/* Looks at what the input begins with. */
static SutraStatus begin_input(CliReader *reader, SutraError *err)
{
    size_t skip;
    SutraStatus status = SUTRA_OK;
    while (status == SUTRA_OK && !reader->source.ended && reader->filled < SUTRA_TEXT_START &&
           !(reader->filled && memchr(reader->store->buffer, '\n', reader->filled)))
        status = fill(reader, err);
    if (status == SUTRA_OK)
        status = sutra_text_start(reader->store->buffer, reader->filled, reader->source.name, &skip,
                                  err);
    if (status != SUTRA_OK) return status;
    reader->begun = true;
    reader->block_end = reader->scan = skip;
    return SUTRA_OK;
}

/* True if reading now might wait for a slow writer. */
static bool would_wait(const CliReader *reader)
{
    return !reader->patient && cli_source_would_wait(&reader->source);
}

/* The first "\n" that ends a record, from `scan` on; reader->filled: not there yet. */
static size_t find_end(CliReader *reader)
{
    const char *data = reader->store->buffer;
    if (is_separated(reader)) return cli_csv_scan(&reader->csv, data, reader->scan, reader->filled);
    const char *end = reader->filled > reader->scan
                          ? memchr(data + reader->scan, '\n', reader->filled - reader->scan)
                          : NULL;
    return end ? (size_t)(end - data) : reader->filled;
}

/* Goes on past the record that ends at `end` and begins on the line returned. */
static uint64_t pass_record(CliReader *reader, size_t end, size_t next)
{
    const char *data = reader->store->buffer;
    uint64_t line = reader->next_line++;
    if (is_separated(reader))
        for (size_t i = reader->block_end; i < end; i++) reader->next_line += data[i] == '\n';
    reader->block_end = reader->scan = next;
    reader->csv = (CliCsvScan){.separator = reader->csv.separator};
    return line;
}

static SutraStatus reject_long(CliReader *reader, uint64_t line, uint64_t index, SutraError *err)
{
    cli_raise(err, SUTRA_E_LIMIT, "the line is longer than %zu MiB", CLI_LONGEST_LINE >> 20);
    return reject(reader, line, index, err);
}

static SutraStatus take_until(CliReader *reader, size_t end, size_t next, CliBlock *block,
                              SutraError *err)
{
    size_t start = reader->block_end, size = end - start;
    uint64_t line = pass_record(reader, end, next);
    if (reader->skipping) {
        reader->skipping = false;
        return SUTRA_OK;
    }
    if (size > CLI_LONGEST_LINE) {
        uint64_t index;
        return count_record(reader, &index) ? reject_long(reader, line, index, err) : SUTRA_OK;
    }
    if (is_separated(reader) && size && reader->store->buffer[end - 1] == '\r') size--;
    return take_record(reader, start, size, line, block, err);
}

/* A record whose quotes are wrong ends with its first line. */
static SutraStatus take_broken(CliReader *reader, bool open, SutraError *err)
{
    size_t start = reader->block_end;
    const char *data = reader->store->buffer;
    const char *newline = memchr(data + start, '\n', reader->filled - start);
    size_t end = newline ? (size_t)(newline - data) : reader->filled;
    uint64_t index, line = pass_record(reader, end, newline ? end + 1 : end);
    bool ours = reader->num_columns && count_record(reader, &index);
    cli_raise(err, SUTRA_E_FORMAT,
              open ? "a quoted field that does not end" : "text after a quoted field");
    if (reader->num_columns) return ours ? reject(reader, line, index, err) : SUTRA_OK;
    char reason[sizeof err->message];
    snprintf(reason, sizeof reason, "%s", err->message);
    return cli_raise(err, SUTRA_E_FORMAT, "%s: the first line: %s", reader->source.name, reason);
}

/* A line that is longer than can be: what follows up to its end is passed over. */
static SutraStatus take_overlong(CliReader *reader, SutraError *err)
{
    uint64_t index;
    if (reader->csv.state == CLI_CSV_QUOTED) return take_broken(reader, true, err);
    if (is_separated(reader) && !reader->num_columns)
        return cli_raise(err, SUTRA_E_LIMIT, "%s: the first line is longer than %zu MiB",
                         reader->source.name, CLI_LONGEST_LINE >> 20);
    bool ours = !reader->skipping && count_record(reader, &index);
    reader->skipping = true;
    reader->filled = reader->scan = reader->block_end;
    return ours ? reject_long(reader, reader->next_line, index, err) : SUTRA_OK;
}

/* Finds the next "\n" (or the end) and takes the record, which may be none of the texts; reads as
 * needed. *done: the block is to end. */
static SutraStatus next_line(CliReader *reader, CliBlock *block, bool *done, SutraError *err)
{
    for (;;) {
        size_t end = find_end(reader);
        if (reader->csv.broken) return take_broken(reader, false, err);
        if (end < reader->filled) return take_until(reader, end, end + 1, block, err);
        reader->scan = reader->filled;
        if (reader->source.ended) {
            *done = true;
            if (reader->block_end == reader->filled) return SUTRA_OK;
            if (reader->csv.state == CLI_CSV_QUOTED) {
                *done = false;
                return take_broken(reader, true, err);
            }
            return take_until(reader, end, end, block, err);
        }
        if (reader->filled - reader->block_end > CLI_LONGEST_LINE)
            return take_overlong(reader, err);
        if (block->count && would_wait(reader)) {
            *done = true;
            return SUTRA_OK;
        }
        SutraStatus status = fill(reader, err);
        if (status != SUTRA_OK) return status;
    }
}

static SutraStatus next_arguments(CliReader *reader, size_t max_texts, CliBlock *block,
                                  SutraError *err)
{
    while (block->count < max_texts && block->first + block->count < reader->num_arguments) {
        const char *text = reader->arguments[block->first + block->count];
        uint64_t number = block->first + block->count;
        *grow_spans(reader->store, block->count) = (CliSpan){.line = number, .index = number};
        size_t size = strlen(text), valid = cli_utf8_valid(text, size);
        if (valid < size)
            return cli_raise(err, SUTRA_E_ARGUMENT, "text %llu: invalid UTF-8 at byte %zu",
                             (unsigned long long)number + 1, valid + 1);
        reader->store->inputs[block->count++] = (SutraInput){.text = text, .text_size = size};
    }
    return SUTRA_OK;
}

/* Brings what was read past the last block to the front of the store of the next one. */
static void move_rest(CliReader *reader, CliTextStore *store, size_t max_bytes)
{
    CliTextStore *last = reader->store;
    size_t rest = reader->filled - reader->block_end;
    if (store != last && store->capacity / ROOMY > max_bytes) cli_store_free(store);
    if (store->capacity < rest) {
        store->capacity = last->capacity;
        store->buffer = cli_realloc(store->buffer, store->capacity, 1);
    }
    if (rest) memmove(store->buffer, last->buffer + reader->block_end, rest);
    reader->scan -= reader->block_end;
    reader->filled = rest;
    reader->block_end = 0;
    reader->store = store;
}

/* Lines until the block is full; *done as of next_line. What earlier blocks held goes first. */
static SutraStatus next_lines(CliReader *reader, CliTextStore *store, size_t max_texts,
                              size_t max_bytes, CliBlock *block, bool *done, SutraError *err)
{
    SutraStatus status = SUTRA_OK;
    move_rest(reader, store, max_bytes);
    while (status == SUTRA_OK && !*done && block->count + store->num_rejects < max_texts &&
           reader->block_end < max_bytes)
        status = next_line(reader, block, done, err);
    for (size_t i = 0; i < block->count; i++) {
        const CliSpan *span = &store->spans[i];
        store->inputs[i] = (SutraInput){.text = span->size ? store->buffer + span->start : "",
                                        .text_size = span->size};
    }
    return status;
}

SutraStatus cli_reader_next_into(CliReader *reader, CliTextStore *store, size_t max_texts,
                                 size_t max_bytes, CliBlock *block, SutraError *err)
{
    *block = (CliBlock){.first = reader->next_text, .reader = reader};
    if (!reader->store || reader->arguments) reader->store = store;
    drop_rejects(store);
    SutraStatus status = SUTRA_OK;
    bool done = false;
    if (reader->arguments) {
        status = next_arguments(reader, max_texts, block, err);
    } else {
        if (!reader->begun) status = begin_input(reader, err);
        while (status == SUTRA_OK && !done && !block->count && !store->num_rejects)
            status = next_lines(reader, store, max_texts, max_bytes, block, &done, err);
    }
    block->inputs = store->inputs;
    block->spans = store->spans;
    block->data = store->buffer;
    block->numbers = store->numbers;
    block->rejects = store->rejects;
    block->num_rejects = store->num_rejects;
    block->next_record = reader->next_record;
    block->bytes = cli_source_position(&reader->source);
    if (!reader->source.unpacker) block->bytes -= reader->filled - reader->block_end;
    reader->next_text += block->count;
    return status;
}

SutraStatus cli_reader_next(CliReader *reader, size_t max_texts, size_t max_bytes, CliBlock *block,
                            SutraError *err)
{
    return cli_reader_next_into(reader, &reader->own, max_texts, max_bytes, block, err);
}

bool cli_reader_at_end(const CliReader *reader)
{
    if (reader->arguments) return reader->next_text == reader->num_arguments;
    return reader->source.ended && reader->block_end == reader->filled;
}

SutraStatus cli_reader_all(CliReader *reader, const char *path, CliBlock *block, SutraError *err)
{
    return cli_reader_all_records(reader, path, &(CliRecordOptions){.layout = CLI_LAYOUT_LINES},
                                  block, err);
}

SutraStatus cli_reader_all_records(CliReader *reader, const char *path,
                                   const CliRecordOptions *options, CliBlock *block,
                                   SutraError *err)
{
    SutraStatus status = cli_reader_open_records(reader, path, options, err);
    reader->patient = true;
    if (status == SUTRA_OK)
        status = cli_reader_next(reader, CLI_MOST_TEXTS + 1, SIZE_MAX, block, err);
    if (status == SUTRA_OK && !block->count)
        return cli_raise(err, SUTRA_E_ARGUMENT, "%s: no texts", reader->source.name);
    if (status == SUTRA_OK && block->count > CLI_MOST_TEXTS)
        return cli_raise(err, SUTRA_E_LIMIT, "%s: more than %d texts", reader->source.name,
                         CLI_MOST_TEXTS);
    return status;
}
