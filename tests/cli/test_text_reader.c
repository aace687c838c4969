/* Texts from files, pipes and JSON lines: what a line is, blocks, and messages that name the line. */
#include "text_reader.h"
#include "utf8_check.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char path[] = "/tmp/sutra-test-XXXXXX";
static SutraError err;

static int make_file(void **state)
{
    (void)state;
    int fd = mkstemp(path);
    return fd < 0 || close(fd) != 0;
}

static int remove_file(void **state)
{
    (void)state;
    return unlink(path);
}

static void open_content(CliReader *reader, const void *content, size_t size, const char *field)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(content, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(cli_reader_open(reader, path, field, &err), SUTRA_OK);
}

static void expect_text(const CliBlock *block, size_t i, const void *text, size_t size)
{
    assert_true(i < block->count);
    assert_int_equal(block->inputs[i].text_size, size);
    assert_memory_equal(block->inputs[i].text, text, size);
}

static void only_newline_ends_a_line(void **state)
{
    static const char content[] = "a\r\nb\x0b"
                                  "c\x0c"
                                  "d\xc2\x85"
                                  "e\xe2\x80\xa8"
                                  "f\xe2\x80\xa9g\n\n\0h\n last";
    CliReader reader;
    CliBlock block;
    (void)state;
    open_content(&reader, content, sizeof content - 1, NULL);
    assert_int_equal(cli_reader_next(&reader, 100, 1000, &block, &err), SUTRA_OK);
    assert_int_equal(block.count, 5);
    expect_text(&block, 0, "a\r", 2);
    expect_text(&block, 1,
                "b\x0b"
                "c\x0c"
                "d\xc2\x85"
                "e\xe2\x80\xa8"
                "f\xe2\x80\xa9g",
                16);
    expect_text(&block, 2, "", 0);
    expect_text(&block, 3, "\0h", 2);
    expect_text(&block, 4, " last", 5);
    assert_int_equal(cli_reader_next(&reader, 100, 1000, &block, &err), SUTRA_OK);
    assert_int_equal(block.count, 0);
    cli_reader_close(&reader);
}

static void ends_of_files(void **state)
{
    static const struct {
        const char *content;
        size_t lines;
    } rows[] = {{"", 0}, {"\n", 1}, {"a", 1}, {"a\n", 1}, {"a\n\n", 2}, {"\n\n", 2}};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        CliReader reader;
        CliBlock block;
        open_content(&reader, rows[i].content, strlen(rows[i].content), NULL);
        assert_int_equal(cli_reader_next(&reader, 100, 1000, &block, &err), SUTRA_OK);
        assert_int_equal(block.count, rows[i].lines);
        cli_reader_close(&reader);
    }
}

/* Lines of every length round the buffer's size, read in blocks of several shapes. */
static void blocks_cover_the_file(void **state)
{
    enum { LINES = 700 };
    size_t size = 0;
    char *content = malloc((size_t)LINES * 1200);
    (void)state;
    assert_non_null(content);
    for (size_t i = 0; i < LINES; i++) {
        size_t length = i * 7919 % 1000 + (i == 300 ? 200000 : 0);
        content = realloc(content, size + length + 1200 * (LINES - i) + 1);
        assert_non_null(content);
        memset(content + size, 'a' + (int)(i % 26), length);
        content[size + length] = '\n';
        size += length + 1;
    }
    for (size_t shape = 0; shape < 3; shape++) {
        static const size_t texts[] = {1, 64, 10000}, bytes[] = {1 << 30, 3000, 1 << 30};
        CliReader reader;
        CliBlock block;
        size_t seen = 0, at = 0;
        open_content(&reader, content, size, NULL);
        for (;;) {
            assert_int_equal(cli_reader_next(&reader, texts[shape], bytes[shape], &block, &err),
                             SUTRA_OK);
            if (block.count == 0) break;
            assert_int_equal(block.first, seen);
            assert_true(block.count <= texts[shape]);
            for (size_t i = 0; i < block.count; i++, seen++) {
                const char *end = memchr(content + at, '\n', size - at);
                assert_non_null(end);
                expect_text(&block, i, content + at, (size_t)(end - content) - at);
                at = (size_t)(end - content) + 1;
            }
        }
        assert_int_equal(seen, LINES);
        assert_int_equal(reader.source.bytes, size);
        assert_int_equal(reader.source.total_bytes, size);
        cli_reader_close(&reader);
    }
    free(content);
}

