/* Durations as Ollama's clients write them. */
#include "keep_alive.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define SECOND UINT64_C(1000000000)

static void durations_are_read(void **state)
{
    static const struct {
        const char *text;
        uint64_t nanoseconds;
    } good[] = {
        {"5m", 300 * SECOND},
        {"1h30m", 5400 * SECOND},
        {"1.5h", 5400 * SECOND},
        {"+2s", 2 * SECOND},
        {"500ms", SECOND / 2},
        {"3us", 3000},
        {"3µs", 3000},
        {"3μs", 3000},
        {"7ns", 7},
        {".5s", SECOND / 2},
        {"2.s", 2 * SECOND},
        {"300", 300 * SECOND},
        {"0", 0},
        {"-0", 0},
        {"0s", 0},
        {"-1", SU_KEEP_ALIVE_EVER},
        {"-1m", SU_KEEP_ALIVE_EVER},
        {"293000000h", SU_KEEP_ALIVE_EVER},
        {"99999999999999999999999999999999", SU_KEEP_ALIVE_EVER},
    };
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        uint64_t nanoseconds = 1;
        assert_true(su_keep_alive_read((SuText){good[i].text, strlen(good[i].text)}, &nanoseconds));
        assert_int_equal(nanoseconds, good[i].nanoseconds);
    }
}

static void others_are_refused(void **state)
{
    static const char *const bad[] = {"",      "-",    "+",    ".",    "m",     "5x",
                                      "5 m",   " 5m",  "5m ",  "1h30", "1h-3m", "--1m",
                                      "1..5s", "1e3s", "soon", "inf",  "5M"};
    uint64_t nanoseconds;
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(su_keep_alive_read((SuText){bad[i], strlen(bad[i])}, &nanoseconds));
    assert_false(su_keep_alive_read((SuText){"5m\0", 3}, &nanoseconds));
    char many[100];
    memset(many, '1', sizeof many);
    assert_false(su_keep_alive_read((SuText){many, sizeof many}, &nanoseconds));
}

static void seconds_are_taken_as_they_are(void **state)
{
    (void)state;
    assert_int_equal(su_keep_alive_of_seconds(0), 0);
    assert_int_equal(su_keep_alive_of_seconds(0.25), SECOND / 4);
    assert_int_equal(su_keep_alive_of_seconds(-0.1), SU_KEEP_ALIVE_EVER);
    assert_int_equal(su_keep_alive_of_seconds(1e300), SU_KEEP_ALIVE_EVER);
    assert_int_equal(su_keep_alive_of_seconds((double)NAN), SU_KEEP_ALIVE_EVER);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(durations_are_read),
        cmocka_unit_test(others_are_refused),
        cmocka_unit_test(seconds_are_taken_as_they_are),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
