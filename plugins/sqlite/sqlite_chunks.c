/* sqlite_chunks.c - sutra_chunks(text [, model [, max_tokens [, overlap [, by]]]]): a row for each
 * chunk of a text. */
#include "sqlite_arguments.h"

#include <string.h>

enum { NUMBER, CHUNK, BEGIN, END, TOKENS, TEXT }; /* columns; from TEXT on, arguments */
enum { MODEL = 1, MAX_TOKENS, OVERLAP, BY };      /* arguments */

static const char declaration[] = "CREATE TABLE x(number INTEGER, chunk TEXT, begin INTEGER, "
                                  "end INTEGER, tokens INTEGER, text HIDDEN, model HIDDEN, "
                                  "max_tokens HIDDEN, overlap HIDDEN, by HIDDEN)";

typedef struct Cursor {
    sqlite3_vtab_cursor base;
    SqlArguments arguments;
    const char *text; /* of the first argument */
    SutraChunk *chunks;
    size_t count, at;
} Cursor;

static int connect(sqlite3 *db, void *user, int count, const char *const *words,
                   sqlite3_vtab **table, char **message)
{
    (void)count, (void)words, (void)message;
    return sql_table_connect(db, user, declaration, table);
}

static int best_index(sqlite3_vtab *table, sqlite3_index_info *info)
{
    return sql_best_index(table, info, TEXT, "sutra_chunks: no text is given: sutra_chunks(text)");
}

static int open_cursor(sqlite3_vtab *table, sqlite3_vtab_cursor **base)
{
    (void)table;
    Cursor *cursor = sqlite3_malloc64(sizeof *cursor);
    if (!cursor) return SQLITE_NOMEM;
    *cursor = (Cursor){0};
    *base = &cursor->base;
    return SQLITE_OK;
}

static void clear(Cursor *cursor)
{
    sutra_chunks_free(cursor->chunks);
    sql_arguments_clear(&cursor->arguments);
    cursor->chunks = NULL;
    cursor->count = cursor->at = 0;
}

static int close_cursor(sqlite3_vtab_cursor *base)
{
    clear((Cursor *)base);
    sqlite3_free(base);
    return SQLITE_OK;
}

static SutraStatus read_by(const SqlArguments *arguments, SutraChunkBy *by, SutraError *err)
{
    static const char *const words[] = {"tokens", "sentences", "paragraphs"};
    sqlite3_value *value = arguments->values[BY];
    const char *word;
    if (!value || sqlite3_value_type(value) == SQLITE_NULL) return SUTRA_OK;
    SutraStatus status = sql_word(value, "by", &word, err);
    if (status != SUTRA_OK) return status;
    for (unsigned i = 0; i < sizeof words / sizeof *words; i++) {
        if (strcmp(words[i], word) != 0) continue;
        *by = (SutraChunkBy)i;
        return SUTRA_OK;
    }
    return sql_raise(err, SUTRA_E_ARGUMENT, "by is not tokens, sentences or paragraphs");
}

static SutraStatus cut(Cursor *cursor, SqlConnection *connection, SutraError *err)
{
    const SqlArguments *arguments = &cursor->arguments;
    SutraChunkOptions options = {.struct_size = sizeof options};
    const SqlModel *model;
    sqlite3_value *text = arguments->values[0];
    if (sqlite3_value_type(text) == SQLITE_NULL) return SUTRA_OK;
    if (sqlite3_value_type(text) != SQLITE_TEXT)
        return sql_raise(err, SUTRA_E_ARGUMENT, "the text is %s", sql_type_name(text));
    SutraStatus status =
        sql_argument_number(arguments, MAX_TOKENS, "max_tokens", &options.max_tokens, err);
    if (status == SUTRA_OK)
        status = sql_argument_number(arguments, OVERLAP, "overlap", &options.overlap, err);
    if (status == SUTRA_OK) status = read_by(arguments, &options.by, err);
    if (status == SUTRA_OK) status = sql_argument_model(arguments, connection, &model, err);
    if (status != SUTRA_OK) return status;
    cursor->text = (const char *)sqlite3_value_text(text);
    if (!cursor->text) return sql_raise(err, SUTRA_E_MEMORY, "out of memory for a text");
    return sutra_chunk(model->model, cursor->text, (size_t)sqlite3_value_bytes(text), &options,
                       &cursor->chunks, &cursor->count, err);
}

static int filter(sqlite3_vtab_cursor *base, int which, const char *unused, int count,
                  sqlite3_value **values)
{
    Cursor *cursor = (Cursor *)base;
    SutraError err;
    (void)unused, (void)count;
    clear(cursor);
    int code = sql_arguments_copy(&cursor->arguments, which, values);
    if (code != SQLITE_OK) return code;
    SutraStatus status = cut(cursor, ((SqlTable *)base->pVtab)->connection, &err);
    return status == SUTRA_OK ? SQLITE_OK : sql_table_fail(base->pVtab, "sutra_chunks", &err);
}

static int next(sqlite3_vtab_cursor *base)
{
    ((Cursor *)base)->at++;
    return SQLITE_OK;
}

static int at_end(sqlite3_vtab_cursor *base)
{
    const Cursor *cursor = (Cursor *)base;
    return cursor->at >= cursor->count;
}

static int column(sqlite3_vtab_cursor *base, sqlite3_context *context, int number)
{
    const Cursor *cursor = (Cursor *)base;
    const SutraChunk *chunk = &cursor->chunks[cursor->at];
    switch (number) {
    case NUMBER:
        sqlite3_result_int64(context, (sqlite3_int64)cursor->at);
        break;
    case CHUNK:
        sqlite3_result_text64(context, cursor->text + chunk->begin, chunk->end - chunk->begin,
                              SQLITE_TRANSIENT, SQLITE_UTF8);
        break;
    case BEGIN:
        sqlite3_result_int64(context, (sqlite3_int64)chunk->begin);
        break;
    case END:
        sqlite3_result_int64(context, (sqlite3_int64)chunk->end);
        break;
    case TOKENS:
        sqlite3_result_int64(context, chunk->tokens);
        break;
    default:
        if (cursor->arguments.values[number - TEXT])
            sqlite3_result_value(context, cursor->arguments.values[number - TEXT]);
    }
    return SQLITE_OK;
}

static int row_id(sqlite3_vtab_cursor *base, sqlite3_int64 *id)
{
    *id = (sqlite3_int64)((Cursor *)base)->at;
    return SQLITE_OK;
}

int sql_register_chunks(SqlConnection *connection)
{
    static const sqlite3_module module = {
        .xConnect = connect,
        .xBestIndex = best_index,
        .xDisconnect = sql_table_disconnect,
        .xOpen = open_cursor,
        .xClose = close_cursor,
        .xFilter = filter,
        .xNext = next,
        .xEof = at_end,
        .xColumn = column,
        .xRowid = row_id,
    };
    return sql_create_module(connection, "sutra_chunks", &module);
}
