/* Functions of the SQLite extension: the bytes of sutra.h, what a schema may call, and every error. */
#include "sql/sqlite_case.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

int sqlite3_sutra_init(sqlite3 *db, char **message, const struct sqlite3_api_routines *api);
extern const struct sqlite3_api_routines *sqlite3_api; /* what it was called with */

static const char long_text[] = "a b c d e f g h i j k l m n o p a b c d e f g h i j k l m n o p "
                                "a b c d e f g h i j k l m n o p a b c d e f g h i j k l m n o p a";

static void vectors_are_those_of_the_library(void **state)
{
    const SutraEmbedOptions few = {.struct_size = sizeof few, .dim = 7};
    const SutraEmbedOptions codes = {.struct_size = sizeof codes, .dtype = SUTRA_I8};
    const SutraEmbedOptions bits = {.struct_size = sizeof bits, .dtype = SUTRA_UBINARY, .dim = 16};
    const SutraEmbedOptions raw = {
        .struct_size = sizeof raw, .normalize = SUTRA_NORMALIZE_NO, .max_tokens = 4};
    const SutraEmbedOptions window = {.struct_size = sizeof window,
                                      .truncation = SUTRA_TRUNCATE_WINDOW};
    char statement[512];
    sql_check_vector(*state, "SELECT sutra_embed('a b c')", "a b c", NULL, NULL);
    sql_check_vector(*state, "SELECT sutra_embed('')", "", NULL, NULL);
    sql_check_vector(*state, "SELECT sutra_embed('a b', '" SQL_NAME "')", "a b", NULL, NULL);
    sql_check_vector(*state, "SELECT sutra_embed('a b', '" SQL_NAME "', '{\"dim\": 7}')", "a b",
                     &few, NULL);
    sql_check_vector(*state, "SELECT sutra_embed('a b', '" SQL_NAME "', '{\"dtype\": \"int8\"}')",
                     "a b", &codes, NULL);
    sql_check_vector(*state,
                     "SELECT sutra_embed('a b', '" SQL_NAME
                     "', '{\"dtype\": \"ubinary\", \"dim\": 16}')",
                     "a b", &bits, NULL);
    sql_check_vector(*state,
                     "SELECT sutra_embed('a b c d', '" SQL_NAME
                     "', '{\"normalize\": false, \"max_tokens\": 4}')",
                     "a b c d", &raw, NULL);
    sql_check_vector(*state,
                     "SELECT sutra_embed('a b c d', '" SQL_NAME "', '{\"prompt_name\": \"\"}')",
                     "a b c d", NULL, "");
    sql_check_vector(*state, "SELECT sutra_embed('a b', '" SQL_NAME "', NULL)", "a b", NULL, NULL);
    snprintf(statement, sizeof statement,
             "SELECT sutra_embed('%s', '" SQL_NAME "', '{\"long_text\": \"window\"}')", long_text);
    sql_check_vector(*state, statement, long_text, &window, NULL);
}

static void null_gives_null(void **state)
{
    const SqlCase *at = *state;
    assert_int_equal(sql_number(at->db, "SELECT sutra_embed(NULL) IS NULL"), 1);
    assert_int_equal(sql_number(at->db, "SELECT sutra_tokens(NULL) IS NULL"), 1);
    assert_int_equal(sql_number(at->db, "SELECT sutra_distance_cosine(NULL, x'00') IS NULL"), 1);
    assert_int_equal(sql_number(at->db, "SELECT count(*) FROM sutra_chunks(NULL)"), 0);
}

/* UTF-16 databases hand over text that is converted. */
static void text_of_a_utf16_database(void **state)
{
    SqlCase *at = *state;
    sqlite3 *before = at->db;
    at->db = sql_open(":memory:");
    sql_run(at->db, "PRAGMA encoding = 'UTF-16le'; CREATE TABLE t(x); INSERT INTO t VALUES('a b')");
    sql_check_vector(at, "SELECT sutra_embed(x) FROM t", "a b", NULL, NULL);
    assert_string_equal(sql_text(at->db, "SELECT chunk FROM t, sutra_chunks(x)"), "a b");
    sqlite3_close(at->db);
    at->db = before;
}

