/* Fields of lines of JSON: what Python's json module reads is read, and nothing else. Texts as JSON. */
#include "sutra_tools.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static SutraError err;

/* The field "text" of a line, in a block of its own so that sanitizers see its ends. */
static SutraStatus read_text(const char *line, size_t size, char *text, size_t *text_size)
{
    char *copy = malloc(size ? size : 1);
    SutraJsonField field = {.name = "text"};
    assert_non_null(copy);
    memcpy(copy, line, size);
    SutraStatus status = sutra_json_line(copy, size, "f:1", &field, 1, &err);
    if (status == SUTRA_OK) {
        char *in_place = copy + (field.raw ? field.raw - copy : 0);
        status = sutra_json_text(&field, "f:1", in_place, text_size, &err);
        if (status == SUTRA_OK) memcpy(text, in_place, *text_size);
    }
    free(copy);
    return status;
}

static void values_of_other_fields_do_not_matter(void **state)
{
    static const char *const lines[] = {
        "{\"text\":\"x\"}",
        " \t\r{ \"text\" : \"x\" } \r",
        "{\"n\":NaN,\"p\":Infinity,\"m\":-Infinity,\"text\":\"x\"}",
        "{\"text\":\"x\",\"big\":123456789012345678901234567890,\"small\":-0.0e-9999}",
        "{\"a\":1,\"a\":2,\"text\":\"x\",\"a\":{\"a\":1,\"a\":[]}}",
        "{\"o\":{\"text\":\"no\",\"l\":[{\"text\":\"no\"},[],{},[[1,2],{}]]},\"text\":\"x\"}",
        "{\"text\":\"x\",\"half\":\"\\ud800\",\"\\udc00\":1}",
        "{\"text\":\"no\",\"text\":1,\"text\":\"x\"}",
        "{\"t\\u0065x\\u0074\":\"x\"}",
        "{\"text\":\"\\u0078\"}",
        "{\"\":null,\"b\":true,\"c\":false,\"d\":1.5E+3,\"e\":0,\"f\":-1e5,\"text\":\"x\"}",
    };
    (void)state;
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        char text[256];
        size_t size = 0;
        if (read_text(lines[i], strlen(lines[i]), text, &size) != SUTRA_OK)
            fail_msg("%s: %s", lines[i], err.message);
        assert_int_equal(size, 1);
        assert_int_equal(text[0], 'x');
    }
}

static void escapes(void **state)
{
    static const struct {
        const char *line, *text;
        size_t size;
    } rows[] = {
        {"{\"text\":\"\"}", "", 0},
        {"{\"text\":\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"}", "\"\\/\b\f\n\r\t", 8},
        {"{\"text\":\"a\\u0000b\"}", "a\0b", 3},
        {"{\"text\":\"\\u00e9\\u20AC\\ud83d\\ude00\\uFFFF\"}",
         "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\xef\xbf\xbf", 12},
        {"{\"text\":\"\xc3\xa9\\u0041\xff\"}",
         "\xc3\xa9"
         "A\xff",
         4},
        {"{\"text\":\"\\udbff\\udfff\"}", "\xf4\x8f\xbf\xbf", 4},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char text[256];
        size_t size = 0;
        if (read_text(rows[i].line, strlen(rows[i].line), text, &size) != SUTRA_OK)
            fail_msg("%s: %s", rows[i].line, err.message);
        assert_int_equal(size, rows[i].size);
        assert_memory_equal(text, rows[i].text, size);
    }
}

