/* sqlite_rows.c - sutra_embed_rows(query [, model [, options]]): a row for each row of a query that
 * gives an id and a text, with the text's vector.
 *
 *   query ──► block of texts ──► jobs at the engine, MOST_BLOCKS at most ──► rows, in order
 *
 * So the texts meet in batches, while sutra_embed sees one of them at a time. What is read and not
 * taken is bounded. In a statement that changes the database SQLite sets all rows aside first. */
#include "sqlite_arguments.h"
#include "sqlite_options.h"

#include <string.h>

enum { ID, VECTOR, TOKENS, QUERY }; /* columns; from QUERY on, arguments */
enum { OPTIONS = 2 };               /* argument */
enum { MOST_BLOCKS = 4, BLOCK_TEXTS = 128, BLOCK_BYTES = 256 * 1024 };
enum { MOST_DEPTH = 8 };               /* of queries that call sutra_embed_rows */
enum { FIRST_MATERIALIZED = 3035000 }; /* the SQLite that has WITH … AS MATERIALIZED */

static const char declaration[] = "CREATE TABLE x(id, vector BLOB, tokens INTEGER, query HIDDEN, "
                                  "model HIDDEN, options HIDDEN)";

/* Rows of the query; those whose text is NULL are not in its job. */
typedef struct Block {
    sqlite3_value *ids[BLOCK_TEXTS];
    uint8_t is_text[BLOCK_TEXTS];
    size_t count, texts;
    SutraJob *job;       /* NULL: no texts */
    SutraResult *result; /* set when the block is the first one */
    SutraResultView view;
} Block;

typedef struct Cursor {
    sqlite3_vtab_cursor base;
    SqlArguments arguments;
    SqlOptions options;
    const SqlModel *model;
    sqlite3_stmt *query;
    bool read;                 /* to its end */
    Block blocks[MOST_BLOCKS]; /* a ring */
    size_t first, count;       /* of those in use */
    size_t row, text;          /* of the first one */
    sqlite3_int64 rows;        /* before this one */
    int code;                  /* what the query failed with; 0: nothing */
    char *texts;               /* of a block that is being made; freed by sqlite3_free */
    size_t size, capacity;     /* bytes */
    size_t sizes[BLOCK_TEXTS]; /* of each of these texts */
} Cursor;

static int connect(sqlite3 *db, void *user, int count, const char *const *words,
                   sqlite3_vtab **table, char **message)
{
    (void)count, (void)words, (void)message;
    /* A schema may not have queries run that it brings along. */
    int code = sqlite3_vtab_config(db, SQLITE_VTAB_DIRECTONLY);
    return code == SQLITE_OK ? sql_table_connect(db, user, declaration, table) : code;
}

static int best_index(sqlite3_vtab *table, sqlite3_index_info *info)
{
    return sql_best_index(table, info, QUERY,
                          "sutra_embed_rows: no query is given: sutra_embed_rows('SELECT id, text "
                          "FROM t')");
}

static int open_cursor(sqlite3_vtab *table, sqlite3_vtab_cursor **base)
{
    (void)table;
    Cursor *cursor = sqlite3_malloc64(sizeof *cursor);
    if (!cursor) return SQLITE_NOMEM;
    memset(cursor, 0, sizeof *cursor);
    *base = &cursor->base;
    return SQLITE_OK;
}

static void clear_block(Block *block)
{
    if (block->job) sutra_job_cancel(block->job);
    sutra_job_free(block->job);
    sutra_result_free(block->result);
    for (size_t i = 0; i < block->count; i++) sqlite3_value_free(block->ids[i]);
    *block = (Block){0};
}

static void clear(Cursor *cursor)
{
    sqlite3_finalize(cursor->query);
    for (size_t i = 0; i < MOST_BLOCKS; i++) clear_block(&cursor->blocks[i]);
    sql_options_clear(&cursor->options);
    sql_arguments_clear(&cursor->arguments);
    sqlite3_free(cursor->texts);
    *cursor = (Cursor){.base = cursor->base};
}

static int close_cursor(sqlite3_vtab_cursor *base)
{
    clear((Cursor *)base);
    sqlite3_free(base);
    return SQLITE_OK;
}

static SqlConnection *connection_of(const Cursor *cursor)
{
    return ((SqlTable *)cursor->base.pVtab)->connection;
}

