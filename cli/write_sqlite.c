/* write_sqlite.c - rows of an SQLite database, in tables as sqlite-vec reads them.
 *
 *   embeddings  record INTEGER PRIMARY KEY   number of the text in the input, from 0
 *               id                           INTEGER, REAL or TEXT, or NULL
 *               tokens, truncated INTEGER
 *               embedding BLOB               elements as in npy, little-endian
 *   sutra       key TEXT PRIMARY KEY, value  model, revision, dim, dtype, version
 *
 * One transaction from checkpoint to checkpoint. A file that is to appear as a whole needs no
 * journal; FILE.partial has one, which the next run rolls back. */
#include "row_writer.h"

#include "console.h"
#include "model_session.h"
#include "sqlite_library.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define BUSY_MS "60000"

enum { INSERT, COPY, META, NUM_STATEMENTS };

typedef struct Database {
    const CliSqlite *sqlite;
    sqlite3 *handle;
    sqlite3_stmt *statements[NUM_STATEMENTS];
} Database;

static const char *const statement_texts[] = {
    [INSERT] = "INSERT INTO embeddings VALUES (?, ?, ?, ?, ?)",
    [COPY] = ("INSERT INTO embeddings SELECT ?, ?, tokens, truncated, embedding "
              "FROM embeddings WHERE record = ?"),
    [META] = "INSERT OR REPLACE INTO sutra VALUES (?, ?)",
};

/* Errors stick to the output. */
static void fail(CliRowWriter *writer, const char *why)
{
    CliOutput *output = writer->output;
    if (output->status == SUTRA_OK)
        output->status = cli_raise(&output->err, SUTRA_E_IO, "%s: %s", output->name, why);
}

static void check(CliRowWriter *writer, int code)
{
    const Database *base = writer->database;
    if (code != SQLITE_OK && code != SQLITE_DONE && code != SQLITE_ROW)
        fail(writer, base->handle ? base->sqlite->errmsg(base->handle) : "out of memory");
}

static void run(CliRowWriter *writer, const char *text)
{
    const Database *base = writer->database;
    if (writer->output->status == SUTRA_OK)
        check(writer, base->sqlite->exec(base->handle, text, NULL, NULL, NULL));
}

/* Steps a statement whose values are bound. */
static void step(CliRowWriter *writer, int number)
{
    const Database *base = writer->database;
    sqlite3_stmt *statement = base->statements[number];
    if (writer->output->status != SUTRA_OK) return;
    check(writer, base->sqlite->step(statement));
    check(writer, base->sqlite->reset(statement));
}

static void note(CliRowWriter *writer, const char *key, const char *value)
{
    const Database *base = writer->database;
    if (writer->output->status != SUTRA_OK) return;
    check(writer, base->sqlite->bind_text(base->statements[META], 1, key, -1, SQLITE_STATIC));
    check(writer, base->sqlite->bind_text(base->statements[META], 2, value, -1, SQLITE_STATIC));
    step(writer, META);
}

static void note_facts(CliRowWriter *writer)
{
    char dim[16];
    snprintf(dim, sizeof dim, "%u", writer->dim);
    note(writer, "model", writer->model);
    note(writer, "revision", writer->revision);
    note(writer, "dim", dim);
    note(writer, "dtype", cli_dtype_name(writer->dtype));
    note(writer, "version", sutra_version());
}

/* What SQLite would bring into the new file: changes to the database that had its name before. */
static void check_beside(CliRowWriter *writer)
{
    static const char *const endings[] = {"-wal", "-journal"};
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
        char path[PATH_MAX];
        struct stat facts;
        int size = snprintf(path, sizeof path, "%s%s", writer->output->target, endings[i]);
        if (size >= PATH_MAX || stat(path, &facts) != 0) continue;
        char why[PATH_MAX + 160];
        snprintf(why, sizeof why,
                 "%s belongs to the database there: end the program that has it open, or remove it",
                 path);
        fail(writer, why);
    }
}

