/* sqlite_entry.c - what SQLite calls when it loads sutra0.so: the name follows from the file's,
 * whose digits SQLite leaves out. */
#include "sqlite_extension.h"

SQLITE_EXTENSION_INIT1

SUTRA_API int sqlite3_sutra_init(sqlite3 *db, char **message, const sqlite3_api_routines *api);

int sqlite3_sutra_init(sqlite3 *db, char **message, const sqlite3_api_routines *api)
{
    /* What SQLITE_EXTENSION_INIT2 does, of which other threads may be reading the result. */
    if (__atomic_load_n(&sqlite3_api, __ATOMIC_ACQUIRE) != api)
        __atomic_store_n(&sqlite3_api, api, __ATOMIC_RELEASE);
    return sql_register(db, message);
}