/* What SQLite says of the query; that it is busy or interrupted the caller wants to know. */
static SutraStatus query_failed(Cursor *cursor, int code, SutraError *err)
{
    cursor->code = code;
    if (code == SQLITE_NOMEM) return sql_raise(err, SUTRA_E_MEMORY, "out of memory");
    return sql_raise(err, SUTRA_E_IO, "query: %s", sqlite3_errmsg(connection_of(cursor)->db));
}

/* Behind the query there may be semicolons and comments. */
static SutraStatus check_rest(Cursor *cursor, const char *rest, SutraError *err)
{
    sqlite3 *db = connection_of(cursor)->db;
    sqlite3_stmt *more = NULL;
    int code = SQLITE_OK;
    while (code == SQLITE_OK && !more && *rest)
        code = sqlite3_prepare_v2(db, rest, -1, &more, &rest);
    sqlite3_finalize(more);
    if (code == SQLITE_NOMEM) return query_failed(cursor, code, err);
    if (cursor->query && code == SQLITE_OK && !more) return SUTRA_OK;
    return sql_raise(err, SUTRA_E_ARGUMENT, "the query is not one statement");
}

static SutraStatus check_query(const Cursor *cursor, SutraError *err)
{
    int columns = sqlite3_column_count(cursor->query);
    if (!sqlite3_stmt_readonly(cursor->query))
        return sql_raise(err, SUTRA_E_ARGUMENT, "the query changes the database");
    if (columns == 2) return SUTRA_OK;
    return sql_raise(err, SUTRA_E_ARGUMENT,
                     "the query gives %d columns, and not two: an id and a text", columns);
}

/* Whether a statement that changes the database is at work, which may be the one around. */
static bool is_writing(sqlite3 *db)
{
    sqlite3_stmt *statement = NULL;
    while ((statement = sqlite3_next_stmt(db, statement)))
        if (sqlite3_stmt_busy(statement) && !sqlite3_stmt_readonly(statement)) return true;
    return false;
}

/* SQLite sets the query's rows aside before it gives the first one, so that rows which are inserted
 * meanwhile are none of them. */
static SutraStatus set_rows_aside(Cursor *cursor, SutraError *err)
{
    sqlite3 *db = connection_of(cursor)->db;
    const char *words = sqlite3_sql(cursor->query);
    int size = (int)strlen(words);
    size -= words[size - 1] == ';';
    char *wrapped =
        sqlite3_mprintf("WITH aside AS MATERIALIZED (%.*s\n) SELECT * FROM aside", size, words);
    if (!wrapped) return sql_raise(err, SUTRA_E_MEMORY, "out of memory for the query");
    sqlite3_finalize(cursor->query);
    int code = sqlite3_prepare_v2(db, wrapped, -1, &cursor->query, NULL);
    sqlite3_free(wrapped);
    return code == SQLITE_OK ? SUTRA_OK : query_failed(cursor, code, err);
}

static SutraStatus prepare(Cursor *cursor, SutraError *err)
{
    sqlite3 *db = connection_of(cursor)->db;
    const char *words, *rest;
    SutraStatus status = sql_word(cursor->arguments.values[0], "the query", &words, err);
    if (status != SUTRA_OK) return status;
    int code = sqlite3_prepare_v2(db, words, -1, &cursor->query, &rest);
    if (code != SQLITE_OK) return query_failed(cursor, code, err);
    status = check_rest(cursor, rest, err);
    if (status == SUTRA_OK) status = check_query(cursor, err);
    bool set_aside = sqlite3_libversion_number() >= FIRST_MATERIALIZED && is_writing(db);
    return status == SUTRA_OK && set_aside ? set_rows_aside(cursor, err) : status;
}

/* Of a long id its begin is enough: whole characters. */
static int shown_size(const char *word)
{
    enum { MOST = 60 };
    size_t size = strnlen(word, MOST + 1);
    if (size <= MOST) return (int)size;
    for (size = MOST; size && (word[size] & 0xc0) == 0x80;) size--;
    return (int)size;
}

static SutraStatus row_failed(sqlite3_value *id, SutraError *err)
{
    const char *word = NULL;
    char reason[sizeof err->message];
    if (id)
        word = sqlite3_value_type(id) == SQLITE_BLOB ? "(a blob)"
                                                     : (const char *)sqlite3_value_text(id);
    if (!word) word = "NULL";
    memcpy(reason, err->message, sizeof reason);
    const char *start = reason + err->reason;
    return sql_raise(err, err->status, "id %.*s: %.400s", shown_size(word), word, start);
}