static void sqlite_begin(CliRowWriter *writer, uint64_t rows, uint64_t records)
{
    Database *base = cli_alloc(1, sizeof *base);
    CliOutput *output = writer->output;
    SutraError err;
    char text[96];
    writer->database = base;
    check_beside(writer);
    if (output->status != SUTRA_OK) return;
    if (cli_sqlite(&base->sqlite, &err) != SUTRA_OK) {
        fail(writer, err.message);
        return;
    }
    check(writer, base->sqlite->open_v2(cli_output_path(output), &base->handle,
                                        SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL));
    run(writer, "PRAGMA busy_timeout = " BUSY_MS); /* FILE.partial may be looked at */
    run(writer, output->partial ? "PRAGMA synchronous = FULL"
                                : "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF");
    run(writer, "BEGIN");
    if (!rows)
        run(writer, "DROP TABLE IF EXISTS embeddings; DROP TABLE IF EXISTS sutra;"
                    "CREATE TABLE embeddings (record INTEGER PRIMARY KEY, id, "
                    "tokens INTEGER NOT NULL, truncated INTEGER NOT NULL, embedding BLOB NOT NULL);"
                    "CREATE TABLE sutra (key TEXT PRIMARY KEY, value) WITHOUT ROWID");
    snprintf(text, sizeof text, "DELETE FROM embeddings WHERE record >= %llu",
             (unsigned long long)records);
    run(writer, text);
    for (int i = 0; i < NUM_STATEMENTS && output->status == SUTRA_OK; i++)
        check(writer, base->sqlite->prepare_v2(base->handle, statement_texts[i], -1,
                                               &base->statements[i], NULL));
    note_facts(writer);
}

/* The id's place among the values is 2. */
static void bind_id(CliRowWriter *writer, sqlite3_stmt *statement, const CliId *id)
{
    const CliSqlite *sqlite = ((const Database *)writer->database)->sqlite;
    if (id->kind == CLI_ID_NONE) {
        check(writer, sqlite->bind_null(statement, 2));
        return;
    }
    char *text = cli_alloc(id->size + 1, 1), *end = text;
    size_t size = cli_id_text(id, text);
    text[size] = '\0';
    errno = 0;
    long long whole = id->kind == CLI_ID_JSON_NUMBER ? strtoll(text, &end, 10) : 0;
    if (end > text && !*end && !errno)
        check(writer, sqlite->bind_int64(statement, 2, whole));
    else if (id->kind == CLI_ID_JSON_NUMBER && strpbrk(text, ".eE"))
        check(writer, sqlite->bind_double(statement, 2, strtod(text, NULL)));
    else
        check(writer, sqlite->bind_text(statement, 2, text, (int)size, SQLITE_TRANSIENT));
    free(text);
}

static CliPlace sqlite_row(CliRowWriter *writer, const CliRow *row)
{
    const Database *base = writer->database;
    const CliSqlite *sqlite = base->sqlite;
    if (writer->output->status != SUTRA_OK) return row->index;
    sqlite3_stmt *insert = base->statements[INSERT];
    bool truncated = (row->item->flags & SUTRA_ITEM_TRUNCATED) != 0;
    check(writer, sqlite->bind_int64(insert, 1, (sqlite3_int64)row->index));
    bind_id(writer, insert, &row->id);
    check(writer, sqlite->bind_int64(insert, 3, row->item->tokens_used));
    check(writer, sqlite->bind_int64(insert, 4, truncated));
    check(writer, sqlite->bind_blob(insert, 5, row->data, (int)writer->row_bytes, SQLITE_STATIC));
    step(writer, INSERT);
    return row->index;
}

static void sqlite_copy(CliRowWriter *writer, const CliRow *row, CliPlace place)
{
    const Database *base = writer->database;
    if (writer->output->status != SUTRA_OK) return;
    sqlite3_stmt *copy = base->statements[COPY];
    check(writer, base->sqlite->bind_int64(copy, 1, (sqlite3_int64)row->index));
    bind_id(writer, copy, &row->id);
    check(writer, base->sqlite->bind_int64(copy, 3, (sqlite3_int64)place));
    step(writer, COPY);
    if (writer->output->status == SUTRA_OK && base->sqlite->changes(base->handle) != 1)
        fail(writer, "a row that was written is gone");
}

static void sqlite_sync(CliRowWriter *writer)
{
    if (writer->database) run(writer, "COMMIT; BEGIN");
}

static void sqlite_close(CliRowWriter *writer, bool whole)
{
    Database *base = writer->database;
    if (!base) return;
    if (whole) run(writer, "COMMIT");
    for (int i = 0; i < NUM_STATEMENTS && base->handle; i++)
        base->sqlite->finalize(base->statements[i]);
    if (base->handle) check(writer, base->sqlite->close(base->handle));
    free(base);
    writer->database = NULL;
}

const CliRowFormat cli_sqlite_format = {.row = sqlite_row,
                                        .copy = sqlite_copy,
                                        .places = CLI_PLACES_INDICES,
                                        .begin = sqlite_begin,
                                        .sync = sqlite_sync,
                                        .close = sqlite_close};
