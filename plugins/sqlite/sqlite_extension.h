/* sqlite_extension.h - what the functions of the SQLite extension share.
 *
 *   sqlite_entry       the exported entry point
 *   sqlite_extension   registers everything, a connection at a time
 *   sqlite_models      the engine and the models of the process, and those that a connection uses
 *   sqlite_options     options of a call, as JSON
 *   sqlite_embed       sutra_embed, sutra_tokens, sutra_truncated, sutra_model
 *   sqlite_distance    sutra_distance_cosine
 *   sqlite_arguments   hidden columns of table-valued functions
 *   sqlite_chunks      sutra_chunks
 *   sqlite_rows        sutra_embed_rows
 *
 * SQLite calls the functions of one connection one at a time. */
#ifndef SQLITE_EXTENSION_H
#define SQLITE_EXTENSION_H

#include "sqlite_models.h"

#include <sqlite3ext.h>
#include <stdbool.h>

SQLITE_EXTENSION_INIT3

/* One connection; every function and module of it has it as its user data. */
typedef struct SqlConnection {
    sqlite3 *db;
    SqlModels *models;
    uint64_t truncated; /* texts that were cut, since the extension was loaded */
    unsigned uses;      /* functions and modules that are registered */
    unsigned depth;     /* calls of sutra_embed_rows that begin, one within the other */
} SqlConnection;

/* Registers all functions. Errors: *message, freed by sqlite3_free, or NULL. */
int sql_register(sqlite3 *db, char **message);

int sql_register_chunks(SqlConnection *connection);
int sql_register_rows(SqlConnection *connection);
/* create_module_v2, counted. */
int sql_create_module(SqlConnection *connection, const char *name, const sqlite3_module *module);

/* Functions of SQL. */
void sql_embed(sqlite3_context *context, int count, sqlite3_value **values);
void sql_tokens(sqlite3_context *context, int count, sqlite3_value **values);
void sql_truncated(sqlite3_context *context, int count, sqlite3_value **values);
void sql_model(sqlite3_context *context, int count, sqlite3_value **values);
void sql_distance_cosine(sqlite3_context *context, int count, sqlite3_value **values);

/* Fills *err with a message. */
void sql_error_set(SutraError *err, SutraStatus status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The same, and the status; a macro, for which analysers need not look elsewhere. */
#define sql_raise(err, status, ...) (sql_error_set(err, status, __VA_ARGS__), (status))

/* The error after the function's name, in UTF-8 whatever a name or an id has in it; freed by
 * sqlite3_free. NULL: no memory. */
char *sql_error_line(const char *function, const SutraError *err);

/* The function's result becomes the error, after the function's name. */
void sql_fail(sqlite3_context *context, const char *function, const SutraError *err);

/* "a number", "a blob", "NULL", "text" */
const char *sql_type_name(sqlite3_value *value);

/* The text of a value that has no NUL inside. what: "the model". Errors: ARGUMENT, MEMORY. */
SutraStatus sql_word(sqlite3_value *value, const char *what, const char **word, SutraError *err);

#endif