static SutraStatus keep_text(Cursor *cursor, size_t *size, SutraError *err)
{
    const char *text = (const char *)sqlite3_column_text(cursor->query, 1);
    *size = (size_t)sqlite3_column_bytes(cursor->query, 1);
    if (!text) return sql_raise(err, SUTRA_E_MEMORY, "out of memory for a text");
    SutraStatus status = sql_check_prompt(cursor->model, &cursor->options, text, *size, err);
    if (status != SUTRA_OK) return status;
    if (!cursor->texts || cursor->capacity - cursor->size < *size) {
        size_t capacity = cursor->size + *size + BLOCK_BYTES;
        char *texts = sqlite3_realloc64(cursor->texts, capacity);
        if (!texts) return sql_raise(err, SUTRA_E_MEMORY, "out of memory for texts");
        cursor->texts = texts;
        cursor->capacity = capacity;
    }
    memcpy(cursor->texts + cursor->size, text, *size);
    cursor->size += *size;
    return SUTRA_OK;
}

/* The query's row goes behind the block's. */
static SutraStatus take_row(Cursor *cursor, Block *block, SutraError *err)
{
    sqlite3_value *id = sqlite3_value_dup(sqlite3_column_value(cursor->query, 0));
    int type = sqlite3_column_type(cursor->query, 1);
    if (!id) return sql_raise(err, SUTRA_E_MEMORY, "out of memory for an id");
    block->ids[block->count] = id;
    block->is_text[block->count++] = type == SQLITE_TEXT;
    if (type == SQLITE_NULL) return SUTRA_OK;
    SutraStatus status =
        type == SQLITE_TEXT
            ? keep_text(cursor, &cursor->sizes[block->texts++], err)
            : sql_raise(err, SUTRA_E_ARGUMENT, "the text is %s: CAST(x AS TEXT) makes text of it",
                        type == SQLITE_BLOB ? "a blob" : "a number");
    return status == SUTRA_OK ? status : row_failed(id, err);
}

static SutraStatus submit(Cursor *cursor, Block *block, SutraError *err)
{
    SutraInput inputs[BLOCK_TEXTS];
    SutraEngine *engine;
    size_t at = 0;
    for (size_t i = 0; i < block->texts; at += cursor->sizes[i++])
        inputs[i] = (SutraInput){.text = cursor->texts + at,
                                 .text_size = cursor->sizes[i],
                                 .prompt_name = cursor->options.prompt_name};
    SutraStatus status = sql_engine(&engine, err);
    if (status != SUTRA_OK) return status;
    return sutra_submit(engine, cursor->model->model, inputs, block->texts, &cursor->options.embed,
                        NULL, NULL, &block->job, err);
}

/* Another block of the query's, if it has more rows. */
static SutraStatus add_block(Cursor *cursor, SutraError *err)
{
    Block *block = &cursor->blocks[(cursor->first + cursor->count) % MOST_BLOCKS];
    SutraStatus status = SUTRA_OK;
    cursor->size = 0;
    while (status == SUTRA_OK && block->count < BLOCK_TEXTS && cursor->size < BLOCK_BYTES) {
        int code = sqlite3_step(cursor->query);
        cursor->read = code == SQLITE_DONE;
        if (cursor->read) break;
        status =
            code == SQLITE_ROW ? take_row(cursor, block, err) : query_failed(cursor, code, err);
    }
    if (status == SUTRA_OK && block->texts) status = submit(cursor, block, err);
    if (block->count) cursor->count++;
    return status;
}

/* The id of the block's text of that number. */
static sqlite3_value *id_of_text(const Block *block, uint32_t number)
{
    size_t row = 0;
    for (; row < block->count; row++)
        if (block->is_text[row] && number-- == 0) break;
    return row < block->count ? block->ids[row] : NULL;
}