static void fields_of_json_lines(void **state)
{
    static const char content[] = "{\"id\":1,\"text\":\"one\"}\n"
                                  " {\"text\":\"a\\nb\\u0000c\\ud83d\\ude00\",\"text2\":\"no\"} \n"
                                  "{\"text\":\"\"}";
    CliReader reader;
    CliBlock block;
    (void)state;
    open_content(&reader, content, sizeof content - 1, "text");
    assert_int_equal(cli_reader_next(&reader, 100, 1000, &block, &err), SUTRA_OK);
    assert_int_equal(block.count, 3);
    expect_text(&block, 0, "one", 3);
    expect_text(&block, 1, "a\nb\0c\xf0\x9f\x98\x80", 9);
    expect_text(&block, 2, "", 0);
    cli_reader_close(&reader);
}

/* Also where blanks alone fill blocks. */
static void blank_lines_are_no_records(void **state)
{
    static const char content[] = "\n\r\n{\"a\":\"one\"}\n \t\r\n\n\n{\"a\":\"two\"}\n\n  ";
    static const size_t bytes[] = {1, 3, 1000};
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        CliReader reader;
        CliBlock block;
        char where[320];
        size_t seen = 0;
        open_content(&reader, content, sizeof content - 1, "a");
        for (;;) {
            assert_int_equal(cli_reader_next(&reader, 100, bytes[i], &block, &err), SUTRA_OK);
            if (block.count == 0) break;
            assert_int_equal(block.first, seen);
            for (size_t k = 0; k < block.count; k++, seen++) {
                expect_text(&block, k, seen ? "two" : "one", 3);
                cli_block_where(&block, k, where, sizeof where);
                assert_string_equal(where + strlen(path), seen ? ":7" : ":3");
            }
        }
        assert_int_equal(seen, 2);
        cli_reader_close(&reader);
    }
}

static void a_byte_order_mark_is_no_text(void **state)
{
    static const struct {
        const char *content, *field, *first;
        size_t count;
    } rows[] = {
        {"\xef\xbb\xbf", NULL, "", 0},
        {"\xef\xbb\xbf\n", NULL, "", 1},
        {"\xef\xbb\xbfone\ntwo", NULL, "one", 2},
        {"\xef\xbb\xbf\xef\xbb\xbfone\n", NULL, "\xef\xbb\xbfone", 1},
        {"\xef\xbb\xbf{\"a\":\"one\"}\n", "a", "one", 1},
        {"\xef\xbb\xbf\n", "a", "", 0},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        CliReader reader;
        CliBlock block;
        open_content(&reader, rows[i].content, strlen(rows[i].content), rows[i].field);
        assert_int_equal(cli_reader_next(&reader, 100, 1, &block, &err), SUTRA_OK);
        assert_int_equal(block.count, rows[i].count ? 1 : 0);
        if (block.count) expect_text(&block, 0, rows[i].first, strlen(rows[i].first));
        if (rows[i].count == 2) {
            assert_int_equal(cli_reader_next(&reader, 100, 100, &block, &err), SUTRA_OK);
            expect_text(&block, 0, "two", 3);
        }
        cli_reader_close(&reader);
    }
}

static void expect_failure(const char *content, size_t size, const char *field, SutraStatus status,
                           const char *words)
{
    CliReader reader;
    CliBlock block;
    open_content(&reader, content, size, field);
    assert_int_equal(cli_reader_next(&reader, 100, 1000, &block, &err), status);
    if (!strstr(err.message, words)) fail_msg("\"%s\" is not in: %s", words, err.message);
    if (strncmp(err.message, path, strlen(path)) != 0) fail_msg("no file: %s", err.message);
    cli_reader_close(&reader);
}

