/* script.h - the script of a code point, as the reference `tokenizers` library tells them apart.
 *
 * Numbers of scripts mean nothing but that they are the same or not; Hiragana and Katakana are Han,
 * and the space and code points that the library does not know are of any script. */
#ifndef SU_SCRIPT_H
#define SU_SCRIPT_H

#include "unicode/unicode_tables.h"

#define SU_SCRIPT_ANY 0u

/* code_point < SU_UNICODE_LIMIT. */
static inline uint8_t su_unicode_script(uint32_t code_point)
{
    return su_unicode_script_blocks[(uint32_t)su_unicode_script_index[code_point >> 7] << 7 |
                                    (code_point & 127)];
}

#endif
