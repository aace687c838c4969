/* sqlite_library.h - libsqlite3, opened when a command first needs it: no other start pays for it.
 *
 * The functions have the names and the meaning of sqlite3.h, without their prefix. */
#ifndef CLI_SQLITE_LIBRARY_H
#define CLI_SQLITE_LIBRARY_H

#include "sutra.h"

#include <sqlite3.h>

typedef struct CliSqlite {
    int (*open_v2)(const char *, sqlite3 **, int, const char *);
    int (*close)(sqlite3 *);
    int (*exec)(sqlite3 *, const char *, int (*)(void *, int, char **, char **), void *, char **);
    int (*prepare_v2)(sqlite3 *, const char *, int, sqlite3_stmt **, const char **);
    int (*finalize)(sqlite3_stmt *);
    int (*step)(sqlite3_stmt *);
    int (*reset)(sqlite3_stmt *);
    int (*bind_null)(sqlite3_stmt *, int);
    int (*bind_int64)(sqlite3_stmt *, int, sqlite3_int64);
    int (*bind_double)(sqlite3_stmt *, int, double);
    int (*bind_text)(sqlite3_stmt *, int, const char *, int, void (*)(void *));
    int (*bind_blob)(sqlite3_stmt *, int, const void *, int, void (*)(void *));
    int (*changes)(sqlite3 *);
    const char *(*errmsg)(sqlite3 *);
} CliSqlite;

/* Valid until the program ends. Errors: UNSUPPORTED (it is not installed). */
SutraStatus cli_sqlite(const CliSqlite **library, SutraError *err);

#endif
