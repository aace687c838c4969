/* sqlite_arguments.h - the arguments of a table-valued function: hidden columns, the last ones of
 * its table, of which the first must be given. */
#ifndef SQLITE_ARGUMENTS_H
#define SQLITE_ARGUMENTS_H

#include "sqlite_extension.h"

enum { SQL_MOST_ARGUMENTS = 5 };

/* A table; the connection is its module's. */
typedef struct SqlTable {
    sqlite3_vtab base;
    SqlConnection *connection;
} SqlTable;

typedef struct SqlArguments {
    sqlite3_value *values[SQL_MOST_ARGUMENTS]; /* NULL: not given */
} SqlArguments;

/* xConnect's work, with the declaration of the columns, and xDisconnect. */
int sql_table_connect(sqlite3 *db, void *connection, const char *declaration, sqlite3_vtab **table);
int sql_table_disconnect(sqlite3_vtab *table);

/* xBestIndex: arguments are the columns from `first` on. */
int sql_best_index(sqlite3_vtab *table, sqlite3_index_info *info, int first, const char *missing);

/* xFilter's part: copies of what was given. Errors: SQLITE_NOMEM. */
int sql_arguments_copy(SqlArguments *arguments, int which, sqlite3_value **values);
void sql_arguments_clear(SqlArguments *arguments);

/* A whole number that may be left out or NULL: then 0. */
SutraStatus sql_argument_number(const SqlArguments *arguments, int place, const char *what,
                                uint32_t *number, SutraError *err);

/* The model of the second argument, left out or NULL: the default one. */
SutraStatus sql_argument_model(const SqlArguments *arguments, SqlConnection *connection,
                               const SqlModel **model, SutraError *err);

/* The error becomes the table's, after the function's name; returns the code for SQLite. */
int sql_table_fail(sqlite3_vtab *table, const char *function, const SutraError *err);

#endif