static void refusals(void **state)
{
    static const struct {
        const char *line, *words;
    } rows[] = {
        {"", "f:1: not a JSON object"},
        {"[\"text\"]", "f:1: not a JSON object"},
        {"plain", "f:1: not a JSON object"},
        {"{", "f:1: column 2: not valid JSON"},
        {"{\"\xc3\xa9\":}", "f:1: column 6: not valid JSON: expected a value"},
        {"{\"text\":\"x\"", "column 12: "},
        {"{\"text\":\"x", "expected the end of a string"},
        {"{\"text\":\"x\"}}", "column 13: not valid JSON: expected the end of the line"},
        {"{\"text\":\"x\"} {\"text\":1}", "column 14: "},
        {"{\"text\":\"x\",}", "expected a string"},
        {"{\"text\":\"x\",\"a\":[1,]}", "expected a value"},
        {"{\"text\":\"x\",\"a\":[1}", "expected \",\" or \"]\""},
        {"{\"text\":\"x\" \"a\":1}", "expected \",\" or \"}\""},
        {"{\"text\" \"x\"}", "expected \":\""},
        {"{text:\"x\"}", "expected a string"},
        {"{'text':'x'}", "expected a string"},
        {"{\"text\":\"x\",\"a\":01}", "expected \",\""},
        {"{\"text\":\"x\",\"a\":1.}", "expected a digit"},
        {"{\"text\":\"x\",\"a\":1e}", "expected a digit"},
        {"{\"text\":\"x\",\"a\":+1}", "expected a value"},
        {"{\"text\":\"x\",\"a\":-}", "expected a value"},
        {"{\"text\":\"x\",\"a\":nan}", "expected a value"},
        {"{\"text\":\"x\",\"a\":True}", "expected a value"},
        {"{\"text\":\"x\",\"a\":\"\\x\"}", "an escape"},
        {"{\"text\":\"x\",\"a\":\"\\u12g4\"}", "four hex digits"},
        {"{\"text\":\"x\",\"a\":\"\\u12", "four hex digits"},
        {"{\"text\":\"x\",\"a\":\"\t\"}", "no control character"},
        {"{\"text\":\"\\ud800\"}", "f:1: field \"text\": half of a surrogate pair"},
        {"{\"text\":\"\\udc00\\ud800\"}", "half of a surrogate pair"},
        {"{\"text\":\"\\ud800\\u0041\"}", "half of a surrogate pair"},
        {"{\"text\":\"x\",\"text\":2}", "f:1: field \"text\" is not a string"},
        {"{\"text\":NaN}", "field \"text\" is not a string"},
        {"{\"text\":null}", "field \"text\" is not a string"},
        {"{\"text\":{\"a\":1}}", "field \"text\" is not a string"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char text[256];
        size_t size;
        SutraStatus status = read_text(rows[i].line, strlen(rows[i].line), text, &size);
        assert_int_equal(status, SUTRA_E_FORMAT);
        if (!strstr(err.message, rows[i].words)) fail_msg("%s: %s", rows[i].line, err.message);
    }
}

static void nesting_has_a_limit(void **state)
{
    enum { LIMIT = 2048 };
    char *line = malloc(4 * LIMIT + 64), text[64];
    (void)state;
    assert_non_null(line);
    for (size_t depth = LIMIT - 1; depth <= LIMIT; depth++) { /* besides the object itself */
        size_t size = (size_t)sprintf(line, "{\"text\":\"x\",\"a\":"), text_size;
        memset(line + size, '[', depth);
        memset(line + size + depth, ']', depth);
        line[size + 2 * depth] = '}';
        SutraStatus status = read_text(line, size + 2 * depth + 1, text, &text_size);
        assert_int_equal(status, depth < LIMIT ? SUTRA_OK : SUTRA_E_FORMAT);
    }
    free(line);
}

static void several_fields(void **state)
{
    static const char line[] = "{\"a\":\"1\",\"b\":null,\"c\":2,\"\\u00e9\":\"2\"}";
    SutraJsonField fields[] = {{.name = "\xc3\xa9", .kind = SUTRA_JSON_OTHER},
                               {.name = "b"},
                               {.name = "c"},
                               {.name = "d", .kind = SUTRA_JSON_STRING},
                               {.name = "a"}};
    static const SutraJsonKind kinds[] = {SUTRA_JSON_STRING, SUTRA_JSON_NULL, SUTRA_JSON_OTHER,
                                          SUTRA_JSON_ABSENT, SUTRA_JSON_STRING};
    (void)state;
    assert_int_equal(sutra_json_line(line, sizeof line - 1, "f", fields, 5, &err), SUTRA_OK);
    for (size_t i = 0; i < 5; i++) assert_int_equal(fields[i].kind, kinds[i]);
    assert_int_equal(fields[0].raw[0], '2');
    assert_int_equal(fields[4].raw[0], '1');
}

static void names_are_cut_between_them(void **state)
{
    static const char line[] = "{\"one\":1,\"two\":[{\"inner\":2}],\"three\":{}}";
    char names[12];
    (void)state;
    sutra_json_line_names(line, sizeof line - 1, names, sizeof names);
    assert_string_equal(names, "one, two");
    sutra_json_line_names("{}", 2, names, sizeof names);
    assert_string_equal(names, "");
}

static void escaped_text_is_read_back(void **state)
{
    (void)state;
    char plain[0x80 - 1 + 64], line[1024] = "{\"text\":\"", read[1024];
    for (int c = 1; c < 0x80; c++) plain[c - 1] = (char)c;
    const char *wide = "\xc3\xbc \xe2\x82\xac \xf0\x9d\x84\x9e \xf4\x8f\xbf\xbf \xef\xbf\xbd";
    size_t size = 0x80 - 1 + strlen(wide), at = strlen(line), used, read_size;
    memcpy(plain + 0x80 - 1, wide, strlen(wide));
    size_t written = sutra_json_escape(plain, size, line + at, sizeof line - at, &used);
    assert_int_equal(used, size);
    for (size_t i = at; i < at + written; i++) assert_true((unsigned char)line[i] >= 0x20);
    memcpy(line + at + written, "\"}", 2);
    assert_int_equal(read_text(line, at + written + 2, read, &read_size), SUTRA_OK);
    assert_int_equal(read_size, size);
    assert_memory_equal(read, plain, size);
    written = sutra_json_escape("a\n\t\"\\\x01\x7f\0b", 9, line, sizeof line, &used);
    assert_int_equal(used, 9);
    line[written] = '\0';
    assert_string_equal(line, "a\\n\\t\\\"\\\\\\u0001\\u007f\\u0000b");
}

static void bytes_that_are_no_text_are_replaced(void **state)
{
    (void)state;
    static const struct {
        const char *text, *escaped;
    } cases[] = {
        {"a\xff", "a\xef\xbf\xbd"},
        {"\xc3", "\xef\xbf\xbd"},
        {"\xc3(", "\xef\xbf\xbd("},
        {"\xc0\xaf", "\xef\xbf\xbd\xef\xbf\xbd"},
        {"\xe2\x82z", "\xef\xbf\xbd\xef\xbf\xbdz"},
        {"\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
        {"\xf4\x90\x80\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t size = strlen(cases[i].text), used;
        char *copy = malloc(size), out[64];
        assert_non_null(copy);
        memcpy(copy, cases[i].text, size);
        out[sutra_json_escape(copy, size, out, sizeof out, &used)] = '\0';
        assert_int_equal(used, size);
        assert_string_equal(out, cases[i].escaped);
        free(copy);
    }
}

/* Characters are written whole or not at all, and the rest can be asked for. */
static void escaped_text_comes_in_pieces(void **state)
{
    (void)state;
    static const char text[] = "x\"\xc3\xbc\x01\xe2\x82\xac\xff\xf0\x9d\x84\x9e.";
    static const char whole[] = "x\\\"\xc3\xbc\\u0001\xe2\x82\xac\xef\xbf\xbd\xf0\x9d\x84\x9e.";
    for (size_t capacity = 6; capacity < sizeof whole + 6; capacity++) {
        char all[64], *piece = malloc(capacity);
        size_t size = 0, at = 0, used;
        assert_non_null(piece);
        while (at < sizeof text - 1) {
            size_t n = sutra_json_escape(text + at, sizeof text - 1 - at, piece, capacity, &used);
            assert_true(n <= capacity && used > 0);
            memcpy(all + size, piece, n);
            size += n;
            at += used;
        }
        assert_int_equal(size, sizeof whole - 1);
        assert_memory_equal(all, whole, size);
        free(piece);
    }
}

static void blank_lines(void **state)
{
    (void)state;
    assert_true(sutra_json_line_is_blank("", 0));
    assert_true(sutra_json_line_is_blank(" \t\r", 3));
    assert_false(sutra_json_line_is_blank(" \0", 2));
    assert_false(sutra_json_line_is_blank("\xc2\xa0", 2));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_of_other_fields_do_not_matter),
        cmocka_unit_test(escapes),
        cmocka_unit_test(refusals),
        cmocka_unit_test(nesting_has_a_limit),
        cmocka_unit_test(several_fields),
        cmocka_unit_test(names_are_cut_between_them),
        cmocka_unit_test(escaped_text_is_read_back),
        cmocka_unit_test(bytes_that_are_no_text_are_replaced),
        cmocka_unit_test(escaped_text_comes_in_pieces),
        cmocka_unit_test(blank_lines),
    };
    return cmocka_run_group_tests_name("json_line", tests, NULL, NULL);
}
