#include "base/number_text.h"

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Powers of ten that a double holds exactly. */
static const double powers[23] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                  1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                  1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

/* digits * 10^exponent */
typedef struct Decimal {
    uint32_t digits;
    int exponent;
} Decimal;

/* 2^exponent, of a normal double */
static double power_of_two(int exponent)
{
    uint64_t bits = (uint64_t)(1023 + exponent) << 52;
    double power;
    memcpy(&power, &bits, sizeof power);
    return power;
}

/* value * 10^-exponent, one rounding. |exponent| ≤ 22 */
static double scaled(double value, int exponent)
{
    return exponent >= 0 ? value / powers[exponent] : value * powers[-exponent];
}

/* `value` rounded to `count` digits. top: its decimal exponent. */
static Decimal rounded(double value, int top, int count)
{
    int exponent = top - count + 1;
    return (Decimal){(uint32_t)lrint(scaled(value, exponent)), exponent};
}

/* True if the decimal lies well inside the interval of reals that round to `value`: a reader then
 * gets `value` even if it rounds to double first. `half_gap`: half the distance to the nearer
 * neighbour. The computed decimal is off by 2^-53 of itself; half_gap is at least 2^-25 of it. */
static bool reads_back(Decimal decimal, double value, double half_gap)
{
    double read = scaled((double)decimal.digits, -decimal.exponent);
    return fabs(read - value) < half_gap * 0.999999;
}

/* Digits of `number`, at least `width` of them. */
static size_t put_digits(uint32_t number, size_t width, char *text)
{
    char reversed[10];
    size_t size = 0;
    while (number > 0 || size < width) {
        reversed[size++] = (char)('0' + number % 10);
        number /= 10;
    }
    for (size_t i = 0; i < size; i++) text[i] = reversed[size - 1 - i];
    return size;
}

static size_t put_exponent(int exponent, char *text)
{
    size_t size = 0;
    text[size++] = 'e';
    text[size++] = exponent < 0 ? '-' : '+';
    return size + put_digits((uint32_t)abs(exponent), 2, text + size);
}

/* 0.00123, 12.3, 1200.0, or 1.23e-07 where more than four zeros would follow the point. */
static size_t put_decimal(Decimal decimal, char *text)
{
    while (decimal.digits % 10 == 0) {
        decimal.digits /= 10;
        decimal.exponent++;
    }
    size_t size = 0;
    char digits[10];
    size_t count = put_digits(decimal.digits, 1, digits);
    int top = decimal.exponent + (int)count - 1;
    if (top < -5) {
        text[size++] = digits[0];
        if (count > 1) text[size++] = '.';
        memcpy(text + size, digits + 1, count - 1);
        size += count - 1;
        return size + put_exponent(top, text + size);
    }
    if (top < 0) {
        text[size++] = '0';
        text[size++] = '.';
        for (int zero = -1; zero > top; zero--) text[size++] = '0';
        memcpy(text + size, digits, count);
        return size + count;
    }
    size_t whole = (size_t)top + 1;
    for (size_t i = 0; i < whole; i++) text[size++] = i < count ? digits[i] : '0';
    text[size++] = '.';
    if (count <= whole) {
        text[size++] = '0';
        return size;
    }
    memcpy(text + size, digits + whole, count - whole);
    return size + count - whole;
}

/* For what the fast path does not take: very small and very large floats. */
static size_t put_by_library(float value, char *text)
{
    char copy[SU_NUMBER_TEXT];
    int size = 0;
    for (int digits = 6; digits <= 9; digits++) {
        size = snprintf(copy, sizeof copy, "%.*g", digits, (double)value);
        float direct = strtof(copy, NULL), by_double = (float)strtod(copy, NULL);
        if (memcmp(&direct, &value, sizeof value) == 0 &&
            memcmp(&by_double, &value, sizeof value) == 0)
            break;
    }
    memcpy(text, copy, (size_t)size);
    return (size_t)size;
}

size_t su_float_text(float value, char *text)
{
    size_t size = 0;
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    double magnitude = fabs((double)value);
    if (magnitude == 0) {
        size = bits ? 4 : 3;
        memcpy(text, &"-0.0"[4 - size], size);
        return size;
    }
    if (!(magnitude >= 1e-12 && magnitude < 1e9)) return put_by_library(value, text);
    if (bits >> 31) text[size++] = '-';

    int binary = (int)(bits >> 23 & 0xff) - 127;
    /* floor(binary * log10 2) for every exponent of a float: right, or one too small */
    int top = binary * 315653 >> 20;
    if (magnitude >= scaled(1, -(top + 1))) top++;
    /* 2^(binary - 24), half a unit in the last place; below a power of two the gap is half of that.
     */
    double half_gap = power_of_two(binary - ((bits & 0x7fffff) == 0 ? 25 : 24));

    Decimal best = rounded(magnitude, top, 8);
    if (!reads_back(best, magnitude, half_gap)) {
        best = rounded(magnitude, top, 9);
    } else {
        for (int count = 7; count >= 6; count--) {
            Decimal shorter = rounded(magnitude, top, count);
            if (!reads_back(shorter, magnitude, half_gap)) break;
            best = shorter;
        }
    }
    return size + put_decimal(best, text + size);
}

size_t su_double_text(double value, char text[SU_NUMBER_TEXT])
{
    int size = 0;
    for (int digits = 15; digits <= 17; digits++) {
        size = snprintf(text, SU_NUMBER_TEXT, "%.*g", digits, value);
        if (strtod(text, NULL) == value) break;
    }
    return (size_t)size;
}

size_t su_small_integer_text(int value, char *text)
{
    size_t size = 0;
    if (value < 0) text[size++] = '-';
    return size + put_digits((uint32_t)abs(value), 1, text + size);
}

float su_float_of_half(unsigned short bits)
{
    int exponent = bits >> 10 & 31, fraction = bits & 1023;
    float magnitude;
    if (exponent == 0)
        magnitude = ldexpf((float)fraction, -24);
    else if (exponent == 31)
        magnitude = fraction ? NAN : INFINITY;
    else
        magnitude = ldexpf((float)(fraction + 1024), exponent - 25);
    return bits >> 15 ? -magnitude : magnitude;
}
