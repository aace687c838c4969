#include "base/json_file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static json_t *parse(const char *text)
{
    json_t *root;
    SutraError err;
    if (su_json_parse(text, strlen(text), "t.json", &root, &err) != SUTRA_OK)
        fail_msg("%s", err.message);
    return root;
}

static void expect_format_error(const char *text, size_t size, const char *words)
{
    json_t *root = (json_t *)&size;
    SutraError err;
    assert_int_equal(su_json_parse(text, size, "t.json", &root, &err), SUTRA_E_FORMAT);
    assert_null(root);
    assert_int_equal(strncmp(err.message, "t.json: line ", 13), 0);
    if (!strstr(err.message, words)) fail_msg("'%s' is not in: %s", words, err.message);
}

static void errors_give_line_and_column(void **state)
{
    (void)state;
    expect_format_error("{\"a\": 1,\n  \"b\" 2}", 17, "line 2, column 7");
    expect_format_error("", 0, "line 1");
    expect_format_error("{\"a\": 1} x", 10, "line 1");
    expect_format_error("{\"a\": \xff}", 8, "line 1, column 6: unable to decode byte 0xff");
    expect_format_error("{\"a\": 1, \"a\": 2}", 16, "duplicate");
}

static void deep_nesting_is_an_error(void **state)
{
    (void)state;
    static char text[200000];
    memset(text, '[', sizeof text);
    expect_format_error(text, sizeof text, "maximum");
}

static void missing_and_null_keep_the_default(void **state)
{
    (void)state;
    json_t *object = parse("{\"n\": null}");
    bool flag = true;
    uint32_t number = 42;
    double real = 1.5;
    const char *text = "default";
    for (int i = 0; i < 2; i++) {
        const char *key = i ? "n" : "absent";
        assert_int_equal(su_json_get_bool(object, key, "t", &flag, NULL), SUTRA_OK);
        assert_int_equal(su_json_get_u32(object, key, "t", 50, 60, &number, NULL), SUTRA_OK);
        assert_int_equal(su_json_get_double(object, key, "t", &real, NULL), SUTRA_OK);
        assert_int_equal(su_json_get_string(object, key, "t", &text, NULL), SUTRA_OK);
    }
    assert_true(flag);
    assert_int_equal(number, 42);
    assert_true(real == 1.5);
    assert_string_equal(text, "default");
    json_decref(object);
}

static void values_are_read(void **state)
{
    (void)state;
    json_t *object =
        parse("{\"b\": false, \"u\": 4294967295, \"d\": 1e-12, \"i\": 3, \"s\": \"mean\"}");
    bool flag = true;
    uint32_t number = 0;
    double real = 0, whole = 0;
    const char *text = NULL;
    assert_int_equal(su_json_get_bool(object, "b", "t", &flag, NULL), SUTRA_OK);
    assert_int_equal(su_json_get_u32(object, "u", "t", 0, UINT32_MAX, &number, NULL), SUTRA_OK);
    assert_int_equal(su_json_get_double(object, "d", "t", &real, NULL), SUTRA_OK);
    assert_int_equal(su_json_get_double(object, "i", "t", &whole, NULL), SUTRA_OK);
    assert_int_equal(su_json_get_string(object, "s", "t", &text, NULL), SUTRA_OK);
    assert_false(flag);
    assert_true(number == UINT32_MAX);
    assert_true(real == 1e-12);
    assert_true(whole == 3);
    assert_string_equal(text, "mean");
    json_decref(object);
}

static void out_of_range_numbers_are_errors(void **state)
{
    (void)state;
    json_t *object = parse("{\"low\": 4, \"high\": 11, \"neg\": -1, \"huge\": 4294967296}");
    static const char *const keys[] = {"low", "high", "neg", "huge"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        uint32_t number = 7;
        SutraError err;
        assert_int_equal(su_json_get_u32(object, keys[i], "t.json", 5, 10, &number, &err),
                         SUTRA_E_FORMAT);
        assert_non_null(strstr(err.message, keys[i]));
        assert_int_equal(number, 7);
    }
    uint32_t edge;
    json_t *edges = parse("{\"min\": 5, \"max\": 10}");
    assert_int_equal(su_json_get_u32(edges, "min", "t", 5, 10, &edge, NULL), SUTRA_OK);
    assert_int_equal(su_json_get_u32(edges, "max", "t", 5, 10, &edge, NULL), SUTRA_OK);
    json_decref(edges);
    json_decref(object);
}

