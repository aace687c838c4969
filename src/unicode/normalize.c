#include "unicode/normalize.h"

#include "unicode/unicode_tables.h"

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

size_t su_unicode_decompose(uint32_t code_point, uint32_t out[SU_DECOMPOSITION_MAX])
{
    out[0] = code_point;
    if (code_point - HANGUL_BASE < HANGUL_COUNT)
        return decompose_hangul(code_point - HANGUL_BASE, out);
    if (code_point >= SU_UNICODE_MAPPED_LIMIT) return 1;
    uint32_t block = su_unicode_decomposition_index[code_point >> 7];
    uint32_t place = su_unicode_decomposition_blocks[block << 7 | (code_point & 127)];
    if (place == 0) return 1;
    size_t count = 0;
    uint32_t part;
    do {
        part = su_unicode_decomposition_pool[place++];
        out[count++] = part & ~LAST_PART;
    } while (!(part & LAST_PART));
    return count;
}

uint8_t su_unicode_combining_class(uint32_t code_point)
{
    if (code_point >= SU_UNICODE_MAPPED_LIMIT) return 0;
    uint32_t block = su_unicode_class_index[code_point >> 7];
    return su_unicode_class_blocks[block << 7 | (code_point & 127)];
}
