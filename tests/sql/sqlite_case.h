/* sqlite_case.h - a connection with the extension, a tiny model that SUTRA_MODEL names, and statements
 * that must succeed or fail. A test needs no network and none of the user's caches. */
#ifndef SU_SQLITE_CASE_H
#define SU_SQLITE_CASE_H

#include "support/tiny_engine.h"

#include <sqlite3.h>

enum { SQL_DIM = 32, SQL_TOKENS = 64 };

/* A model in a cache, HF_HUB_CACHE, under the name of SQL_NAME; the same is SUTRA_MODEL, as a path. */
#define SQL_NAME "org/tiny"

typedef struct SqlCase {
    TinyEngine tiny; /* what the extension's vectors are compared with */
    char *cache;
    sqlite3 *db;
} SqlCase;

/* For cmocka: *state is the case. The extension is registered with every connection. */
int sql_set_up(void **state);
int sql_tear_down(void **state);

sqlite3 *sql_open(const char *path);

/* The statement gives one value as text, "" for NULL: borrowed until the next call. */
const char *sql_text(sqlite3 *db, const char *statement);
long long sql_number(sqlite3 *db, const char *statement);
void sql_run(sqlite3 *db, const char *statements);

/* The statement's vector is that of the text by sutra_embed of sutra.h. */
void sql_check_vector(SqlCase *at, const char *statement, const char *text,
                      const SutraEmbedOptions *options, const char *prompt_name);

/* The statement fails with one line that contains `words`. */
void sql_check_error(sqlite3 *db, const char *statement, const char *words);

#endif
