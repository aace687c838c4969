/* sqlite_entry.c - what SQLite calls when it loads sutra0.so: the name follows from the file's,
 * whose digits SQLite leaves out. */
#include "sqlite_extension.h"

SQLITE_EXTENSION_INIT1

SUTRA_API int sqlite3_sutra_init(sqlite3 *db, char **message, const sqlite3_api_routines *api);

/* As SQLITE_EXTENSION_INIT2, once: there may be two SQLite libraries in a process, such as those of
 * two Python modules, and nothing of one may be freed or read by the other. */
int sqlite3_sutra_init(sqlite3 *db, char **message, const sqlite3_api_routines *api)
{
    const sqlite3_api_routines *known = __atomic_load_n(&sqlite3_api, __ATOMIC_ACQUIRE);
    if (!known && __atomic_compare_exchange_n(&sqlite3_api, &known, api, false, __ATOMIC_ACQ_REL,
                                              __ATOMIC_ACQUIRE))
        known = api;
    if (known == api) return sql_register(db, message);
    *message = api->mprintf("sutra: another SQLite library of this process has loaded this file: "
                            "give this one a copy of it");
    return SQLITE_ERROR;
}
