#include "sql/sqlite_case.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

int sqlite3_sutra_init(sqlite3 *db, char **message, const struct sqlite3_api_routines *api);

#define REPO "/models--org--tiny"
#define COMMIT "0123456789012345678901234567890123456789"

enum { MOST_PATH = 512 };

static const char *below(const char *folder, const char *name)
{
    static char path[MOST_PATH];
    int size = snprintf(path, sizeof path, "%s%s", folder, name);
    assert_in_range(size, 1, MOST_PATH - 1);
    return path;
}

/* models--org--tiny with one snapshot, which is the model's folder. */
static void fill_cache(const char *cache, const char *model)
{
    assert_int_equal(mkdir(below(cache, REPO), 0700), 0);
    assert_int_equal(mkdir(below(cache, REPO "/refs"), 0700), 0);
    assert_int_equal(mkdir(below(cache, REPO "/snapshots"), 0700), 0);
    FILE *file = fopen(below(cache, REPO "/refs/main"), "w");
    assert_non_null(file);
    fputs(COMMIT, file);
    fclose(file);
    assert_int_equal(symlink(model, below(cache, REPO "/snapshots/" COMMIT)), 0);
}

static void empty_cache(const char *cache)
{
    static const char *const names[] = {
        REPO "/snapshots/" COMMIT, REPO "/snapshots", REPO "/refs/main", REPO "/refs", REPO, ""};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        assert_int_equal(remove(below(cache, names[i])), 0);
}

int sql_set_up(void **state)
{
    static SqlCase at;
    const TinyModel model = {.hidden_size = SQL_DIM,
                             .num_heads = 2,
                             .num_layers = 2,
                             .ffn_size = 64,
                             .max_positions = SQL_TOKENS,
                             .seed = 3};
    const SutraEngineOptions options = {.struct_size = sizeof options, .num_threads = 2};
    const char *base = getenv("TMPDIR");
    tiny_engine_open(&model, &options, &at.tiny);
    at.cache = strdup(below(base ? base : "/tmp", "/sqlite_cache_XXXXXX"));
    assert_non_null(mkdtemp(at.cache));
    fill_cache(at.cache, at.tiny.path);
    setenv("HF_HUB_CACHE", at.cache, 1);
    setenv("SUTRA_MODEL", at.tiny.path, 1);
    setenv("SUTRA_CACHE", "", 1);
    setenv("SUTRA_THREADS", "2", 1);
    sqlite3_auto_extension((void (*)(void))sqlite3_sutra_init);
    at.db = sql_open(":memory:");
    *state = &at;
    return 0;
}

int sql_tear_down(void **state)
{
    SqlCase *at = *state;
    assert_int_equal(sqlite3_close(at->db), SQLITE_OK);
    sqlite3_reset_auto_extension();
    empty_cache(at->cache);
    free(at->cache);
    tiny_engine_close(&at->tiny);
    return 0;
}

sqlite3 *sql_open(const char *path)
{
    sqlite3 *db;
    int code = sqlite3_open(path, &db);
    if (code != SQLITE_OK) fail_msg("%s: %s", path, sqlite3_errmsg(db));
    sqlite3_busy_timeout(db, 60000);
    return db;
}

static sqlite3_stmt *first_row(sqlite3 *db, const char *statement)
{
    sqlite3_stmt *made;
    if (sqlite3_prepare_v2(db, statement, -1, &made, NULL) != SQLITE_OK ||
        sqlite3_step(made) != SQLITE_ROW)
        fail_msg("%s: %s", statement, sqlite3_errmsg(db));
    return made;
}

const char *sql_text(sqlite3 *db, const char *statement)
{
    static char text[4096];
    sqlite3_stmt *made = first_row(db, statement);
    const char *value = (const char *)sqlite3_column_text(made, 0);
    snprintf(text, sizeof text, "%s", value ? value : "");
    sqlite3_finalize(made);
    return text;
}

long long sql_number(sqlite3 *db, const char *statement)
{
    sqlite3_stmt *made = first_row(db, statement);
    assert_int_equal(sqlite3_column_type(made, 0), SQLITE_INTEGER);
    long long value = sqlite3_column_int64(made, 0);
    sqlite3_finalize(made);
    return value;
}

void sql_run(sqlite3 *db, const char *statements)
{
    char *message = NULL;
    if (sqlite3_exec(db, statements, NULL, NULL, &message) != SQLITE_OK)
        fail_msg("%s: %s", statements, message);
}

void sql_check_vector(SqlCase *at, const char *statement, const char *text,
                      const SutraEmbedOptions *options, const char *prompt_name)
{
    SutraInput input = text_input(text);
    unsigned char row[SQL_DIM * sizeof(float)];
    SutraError err;
    uint32_t dim = options && options->dim ? options->dim : SQL_DIM;
    size_t size = sutra_row_bytes(options ? options->dtype : SUTRA_F32, dim);
    input.prompt_name = prompt_name;
    SutraStatus status = sutra_embed_into(at->tiny.engine, at->tiny.model, &input, 1, options, row,
                                          sizeof row, NULL, &err);
    if (status != SUTRA_OK) fail_msg("%s", err.message);
    sqlite3_stmt *made = first_row(at->db, statement);
    assert_int_equal(sqlite3_column_type(made, 0), SQLITE_BLOB);
    assert_int_equal(sqlite3_column_bytes(made, 0), size);
    assert_memory_equal(sqlite3_column_blob(made, 0), row, size);
    sqlite3_finalize(made);
}

void sql_check_error(sqlite3 *db, const char *statement, const char *words)
{
    sqlite3_stmt *made = NULL;
    int code = sqlite3_prepare_v2(db, statement, -1, &made, NULL);
    if (code == SQLITE_OK)
        while ((code = sqlite3_step(made)) == SQLITE_ROW) {}
    const char *message = sqlite3_errmsg(db);
    if (code == SQLITE_DONE) fail_msg("no error: %s", statement);
    if (!strstr(message, words)) fail_msg("%s\n  %s\n  has no \"%s\"", statement, message, words);
    assert_null(strchr(message, '\n'));
    sqlite3_finalize(made);
}
