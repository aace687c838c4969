/* sutra_embed_rows: rows in order with the bytes of sutra_embed, whatever the query is. */
#include "sql/sqlite_case.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* More rows than there are blocks at the engine at once; every seventh text is NULL. */
static int fill(void **state)
{
    int failed = sql_set_up(state);
    const SqlCase *at = *state;
    if (failed) return failed;
    sql_run(at->db,
            "CREATE TABLE t(id INTEGER PRIMARY KEY, x TEXT, v BLOB);"
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1500)"
            "INSERT INTO t(id, x) SELECT i, CASE WHEN i % 7 THEN printf('%.*c', i % 40, 'a') || "
            "' b ' || i END FROM n");
    return 0;
}

static void a_column_is_filled(void **state)
{
    const SqlCase *at = *state;
    sql_run(at->db, "UPDATE t SET v = e.vector FROM sutra_embed_rows('SELECT id, x FROM t') e "
                    "WHERE e.id = t.id");
    assert_int_equal(sql_number(at->db, "SELECT count(*) FROM t WHERE v IS sutra_embed(x)"), 1500);
    assert_int_equal(sql_number(at->db, "SELECT count(*) FROM t WHERE v IS NULL"), 214);
    sql_run(at->db, "UPDATE t SET v = NULL");
}

static void another_table_is_filled(void **state)
{
    const SqlCase *at = *state;
    sql_run(at->db,
            "CREATE TABLE w(id, v, n); INSERT INTO w SELECT id, vector, tokens FROM "
            "sutra_embed_rows('SELECT id, x FROM t WHERE id % 7 ORDER BY id DESC', '" SQL_NAME
            "', '{\"dim\": 8}')");
    assert_int_equal(sql_number(at->db, "SELECT count(*) FROM w"), 1286);
    assert_int_equal(
        sql_number(at->db,
                   "SELECT count(*) FROM w JOIN t USING(id) WHERE w.v = sutra_embed(x, '" SQL_NAME
                   "', '{\"dim\": 8}') AND n = sutra_tokens(x)"),
        1286);
    assert_int_equal(sql_number(at->db, "SELECT id FROM w WHERE rowid = 1"), 1500);
    sql_run(at->db, "DROP TABLE w");
}

static void few_rows_are_enough(void **state)
{
    const SqlCase *at = *state;
    assert_int_equal(
        sql_number(at->db, "SELECT count(*) FROM (SELECT id FROM sutra_embed_rows('SELECT id, x "
                           "FROM t') LIMIT 3)"),
        3);
    assert_int_equal(
        sql_number(at->db, "SELECT count(*) FROM sutra_embed_rows('SELECT 1, 2 WHERE 0')"), 0);
    assert_int_equal(sql_number(at->db, "SELECT count(*) FROM sutra_embed_rows('SELECT 1, NULL')"
                                        " WHERE id = 1 AND vector IS NULL AND tokens IS NULL"),
                     1);
    assert_int_equal(sql_number(at->db, "SELECT count(*) FROM sutra_embed_rows('SELECT 1, ''''')"
                                        " WHERE vector = sutra_embed('')"),
                     1);
    assert_int_equal(sql_number(at->db,
                                "SELECT count(*) FROM sutra_embed_rows('SELECT id, x FROM t "
                                "LIMIT 128; ; ')"),
                     128);
}

/* Queries that follow from rows of another table. */
static void it_runs_again_for_each_row(void **state)
{
    const SqlCase *at = *state;
    assert_string_equal(
        sql_text(at->db,
                 "SELECT group_concat(q.column1 || ':' || e.id) FROM (VALUES(1), (2), (3)) q, "
                 "sutra_embed_rows('SELECT id, x FROM t LIMIT ' || q.column1) e"),
        "1:1,2:1,2:2,3:1,3:2,3:3");
}

static void ids_are_values_of_any_type(void **state)
{
    const SqlCase *at = *state;
    assert_string_equal(
        sql_text(at->db, "SELECT group_concat(quote(id)) FROM sutra_embed_rows('SELECT column1, "
                         "''a'' FROM (VALUES(1), (2.5), (''x''''y''), (x''00ff''), (NULL))')"),
        "1,2.5,'x''y',X'00FF',NULL");
}

