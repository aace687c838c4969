#include "tools/beir_folder.h"

#include "base/file_map.h"
#include "base/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static SutraStatus out_of_memory(const char *where, SutraError *err)
{
    SU_RAISE(err, SUTRA_E_MEMORY, "%s: out of memory", where);
}

static int greater_id_first(const void *a, const void *b)
{
    return strcmp(((const SuBeirText *)b)->id, ((const SuBeirText *)a)->id);
}

static int smaller_id_first(const void *a, const void *b)
{
    return strcmp(((const SuBeirText *)a)->id, ((const SuBeirText *)b)->id);
}

static int by_query_document_line(const void *a, const void *b)
{
    const SuJudgement *x = a, *y = b;
    if (x->query != y->query) return x->query < y->query ? -1 : 1;
    if (x->document != y->document) return x->document < y->document ? -1 : 1;
    return (x->line > y->line) - (x->line < y->line);
}

/* The string of a field; absent or null: *text is NULL and *size 0. */
static SutraStatus read_field(const SutraJsonField *field, const char *where, char **text,
                              size_t *size, SutraError *err)
{
    *text = NULL;
    *size = 0;
    if (field->kind == SUTRA_JSON_ABSENT || field->kind == SUTRA_JSON_NULL) return SUTRA_OK;
    char *read = su_alloc(field->raw_size + 1, 1);
    if (!read) return out_of_memory(where, err);
    SutraStatus status = sutra_json_text(field, where, read, size, err);
    if (status != SUTRA_OK) {
        su_free(read);
        return status;
    }
    read[*size] = '\0';
    *text = read;
    return SUTRA_OK;
}

static SutraStatus read_id(const SutraJsonField *field, const char *where, char **id,
                           SutraError *err)
{
    size_t size;
    SU_TRY(read_field(field, where, id, &size, err));
    if (!*id) SU_RAISE(err, SUTRA_E_FORMAT, "%s: no field _id", where);
    if (memchr(*id, '\0', size)) SU_RAISE(err, SUTRA_E_FORMAT, "%s: _id holds a NUL", where);
    return SUTRA_OK;
}

/* "title text", or the text alone when there is no title. */
static SutraStatus read_text(const SutraJsonField *title_field, const SutraJsonField *text_field,
                             const char *where, SuBeirText *item, SutraError *err)
{
    size_t title_size, text_size;
    char *title, *text = NULL;
    SU_TRY(read_field(title_field, where, &title, &title_size, err));
    SutraStatus status = read_field(text_field, where, &text, &text_size, err);
    if (status == SUTRA_OK && !text)
        status = su_error_set(err, SUTRA_E_FORMAT, "%s: no field text", where);
    if (status != SUTRA_OK || !title_size) {
        item->text = text;
        item->text_size = text_size;
        su_free(title);
        return status;
    }
    item->text_size = title_size + 1 + text_size;
    item->text = su_alloc(item->text_size, 1);
    if (item->text) {
        memcpy(item->text, title, title_size);
        item->text[title_size] = ' ';
        memcpy(item->text + title_size + 1, text, text_size);
    } else
        status = out_of_memory(where, err);
    su_free(title);
    su_free(text);
    return status;
}

static SutraStatus append_text(SuBeirTexts *texts, const char *line, size_t size, size_t number,
                               const char *where, SutraError *err)
{
    SutraJsonField fields[] = {{.name = "_id"}, {.name = "title"}, {.name = "text"}};
    SU_TRY(sutra_json_line(line, size, where, fields, 3, err));
    if (texts->count == texts->capacity) {
        size_t capacity = texts->capacity ? texts->capacity * 2 : 1024;
        SuBeirText *items = su_realloc(texts->items, capacity, sizeof *items);
        if (!items) return out_of_memory(where, err);
        texts->items = items;
        texts->capacity = capacity;
    }
    SuBeirText *item = &texts->items[texts->count++];
    *item = (SuBeirText){.line = number};
    SU_TRY(read_id(&fields[0], where, &item->id, err));
    return read_text(&fields[1], &fields[2], where, item, err);
}

static SutraStatus parse_texts(SuBeirTexts *texts, const SuFileMap *file, SutraError *err)
{
    const char *text = (const char *)file->data, *end = text + file->size;
    size_t skip;
    SU_TRY(sutra_text_start(text, file->size, texts->path, &skip, err));
    text += skip;
    for (size_t line = 1; text < end; line++) {
        char where[320];
        const char *stop = memchr(text, '\n', (size_t)(end - text));
        if (!stop) stop = end;
        size_t size = (size_t)(stop - text);
        snprintf(where, sizeof where, "%s:%zu", texts->path, line);
        if (!sutra_json_line_is_blank(text, size))
            SU_TRY(append_text(texts, text, size, line, where, err));
        text = stop + 1;
    }
    return SUTRA_OK;
}

/* Reads directory/name, sorted by id; an id may occur once. */
static SutraStatus read_texts(SuBeirTexts *texts, const char *directory, const char *name,
                              int (*order)(const void *, const void *), SutraError *err)
{
    SuFileMap file;
    texts->path = su_path_join(directory, name);
    if (!texts->path) return out_of_memory(directory, err);
    SU_TRY(su_file_map_open(texts->path, &file, err));
    SutraStatus status = parse_texts(texts, &file, err);
    su_file_map_close(&file);
    SU_TRY(status);
    if (texts->count) qsort(texts->items, texts->count, sizeof *texts->items, order);
    for (size_t i = 1; i < texts->count; i++)
        if (strcmp(texts->items[i - 1].id, texts->items[i].id) == 0)
            SU_RAISE(err, SUTRA_E_FORMAT, "%s: _id \"%.60s\" occurs twice", texts->path,
                     texts->items[i].id);
    return SUTRA_OK;
}

