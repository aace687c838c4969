#include "text_reader.h"

#include "console.h"
#include "sutra_tools.h"
#include "utf8_check.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FIRST_CAPACITY = 64 * 1024, PIPE_SIZE = 1 << 20, WHERE_SIZE = 320 };

static void close_file(CliReader *reader)
{
    if (reader->fd > STDERR_FILENO) close(reader->fd);
    reader->fd = -1;
}

SutraStatus cli_reader_open(CliReader *reader, const char *path, const char *field, SutraError *err)
{
    bool standard = strcmp(path, "-") == 0;
    *reader = (CliReader){.name = standard ? "standard input" : path, .field = field};
    reader->fd = standard ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    struct stat facts;
    if (reader->fd < 0 || fstat(reader->fd, &facts) != 0)
        return cli_raise(err, SUTRA_E_IO, "%s: %s", reader->name, strerror(errno));
    if (S_ISDIR(facts.st_mode)) {
        close_file(reader);
        return cli_raise(err, SUTRA_E_IO, "%s: %s", path, strerror(EISDIR));
    }
    reader->regular = S_ISREG(facts.st_mode);
    if (reader->regular) reader->total_bytes = (uint64_t)facts.st_size;
    /* Room for a writer to go on while a block is embedded. Refused: blocks are smaller. */
    if (S_ISFIFO(facts.st_mode)) (void)fcntl(reader->fd, F_SETPIPE_SZ, PIPE_SIZE);
    return SUTRA_OK;
}

void cli_reader_open_arguments(CliReader *reader, char **arguments, size_t count)
{
    *reader =
        (CliReader){.name = "arguments", .arguments = arguments, .num_arguments = count, .fd = -1};
}

void cli_reader_close(CliReader *reader)
{
    close_file(reader);
    free(reader->buffer);
    free(reader->spans);
    free(reader->inputs);
    *reader = (CliReader){.fd = -1};
}

static void line_name(const CliReader *reader, uint64_t line, char *where, size_t capacity)
{
    snprintf(where, capacity, "%s:%llu", reader->name, (unsigned long long)line + 1);
}

uint64_t cli_reader_line(const CliReader *reader, uint64_t number)
{
    if (reader->arguments) return number + 1;
    return reader->spans[number - reader->first_text].line + 1;
}

void cli_reader_where(const CliReader *reader, uint64_t number, char *where, size_t capacity)
{
    if (reader->arguments)
        snprintf(where, capacity, "text %llu", (unsigned long long)number + 1);
    else
        line_name(reader, cli_reader_line(reader, number) - 1, where, capacity);
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
    const char *line = reader->buffer + span->start;
    SutraStatus status = sutra_json_line(line, span->size, where, &field, 1, err);
    if (status != SUTRA_OK) return status;
    if (field.kind == SUTRA_JSON_ABSENT) {
        char names[160];
        sutra_json_line_names(line, span->size, names, sizeof names);
        return cli_raise(err, SUTRA_E_FORMAT, "%s: no field \"%s\"; the fields are: %s", where,
                         reader->field, names);
    }
    if (field.kind == SUTRA_JSON_STRING) span->start = (size_t)(field.raw - reader->buffer);
    return sutra_json_text(&field, where, reader->buffer + span->start, &span->size, err);
}

static CliSpan *grow_spans(CliReader *reader, size_t count)
{
    if (count == reader->spans_capacity) {
        reader->spans_capacity = count ? count * 2 : 256;
        reader->spans = cli_realloc(reader->spans, reader->spans_capacity, sizeof *reader->spans);
        reader->inputs =
            cli_realloc(reader->inputs, reader->spans_capacity, sizeof *reader->inputs);
    }
    return &reader->spans[count];
}

/* Takes the line buffer[start … start + size). */
static SutraStatus take_line(CliReader *reader, size_t start, size_t size, CliBlock *block,
                             SutraError *err)
{
    char where[WHERE_SIZE];
    uint64_t line = reader->next_line++;
    if (reader->field && sutra_json_line_is_blank(reader->buffer + start, size)) return SUTRA_OK;
    CliSpan *span = grow_spans(reader, block->count);
    *span = (CliSpan){start, size, line};
    line_name(reader, line, where, sizeof where);
    SutraStatus status = check_utf8(where, reader->buffer + start, size, err);
    if (status == SUTRA_OK && reader->field) status = decode_line(reader, where, span, err);
    if (status == SUTRA_OK) block->count++;
    return status;
}

