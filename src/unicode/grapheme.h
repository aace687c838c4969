/* grapheme.h - extended grapheme clusters (Unicode Standard Annex 29) as the reference `tokenizers`
 * library cuts them, as far as it shows: where a cluster of less than 6 bytes begins and ends
 * (tools/generate_grapheme_tables.py). Pairs of regional indicators, of 8 bytes, are not joined. */
#ifndef SU_GRAPHEME_H
#define SU_GRAPHEME_H

#include <stddef.h>
#include <stdint.h>

typedef enum SuGraphemeClass {
    SU_GRAPHEME_OTHER = 0,
    SU_GRAPHEME_CONTROL, /* CR and LF too */
    SU_GRAPHEME_EXTEND,
    SU_GRAPHEME_EXTEND_ALONE, /* Extend that ends a conjunct */
    SU_GRAPHEME_LINKER,       /* Extend that makes conjuncts */
    SU_GRAPHEME_ZWJ,
    SU_GRAPHEME_SPACING,
    SU_GRAPHEME_PREPEND,
    SU_GRAPHEME_L,
    SU_GRAPHEME_V,
    SU_GRAPHEME_T,
    SU_GRAPHEME_LV,
    SU_GRAPHEME_LVT,
    SU_GRAPHEME_PICTOGRAPH,
    SU_GRAPHEME_CONSONANT,
    SU_NUM_GRAPHEME_CLASSES
} SuGraphemeClass;

/* blocks[index[c >> 7] << 7 | c & 127], generated */
extern const uint8_t su_grapheme_index[0x110000 / 128];
extern const uint8_t su_grapheme_blocks[];

static inline SuGraphemeClass su_grapheme_class(uint32_t code_point)
{
    return (SuGraphemeClass)
        su_grapheme_blocks[(uint32_t)su_grapheme_index[code_point >> 7] << 7 | (code_point & 127)];
}

/* Where the cluster that begins at byte `at` ends; at < size; text [size] is valid UTF-8. */
size_t su_grapheme_end(const char *text, size_t size, size_t at);

#endif
