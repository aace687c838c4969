/* One engine for all connections of a process: threads that open and close some, and forks. */
#include "sql/sqlite_case.h"

#include <dirent.h>
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

/* Threads of the process, and mappings of the model's files. */
static int count_threads(void)
{
    int count = -2; /* . and .. */
    DIR *folder = opendir("/proc/self/task");
    assert_non_null(folder);
    while (readdir(folder)) count++;
    closedir(folder);
    return count;
}

static int count_mappings(const char *path)
{
    char line[4096];
    int count = 0;
    FILE *file = fopen("/proc/self/maps", "r");
    assert_non_null(file);
    while (fgets(line, sizeof line, file)) count += strstr(line, path) != NULL;
    fclose(file);
    return count;
}

static void all_goes_with_the_last_connection(void **state)
{
    SqlCase *at = *state;
    sqlite3_close(at->db);
    int threads = count_threads(), mappings = count_mappings(at->tiny.path);
    at->db = sql_open(":memory:");
    sqlite3 *other = sql_open(":memory:");
    sql_run(at->db, "SELECT sutra_embed('a')");
    int used_threads = count_threads(), used_mappings = count_mappings(at->tiny.path);
    assert_true(used_threads > threads);
    assert_true(used_mappings > mappings);
    sql_run(other, "SELECT sutra_embed('a'), sutra_embed('a', '" SQL_NAME "')");
    assert_int_equal(count_threads(), used_threads);
    assert_int_equal(count_mappings(at->tiny.path), used_mappings);
    sqlite3_close(other);
    assert_int_equal(count_mappings(at->tiny.path), used_mappings);
    sqlite3_close(at->db);
    assert_int_equal(count_mappings(at->tiny.path), mappings);
    while (count_threads() != threads)
        usleep(1000); /* the system lists joined ones a little longer */
    at->db = sql_open(":memory:");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_goes_with_the_last_connection),
        cmocka_unit_test(connections_in_threads),
        cmocka_unit_test(forks),
    };
    return cmocka_run_group_tests(tests, sql_set_up, sql_tear_down);
}