static void other_types_are_errors_that_name_the_field(void **state)
{
    (void)state;
    json_t *object = parse("{\"field\": [1], \"real\": 2.5, \"number\": 1}");
    bool flag;
    uint32_t number;
    double real;
    const char *text;
    SutraError err;
    assert_int_equal(su_json_get_bool(object, "field", "t.json", &flag, &err), SUTRA_E_FORMAT);
    assert_string_equal(err.message, "t.json: field is not true or false");
    assert_int_equal(su_json_get_bool(object, "number", "t.json", &flag, &err), SUTRA_E_FORMAT);
    assert_int_equal(su_json_get_u32(object, "real", "t.json", 0, 9, &number, &err),
                     SUTRA_E_FORMAT);
    assert_string_equal(err.message, "t.json: real is not an integer");
    assert_int_equal(su_json_get_double(object, "field", "t.json", &real, &err), SUTRA_E_FORMAT);
    assert_string_equal(err.message, "t.json: field is not a number");
    assert_int_equal(su_json_get_string(object, "number", "t.json", &text, &err), SUTRA_E_FORMAT);
    assert_string_equal(err.message, "t.json: number is not a string");
    json_decref(object);
}

static void integers_beyond_64_bits_are_reals(void **state)
{
    (void)state;
    json_t *object = parse("{\"n\": 512, \"max\": 1000000000000000019884624838656}");
    uint32_t number = 0;
    double real = 0;
    SutraError err;
    assert_int_equal(su_json_get_u32(object, "n", "t.json", 0, 1000, &number, NULL), SUTRA_OK);
    assert_int_equal(number, 512);
    assert_int_equal(su_json_get_double(object, "max", "t.json", &real, NULL), SUTRA_OK);
    assert_true(real > 9e29 && real < 1.1e30);
    assert_int_equal(su_json_get_u32(object, "max", "t.json", 0, 1000, &number, &err),
                     SUTRA_E_FORMAT);
    assert_non_null(strstr(err.message, "outside 0"));
    json_decref(object);
}

static void strings_with_nul_are_refused_where_a_c_string_is_wanted(void **state)
{
    (void)state;
    json_t *object = parse("{\"s\": \"a\\u0000b\"}");
    const char *text = "kept";
    SutraError err;
    assert_int_equal(su_json_get_string(object, "s", "t.json", &text, &err), SUTRA_E_FORMAT);
    assert_string_equal(err.message, "t.json: s holds a NUL");
    assert_string_equal(text, "kept");
    json_decref(object);
}

static void load_names_the_file(void **state)
{
    (void)state;
    json_t *root;
    SutraError err;
    assert_int_equal(su_json_load("/nowhere/config.json", &root, &err), SUTRA_E_IO);
    assert_non_null(strstr(err.message, "/nowhere/config.json"));
    assert_null(root);
    assert_int_equal(su_json_load(SU_SOURCE_DIR "/CMakePresets.json", &root, &err), SUTRA_OK);
    assert_true(json_is_object(root));
    json_decref(root);
    assert_int_equal(su_json_load(SU_SOURCE_DIR "/LICENSE", &root, &err), SUTRA_E_FORMAT);
    assert_non_null(strstr(err.message, "/LICENSE: line "));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(errors_give_line_and_column),
        cmocka_unit_test(deep_nesting_is_an_error),
        cmocka_unit_test(missing_and_null_keep_the_default),
        cmocka_unit_test(values_are_read),
        cmocka_unit_test(out_of_range_numbers_are_errors),
        cmocka_unit_test(other_types_are_errors_that_name_the_field),
        cmocka_unit_test(integers_beyond_64_bits_are_reals),
        cmocka_unit_test(strings_with_nul_are_refused_where_a_c_string_is_wanted),
        cmocka_unit_test(load_names_the_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
