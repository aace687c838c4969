#include "text_reader.h"

#include "console.h"
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
    *reader = (CliReader){.field = field};
    return cli_source_open(&reader->source, path, err);
}

void cli_reader_open_arguments(CliReader *reader, char **arguments, size_t count)
{
    *reader = (CliReader){.source = {.name = "arguments", .fd = -1, .stop_fd = -1},
                          .arguments = arguments,
                          .num_arguments = count};
}

void cli_store_free(CliTextStore *store)
{
    free(store->buffer);
    free(store->spans);
    free(store->inputs);
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

uint64_t cli_block_line(const CliBlock *block, size_t i)
{
    return (block->reader->arguments ? block->first + i : block->spans[i].line) + 1;
}

void cli_block_where(const CliBlock *block, size_t i, char *where, size_t capacity)
{
    if (block->reader->arguments)
        snprintf(where, capacity, "text %llu", (unsigned long long)cli_block_line(block, i));
    else
        line_name(block->reader, cli_block_line(block, i) - 1, where, capacity);
}

static SutraStatus check_utf8(const char *where, const char *text, size_t size, SutraError *err)
{
    size_t valid = cli_utf8_valid(text, size);
    if (valid == size) return SUTRA_OK;
    return cli_raise(err, SUTRA_E_ARGUMENT, "%s: invalid UTF-8 at byte %zu", where, valid + 1);
}

/* Makes the span of a line of JSON that of the field's text. */
static SutraStatus decode_line(CliReader *reader, const char *where, CliSpan *span, SutraError *err)
{
    SutraJsonField field = {.name = reader->field};
    const char *line = reader->store->buffer + span->start;
    SutraStatus status = sutra_json_line(line, span->size, where, &field, 1, err);
    if (status != SUTRA_OK) return status;
    if (field.kind == SUTRA_JSON_ABSENT) {
        char names[160];
        sutra_json_line_names(line, span->size, names, sizeof names);
        return cli_raise(err, SUTRA_E_FORMAT, "%s: no field \"%s\"; the fields are: %s", where,
                         reader->field, names);
    }
    if (field.kind == SUTRA_JSON_STRING) span->start = (size_t)(field.raw - reader->store->buffer);
    return sutra_json_text(&field, where, reader->store->buffer + span->start, &span->size, err);
}

static CliSpan *grow_spans(CliTextStore *store, size_t count)
{
    if (count == store->spans_capacity) {
        store->spans_capacity = count ? count * 2 : 256;
        store->spans = cli_realloc(store->spans, store->spans_capacity, sizeof *store->spans);
        store->inputs = cli_realloc(store->inputs, store->spans_capacity, sizeof *store->inputs);
    }
    return &store->spans[count];
}

/* Takes the line buffer[start … start + size). */
static SutraStatus take_line(CliReader *reader, size_t start, size_t size, CliBlock *block,
                             SutraError *err)
{
    char where[WHERE_SIZE];
    uint64_t line = reader->next_line++;
    if (reader->field && sutra_json_line_is_blank(reader->store->buffer + start, size))
        return SUTRA_OK;
    CliSpan *span = grow_spans(reader->store, block->count);
    *span = (CliSpan){start, size, line};
    line_name(reader, line, where, sizeof where);
    SutraStatus status = check_utf8(where, reader->store->buffer + start, size, err);
    if (status == SUTRA_OK && reader->field) status = decode_line(reader, where, span, err);
    if (status == SUTRA_OK) block->count++;
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

/* Finds the next "\n" (or the end) and takes the line, which may be none of the texts; reads as
 * needed.
 * *done: the block is to end. */
static SutraStatus next_line(CliReader *reader, CliBlock *block, bool *done, SutraError *err)
{
    for (;;) {
        size_t start = reader->block_end;
        const char *end =
            reader->filled > reader->scan
                ? memchr(reader->store->buffer + reader->scan, '\n', reader->filled - reader->scan)
                : NULL;
        if (end) {
            size_t size = (size_t)(end - reader->store->buffer) - start;
            reader->block_end = reader->scan = start + size + 1;
            return take_line(reader, start, size, block, err);
        }
        reader->scan = reader->filled;
        if (reader->source.ended) {
            *done = true;
            reader->block_end = reader->filled;
            if (start == reader->filled) return SUTRA_OK;
            return take_line(reader, start, reader->filled - start, block, err);
        }
        if (reader->filled - start > CLI_LONGEST_LINE) {
            char where[WHERE_SIZE];
            line_name(reader, reader->next_line, where, sizeof where);
            return cli_raise(err, SUTRA_E_LIMIT, "%s: the line is longer than %zu MiB", where,
                             CLI_LONGEST_LINE >> 20);
        }
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
        grow_spans(reader->store, block->count);
        char where[WHERE_SIZE];
        cli_block_where(block, block->count, where, sizeof where);
        SutraStatus status = check_utf8(where, text, strlen(text), err);
        if (status != SUTRA_OK) return status;
        reader->store->inputs[block->count++] =
            (SutraInput){.text = text, .text_size = strlen(text)};
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
    while (status == SUTRA_OK && !*done && block->count < max_texts &&
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
    SutraStatus status = SUTRA_OK;
    bool done = false;
    if (reader->arguments) {
        status = next_arguments(reader, max_texts, block, err);
    } else {
        if (!reader->begun) status = begin_input(reader, err);
        while (status == SUTRA_OK && !done && !block->count)
            status = next_lines(reader, store, max_texts, max_bytes, block, &done, err);
    }
    block->inputs = store->inputs;
    block->spans = store->spans;
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
    SutraStatus status = cli_reader_open(reader, path, NULL, err);
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
