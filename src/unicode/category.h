/* category.h - what kind of code point it is, as the reference `tokenizers` library sees it.
 *
 * The classes are those of the library's behaviour (tools/generate_unicode_tables.py), which rest
 * on several versions of Unicode; they are not those of any one version. */
#ifndef SU_CATEGORY_H
#define SU_CATEGORY_H

#include "unicode/unicode_tables.h"

enum {
    SU_CP_SPACE = 1u << 0,       /* White_Space */
    SU_CP_CONTROL = 1u << 1,     /* control, format, private use, U+FFFD: what clean_text drops */
    SU_CP_IDEOGRAPH = 1u << 2,   /* what handle_chinese_chars sets apart */
    SU_CP_PUNCTUATION = 1u << 3, /* general category P, and the ASCII symbols */
    SU_CP_MARK = 1u << 4,        /* nonspacing mark (Mn) */
    SU_CP_WORD = 1u << 5,        /* \w of regular expressions */
    SU_CP_DECOMPOSES = 1u << 6,  /* NFD changes it, or its combining class is not 0 */
    SU_CP_HAS_LOWER = 1u << 7    /* lower case differs */
};

/* What regular expressions of the library call it, which know another version of Unicode. */
enum {
    SU_KIND_LETTER = 1u << 0,    /* \p{L} */
    SU_KIND_NUMBER = 1u << 1,    /* \p{N} */
    SU_KIND_NUMERIC = 1u << 2,   /* what Digits takes for one */
    SU_KIND_COMBINING = 1u << 3, /* a mark, also of a width: what StripAccents drops */
    SU_KIND_MARK = 1u << 4,      /* \p{M} */
    SU_KIND_UPPER = 1u << 5,     /* \p{Lu} and \p{Lt} */
    SU_KIND_LOWER = 1u << 6      /* \p{Ll} */
};

/* Any mix of SU_KIND_…; code_point < SU_UNICODE_LIMIT. */
static inline uint8_t su_unicode_kind(uint32_t code_point)
{
    return su_unicode_kind_blocks[(uint32_t)su_unicode_kind_index[code_point >> 7] << 7 |
                                  (code_point & 127)];
}

/* Any mix of SU_CP_…; code_point < SU_UNICODE_LIMIT. */
static inline uint8_t su_unicode_properties(uint32_t code_point)
{
    return su_unicode_property_blocks[(uint32_t)su_unicode_property_index[code_point >> 7] << 7 |
                                      (code_point & 127)];
}

#endif
