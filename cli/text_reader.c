#include "text_reader.h"

#include "console.h"
#include "utf8_check.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
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
    free(reader->decoded);
    free(reader->spans);
    free(reader->inputs);
    *reader = (CliReader){.fd = -1};
}

void cli_reader_where(const CliReader *reader, uint64_t number, char *where, size_t capacity)
{
    unsigned long long place = number + 1;
    if (reader->arguments)
        snprintf(where, capacity, "text %llu", place);
    else
        snprintf(where, capacity, "%s:%llu", reader->name, place);
}

static SutraStatus check_utf8(const CliReader *reader, uint64_t number, const char *text,
                              size_t size, SutraError *err)
{
    size_t valid = cli_utf8_valid(text, size);
    if (valid == size) return SUTRA_OK;
    char where[WHERE_SIZE];
    cli_reader_where(reader, number, where, sizeof where);
    return cli_raise(err, SUTRA_E_ARGUMENT, "%s: invalid UTF-8 at byte %zu", where, valid + 1);
}

/* Names of the object's fields, for a message. */
static void list_fields(const json_t *object, char *text, size_t capacity)
{
    const char *name;
    json_t *value;
    size_t used = 0;
    text[0] = '\0';
    json_object_foreach((json_t *)object, name, value)
    {
        (void)value;
        int size = snprintf(text + used, capacity - used, "%s%s", used ? ", " : "", name);
        if (size < 0 || (size_t)size >= capacity - used) return;
        used += (size_t)size;
    }
}

/* The field's text goes to `decoded`. */
static SutraStatus take_field(CliReader *reader, const char *where, const json_t *root,
                              CliSpan *span, SutraError *err)
{
    if (!json_is_object(root))
        return cli_raise(err, SUTRA_E_FORMAT, "%s: not a JSON object", where);
    const json_t *value = json_object_get(root, reader->field);
    if (!value) {
        char names[160];
        list_fields(root, names, sizeof names);
        return cli_raise(err, SUTRA_E_FORMAT, "%s: no field \"%s\"; the fields are: %s", where,
                         reader->field, names);
    }
    if (!json_is_string(value))
        return cli_raise(err, SUTRA_E_FORMAT, "%s: field \"%s\" is not a string", where,
                         reader->field);
    size_t size = json_string_length(value);
    if (reader->decoded_capacity - reader->decoded_size < size) {
        size_t capacity = reader->decoded_capacity * 2;
        if (capacity < reader->decoded_size + size) capacity = reader->decoded_size + size;
        reader->decoded = cli_realloc(reader->decoded, capacity, 1);
        reader->decoded_capacity = capacity;
    }
    if (size) memcpy(reader->decoded + reader->decoded_size, json_string_value(value), size);
    *span = (CliSpan){reader->decoded_size, size};
    reader->decoded_size += size;
    return SUTRA_OK;
}

static SutraStatus decode_line(CliReader *reader, uint64_t number, const char *line, size_t size,
                               CliSpan *span, SutraError *err)
{
    char where[WHERE_SIZE];
    cli_reader_where(reader, number, where, sizeof where);
    json_error_t reason;
    json_t *root = json_loadb(line, size, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &reason);
    if (!root)
        return cli_raise(err, SUTRA_E_FORMAT, "%s: column %d: not valid JSON: %s", where,
                         reason.column, reason.text);
    SutraStatus status = take_field(reader, where, root, span, err);
    json_decref(root);
    return status;
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
    uint64_t number = block->first + block->count;
    CliSpan *span = grow_spans(reader, block->count);
    SutraStatus status = check_utf8(reader, number, reader->buffer + start, size, err);
    if (status != SUTRA_OK) return status;
    *span = (CliSpan){start, size};
    if (reader->field)
        status = decode_line(reader, number, reader->buffer + start, size, span, err);
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

/* True if reading now might wait for a slow writer. */
static bool would_wait(const CliReader *reader)
{
    struct pollfd ready = {.fd = reader->fd, .events = POLLIN};
    return !reader->regular && !reader->patient && poll(&ready, 1, 0) == 0;
}

/* Finds the next "\n" (or the end) and takes the line; reads as needed. *done: the block is to end.
 */
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
            cli_reader_where(reader, block->first + block->count, where, sizeof where);
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
        SutraStatus status = check_utf8(reader, number, text, strlen(text), err);
        if (status != SUTRA_OK) return status;
        reader->inputs[block->count++] = (SutraInput){.text = text, .text_size = strlen(text)};
    }
    return SUTRA_OK;
}

SutraStatus cli_reader_next(CliReader *reader, size_t max_texts, size_t max_bytes, CliBlock *block,
                            SutraError *err)
{
    *block = (CliBlock){.first = reader->next_text};
    SutraStatus status = SUTRA_OK;
    if (reader->arguments) {
        status = next_arguments(reader, max_texts, block, err);
    } else {
        size_t rest = reader->filled - reader->block_end;
        if (rest) memmove(reader->buffer, reader->buffer + reader->block_end, rest);
        reader->scan -= reader->block_end;
        reader->filled = rest;
        reader->block_end = 0;
        reader->decoded_size = 0;
        bool done = false;
        while (status == SUTRA_OK && !done && block->count < max_texts &&
               reader->block_end < max_bytes)
            status = next_line(reader, block, &done, err);
        const char *base = reader->field ? reader->decoded : reader->buffer;
        for (size_t i = 0; i < block->count; i++)
            reader->inputs[i] =
                (SutraInput){.text = reader->spans[i].size ? base + reader->spans[i].start : "",
                             .text_size = reader->spans[i].size};
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
