/* number_text.h - floats as decimal text that reads back as the same float, whether the reader
 * rounds to float directly or by way of double (as JSON readers do). */
#ifndef SU_NUMBER_TEXT_H
#define SU_NUMBER_TEXT_H

#include <stddef.h>

#define SU_NUMBER_TEXT 32u /* bytes that are always enough */

/* The fewest digits, of six to nine less trailing zeros, that read back as `value`; with a decimal
 * point or exponent, never a leading "+" or "."; not NUL-terminated. Returns the size. `value` is
 * finite. */
size_t su_float_text(float value, char *text);

/* The same for a double, fifteen to seventeen digits; NUL-terminated. */
size_t su_double_text(double value, char text[SU_NUMBER_TEXT]);

/* -128 … 255 */
size_t su_small_integer_text(int value, char *text);

float su_float_of_half(unsigned short bits);

#endif
