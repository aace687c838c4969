/* Floats as text: the same float when read back, directly and through double; never more digits than
 * needed. */
#include "base/number_text.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static uint32_t random_state = 2463534242u;

static uint32_t random_bits(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 17;
    random_state ^= random_state << 5;
    return random_state;
}

static float float_of(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static size_t count_digits(const char *text)
{
    char digits[64];
    size_t n = 0;
    for (; *text && *text != 'e'; text++)
        if (*text >= '0' && *text <= '9' && (n || *text != '0')) digits[n++] = *text;
    while (n > 1 && digits[n - 1] == '0') n--;
    return n;
}

/* Of texts that are nearer to the value than to any other float: one half way between two reads back
 * only with the rounding that suits it. */
static size_t fewest_digits(float value)
{
    char text[64];
    float magnitude = fabsf(value);
    double gap = (double)magnitude - (double)nextafterf(magnitude, 0);
    for (int digits = 6;; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, (double)value);
        double read = strtod(text, NULL);
        if ((digits == 9 || fabs(read - (double)value) < gap / 2) && (float)read == value)
            return count_digits(text);
    }
}

/* number = -? int frac? exp? with a fraction or an exponent */
static void check_grammar(const char *text)
{
    const char *c = text;
    if (*c == '-') c++;
    assert_true(*c >= '0' && *c <= '9');
    if (*c == '0') assert_true(c[1] == '.');
    c += strspn(c, "0123456789");
    assert_true(*c == '.' || *c == 'e');
    if (*c == '.') {
        assert_true(strspn(c + 1, "0123456789") > 0);
        c += 1 + strspn(c + 1, "0123456789");
    }
    if (*c == 'e') {
        c += 1 + (c[1] == '-' || c[1] == '+');
        assert_true(strspn(c, "0123456789") > 0);
        c += strspn(c, "0123456789");
    }
    assert_int_equal(*c, '\0');
}

static void check(float value)
{
    char text[SU_NUMBER_TEXT + 1];
    memset(text, '#', sizeof text);
    size_t size = su_float_text(value, text);
    assert_true(size < SU_NUMBER_TEXT);
    assert_int_equal(text[size], '#');
    text[size] = '\0';
    check_grammar(text);
    float direct = strtof(text, NULL), by_double = (float)strtod(text, NULL);
    if (memcmp(&direct, &value, sizeof value) != 0 || memcmp(&by_double, &value, sizeof value) != 0)
        fail_msg("%a was written as %s", (double)value, text);
    if (value != 0 && count_digits(text) > fewest_digits(value))
        fail_msg("%a: %s has more digits than needed", (double)value, text);
}

static void any_bits(void **state)
{
    (void)state;
    for (int i = 0; i < 200000; i++) {
        float value = float_of(random_bits());
        if (isfinite(value)) check(value);
    }
}

static void elements_of_unit_vectors(void **state)
{
    (void)state;
    for (int i = 0; i < 300000; i++) {
        float value = (float)random_bits() / 4294967296.0f - 0.5f;
        check(value / (float)(1 + i % 40));
    }
}

static void edges(void **state)
{
    static const float values[] = {0.0f,      -0.0f,        1.0f,      -1.0f,       0.1f,
                                   0.5f,      1e-5f,        1e-6f,     9.99999e-6f, 1e-12f,
                                   1e8f,      9.9999999e8f, 1e9f,      3.4e38f,     1e-45f,
                                   123456.7f, 16777216.0f,  99999.99f, 0.3f,        1.0f / 3.0f};
    (void)state;
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        check(values[i]);
        check(-values[i]);
        check(nextafterf(values[i], INFINITY));
        check(nextafterf(values[i], -INFINITY));
    }
    for (int e = -149; e < 128; e++) {
        check(ldexpf(1, e));
        check(nextafterf(ldexpf(1, e), 0));
        check(nextafterf(ldexpf(1, e), INFINITY));
    }
}

static void exact_texts(void **state)
{
    static const struct {
        float value;
        const char *text;
    } rows[] = {{0.0f, "0.0"},     {-0.0f, "-0.0"},       {1.0f, "1.0"},        {-0.5f, "-0.5"},
                {100.0f, "100.0"}, {0.00123f, "0.00123"}, {1.5e-7f, "1.5e-07"}, {12.25f, "12.25"}};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char text[SU_NUMBER_TEXT + 1];
        text[su_float_text(rows[i].value, text)] = '\0';
        assert_string_equal(text, rows[i].text);
    }
}

static void integers_and_halves(void **state)
{
    (void)state;
    for (int value = -128; value < 256; value++) {
        char text[8], expected[8];
        text[su_small_integer_text(value, text)] = '\0';
        snprintf(expected, sizeof expected, "%d", value);
        assert_string_equal(text, expected);
    }
    assert_true(su_float_of_half(0x3c00) == 1.0f);
    assert_true(su_float_of_half(0xc000) == -2.0f);
    assert_true(su_float_of_half(0x0001) == ldexpf(1, -24));
    assert_true(su_float_of_half(0x7bff) == 65504.0f);
    assert_true(su_float_of_half(0x3555) == 0.333251953125f);
    assert_true(isinf(su_float_of_half(0x7c00)));
}

static void doubles(void **state)
{
    (void)state;
    static const double values[] = {0.1, 64.50816521455775, 1.0 / 3, 82.03, 1e-300};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        char text[SU_NUMBER_TEXT];
        size_t size = su_double_text(values[i], text);
        assert_int_equal(size, strlen(text));
        assert_true(strtod(text, NULL) == values[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_bits),
        cmocka_unit_test(elements_of_unit_vectors),
        cmocka_unit_test(edges),
        cmocka_unit_test(exact_texts),
        cmocka_unit_test(integers_and_halves),
        cmocka_unit_test(doubles),
    };
    return cmocka_run_group_tests_name("number_text", tests, NULL, NULL);
}
