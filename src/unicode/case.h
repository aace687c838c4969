/* case.h - lower case of single code points (no context: a capital sigma is always U+03C3). */
#ifndef SU_CASE_H
#define SU_CASE_H

#include <stddef.h>
#include <stdint.h>

#define SU_LOWER_MAX 2u

/* Writes the lower case of a code point, 1 or 2 code points, and returns how many. */
size_t su_unicode_lowercase(uint32_t code_point, uint32_t out[SU_LOWER_MAX]);

#endif