/* Rows that a statement inserts are none of the query's, in whatever way it ends. */
static void a_table_grows_by_its_own_rows(void **state)
{
    static const char *const ends[] = {"", ";", "; ;", " -- all;", "; /* all */ -- rows"};
    const SqlCase *at = *state;
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        char statement[256];
        sql_run(at->db, "CREATE TABLE o AS SELECT id, x FROM t WHERE x > ''");
        snprintf(statement, sizeof statement,
                 "INSERT INTO o SELECT -id, CAST(vector AS TEXT) FROM "
                 "sutra_embed_rows('SELECT id, x FROM o%s') LIMIT 9999",
                 ends[i]);
        sql_run(at->db, statement);
        assert_int_equal(sql_number(at->db, "SELECT count(*) FROM o"), 2572);
        assert_int_equal(sql_number(at->db, "SELECT min(id = -1) FROM o WHERE rowid = 1287"), 1);
        sql_run(at->db, "DROP TABLE o");
    }
    sql_check_error(at->db,
                    "CREATE TABLE o AS SELECT id FROM sutra_embed_rows('SELECT 5, ''a'', 6')",
                    "the query gives 3 columns");
}

/* A query that is read from a table may call for itself. */
static void queries_within_queries_end(void **state)
{
    const SqlCase *at = *state;
    sql_run(at->db, "CREATE TABLE q AS SELECT 'SELECT id, x FROM t LIMIT 3' AS words, 0 AS n;"
                    "INSERT INTO q SELECT 'SELECT id, ''a'' FROM sutra_embed_rows((SELECT words "
                    "FROM q WHERE n = ' || value || '))', value + 1 FROM "
                    "(WITH RECURSIVE c(value) AS (SELECT 0 UNION ALL SELECT value + 1 FROM c WHERE "
                    "value < 9) SELECT value FROM c);"
                    "INSERT INTO q VALUES('SELECT 1, id FROM sutra_embed_rows((SELECT words FROM q "
                    "WHERE n = 99))', 99)");
    static const char rows[] =
        "SELECT count(*) FROM sutra_embed_rows((SELECT words FROM q WHERE n = %d))";
    char statement[128];
    snprintf(statement, sizeof statement, rows, 7);
    assert_int_equal(sql_number(at->db, statement), 3);
    snprintf(statement, sizeof statement, rows, 8);
    sql_check_error(at->db, statement, "more than 8 queries within each other");
    snprintf(statement, sizeof statement, rows, 99);
    sql_check_error(at->db, statement, "more than 8 queries within each other");
    snprintf(statement, sizeof statement, rows, 7);
    assert_int_equal(sql_number(at->db, statement), 3);
    sql_run(at->db, "DROP TABLE q");
}

static int interrupt(void *db)
{
    sqlite3_interrupt(db);
    return 0;
}

/* The code is the query's, by which a caller knows whether to try again. */
static void codes_of_the_query(void **state)
{
    static const char rows[] = "SELECT count(*) FROM sutra_embed_rows('WITH RECURSIVE n(i) AS "
                               "(SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 90000) SELECT i, "
                               "NULL FROM n WHERE i > 89998')";
    const SqlCase *at = *state;
    char path[512], statement[600];
    snprintf(path, sizeof path, "%s/busy.db", at->cache);
    sqlite3 *db = sql_open(path);
    sql_run(db, "CREATE TABLE b(x)");
    snprintf(statement, sizeof statement, "ATTACH '%s' AS other", path);
    sqlite3 *reader = sql_open(":memory:");
    sqlite3_busy_timeout(reader, 0);
    sql_run(reader, statement);
    sql_run(db, "BEGIN EXCLUSIVE");
    assert_int_equal(sqlite3_exec(reader,
                                  "SELECT * FROM sutra_embed_rows('SELECT 1, x FROM other.b')",
                                  NULL, NULL, NULL),
                     SQLITE_BUSY);
    sqlite3_progress_handler(reader, 1000, interrupt, reader);
    assert_int_equal(sqlite3_exec(reader, rows, NULL, NULL, NULL), SQLITE_INTERRUPT);
    sqlite3_progress_handler(reader, 0, NULL, NULL);
    assert_int_equal(sql_number(reader, rows), 2);
    sqlite3_close(reader);
    sqlite3_close(db);
    assert_int_equal(unlink(path), 0);
}