static void texts_that_were_cut_are_counted(void **state)
{
    const SqlCase *at = *state;
    char statement[512];
    long long before = sql_number(at->db, "SELECT sutra_truncated()");
    snprintf(statement, sizeof statement, "SELECT sutra_tokens('%s')", long_text);
    assert_int_equal(sql_number(at->db, statement), 67);
    snprintf(statement, sizeof statement, "SELECT length(sutra_embed('%s'))", long_text);
    sql_number(at->db, statement);
    sql_run(at->db, "SELECT sutra_embed('a')");
    assert_int_equal(sql_number(at->db, "SELECT sutra_truncated()"), before + 1);
    snprintf(statement, sizeof statement,
             "SELECT sutra_embed('%s', '" SQL_NAME "', '{\"long_text\": \"error\"}')", long_text);
    sql_check_error(at->db, statement, "67 tokens");
}

/* A query's vector is made once, not for each row that it is compared with. */
static void a_constant_is_embedded_once(void **state)
{
    const SqlCase *at = *state;
    char statement[800];
    long long before = sql_number(at->db, "SELECT sutra_truncated()");
    snprintf(statement, sizeof statement,
             "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 50), "
             "t(v) AS MATERIALIZED (SELECT sutra_embed('a ' || i) FROM n) "
             "SELECT count(*) FROM t WHERE sutra_distance_cosine(v, sutra_embed('%s')) < 3",
             long_text);
    assert_int_equal(sql_number(at->db, statement), 50);
    assert_int_equal(sql_number(at->db, "SELECT sutra_truncated()"), before + 1);
}

static void distances(void **state)
{
    static const struct {
        const char *a, *b, *distance;
    } rows[] = {
        {"'[1, 0]'", "'[0, 1]'", "1.0"},
        {"'[1, 0]'", "'[2.5, 0]'", "0.0"},
        {"'[1, 0]'", "'[-3, 0]'", "2.0"},
        {"'[3, 4]'", "'[4, 3]'", "0.04"},
        {"'[0, 0]'", "'[4, 3]'", "1.0"},
        {"x'0000803f'", "x'00000040'", "0.0"}, /* 1, 2 */
        {"'[3e38, 3e38]'", "'[2e38, 2e38]'", "0.0"},
        {"'[1e-30]'", "'[-1e-30]'", "2.0"},
        {"'[123456789012345678901]'", "'[1]'", "0.0"},
        {"x'0000803f'", "'[-1]'", "2.0"},
    };
    const SqlCase *at = *state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char statement[256];
        snprintf(statement, sizeof statement, "SELECT round(sutra_distance_cosine(%s, %s), 6)",
                 rows[i].a, rows[i].b);
        assert_string_equal(sql_text(at->db, statement), rows[i].distance);
    }
}

/* In a page of the database a vector may begin at any address. */
static void distances_of_stored_vectors(void **state)
{
    const SqlCase *at = *state;
    sql_run(at->db, "CREATE TABLE stored(pad, v);");
    for (int pad = 0; pad < 8; pad++) {
        char statement[256];
        snprintf(statement, sizeof statement,
                 "INSERT INTO stored VALUES(zeroblob(%d), sutra_embed('a b'))", pad);
        sql_run(at->db, statement);
    }
    assert_int_equal(sql_number(at->db, "SELECT count(*) FROM stored WHERE "
                                        "sutra_distance_cosine(v, sutra_embed('a b')) < 1e-6"),
                     8);
    /* An array that is constant is read once, one that is not each time. */
    assert_string_equal(
        sql_text(at->db,
                 "SELECT group_concat(sutra_distance_cosine('[2, 0]', column1) || ' ' || "
                 "sutra_distance_cosine(column1, column2)) FROM (VALUES('[1, 0]', '[0, 1]'),"
                 "('[0, 3]', '[0, 2]'), ('[-1, 0]', x'0000803f00000000'))"),
        "0.0 1.0,1.0 0.0,2.0 2.0");
    sql_run(at->db, "DROP TABLE stored");
}

