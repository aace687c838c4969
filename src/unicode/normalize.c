#include "unicode/normalize.h"

#include "unicode/unicode_tables.h"

#include <stdbool.h>

#define HANGUL_BASE 0xac00u
#define HANGUL_COUNT 11172u
#define LEADING_BASE 0x1100u
#define VOWEL_BASE 0x1161u
#define TRAILING_BASE 0x11a7u
#define VOWEL_COUNT 21u
#define TRAILING_COUNT 28u
#define LAST_PART (1u << 31)

static size_t decompose_hangul(uint32_t index, uint32_t out[SU_DECOMPOSITION_MAX])
{
    out[0] = LEADING_BASE + index / (VOWEL_COUNT * TRAILING_COUNT);
    out[1] = VOWEL_BASE + index / TRAILING_COUNT % VOWEL_COUNT;
    out[2] = TRAILING_BASE + index % TRAILING_COUNT;
    return index % TRAILING_COUNT ? 3 : 2;
}

static size_t take_parts(uint32_t place, uint32_t *out)
{
    size_t count = 0;
    uint32_t part;
    do {
        part = su_unicode_decomposition_pool[place++];
        out[count++] = part & ~LAST_PART;
    } while (!(part & LAST_PART));
    return count;
}

size_t su_unicode_decompose(uint32_t code_point, uint32_t out[SU_DECOMPOSITION_MAX])
{
    out[0] = code_point;
    if (code_point - HANGUL_BASE < HANGUL_COUNT)
        return decompose_hangul(code_point - HANGUL_BASE, out);
    if (code_point >= SU_UNICODE_MAPPED_LIMIT) return 1;
    uint32_t block = su_unicode_decomposition_index[code_point >> 7];
    uint32_t place = su_unicode_decomposition_blocks[block << 7 | (code_point & 127)];
    return place ? take_parts(place, out) : 1;
}

size_t su_unicode_decompose_compatible(uint32_t code_point, uint32_t out[SU_COMPATIBLE_MAX])
{
    if (code_point < SU_UNICODE_MAPPED_LIMIT) {
        uint32_t block = su_unicode_compatible_index[code_point >> 7];
        uint32_t place = su_unicode_compatible_blocks[block << 7 | (code_point & 127)];
        if (place) return take_parts(place, out);
    }
    return su_unicode_decompose(code_point, out);
}

static uint32_t compose_hangul(uint32_t first, uint32_t second)
{
    uint32_t leading = first - LEADING_BASE, vowel = second - VOWEL_BASE;
    if (leading < HANGUL_COUNT / (VOWEL_COUNT * TRAILING_COUNT) && vowel < VOWEL_COUNT)
        return HANGUL_BASE + (leading * VOWEL_COUNT + vowel) * TRAILING_COUNT;
    uint32_t syllable = first - HANGUL_BASE, trailing = second - TRAILING_BASE;
    if (syllable < HANGUL_COUNT && syllable % TRAILING_COUNT == 0 &&
        trailing - 1 < TRAILING_COUNT - 1)
        return first + trailing;
    return 0;
}

/* False of most characters: none that is not in these ranges is the second of a composition. */
static inline bool may_be_second(uint32_t c)
{
    if (c < 0x3099) return (c >= 0x300 && c < 0x346) || (c >= 0x653 && c < 0x11c3) || c == 0x1b35;
    return c <= 0x309a || c >= 0x11000;
}

uint32_t su_unicode_compose(uint32_t first, uint32_t second)
{
    if (!may_be_second(second)) return 0;
    uint64_t pair = (uint64_t)first << 32 | second;
    size_t low = 0, high = SU_UNICODE_COMPOSITIONS;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (su_unicode_composition_pairs[middle] < pair)
            low = middle + 1;
        else
            high = middle;
    }
    if (low < SU_UNICODE_COMPOSITIONS && su_unicode_composition_pairs[low] == pair)
        return su_unicode_compositions[low];
    return compose_hangul(first, second);
}

uint8_t su_unicode_combining_class(uint32_t code_point)
{
    if (code_point >= SU_UNICODE_MAPPED_LIMIT) return 0;
    uint32_t block = su_unicode_class_index[code_point >> 7];
    return su_unicode_class_blocks[block << 7 | (code_point & 127)];
}
