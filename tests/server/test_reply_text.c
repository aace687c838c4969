#include "reply_text.h"

#include "base/memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void assert_reply(SuReplyText *text, const char *expected)
{
    assert_false(text->failed);
    assert_int_equal(text->size, strlen(expected));
    assert_memory_equal(text->data, expected, text->size);
    su_reply_free(text);
}

static void strings_are_escaped(void **state)
{
    static const struct {
        const char *text;
        size_t size;
        const char *expected;
    } rows[] = {
        {"", 0, "\"\""},
        {"a\"b\\c/", 6, "\"a\\\"b\\\\c/\""},
        {"\n\t\x7f\0", 4, "\"\\n\\t\\u007f\\u0000\""},
        {"h\xc3\xa9\xe6\x97\xa5\xf0\x9f\x90\x88", 10, "\"h\xc3\xa9\xe6\x97\xa5\xf0\x9f\x90\x88\""},
        {"\xff"
         "a\xc3",
         3,
         "\"\xef\xbf\xbd"
         "a\xef\xbf\xbd\""},
        {"\xc0\x80", 2, "\"\xef\xbf\xbd\xef\xbf\xbd\""},                 /* overlong */
        {"\xed\xa0\x80", 3, "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""}, /* a surrogate */
        {"\xf4\x90\x80\x80", 4, "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        SuReplyText text = {0};
        su_reply_json(&text, (SuText){rows[i].text, rows[i].size});
        assert_reply(&text, rows[i].expected);
    }
}

static void base64_is_that_of_the_rfc(void **state)
{
    static const char *const expected[] = {"",         "Zg==",     "Zm8=",    "Zm9v",
                                           "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy"};
    (void)state;
    for (size_t size = 0; size <= 6; size++) {
        SuReplyText text = {0};
        su_reply_base64(&text, "foobar", size);
        assert_reply(&text, expected[size]);
    }
    SuReplyText text = {0};
    su_reply_base64(&text, "\xfb\xff\xbf", 3);
    assert_reply(&text, "+/+/");
}

static void floats_read_back(void **state)
{
    static const float values[] = {0.1f, -1, 1e-30f, 3.4028235e38f, 0};
    (void)state;
    SuReplyText text = {0};
    su_reply_floats(&text, values, 5);
    su_reply_bytes(&text, "", 1);
    char *at = text.data;
    for (int i = 0; i < 5; i++) {
        assert_int_equal(*at++, i ? ',' : '[');
        assert_true(strtof(at, &at) == values[i]);
    }
    assert_string_equal(at, "]");
    su_reply_free(&text);
    su_reply_floats(&text, values, 0);
    assert_reply(&text, "[]");
}

static void without_memory_nothing_more_is_added(void **state)
{
    (void)state;
    SuReplyText text = {0};
    su_reply_string(&text, "a");
    su_memory_fail_after(0, false);
    char *large = su_reply_room(&text, 1 << 20);
    su_memory_fail_after(-1, false);
    assert_null(large);
    assert_true(text.failed);
    su_reply_string(&text, "b");
    assert_null(su_reply_room(&text, 1));
    assert_int_equal(text.size, 1);
    su_reply_free(&text);
    assert_null(su_reply_room(&text, SIZE_MAX));
    assert_true(text.failed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(strings_are_escaped),
        cmocka_unit_test(base64_is_that_of_the_rfc),
        cmocka_unit_test(floats_read_back),
        cmocka_unit_test(without_memory_nothing_more_is_added),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
