#include "checkpoint.h"

#include "atomic_file.h"
#include "console.h"
#include "json_text.h"
#include "sutra_tools.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MOST_BYTES = 8192 };

static const struct {
    const char *name;
    size_t offset;
} numbers[] = {
    {"records", offsetof(CliCheckpoint, records)},
    {"rows", offsetof(CliCheckpoint, rows)},
    {"bytes", offsetof(CliCheckpoint, bytes)},
    {"id_bytes", offsetof(CliCheckpoint, id_bytes)},
    {"reject_bytes", offsetof(CliCheckpoint, reject_bytes)},
    {"duplicates", offsetof(CliCheckpoint, duplicates)},
    {"rejects", offsetof(CliCheckpoint, rejects)},
    {"failed", offsetof(CliCheckpoint, failed)},
    {"finished", offsetof(CliCheckpoint, finished)},
    {"tokens_seen", offsetof(CliCheckpoint, tokens_seen)},
    {"tokens_used", offsetof(CliCheckpoint, tokens_used)},
    {"truncated", offsetof(CliCheckpoint, truncated)},
    {"windowed", offsetof(CliCheckpoint, windowed)},
    {"longest", offsetof(CliCheckpoint, longest)},
};
enum { NUM_NUMBERS = sizeof numbers / sizeof *numbers };

static void state_path(const char *path, const char *ending, char *name, size_t capacity)
{
    snprintf(name, capacity, "%s" CLI_PARTIAL "%s", path, ending);
}

static SutraStatus damaged(const char *name, SutraError *err)
{
    return cli_raise(err, SUTRA_E_FORMAT,
                     "%s: not a checkpoint of this program; remove it to begin again", name);
}

static SutraStatus take_text(const SutraJsonField *field, const char *name, char *text,
                             size_t capacity, SutraError *err)
{
    char decoded[MOST_BYTES];
    size_t size;
    if (field->kind != SUTRA_JSON_STRING || field->raw_size > sizeof decoded ||
        sutra_json_text(field, name, decoded, &size, err) != SUTRA_OK || size >= capacity)
        return damaged(name, err);
    memcpy(text, decoded, size);
    text[size] = '\0';
    return SUTRA_OK;
}

static SutraStatus parse(const char *line, size_t size, const char *name, CliCheckpoint *checkpoint,
                         SutraError *err)
{
    SutraJsonField fields[2 + NUM_NUMBERS] = {{.name = "recipe"}, {.name = "digest"}};
    for (size_t i = 0; i < NUM_NUMBERS; i++) fields[2 + i].name = numbers[i].name;
    SutraStatus status = sutra_json_line(line, size, name, fields, 2 + NUM_NUMBERS, err);
    if (status != SUTRA_OK) return damaged(name, err);
    status = take_text(&fields[0], name, checkpoint->recipe, sizeof checkpoint->recipe, err);
    if (status == SUTRA_OK)
        status = take_text(&fields[1], name, checkpoint->digest, sizeof checkpoint->digest, err);
    for (size_t i = 0; status == SUTRA_OK && i < NUM_NUMBERS; i++) {
        const SutraJsonField *field = &fields[2 + i];
        char text[24] = "", *end;
        if (field->kind != SUTRA_JSON_OTHER || !field->raw || field->raw_size >= sizeof text)
            return damaged(name, err);
        memcpy(text, field->raw, field->raw_size);
        errno = 0;
        uint64_t value = strtoull(text, &end, 10);
        if (errno || *end || text[0] == '-') return damaged(name, err);
        memcpy((char *)checkpoint + numbers[i].offset, &value, sizeof value);
    }
    return status;
}

SutraStatus cli_checkpoint_read(const char *path, CliCheckpoint *checkpoint, bool *found,
                                SutraError *err)
{
    char name[4096], line[MOST_BYTES];
    state_path(path, ".state", name, sizeof name);
    *checkpoint = (CliCheckpoint){.records = 0};
    int fd = open(name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    *found = fd >= 0;
    if (fd < 0 && errno == ENOENT) return SUTRA_OK;
    if (fd < 0) return cli_raise(err, SUTRA_E_IO, "%s: %s", name, strerror(errno));
    ssize_t size = read(fd, line, sizeof line);
    int reason = errno;
    close(fd);
    if (size < 0) return cli_raise(err, SUTRA_E_IO, "%s: %s", name, strerror(reason));
    if (!size || line[size - 1] != '\n') return damaged(name, err);
    return parse(line, (size_t)size - 1, name, checkpoint, err);
}

static SutraStatus write_line(const char *name, const char *line, size_t size, SutraError *err)
{
    int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0666);
    bool good = fd >= 0;
    for (size_t at = 0; good && at < size;) {
        ssize_t written = write(fd, line + at, size - at);
        if (written < 0 && errno == EINTR) continue;
        good = written >= 0;
        if (good) at += (size_t)written;
    }
    good = good && fdatasync(fd) == 0;
    if (!good) cli_raise(err, SUTRA_E_IO, "%s: %s", name, strerror(errno));
    if (fd >= 0) close(fd);
    return good ? SUTRA_OK : SUTRA_E_IO;
}

SutraStatus cli_checkpoint_write(const char *path, const CliCheckpoint *checkpoint, SutraError *err)
{
    char name[4096], fresh[4096], line[MOST_BYTES], recipe[2 * CLI_RECIPE_SIZE + 3];
    state_path(path, ".state", name, sizeof name);
    state_path(path, ".state.new", fresh, sizeof fresh);
    cli_json_quote(checkpoint->recipe, strlen(checkpoint->recipe), recipe, sizeof recipe);
    int size =
        snprintf(line, sizeof line, "{\"recipe\":%s,\"digest\":\"%s\"", recipe, checkpoint->digest);
    for (size_t i = 0; i < NUM_NUMBERS; i++) {
        uint64_t value;
        memcpy(&value, (const char *)checkpoint + numbers[i].offset, sizeof value);
        size += snprintf(line + size, sizeof line - (size_t)size, ",\"%s\":%" PRIu64,
                         numbers[i].name, value);
    }
    size += snprintf(line + size, sizeof line - (size_t)size, "}\n");
    SutraStatus status = write_line(fresh, line, (size_t)size, err);
    if (status == SUTRA_OK && rename(fresh, name) != 0)
        status = cli_raise(err, SUTRA_E_IO, "%s: %s", name, strerror(errno));
    return status;
}

void cli_checkpoint_remove(const char *path)
{
    char name[4096];
    state_path(path, ".state", name, sizeof name);
    unlink(name);
}

/* The part of a recipe that begins at *at, "dim=384", without its ';', which *at passes. */
static size_t next_part(const char **at, const char **part)
{
    *part = *at;
    size_t size = strcspn(*at, ";");
    *at += size + ((*at)[size] == ';');
    return size;
}

SutraStatus cli_recipe_check(const char *path, const char *wanted, const char *found,
                             SutraError *err)
{
    while (*wanted || *found) {
        const char *want, *have;
        size_t want_size = next_part(&wanted, &want), have_size = next_part(&found, &have);
        if (want_size == have_size && memcmp(want, have, want_size) == 0) continue;
        return cli_raise(err, SUTRA_E_ARGUMENT,
                         "%s" CLI_PARTIAL
                         " was begun with %.*s, not %.*s; remove it and %s" CLI_PARTIAL
                         ".state to begin again",
                         path, (int)have_size, have, (int)want_size, want, path);
    }
    return SUTRA_OK;
}