/* Reads some more; at the end sets `ended`. */
static SutraStatus fill(CliReader *reader, SutraError *err)
{
    if (reader->filled == reader->capacity) {
        reader->capacity = reader->capacity ? reader->capacity * 2 : FIRST_CAPACITY;
        reader->buffer = cli_realloc(reader->buffer, reader->capacity, 1);
    }
    ssize_t size;
    do size = read(reader->fd, reader->buffer + reader->filled, reader->capacity - reader->filled);
    while (size < 0 && errno == EINTR);
    if (size < 0) return cli_raise(err, SUTRA_E_IO, "%s: %s", reader->name, strerror(errno));
    if (size == 0) reader->ended = true;
    reader->filled += (size_t)size;
    reader->bytes += (uint64_t)size;
    return SUTRA_OK;
}

/* Looks at what the input begins with. */
static SutraStatus begin_input(CliReader *reader, SutraError *err)
{
    size_t skip;
    SutraStatus status = SUTRA_OK;
    while (status == SUTRA_OK && !reader->ended && reader->filled < SUTRA_TEXT_START &&
           !(reader->filled && memchr(reader->buffer, '\n', reader->filled)))
        status = fill(reader, err);
    if (status == SUTRA_OK)
        status = sutra_text_start(reader->buffer, reader->filled, reader->name, &skip, err);
    if (status != SUTRA_OK) return status;
    reader->begun = true;
    reader->block_end = reader->scan = skip;
    return SUTRA_OK;
}

/* True if reading now might wait for a slow writer. */
static bool would_wait(const CliReader *reader)
{
    struct pollfd ready = {.fd = reader->fd, .events = POLLIN};
    return !reader->regular && !reader->patient && poll(&ready, 1, 0) == 0;
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
                ? memchr(reader->buffer + reader->scan, '\n', reader->filled - reader->scan)
                : NULL;
        if (end) {
            size_t size = (size_t)(end - reader->buffer) - start;
            reader->block_end = reader->scan = start + size + 1;
            return take_line(reader, start, size, block, err);
        }
        reader->scan = reader->filled;
        if (reader->ended) {
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
        uint64_t number = block->first + block->count;
        const char *text = reader->arguments[number];
        grow_spans(reader, block->count);
        char where[WHERE_SIZE];
        cli_reader_where(reader, number, where, sizeof where);
        SutraStatus status = check_utf8(where, text, strlen(text), err);
        if (status != SUTRA_OK) return status;
        reader->inputs[block->count++] = (SutraInput){.text = text, .text_size = strlen(text)};
    }
    return SUTRA_OK;
}

/* Lines until the block is full; *done as of next_line. What earlier blocks held goes first. */
static SutraStatus next_lines(CliReader *reader, size_t max_texts, size_t max_bytes,
                              CliBlock *block, bool *done, SutraError *err)
{
    SutraStatus status = SUTRA_OK;
    size_t rest = reader->filled - reader->block_end;
    if (rest) memmove(reader->buffer, reader->buffer + reader->block_end, rest);
    reader->scan -= reader->block_end;
    reader->filled = rest;
    reader->block_end = 0;
    while (status == SUTRA_OK && !*done && block->count < max_texts &&
           reader->block_end < max_bytes)
        status = next_line(reader, block, done, err);
    for (size_t i = 0; i < block->count; i++) {
        const CliSpan *span = &reader->spans[i];
        reader->inputs[i] = (SutraInput){.text = span->size ? reader->buffer + span->start : "",
                                         .text_size = span->size};
    }
    return status;
}

SutraStatus cli_reader_next(CliReader *reader, size_t max_texts, size_t max_bytes, CliBlock *block,
                            SutraError *err)
{
    *block = (CliBlock){.first = reader->next_text};
    reader->first_text = reader->next_text;
    SutraStatus status = SUTRA_OK;
    bool done = false;
    if (reader->arguments) {
        status = next_arguments(reader, max_texts, block, err);
    } else {
        if (!reader->begun) status = begin_input(reader, err);
        while (status == SUTRA_OK && !done && !block->count)
            status = next_lines(reader, max_texts, max_bytes, block, &done, err);
    }
    block->inputs = reader->inputs;
    reader->next_text += block->count;
    return status;
}

SutraStatus cli_reader_all(CliReader *reader, const char *path, CliBlock *block, SutraError *err)
{
    SutraStatus status = cli_reader_open(reader, path, NULL, err);
    reader->patient = true;
    if (status == SUTRA_OK)
        status = cli_reader_next(reader, CLI_MOST_TEXTS + 1, SIZE_MAX, block, err);
    if (status == SUTRA_OK && !block->count)
        return cli_raise(err, SUTRA_E_ARGUMENT, "%s: no texts", reader->name);
    if (status == SUTRA_OK && block->count > CLI_MOST_TEXTS)
        return cli_raise(err, SUTRA_E_LIMIT, "%s: more than %d texts", reader->name,
                         CLI_MOST_TEXTS);
    return status;
}