static void errors(void **state)
{
    static const struct {
        const char *statement, *words;
    } rows[] = {
        {"SELECT * FROM sutra_embed_rows", "sutra_embed_rows: no query is given"},
        {"SELECT * FROM sutra_embed_rows(NULL)", "sutra_embed_rows: the query is NULL, not text"},
        {"SELECT * FROM sutra_embed_rows('')", "the query is not one statement"},
        {"SELECT * FROM sutra_embed_rows('SELECT 1, 2; SELECT 3, 4')",
         "the query is not one statement"},
        {"SELECT * FROM sutra_embed_rows('SELEC')", "query: near \"SELEC\": syntax error"},
        {"SELECT * FROM sutra_embed_rows('SELECT 1, 2 FROM none')", "query: no such table: none"},
        {"SELECT * FROM sutra_embed_rows('DELETE FROM t RETURNING 1, 2')",
         "the query changes the database"},
        {"SELECT * FROM sutra_embed_rows('SELECT x FROM t')",
         "the query gives 1 columns, and not two: an id and a text"},
        {"SELECT * FROM sutra_embed_rows('SELECT 1, 2; nonsense')",
         "the query is not one statement"},
        {"SELECT * FROM sutra_embed_rows('-- nothing')", "the query is not one statement"},
        {"SELECT * FROM sutra_embed_rows('BEGIN')", "the query gives 0 columns"},
        {"SELECT * FROM sutra_embed_rows('ATTACH '':memory:'' AS a')", "the query gives 0 columns"},
        {"SELECT * FROM sutra_embed_rows('PRAGMA user_version = 3')",
         "the query changes the database"},
        {"SELECT * FROM sutra_embed_rows('SELECT 5, 7')", "id 5: the text is a number"},
        {"SELECT * FROM sutra_embed_rows('SELECT ''a'' || char(10) || ''b'', 7')",
         "id a?b: the text is a number"},
        {"SELECT * FROM sutra_embed_rows('SELECT x''ff0a'', 7')", "id (a blob): the text"},
        {"SELECT * FROM sutra_embed_rows('SELECT printf(''%.59c\xc3\xa9z'', ''x''), 7')",
         "xxxx: the text"},
        {"SELECT * FROM sutra_embed_rows('SELECT printf(''%.58c\xc3\xa9z'', ''x''), 7')",
         "xxxx\xc3\xa9: the text"},
        {"SELECT * FROM sutra_embed_rows('SELECT 5, x''00''')", "id 5: the text is a blob"},
        {"SELECT * FROM sutra_embed_rows('SELECT ''n'', CAST(x''ff'' AS TEXT)')", "id n: "},
        {"SELECT * FROM sutra_embed_rows('SELECT id, CASE WHEN id = 1400 THEN CAST(x''ff'' AS "
         "TEXT) "
         "WHEN id % 2 THEN x END FROM t')",
         "id 1400: "},
        {"SELECT * FROM sutra_embed_rows('SELECT id, abs(-9223372036854775807 - (id > 300)) || x "
         "FROM t')",
         "query: integer overflow"},
        {"SELECT * FROM sutra_embed_rows('SELECT 1, 2', 'none')", "none: not a model name"},
        {"SELECT * FROM sutra_embed_rows('SELECT 1, 2', NULL, '{\"dim\": 33}')",
         "has 32 dimensions"},
        {"SELECT * FROM sutra_embed_rows('SELECT 1, 2', NULL, '{\"x\": 33}')", "unknown key x"},
        {"SELECT * FROM sutra_embed_rows('SELECT 1, ''a''', NULL, '{\"prompt_name\": \"no\"}')",
         "no"},
    };
    const SqlCase *at = *state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        sql_check_error(at->db, rows[i].statement, rows[i].words);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_column_is_filled),
        cmocka_unit_test(another_table_is_filled),
        cmocka_unit_test(few_rows_are_enough),
        cmocka_unit_test(it_runs_again_for_each_row),
        cmocka_unit_test(ids_are_values_of_any_type),
        cmocka_unit_test(errors),
        cmocka_unit_test(a_table_grows_by_its_own_rows),
        cmocka_unit_test(queries_within_queries_end),
        cmocka_unit_test(codes_of_the_query),
    };
    return cmocka_run_group_tests(tests, fill, sql_tear_down);
}
