#include "sqlite_extension.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { OLDEST_SQLITE = 3031000 }; /* SQLITE_DIRECTONLY */

/* What a schema may call must not open files of its choice, and must mean the same for ever: so a
 * function that uses the default model is for statements alone (not sutra_chunks, whose arguments
 * SQLite does not tell apart). sutra_model opens paths. */
enum {
    ANYWHERE = SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_INNOCUOUS,
    TRUSTED = SQLITE_UTF8 | SQLITE_DETERMINISTIC,
    STATEMENT = SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_DIRECTONLY,
    CHANGING = SQLITE_UTF8 | SQLITE_DIRECTONLY
};

static void sql_version(sqlite3_context *context, int count, sqlite3_value **values)
{
    (void)count, (void)values;
    sqlite3_result_text(context, sutra_version(), -1, SQLITE_STATIC);
}

static const struct {
    const char *name;
    int count, flags;
    void (*call)(sqlite3_context *, int, sqlite3_value **);
} functions[] = {
    {"sutra_version", 0, ANYWHERE, sql_version},
    {"sutra_model", 0, CHANGING, sql_model},
    {"sutra_model", 1, CHANGING, sql_model},
    {"sutra_embed", 1, STATEMENT, sql_embed},
    {"sutra_embed", 2, TRUSTED, sql_embed},
    {"sutra_embed", 3, TRUSTED, sql_embed},
    {"sutra_tokens", 1, STATEMENT, sql_tokens},
    {"sutra_tokens", 2, TRUSTED, sql_tokens},
    {"sutra_truncated", 0, CHANGING, sql_truncated},
    {"sutra_distance_cosine", 2, ANYWHERE, sql_distance_cosine},
};

static void release(void *user)
{
    SqlConnection *connection = user;
    if (--connection->uses) return;
    sql_models_close(connection->models);
    sqlite3_free(connection);
}

int sql_create_module(SqlConnection *connection, const char *name, const sqlite3_module *module)
{
    connection->uses++;
    return sqlite3_create_module_v2(connection->db, name, module, connection, release);
}

/* Loading it again changes nothing: SQLite replaces no function of a connection that is at work.
 * This pragma, unlike the table of its name, does not read the database, which may be locked. */
static int is_registered(sqlite3 *db, bool *found)
{
    sqlite3_stmt *statement = NULL;
    int code = sqlite3_prepare_v2(db, "PRAGMA function_list", -1, &statement, NULL);
    *found = false;
    while (code == SQLITE_OK && !*found && (code = sqlite3_step(statement)) == SQLITE_ROW) {
        const char *name = (const char *)sqlite3_column_text(statement, 0);
        *found = name && strcmp(name, "sutra_version") == 0;
        code = SQLITE_OK;
    }
    int closed = sqlite3_finalize(statement);
    return *found || code == SQLITE_DONE ? SQLITE_OK : closed ? closed : code;
}

static int register_all(SqlConnection *connection)
{
    int code = SQLITE_OK;
    for (size_t i = 0; code == SQLITE_OK && i < sizeof functions / sizeof *functions; i++) {
        connection->uses++;
        code = sqlite3_create_function_v2(connection->db, functions[i].name, functions[i].count,
                                          functions[i].flags, connection, functions[i].call, NULL,
                                          NULL, release);
    }
    if (code == SQLITE_OK) code = sql_register_chunks(connection);
    if (code == SQLITE_OK) code = sql_register_rows(connection);
    return code;
}

int sql_register(sqlite3 *db, char **message)
{
    SutraError err;
    bool found;
    if (sqlite3_libversion_number() < OLDEST_SQLITE) {
        *message = sqlite3_mprintf("sutra: SQLite %s is too old: 3.31 or later is needed",
                                   sqlite3_libversion());
        return SQLITE_ERROR;
    }
    int code = is_registered(db, &found);
    if (code != SQLITE_OK || found) return code;
    SqlConnection *connection = sqlite3_malloc64(sizeof *connection);
    if (!connection) return SQLITE_NOMEM;
    *connection = (SqlConnection){.db = db, .uses = 1};
    if (sql_models_open(&connection->models, &err) == SUTRA_OK) {
        code = register_all(connection);
    } else {
        *message = sqlite3_mprintf("sutra: %s", err.message);
        code = err.status == SUTRA_E_MEMORY ? SQLITE_NOMEM : SQLITE_ERROR;
    }
    release(connection);
    return code;
}

void sql_error_set(SutraError *err, SutraStatus status, const char *format, ...)
{
    va_list arguments;
    *err = (SutraError){.status = status};
    va_start(arguments, format);
    vsnprintf(err->message, sizeof err->message, format, arguments);
    va_end(arguments);
    /* One line, whatever a name or an id has in it. */
    for (char *c = err->message; *c; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7f) *c = '?';
}

/* Bytes of the code point at c, which a zero ends; 0: not UTF-8. */
static size_t code_point_size(const unsigned char *c)
{
    size_t size = c[0] < 0x80 ? 1 : c[0] < 0xc2 ? 0 : c[0] < 0xe0 ? 2 : c[0] < 0xf0 ? 3 : 4;
    for (size_t i = 1; i < size; i++)
        if ((c[i] & 0xc0) != 0x80) return 0;
    unsigned start = size < 3 ? 0 : (unsigned)c[0] << 8 | c[1];
    bool overlong =
        (start >> 8 == 0xe0 && start < 0xe0a0) || (start >> 8 == 0xf0 && start < 0xf090);
    bool surrogate = start >> 8 == 0xed && start >= 0xeda0;
    return overlong || surrogate || start >= 0xf490 ? 0 : size;
}

char *sql_error_line(const char *function, const SutraError *err)
{
    char *line = sqlite3_mprintf("%s: %s", function, err->message + err->reason);
    for (char *c = line; c && *c;) {
        size_t size = code_point_size((const unsigned char *)c);
        if (!size) *c = '?';
        c += size ? size : 1;
    }
    return line;
}

void sql_fail(sqlite3_context *context, const char *function, const SutraError *err)
{
    if (err->status == SUTRA_E_MEMORY) {
        sqlite3_result_error_nomem(context);
        return;
    }
    char *line = sql_error_line(function, err);
    if (line)
        sqlite3_result_error(context, line, -1);
    else
        sqlite3_result_error_nomem(context);
    sqlite3_free(line);
}

const char *sql_type_name(sqlite3_value *value)
{
    switch (sqlite3_value_type(value)) {
    case SQLITE_NULL:
        return "NULL";
    case SQLITE_BLOB:
        return "a blob";
    case SQLITE_TEXT:
        return "text";
    default:
        return "a number";
    }
}

SutraStatus sql_word(sqlite3_value *value, const char *what, const char **word, SutraError *err)
{
    if (sqlite3_value_type(value) != SQLITE_TEXT)
        return sql_raise(err, SUTRA_E_ARGUMENT, "%s is %s, not text", what, sql_type_name(value));
    *word = (const char *)sqlite3_value_text(value);
    if (!*word) return sql_raise(err, SUTRA_E_MEMORY, "out of memory for %s", what);
    if (strlen(*word) == (size_t)sqlite3_value_bytes(value)) return SUTRA_OK;
    return sql_raise(err, SUTRA_E_ARGUMENT, "%s has a NUL inside", what);
}