static void chunks_are_those_of_the_library(void **state)
{
    static const char text[] = "a b c d. e f g h. i j k l.\n\nm n o p a b c d e f g h i j k";
    const SqlCase *at = *state;
    const SutraChunkOptions options = {
        .struct_size = sizeof options, .by = SUTRA_CHUNK_SENTENCES, .max_tokens = 10, .overlap = 2};
    SutraChunk *chunks;
    SutraError err;
    size_t n;
    char expected[4096], *end = expected;
    assert_int_equal(
        sutra_chunk(at->tiny.model, text, sizeof text - 1, &options, &chunks, &n, &err), SUTRA_OK);
    assert_true(n > 2);
    for (size_t i = 0; i < n; i++)
        end += sprintf(end, "%zu|%.*s|%d|%d|%u;", i, (int)(chunks[i].end - chunks[i].begin),
                       text + chunks[i].begin, (int)chunks[i].begin, (int)chunks[i].end,
                       chunks[i].tokens);
    sutra_chunks_free(chunks);
    char statement[512];
    static const char columns[] =
        "SELECT group_concat(number || '|' || chunk || '|' || begin || '|' || end || '|' || "
        "tokens || ';', '') FROM sutra_chunks";
    snprintf(statement, sizeof statement, "%s('%s', '%s', 10, 2, 'sentences')", columns, text,
             SQL_NAME);
    assert_string_equal(sql_text(at->db, statement), expected);
    snprintf(statement, sizeof statement,
             "%s('%s') WHERE by = 'sentences' AND overlap = 2 AND max_tokens = 10", columns, text);
    assert_string_equal(sql_text(at->db, statement), expected);
    /* begin and end count bytes */
    snprintf(statement, sizeof statement,
             "SELECT min(CAST(substr(CAST(text AS BLOB), begin + 1, end - begin) AS TEXT) = chunk) "
             "FROM sutra_chunks('\xc3\xa9 %s', NULL, 10)",
             text);
    assert_int_equal(sql_number(at->db, statement), 1);
}

static void chunks_of_a_table(void **state)
{
    const SqlCase *at = *state;
    sql_run(at->db, "CREATE TABLE d(id INTEGER PRIMARY KEY, body); INSERT INTO d(body) "
                    "VALUES('a b c d e f'), (NULL), (''), ('g h')");
    assert_string_equal(sql_text(at->db, "SELECT group_concat(id || ':' || number || ':' || chunk) "
                                         "FROM d, sutra_chunks(body, NULL, 6)"),
                        "1:0:a b c d,1:1:e f,4:0:g h");
    sql_run(at->db, "DROP TABLE d");
}

static void a_chosen_model(void **state)
{
    SqlCase *at = *state;
    char statement[600];
    sqlite3 *before = at->db;
    at->db = sql_open(":memory:");
    assert_string_equal(sql_text(at->db, "SELECT sutra_model()"), at->tiny.path);
    assert_string_equal(sql_text(at->db, "SELECT sutra_model('" SQL_NAME "')"), SQL_NAME);
    assert_string_equal(sql_text(at->db, "SELECT sutra_model()"), SQL_NAME);
    sql_check_vector(at, "SELECT sutra_embed('a')", "a", NULL, NULL);
    sql_check_error(at->db, "SELECT sutra_model('nowhere/at-all')", "sutra pull nowhere/at-all");
    assert_string_equal(sql_text(at->db, "SELECT sutra_model()"), SQL_NAME);
    /* A path that was chosen is a name from then on. */
    snprintf(statement, sizeof statement, "SELECT sutra_embed('a', '%s')", at->tiny.path);
    sql_check_error(at->db, statement, "is a path");
    char choice[600];
    snprintf(choice, sizeof choice, "SELECT sutra_model('%s'), sutra_model('%s')", at->tiny.path,
             at->tiny.path);
    sql_run(at->db, choice);
    sql_check_vector(at, statement, "a", NULL, NULL);
    sqlite3_close(at->db);
    at->db = before;
}

