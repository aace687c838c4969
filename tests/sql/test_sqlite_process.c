/* One engine for all connections of a process: threads that open and close some, and forks. */
#include "sql/sqlite_case.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { THREADS = 4, TURNS = 5 };

/* Asserts of cmocka are the main thread's: what failed is returned. */
static int count(sqlite3 *db, const char *statement)
{
    sqlite3_stmt *made = NULL;
    int number = -1;
    if (sqlite3_prepare_v2(db, statement, -1, &made, NULL) == SQLITE_OK &&
        sqlite3_step(made) == SQLITE_ROW)
        number = sqlite3_column_int(made, 0);
    if (number < 0) fprintf(stderr, "%s\n", sqlite3_errmsg(db));
    sqlite3_finalize(made);
    return number;
}

static bool use_a_connection(void)
{
    static const char rows[] =
        "WITH e AS MATERIALIZED (SELECT * FROM sutra_embed_rows('WITH RECURSIVE n(i) AS (SELECT 1 "
        "UNION ALL SELECT i + 1 FROM n WHERE i < 300) SELECT i, ''a b '' || i FROM n')) "
        "SELECT count(*) FROM e WHERE id > 280 AND vector = sutra_embed('a b ' || id, '" SQL_NAME
        "')";
    sqlite3 *db;
    if (sqlite3_open(":memory:", &db) != SQLITE_OK) return false;
    bool done = count(db, rows) == 20 &&
                count(db, "SELECT count(*) FROM sutra_chunks('a b c d e f', NULL, 6)") == 2;
    return sqlite3_close(db) == SQLITE_OK && done;
}

static void *come_and_go(void *result)
{
    bool *done = result;
    *done = true;
    for (int turn = 0; turn < TURNS; turn++) *done &= use_a_connection();
    return NULL;
}

static void connections_in_threads(void **state)
{
    SqlCase *at = *state;
    pthread_t threads[THREADS];
    bool done[THREADS];
    sqlite3_close(at->db); /* so that the engine ends and begins again */
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, come_and_go, &done[i]), 0);
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        assert_true(done[i]);
    }
    at->db = sql_open(":memory:");
}

/* The child's engine is its own; that of the parent goes on. */
static void forks(void **state)
{
    SqlCase *at = *state;
    sql_check_vector(at, "SELECT sutra_embed('a b c')", "a b c", NULL, NULL);
    pid_t child = fork();
    if (child == 0) _exit(use_a_connection() && use_a_connection() ? 0 : 1);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    sql_check_vector(at, "SELECT sutra_embed('a b c')", "a b c", NULL, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(connections_in_threads),
        cmocka_unit_test(forks),
    };
    return cmocka_run_group_tests(tests, sql_set_up, sql_tear_down);
}
