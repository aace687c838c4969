#include "sqlite_library.h"

#include "console.h"

#include <dlfcn.h>
#include <stddef.h>
#include <string.h>

#define LIBRARY "libsqlite3.so.0"

static const struct {
    const char *name;
    size_t offset;
} functions[] = {
    {"sqlite3_open_v2", offsetof(CliSqlite, open_v2)},
    {"sqlite3_close", offsetof(CliSqlite, close)},
    {"sqlite3_exec", offsetof(CliSqlite, exec)},
    {"sqlite3_prepare_v2", offsetof(CliSqlite, prepare_v2)},
    {"sqlite3_finalize", offsetof(CliSqlite, finalize)},
    {"sqlite3_step", offsetof(CliSqlite, step)},
    {"sqlite3_reset", offsetof(CliSqlite, reset)},
    {"sqlite3_bind_null", offsetof(CliSqlite, bind_null)},
    {"sqlite3_bind_int64", offsetof(CliSqlite, bind_int64)},
    {"sqlite3_bind_double", offsetof(CliSqlite, bind_double)},
    {"sqlite3_bind_text", offsetof(CliSqlite, bind_text)},
    {"sqlite3_bind_blob", offsetof(CliSqlite, bind_blob)},
    {"sqlite3_changes", offsetof(CliSqlite, changes)},
    {"sqlite3_errmsg", offsetof(CliSqlite, errmsg)},
};

SutraStatus cli_sqlite(const CliSqlite **library, SutraError *err)
{
    static CliSqlite opened;
    *library = &opened;
    if (opened.errmsg) return SUTRA_OK;
    void *handle = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
    if (!handle)
        return cli_raise(err, SUTRA_E_UNSUPPORTED,
                         "SQLite can't be used: %s (on Debian: apt install libsqlite3-0)",
                         dlerror());
    for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
        void *symbol = dlsym(handle, functions[i].name);
        if (!symbol)
            return cli_raise(err, SUTRA_E_UNSUPPORTED, "%s has no %s", LIBRARY, functions[i].name);
        memcpy((char *)&opened + functions[i].offset, &symbol, sizeof symbol);
    }
    return SUTRA_OK;
}