static void the_default_is_not_guessed(void **state)
{
    SqlCase *at = *state;
    sqlite3 *db = sql_open(":memory:");
    unsetenv("SUTRA_MODEL");
    assert_string_equal(sql_text(db, "SELECT sutra_model()"), "all-MiniLM-L6-v2");
    sql_check_error(db, "SELECT sutra_embed('a')", "sutra pull all-MiniLM-L6-v2");
    setenv("SUTRA_MODEL", at->tiny.path, 1);
    sqlite3_close(db);
}

/* A schema names the model, by a name in the cache. */
static void what_a_schema_may_call(void **state)
{
    SqlCase *at = *state;
    char statement[600];
    sql_run(at->db,
            "CREATE TABLE g(x TEXT, v BLOB AS (sutra_embed(x, '" SQL_NAME "')) STORED, n INT);"
            "CREATE INDEX i ON g(sutra_tokens(x, '" SQL_NAME "'));"
            "CREATE TRIGGER f AFTER INSERT ON g BEGIN UPDATE g SET n = "
            "(SELECT count(*) FROM sutra_chunks(new.x, '" SQL_NAME "', 4)); END;"
            "INSERT INTO g(x) VALUES('a b c')");
    sql_check_vector(at, "SELECT v FROM g", "a b c", NULL, NULL);
    assert_int_equal(sql_number(at->db, "SELECT n FROM g"), 2);
    sql_check_error(at->db, "CREATE TABLE h(x, v AS (sutra_embed(x)) STORED)", "unsafe use");
    sql_run(at->db, "CREATE VIEW w AS SELECT sutra_embed('a')");
    sql_check_error(at->db, "SELECT * FROM w", "unsafe use of sutra_embed()");
    snprintf(statement, sizeof statement,
             "CREATE VIEW p AS SELECT sutra_embed('a', '%s/'); CREATE VIEW m AS SELECT "
             "sutra_model('%s');"
             "CREATE VIEW q AS SELECT * FROM sutra_embed_rows('SELECT 1, 2')",
             at->tiny.path, at->tiny.path);
    sql_run(at->db, statement);
    sql_check_error(at->db, "SELECT * FROM p", "is a path");
    sql_check_error(at->db, "SELECT * FROM m", "unsafe use of sutra_model()");
    sql_check_error(at->db, "SELECT * FROM q", "unsafe use of virtual table");
    sql_run(at->db, "PRAGMA trusted_schema = OFF");
    sql_check_error(at->db, "INSERT INTO g(x) VALUES('a')", "unsafe use");
    sql_run(at->db,
            "PRAGMA trusted_schema = ON; DROP VIEW w; DROP VIEW p; DROP VIEW m; DROP VIEW q;"
            "DROP TABLE g");
}