/* Waits for the first block's vectors. */
static SutraStatus wait_first(Cursor *cursor, SutraError *err)
{
    Block *block = &cursor->blocks[cursor->first];
    cursor->row = cursor->text = 0;
    if (!block->job) return SUTRA_OK;
    SutraStatus status = sutra_job_wait(block->job, UINT64_MAX, &block->result, err);
    if (status != SUTRA_OK)
        return err->has_item ? row_failed(id_of_text(block, err->item), err) : status;
    sutra_job_free(block->job);
    block->job = NULL;
    block->view.struct_size = sizeof block->view;
    status = sutra_result_view(block->result, &block->view, err);
    for (size_t i = 0; status == SUTRA_OK && i < block->texts; i++)
        if (block->view.items[i].flags & SUTRA_ITEM_TRUNCATED) connection_of(cursor)->truncated++;
    return status;
}

/* As many blocks as there may be at the engine, and the first one done. */
static SutraStatus go_on(Cursor *cursor, SutraError *err)
{
    SutraStatus status = SUTRA_OK;
    while (status == SUTRA_OK && !cursor->read && cursor->count < MOST_BLOCKS)
        status = add_block(cursor, err);
    if (status == SUTRA_OK && cursor->count) status = wait_first(cursor, err);
    return status;
}

static SutraStatus begin(Cursor *cursor, SutraError *err)
{
    sqlite3_value *options = cursor->arguments.values[OPTIONS];
    size_t size;
    cursor->options.embed.struct_size = sizeof cursor->options.embed;
    SutraStatus status = options ? sql_options_read(options, &cursor->options, err) : SUTRA_OK;
    if (status == SUTRA_OK)
        status = sql_argument_model(&cursor->arguments, connection_of(cursor), &cursor->model, err);
    if (status == SUTRA_OK) status = sql_row_bytes(cursor->model, &cursor->options, &size, err);
    if (status == SUTRA_OK && connection_of(cursor)->depth == MOST_DEPTH)
        status =
            sql_raise(err, SUTRA_E_LIMIT, "more than %d queries within each other", MOST_DEPTH);
    connection_of(cursor)->depth++;
    if (status == SUTRA_OK) status = prepare(cursor, err);
    if (status == SUTRA_OK) status = go_on(cursor, err);
    connection_of(cursor)->depth--;
    return status;
}

static int fail(const Cursor *cursor, const SutraError *err)
{
    int code = sql_table_fail(cursor->base.pVtab, "sutra_embed_rows", err);
    return code == SQLITE_ERROR && cursor->code ? cursor->code : code;
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
    return begin(cursor, &err) == SUTRA_OK ? SQLITE_OK : fail(cursor, &err);
}

static int next(sqlite3_vtab_cursor *base)
{
    Cursor *cursor = (Cursor *)base;
    Block *block = &cursor->blocks[cursor->first];
    SutraError err;
    cursor->rows++;
    cursor->text += block->is_text[cursor->row];
    if (++cursor->row < block->count) return SQLITE_OK;
    clear_block(block);
    cursor->first = (cursor->first + 1) % MOST_BLOCKS;
    cursor->count--;
    return go_on(cursor, &err) == SUTRA_OK ? SQLITE_OK : fail(cursor, &err);
}

static int at_end(sqlite3_vtab_cursor *base) { return ((Cursor *)base)->count == 0; }

static int column(sqlite3_vtab_cursor *base, sqlite3_context *context, int number)
{
    const Cursor *cursor = (Cursor *)base;
    const Block *block = &cursor->blocks[cursor->first];
    const SutraResultView *view = &block->view;
    if (number == ID) {
        sqlite3_result_value(context, block->ids[cursor->row]);
    } else if (number >= QUERY) {
        if (cursor->arguments.values[number - QUERY])
            sqlite3_result_value(context, cursor->arguments.values[number - QUERY]);
    } else if (!block->is_text[cursor->row]) {
        sqlite3_result_null(context);
    } else if (number == VECTOR) {
        sqlite3_result_blob64(context, (const char *)view->data + cursor->text * view->row_bytes,
                              view->row_bytes, SQLITE_TRANSIENT);
    } else {
        sqlite3_result_int64(context, view->items[cursor->text].tokens_used);
    }
    return SQLITE_OK;
}

static int row_id(sqlite3_vtab_cursor *base, sqlite3_int64 *id)
{
    *id = ((Cursor *)base)->rows;
    return SQLITE_OK;
}

int sql_register_rows(SqlConnection *connection)
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
    return sql_create_module(connection, "sutra_embed_rows", &module);
}