static size_t find_id(const SuBeirTexts *texts, char *id, int (*order)(const void *, const void *))
{
    SuBeirText key = {.id = id};
    if (!texts->count) return SIZE_MAX;
    const SuBeirText *found = bsearch(&key, texts->items, texts->count, sizeof key, order);
    return found ? (size_t)(found - texts->items) : SIZE_MAX;
}

/* The next column of the line, NUL-terminated in place. */
static char *next_column(char **line)
{
    char *column = *line;
    char *tab = column ? strchr(column, '\t') : NULL;
    if (tab) *tab = '\0';
    *line = tab ? tab + 1 : NULL;
    return column;
}

static SutraStatus append_judgement(SuBeirFolder *folder, char *text, size_t line,
                                    const char *where, SutraError *err)
{
    char *query = next_column(&text), *document = next_column(&text), *score = next_column(&text);
    char *end = score;
    double relevance = score && *score ? strtod(score, &end) : 0;
    if (!score || end == score || (*end && strcmp(end, "\r") != 0))
        SU_RAISE(err, SUTRA_E_FORMAT, "%s: expected query-id, corpus-id, score between tabs",
                 where);
    size_t index = find_id(&folder->queries, query, smaller_id_first);
    if (index == SIZE_MAX)
        SU_RAISE(err, SUTRA_E_FORMAT, "%s: query \"%.60s\" is not in %s", where, query,
                 folder->queries.path);
    if (folder->num_judgements == folder->judgements_capacity) {
        size_t capacity = folder->judgements_capacity ? folder->judgements_capacity * 2 : 1024;
        SuJudgement *more = su_realloc(folder->judgements, capacity, sizeof *more);
        if (!more) return out_of_memory(where, err);
        folder->judgements = more;
        folder->judgements_capacity = capacity;
    }
    folder->queries.items[index].judged = true;
    folder->judgements[folder->num_judgements++] = (SuJudgement){
        index, find_id(&folder->documents, document, greater_id_first), relevance, line};
    return SUTRA_OK;
}

/* Sorts them, and keeps the last of each document of the corpus. */
static void sort_judgements(SuBeirFolder *folder)
{
    SuJudgement *all = folder->judgements;
    size_t kept = 0;
    qsort(all, folder->num_judgements, sizeof *all, by_query_document_line);
    for (size_t i = 0; i < folder->num_judgements; i++) {
        bool again = kept > 0 && all[i].document != SIZE_MAX &&
                     all[kept - 1].query == all[i].query &&
                     all[kept - 1].document == all[i].document;
        all[again ? kept - 1 : kept++] = all[i];
    }
    folder->num_judgements = kept;
}

/* text: the file's bytes and a NUL. The first line is a header, with its byte order mark. */
static SutraStatus parse_judgements(SuBeirFolder *folder, char *text, const char *path,
                                    SutraError *err)
{
    for (size_t line = 1; text && *text; line++) {
        char where[320];
        char *next = strchr(text, '\n');
        if (next) *next++ = '\0';
        snprintf(where, sizeof where, "%s:%zu", path, line);
        if (line > 1 && !su_row_is_blank(text, strlen(text)))
            SU_TRY(append_judgement(folder, text, line, where, err));
        text = next;
    }
    if (folder->num_judgements == 0) SU_RAISE(err, SUTRA_E_FORMAT, "%s: no judgements", path);
    sort_judgements(folder);
    return SUTRA_OK;
}

static SutraStatus read_judgements(SuBeirFolder *folder, const char *directory, SutraError *err)
{
    SuFileMap file;
    char *path = su_path_join(directory, "qrels.tsv");
    if (path && !su_file_exists(path)) {
        char *other = su_path_join(directory, "qrels/test.tsv");
        if (other && su_file_exists(other)) {
            su_free(path);
            path = other;
        } else
            su_free(other);
    }
    if (!path) return out_of_memory(directory, err);
    SutraStatus status = su_file_map_open(path, &file, err);
    size_t skip;
    if (status == SUTRA_OK) status = sutra_text_start(file.data, file.size, path, &skip, err);
    if (status == SUTRA_OK) {
        char *text = su_strndup((const char *)file.data, file.size);
        status = text ? parse_judgements(folder, text, path, err) : out_of_memory(path, err);
        su_free(text);
    }
    su_file_map_close(&file);
    su_free(path);
    return status;
}

SutraStatus su_beir_folder_read(SuBeirFolder *folder, const char *directory, SutraError *err)
{
    *folder = (SuBeirFolder){0};
    SutraStatus status =
        read_texts(&folder->documents, directory, "corpus.jsonl", greater_id_first, err);
    if (status == SUTRA_OK)
        status = read_texts(&folder->queries, directory, "queries.jsonl", smaller_id_first, err);
    if (status == SUTRA_OK) status = read_judgements(folder, directory, err);
    if (status != SUTRA_OK) su_beir_folder_free(folder);
    return status;
}

static void free_texts(SuBeirTexts *texts)
{
    for (size_t i = 0; i < texts->count; i++) {
        su_free(texts->items[i].id);
        su_free(texts->items[i].text);
    }
    su_free(texts->items);
    su_free(texts->path);
}

void su_beir_folder_free(SuBeirFolder *folder)
{
    free_texts(&folder->documents);
    free_texts(&folder->queries);
    su_free(folder->judgements);
    *folder = (SuBeirFolder){0};
}