/* The folder's name says which model of the registry it is. */
static void a_model_that_wants_prompts(void **state)
{
    const SqlCase *at = *state;
    const TinyModel model = {.hidden_size = SQL_DIM,
                             .num_heads = 2,
                             .num_layers = 1,
                             .ffn_size = 64,
                             .max_positions = SQL_TOKENS,
                             .seed = 4};
    char *made = tiny_model_write(&model), folder[512], statement[600];
    snprintf(folder, sizeof folder, "%s/e5-small-v2", at->cache);
    assert_int_equal(rename(made, folder), 0);
    sqlite3 *db = sql_open(":memory:");
    snprintf(statement, sizeof statement, "SELECT sutra_model('%s')", folder);
    sql_run(db, statement);
    sql_check_error(db, "SELECT sutra_embed('a')", "e5-small-v2 wants a prompt before every text");
    sql_check_error(db, "SELECT * FROM sutra_embed_rows('SELECT 3, ''a''')",
                    "id 3: e5-small-v2 wants");
    sql_run(db, "SELECT sutra_embed('query: a'), sutra_embed('passage: a')");
    sql_run(db, "SELECT sutra_embed('a', sutra_model(), '{\"prompt_name\": \"\"}')");
    sqlite3_close(db);
    assert_int_equal(rename(folder, made), 0);
    tiny_model_remove(made);
}

