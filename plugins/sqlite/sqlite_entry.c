/* sqlite_entry.c - what SQLite calls when it loads sutra0.so: the name follows from the file's,
 * whose digits SQLite leaves out. */
#include "sqlite_extension.h"

SQLITE_EXTENSION_INIT1

SUTRA_API int sqlite3_sutra_init(sqlite3 *db, char **message, const sqlite3_api_routines *api);

int sqlite3_sutra_init(sqlite3 *db, char **message, const sqlite3_api_routines *api)
{
    SQLITE_EXTENSION_INIT2(api)
    return sql_register(db, message);
}