static void failures_name_the_line(void **state)
{
    (void)state;
#define FAILS(content, field, status, words) \
    expect_failure(content, sizeof content - 1, field, status, words)
    FAILS("good\nba\xff"
          "d\n",
          NULL, SUTRA_E_ARGUMENT, ":2: invalid UTF-8 at byte 3");
    FAILS("\xe4\xb8", NULL, SUTRA_E_ARGUMENT, ":1: invalid UTF-8 at byte 1");
    FAILS("{\"a\":\"x\"}\n{\"a\":\"\xc0\xaf\"}", "a", SUTRA_E_ARGUMENT,
          ":2: invalid UTF-8 at byte 7");
    FAILS("{\"a\":\"x\"}\n\n \n{\n", "a", SUTRA_E_FORMAT, ":4: column 2: ");
    FAILS("{\"a\":\"x\"", "a", SUTRA_E_FORMAT, ":1: column ");
    FAILS("{\"a\":\"x\"} {\"a\":1}", "a", SUTRA_E_FORMAT, ":1: column ");
    FAILS("\xef\xbb\xbf{\"a\":\"x\"}\n{", "a", SUTRA_E_FORMAT, ":2: column 2: ");
    FAILS("\xef\xbb\xbfgood\n\xff\n", NULL, SUTRA_E_ARGUMENT, ":2: invalid UTF-8 at byte 1");
    FAILS("\x1f\x8b\x08\x00", NULL, SUTRA_E_FORMAT,
          ":1: the gzip data end in the middle of a member");
    FAILS("\xff\xfe{\0", "a", SUTRA_E_FORMAT, ": UTF-16 text");
    FAILS("{\"b\":\"x\",\"c\":1}", "a", SUTRA_E_FORMAT, ":1: no field \"a\"; the fields are: b, c");
    FAILS("{\"a\":3}", "a", SUTRA_E_FORMAT, ":1: field \"a\" is not a string");
    FAILS("[\"a\"]", "a", SUTRA_E_FORMAT, ":1: not a JSON object");
    FAILS("{\"a\":\"\\ud800\"}", "a", SUTRA_E_FORMAT, ":1: field \"a\": half of a surrogate");
#undef FAILS
}

/* A writer that pauses gets what it has sent so far. */
static void a_slow_pipe_is_not_waited_for(void **state)
{
    int ends[2];
    CliReader reader;
    CliBlock block;
    char name[32];
    (void)state;
    assert_int_equal(pipe(ends), 0);
    snprintf(name, sizeof name, "/dev/fd/%d", ends[0]);
    assert_int_equal(write(ends[1], "one\ntwo\nthr", 11), 11);
    assert_int_equal(cli_reader_open(&reader, name, NULL, &err), SUTRA_OK);
    assert_int_equal(cli_reader_next(&reader, 100, 1000, &block, &err), SUTRA_OK);
    assert_int_equal(block.count, 2);
    assert_int_equal(write(ends[1], "ee\n", 3), 3);
    assert_int_equal(cli_reader_next(&reader, 100, 1000, &block, &err), SUTRA_OK);
    assert_int_equal(block.count, 1);
    expect_text(&block, 0, "three", 5);
    assert_int_equal(block.first, 2);
    close(ends[1]);
    assert_int_equal(cli_reader_next(&reader, 100, 1000, &block, &err), SUTRA_OK);
    assert_int_equal(block.count, 0);
    cli_reader_close(&reader);
    close(ends[0]);
}

static void *write_slowly(void *end)
{
    for (int i = 0; i < 3; i++) {
        if (write(*(int *)end, "text\n", 5) != 5) return NULL;
        usleep(20000);
    }
    close(*(int *)end);
    return end;
}