static void errors(void **state)
{
    static const struct {
        const char *statement, *words;
    } rows[] = {
        {"SELECT sutra_embed(12)", "sutra_embed: the text is a number: CAST(x AS TEXT)"},
        {"SELECT sutra_embed(x'61')", "sutra_embed: the text is a blob"},
        {"SELECT sutra_embed(CAST(x'ff' AS TEXT))", "UTF-8"},
        {"SELECT sutra_embed()", "wrong number of arguments"},
        {"SELECT sutra_embed('a', NULL)", "the model is NULL, not text"},
        {"SELECT sutra_embed('a', 7)", "the model is a number, not text"},
        {"SELECT sutra_embed('a', '')", "the model's name is empty"},
        {"SELECT sutra_embed('a', CAST(x'6100' AS TEXT))", "the model has a NUL inside"},
        {"SELECT sutra_embed('a', 'none')", "sutra_embed: none: not a model name"},
        {"SELECT sutra_embed('a', 'org/none')", "get it with: sutra pull org/none"},
        {"SELECT sutra_embed('a', 'all-MiniLM-L6-v2')", "get it with: sutra pull all-MiniLM-L6-v2"},
        {"SELECT sutra_embed('a', './none')",
         "is a path and not a name: open it first by sutra_model"},
        {"SELECT sutra_embed('a', 'x.sutra')", "is a path and not a name"},
        {"SELECT sutra_model('./none')", "sutra_model: ./none: no such model folder"},
        {"SELECT sutra_model('/')", "sutra_model: /"},
        {"SELECT sutra_model(NULL)", "the model is NULL"},
        {"SELECT sutra_embed('a', '" SQL_NAME "', '{')", "options: not a JSON object"},
        {"SELECT sutra_embed('a', '" SQL_NAME "', '[1]')", "options: not a JSON object"},
        {"SELECT sutra_embed('a', '" SQL_NAME "', '')", "options: not a JSON object"},
        {"SELECT sutra_embed('a', '" SQL_NAME "', printf('{%.*c}', 65536, ' '))",
         "options: more than 65536 bytes"},
        {"SELECT sutra_embed('a', '" SQL_NAME "', 4)", "options is a number, not text"},
        {"SELECT sutra_embed('a', '" SQL_NAME "', '{\"dims\": 4}')",
         "options: unknown key dims; there are dim,"},
        {"SELECT sutra_embed('a', '" SQL_NAME "', '{\"dim\": 0}')",
         "options: dim must be a whole number from 1"},
        {"SELECT sutra_embed('a', '" SQL_NAME "', '{\"dim\": 4.5}')", "dim must be a whole number"},
        {"SELECT sutra_embed('a', '" SQL_NAME "', '{\"dim\": 33}')", "has 32 dimensions"},
        {"SELECT sutra_embed('a', '" SQL_NAME "', '{\"dim\": 4, \"dim\": 5}')", "duplicate"},
        {"SELECT sutra_embed('a', '" SQL_NAME "', '{\"dtype\": \"bit\"}')",
         "dtype must be float32,"},
        {"SELECT sutra_embed('a', '" SQL_NAME "', '{\"long_text\": 1}')", "long_text must be"},
        {"SELECT sutra_embed('a', '" SQL_NAME "', '{\"normalize\": 1}')", "normalize must be"},
        {"SELECT sutra_embed('a', '" SQL_NAME "', '{\"prompt_name\": 1}')", "prompt_name must be"},
        {"SELECT sutra_embed('a', '" SQL_NAME "', '{\"prompt_name\": \"none\"}')", "none"},
        {"SELECT sutra_embed('a', '" SQL_NAME "', '{\"max_tokens\": 1000}')", "max_tokens"},
        {"SELECT sutra_tokens(1)", "sutra_tokens: the text is a number"},
        {"SELECT sutra_tokens('a', 'none')", "sutra_tokens: none: not a model name"},
        {"SELECT sutra_distance_cosine(x'', x'')", "sutra_distance_cosine: vector a is empty"},
        {"SELECT sutra_distance_cosine(x'0000803f', x'')", "vector b is empty"},
        {"SELECT sutra_distance_cosine(x'000000', x'')", "vector a has 3 bytes"},
        {"SELECT sutra_distance_cosine(1, x'')", "vector a is a number, and no blob or JSON array"},
        {"SELECT sutra_distance_cosine('[1]', '[1, 2]')", "vector a has 1 elements, vector b 2"},
        {"SELECT sutra_distance_cosine('[]', '[1, 2]')", "vector a is empty"},
        {"SELECT sutra_distance_cosine('[1', '[1, 2]')", "vector a is text, but no JSON array"},
        {"SELECT sutra_distance_cosine('{}', '[1, 2]')", "vector a is text, but no JSON array"},
        {"SELECT sutra_distance_cosine('[1]', '[\"1\"]')", "vector b: element 0 is not a number"},
        {"SELECT sutra_distance_cosine(x'0000c07f', '[1]')", "NaN or infinite"},
        {"SELECT sutra_distance_cosine('[1]', x'0000807f')", "NaN or infinite"},
        {"SELECT sutra_distance_cosine('[1]', '[1e300]')", "NaN or infinite"},
        {"SELECT sutra_distance_cosine('[0]', x'0000c07f')", "NaN or infinite"},
        {"SELECT sutra_distance_cosine(printf('[1%.*c]', 5000000, ' '), '[1]')",
         "vector a has 5000003 bytes of JSON, more than 4194304"},
        {"SELECT sutra_embed('a', 'x' || char(10) || 'y/z/' || char(27))", "x?y/z/? is a path"},
        {"SELECT sutra_embed('a', CAST(x'c3a9ff41eda080' AS TEXT))", "\xc3\xa9?A???: not"},
        {"SELECT * FROM sutra_chunks('a', CAST(x'41ff' AS TEXT))", "sutra_chunks: A?: not"},
        {"SELECT * FROM sutra_chunks", "sutra_chunks: no text is given"},
        {"SELECT * FROM sutra_chunks(7)", "sutra_chunks: the text is a number"},
        {"SELECT * FROM sutra_chunks(CAST(x'ff' AS TEXT))", "UTF-8"},
        {"SELECT * FROM sutra_chunks('a', 'none')", "none: not a model name"},
        {"SELECT * FROM sutra_chunks('a', NULL, -1)", "max_tokens is not a whole number from 0"},
        {"SELECT * FROM sutra_chunks('a', NULL, 'x')", "max_tokens is not a whole number from 0"},
        {"SELECT * FROM sutra_chunks('a', NULL, 8, 1.5)", "overlap is not a whole number from 0"},
        {"SELECT * FROM sutra_chunks('a', NULL, 8, 8)", "overlap"},
        {"SELECT * FROM sutra_chunks('a', NULL, 8, 0, 'lines')",
         "by is not tokens, sentences or paragraphs"},
        {"SELECT * FROM sutra_chunks('a', NULL, 8, 0, 1)", "by is a number, not text"},
        {"SELECT * FROM sutra_chunks('a', 1, 2, 3, 4, 5)", "too many arguments"},
        {"INSERT INTO sutra_chunks(text) VALUES('a')", "may not be modified"},
    };
    const SqlCase *at = *state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        sql_check_error(at->db, rows[i].statement, rows[i].words);
}

