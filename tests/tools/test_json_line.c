/* Fields of lines of JSON: what Python's json module reads is read, and nothing else. */
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
        cmocka_unit_test(blank_lines),
    };
    return cmocka_run_group_tests_name("json_line", tests, NULL, NULL);
}