static void all_of_a_slow_pipe_is_read(void **state)
{
    int ends[2];
    CliReader reader;
    CliBlock block;
    char name[32];
    pthread_t writer;
    (void)state;
    assert_int_equal(pipe(ends), 0);
    snprintf(name, sizeof name, "/dev/fd/%d", ends[0]);
    assert_int_equal(pthread_create(&writer, NULL, write_slowly, &ends[1]), 0);
    assert_int_equal(cli_reader_all(&reader, name, &block, &err), SUTRA_OK);
    assert_int_equal(block.count, 3);
    assert_int_equal(pthread_join(writer, NULL), 0);
    cli_reader_close(&reader);
    close(ends[0]);
    assert_int_equal(cli_reader_all(&reader, "/dev/null", &block, &err), SUTRA_E_ARGUMENT);
    assert_non_null(strstr(err.message, "/dev/null: no texts"));
    cli_reader_close(&reader);
}

static void arguments(void **state)
{
    char one[] = "one", empty[] = "",
         broken[] = "th\xff"
                    "ree",
         *texts[] = {one, empty, broken};
    CliReader reader;
    CliBlock block;
    (void)state;
    cli_reader_open_arguments(&reader, texts, 2);
    assert_int_equal(cli_reader_next(&reader, 100, 1000, &block, &err), SUTRA_OK);
    assert_int_equal(block.count, 2);
    expect_text(&block, 0, "one", 3);
    expect_text(&block, 1, "", 0);
    cli_reader_close(&reader);
    cli_reader_open_arguments(&reader, texts, 3);
    assert_int_equal(cli_reader_next(&reader, 100, 1000, &block, &err), SUTRA_E_ARGUMENT);
    assert_string_equal(err.message, "text 3: invalid UTF-8 at byte 3");
    cli_reader_close(&reader);
}

/* The edges of every range of the definition. */
static void utf8(void **state)
{
    static const struct {
        const char *text;
        size_t size, valid;
    } rows[] = {
        {"", 0, 0},
        {"abcdefghijklmnop\x80", 17, 16},
        {"\xf0\x9f\x98\x80", 4, 4},
        {"\xf0\x9f\x98", 3, 0},
        {"\xf0\x8f\xbf\xbf", 4, 0}, /* overlong */
        {"\xf4\x8f\xbf\xbf", 4, 4}, /* U+10FFFF */
        {"\xf4\x90\x80\x80", 4, 0}, /* above */
        {"\xf5\x80\x80\x80", 4, 0},
        {"\xe0\x9f\xbf", 3, 0}, /* overlong */
        {"\xe0\xa0\x80", 3, 3},
        {"\xed\x9f\xbf", 3, 3},
        {"\xed\xa0\x80", 3, 0}, /* surrogate */
        {"\xee\x80\x80", 3, 3},
        {"\xef\xbf\xbf", 3, 3}, /* non-character, but valid */
        {"\xc1\xbf", 2, 0},
        {"\xc2\x80", 2, 2},
        {"\xc2\xc0", 2, 0},
        {"\xe2\x82\x28", 3, 0},
        {"\xf0\x90\x28\xbc", 4, 0},
        {"\xf0\x90\x80\x28", 4, 0},
        {"1234567\xc3\xa9"
         "1234567\xc3",
         17, 16},
        {"\0\0", 2, 2},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (cli_utf8_valid(rows[i].text, rows[i].size) != rows[i].valid)
            fail_msg("row %zu: %zu", i, cli_utf8_valid(rows[i].text, rows[i].size));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_newline_ends_a_line),
        cmocka_unit_test(ends_of_files),
        cmocka_unit_test(blocks_cover_the_file),
        cmocka_unit_test(fields_of_json_lines),
        cmocka_unit_test(blank_lines_are_no_records),
        cmocka_unit_test(a_byte_order_mark_is_no_text),
        cmocka_unit_test(failures_name_the_line),
        cmocka_unit_test(a_slow_pipe_is_not_waited_for),
        cmocka_unit_test(all_of_a_slow_pipe_is_read),
        cmocka_unit_test(arguments),
        cmocka_unit_test(utf8),
    };
    return cmocka_run_group_tests_name("text_reader", tests, make_file, remove_file);
}