/* By the entry point that SQLite derives from the file's name, and twice. */
static void the_file_is_loaded(void **state)
{
    (void)state;
    sqlite3 *db;
    char *message = NULL;
    sqlite3_reset_auto_extension();
    assert_int_equal(sqlite3_open(":memory:", &db), SQLITE_OK);
    sqlite3_enable_load_extension(db, 1);
    if (sqlite3_load_extension(db, EXTENSION, NULL, &message) != SQLITE_OK) fail_msg("%s", message);
    sql_run(db, "SELECT load_extension('" EXTENSION "')");
    assert_int_equal(sql_number(db, "SELECT length(sutra_embed('a b'))"), SQL_DIM * sizeof(float));
    assert_string_equal(sql_text(db, "SELECT sutra_version()"), sutra_version());
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

/* Loading needs nothing of the database, which may be locked, or no database at all. */
static void a_locked_database(void **state)
{
    const SqlCase *at = *state;
    char path[512];
    snprintf(path, sizeof path, "%s/locked.db", at->cache);
    sqlite3 *db = sql_open(path), *other;
    sql_run(db, "CREATE TABLE t(x); BEGIN EXCLUSIVE");
    assert_int_equal(sqlite3_open(path, &other), SQLITE_OK);
    assert_int_equal(sql_number(other, "SELECT length(sutra_embed('a'))"), SQL_DIM * sizeof(float));
    sqlite3_close(other);
    sqlite3_close(db);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    for (int i = 0; i < 2000; i++) fputs("no database\n", file);
    fclose(file);
    assert_int_equal(sqlite3_open(path, &other), SQLITE_OK);
    assert_int_equal(sql_number(other, "SELECT length(sutra_embed('a'))"), SQL_DIM * sizeof(float));
    sqlite3_close(other);
    assert_int_equal(unlink(path), 0);
}

/* Memory of two libraries would be mixed up. */
static void another_sqlite(void **state)
{
    const SqlCase *at = *state;
    void *other[128]; /* the first functions of the same library, sqlite3_mprintf among them */
    char *message = NULL;
    memcpy(other, sqlite3_api, sizeof other);
    assert_int_equal(sqlite3_sutra_init(at->db, &message, (const void *)other), SQLITE_ERROR);
    assert_non_null(strstr(message, "another SQLite library of this process"));
    sqlite3_free(message);
    assert_int_equal(sqlite3_sutra_init(at->db, &message, sqlite3_api), SQLITE_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vectors_are_those_of_the_library),
        cmocka_unit_test(null_gives_null),
        cmocka_unit_test(text_of_a_utf16_database),
        cmocka_unit_test(texts_that_were_cut_are_counted),
        cmocka_unit_test(a_constant_is_embedded_once),
        cmocka_unit_test(distances),
        cmocka_unit_test(distances_of_stored_vectors),
        cmocka_unit_test(chunks_are_those_of_the_library),
        cmocka_unit_test(chunks_of_a_table),
        cmocka_unit_test(a_chosen_model),
        cmocka_unit_test(the_default_is_not_guessed),
        cmocka_unit_test(what_a_schema_may_call),
        cmocka_unit_test(a_model_that_wants_prompts),
        cmocka_unit_test(errors),
        cmocka_unit_test(a_locked_database),
        cmocka_unit_test(another_sqlite),
        cmocka_unit_test(the_file_is_loaded),
    };
    return cmocka_run_group_tests(tests, sql_set_up, sql_tear_down);
}
