/* Every allocation of SQLite's, the extension's among them, and of the library's fails in turn: a
 * statement succeeds or says that memory ran out, leaks nothing (AddressSanitizer watches), and
 * succeeds afterwards. */
#include "base/memory.h"
#include "sql/sqlite_case.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { MOST_ALLOCATIONS = 20000 };

static sqlite3_mem_methods real;
static long left = -1; /* allocations until one fails; -1: none does */
static bool failed;

static bool is_last(void)
{
    if (left < 0) return false;
    if (left-- > 0) return false;
    failed = true;
    return true;
}

static void *allocate(int size) { return is_last() ? NULL : real.xMalloc(size); }

static void *reallocate(void *memory, int size)
{
    return is_last() ? NULL : real.xRealloc(memory, size);
}

static const char *const statements[] = {
    "SELECT sutra_embed(x, '" SQL_NAME "', '{\"dim\": 8, \"prompt_name\": \"\"}') FROM t",
    "SELECT sutra_embed('a', sutra_model('" SQL_NAME "'))",
    "SELECT sutra_tokens(x) FROM t",
    "SELECT sutra_distance_cosine('[1, 2]', v) FROM t",
    "SELECT count(chunk) FROM t, sutra_chunks(x || ' c d e f', NULL, 6)",
    "SELECT count(vector) FROM sutra_embed_rows('SELECT id, x FROM t', NULL, '{\"dim\": 8}')",
    "INSERT INTO t(id, v) SELECT id, vector FROM sutra_embed_rows('SELECT id, x FROM t; -- all')",
};

/* A connection of its own, so that models are opened too. */
static int attempt(const char *statement)
{
    static const char data[] = "CREATE TABLE t(id, x, v); INSERT INTO t VALUES(1, 'a b', "
                               "x'0000803f0000803f'), (2, NULL, NULL), (3, 'c', NULL)";
    sqlite3 *db;
    int code = sqlite3_open(":memory:", &db);
    if (code == SQLITE_OK) code = sqlite3_exec(db, data, NULL, NULL, NULL);
    if (code == SQLITE_OK) code = sqlite3_exec(db, statement, NULL, NULL, NULL);
    if (code != SQLITE_OK && code != SQLITE_NOMEM)
        print_error("%s: %d %s\n", statement, code, sqlite3_errmsg(db));
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    return code;
}

static void memory_of_sqlite(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof statements / sizeof *statements; i++) {
        long n = 0;
        int failures = 0;
        do {
            left = n;
            failed = false;
            int code = attempt(statements[i]);
            left = -1;
            if (code == SQLITE_NOMEM)
                failures++;
            else
                assert_int_equal(code, SQLITE_OK);
            assert_true(n < MOST_ALLOCATIONS);
            n++;
        } while (failed);
        assert_true(failures > 0);
        assert_int_equal(attempt(statements[i]), SQLITE_OK);
    }
}

static void memory_of_the_library(void **state)
{
    (void)state;
    int failures = 0;
    for (size_t i = 0; i < sizeof statements / sizeof *statements; i++) {
        int64_t n = 0;
        uint64_t reached;
        do {
            uint64_t before = su_memory_allocations();
            su_memory_fail_after(n, false);
            int code = attempt(statements[i]);
            su_memory_fail_after(-1, false);
            reached = su_memory_allocations() - before;
            failures += code == SQLITE_NOMEM;
            if (code != SQLITE_NOMEM) assert_int_equal(code, SQLITE_OK);
            assert_true(n < MOST_ALLOCATIONS);
        } while (reached > (uint64_t)n++);
    }
    assert_true(failures > 0);
}

static uint64_t allocations_of_tokens(sqlite3 *db, int words)
{
    char statement[128];
    snprintf(statement, sizeof statement,
             "SELECT sutra_tokens(replace(printf('%%.*c', %d, 'a'), 'a', 'a '))", words);
    uint64_t before = su_memory_allocations();
    assert_int_equal(sql_number(db, statement), words + 2);
    return su_memory_allocations() - before;
}

/* Tokens are counted, and not kept: a text of any length takes what one of the model's does. */
static void counting_takes_no_memory(void **state)
{
    const SqlCase *at = *state;
    su_memory_fail_after(INT64_MAX, false);
    uint64_t few = allocations_of_tokens(at->db, SQL_TOKENS);
    assert_true(few > 0);
    assert_int_equal(allocations_of_tokens(at->db, 100000), few);
    su_memory_fail_after(-1, false);
}

/* The connection of the case stays open: without it the engine would begin and end each time. */
int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_of_sqlite),
        cmocka_unit_test(memory_of_the_library),
        cmocka_unit_test(counting_takes_no_memory),
    };
    if (sqlite3_config(SQLITE_CONFIG_GETMALLOC, &real) != SQLITE_OK) return 1;
    sqlite3_mem_methods own = real;
    own.xMalloc = allocate;
    own.xRealloc = reallocate;
    if (sqlite3_config(SQLITE_CONFIG_MALLOC, &own) != SQLITE_OK) return 1;
    return cmocka_run_group_tests(tests, sql_set_up, sql_tear_down);
}
