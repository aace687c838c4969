#include "base/status.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void set_fills_status_and_message(void **state)
{
    (void)state;
    SutraError err;
    memset(&err, 'x', sizeof err);
    assert_int_equal(su_error_set(&err, SUTRA_E_IO, "%s: line %d", "a.json", 7), SUTRA_E_IO);
    assert_int_equal(err.status, SUTRA_E_IO);
    assert_string_equal(err.message, "a.json: line 7");
}

static void set_accepts_null(void **state)
{
    (void)state;
    assert_int_equal(su_error_set(NULL, SUTRA_E_FORMAT, "%s", "unseen"), SUTRA_E_FORMAT);
}

static void message_is_one_line(void **state)
{
    (void)state;
    SutraError err;
    su_error_set(&err, SUTRA_E_FORMAT, "a\nb\tc\x1b[31m\x7f\xc3\xa9");
    assert_string_equal(err.message, "a?b?c?[31m?\xc3\xa9");
}

static void long_message_is_cut_and_terminated(void **state)
{
    (void)state;
    SutraError err;
    char text[2000];
    memset(text, 'y', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    su_error_set(&err, SUTRA_E_LIMIT, "%s", text);
    assert_int_equal(strlen(err.message), sizeof err.message - 1);
}

static void clear_empties(void **state)
{
    (void)state;
    SutraError err;
    su_error_set(&err, SUTRA_E_LIMIT, "message");
    su_error_clear(&err);
    assert_int_equal(err.status, SUTRA_OK);
    assert_string_equal(err.message, "");
    su_error_clear(NULL);
}

static void an_item_is_a_field_beside_the_message(void **state)
{
    (void)state;
    SutraError err;
    memset(&err, 'x', sizeof err);
    assert_int_equal(su_error_set_item(&err, SUTRA_E_LIMIT, 17, true, "too\nlong"), SUTRA_E_LIMIT);
    assert_int_equal(err.status, SUTRA_E_LIMIT);
    assert_string_equal(err.message, "item 17: too?long");
    assert_string_equal(err.message + err.reason, "too?long");
    assert_int_equal(err.has_item, 1);
    assert_int_equal(err.item, 17);
    su_error_set_item(&err, SUTRA_E_LIMIT, 0, false, "too long");
    assert_string_equal(err.message, "too long");
    assert_int_equal(err.reason, 0);
    assert_int_equal(err.has_item, 1);
    assert_int_equal(err.item, 0);
    if (SIZE_MAX > UINT32_MAX) { /* no room for the index: it is in the message alone */
        su_error_set_item(&err, SUTRA_E_LIMIT, (size_t)UINT32_MAX + 1, true, "too long");
        assert_int_equal(err.has_item, 0);
        assert_string_equal(err.message + err.reason, "too long");
    }
    assert_int_equal(su_error_set_item(NULL, SUTRA_E_LIMIT, 1, true, "unseen"), SUTRA_E_LIMIT);
}

static void other_errors_have_no_item(void **state)
{
    (void)state;
    SutraError err;
    memset(&err, 'x', sizeof err);
    su_error_set(&err, SUTRA_E_IO, "item 3: not said by a field");
    assert_int_equal(err.has_item | err.reason | err.item, 0);
    su_error_set_item(&err, SUTRA_E_LIMIT, 17, true, "too long");
    su_error_clear(&err);
    assert_int_equal(err.has_item | err.reason | err.item, 0);
}

static SutraStatus raise_if(int wanted, SutraError *err)
{
    if (wanted) SU_RAISE(err, SUTRA_E_NUMERIC, "wanted %d", wanted);
    return SUTRA_OK;
}

static SutraStatus forward(int wanted, int *reached, SutraError *err)
{
    SU_TRY(raise_if(wanted, err));
    *reached = 1;
    return SUTRA_OK;
}

static void try_forwards_failures_alone(void **state)
{
    (void)state;
    SutraError err;
    int reached = 0;
    assert_int_equal(forward(3, &reached, &err), SUTRA_E_NUMERIC);
    assert_string_equal(err.message, "wanted 3");
    assert_int_equal(reached, 0);
    assert_int_equal(forward(0, &reached, &err), SUTRA_OK);
    assert_int_equal(reached, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(set_fills_status_and_message),
        cmocka_unit_test(set_accepts_null),
        cmocka_unit_test(message_is_one_line),
        cmocka_unit_test(long_message_is_cut_and_terminated),
        cmocka_unit_test(clear_empties),
        cmocka_unit_test(an_item_is_a_field_beside_the_message),
        cmocka_unit_test(other_errors_have_no_item),
        cmocka_unit_test(try_forwards_failures_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
