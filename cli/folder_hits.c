#include "folder_hits.h"

#include "base/number_text.h"
#include "console.h"
#include "folder_file.h"
#include "json_text.h"
#include "utf8_check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { PLAIN_WIDTH = 240, LEAST_TEXT = 40 };

size_t cli_line_width(void)
{
    struct winsize size;
    if (!isatty(STDOUT_FILENO)) return PLAIN_WIDTH;
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || !size.ws_col) return 80;
    return size.ws_col;
}

/* Of ASCII, or U+0080 … U+009F: terminals obey both. `text` goes on behind a lead byte, or ends. */
static bool is_control(const char *text)
{
    unsigned char c = (unsigned char)*text;
    return c < 0x20 || c == 0x7f ||
           (c == 0xC2 && (unsigned char)text[1] >= 0x80 && (unsigned char)text[1] < 0xA0);
}

/* "docs/a.txt" of folder "docs" or "docs/", "a.txt" of ".". */
static char *join(const char *folder, const char *name)
{
    size_t size = strlen(folder);
    while (size > 1 && folder[size - 1] == '/') size--;
    char *path = cli_alloc(size + strlen(name) + 2, 1);
    if (size == 1 && *folder == '.')
        strcpy(path, name);
    else
        sprintf(path, "%.*s%s%s", (int)size, folder, folder[size - 1] == '/' ? "" : "/", name);
    return path;
}

/* The chunk's bytes, if they are still those that were embedded. */
static bool read_text(CliFolderHits *hits, const char *name, const CliIndexChunk *chunk)
{
    size_t size = (size_t)(chunk->end - chunk->begin);
    if (size > hits->text_room) {
        hits->text_room = 2 * size;
        hits->text = cli_realloc(hits->text, hits->text_room, 1);
    }
    bool good = cli_folder_file_part(hits->fd, name, chunk->begin, chunk->end, hits->text);
    if (good) {
        CliTextHash hash = cli_text_hash(hits->index->seed, hits->text, size);
        good = hash.low == chunk->hash.low && hash.high == chunk->hash.high &&
               cli_utf8_valid(hits->text, size) == size;
    }
    hits->missing += !good;
    return good;
}

static size_t print_path(CliOutput *out, const char *path)
{
    size_t used = 0;
    for (const char *c = path; *c; c++) {
        char escape[5] = {*c};
        if (*c == '\n')
            strcpy(escape, "\\n");
        else if (*c == '\\')
            strcpy(escape, "\\\\");
        else if (is_control(c) || (c > path && c[-1] == '\xC2' && is_control(c - 1)))
            snprintf(escape, sizeof escape, "\\x%02x", (unsigned char)*c);
        cli_output_print(out, "%s", escape);
        used += strlen(escape);
    }
    return used;
}

/* As many characters as there is room for. */
static void print_short(CliOutput *out, const char *text, size_t size, size_t room)
{
    size_t used = 0;
    bool blank = false;
    for (size_t at = 0, length; at < size; at += length) {
        length = cli_utf8_length((unsigned char)text[at]);
        if (text[at] == ' ' || is_control(text + at)) {
            blank = used > 0;
            continue;
        }
        if (used + blank + 1 >= room && at + length < size) {
            cli_output_write(out, "…", strlen("…"));
            return;
        }
        if (blank) cli_output_write(out, " ", 1);
        cli_output_write(out, text + at, length);
        used += 1 + (size_t)blank;
        blank = false;
    }
}

static void print_json(CliOutput *out, size_t query, const char *path, const CliIndexChunk *chunk,
                       const char *score, const char *text)
{
    cli_output_print(out, "{\"query\":%zu,\"path\":", query);
    cli_json_string(out, path, strlen(path));
    cli_output_print(out, ",\"line\":%llu,\"begin\":%llu,\"end\":%llu,\"tokens\":%llu,\"score\":%s",
                     (unsigned long long)chunk->line, (unsigned long long)chunk->begin,
                     (unsigned long long)chunk->end, (unsigned long long)chunk->tokens, score);
    if (text) {
        cli_output_print(out, ",\"text\":");
        cli_json_string(out, text, (size_t)(chunk->end - chunk->begin));
    }
    cli_output_print(out, "}\n");
}

void cli_print_folder_hit(CliFolderHits *hits, CliOutput *out, size_t query, size_t chunk_number,
                          float score)
{
    char number[SU_NUMBER_TEXT + 1];
    const CliIndexChunk *chunk = &hits->index->chunks[chunk_number];
    const char *name = hits->index->names + cli_index_file_of(hits->index, chunk_number)->name;
    bool has_text = read_text(hits, name, chunk);
    char *path = join(hits->folder, name);
    if (hits->json) {
        number[su_float_text(score, number)] = '\0';
        print_json(out, query, path, chunk, number, has_text ? hits->text : NULL);
    } else {
        cli_output_print(out, "%.4f\t", (double)score);
        size_t used = 8 + print_path(out, path);
        cli_output_print(out, ":%llu:", (unsigned long long)chunk->line);
        used += (size_t)snprintf(NULL, 0, ":%llu: ", (unsigned long long)chunk->line);
        if (has_text) {
            size_t room = hits->width > used + LEAST_TEXT ? hits->width - used : LEAST_TEXT;
            cli_output_write(out, " ", 1);
            print_short(out, hits->text, (size_t)(chunk->end - chunk->begin), room);
        }
        cli_output_write(out, "\n", 1);
    }
    free(path);
}
