#include "tokenizer/precompiled_charsmap.h"

#include "base/memory.h"
#include "unicode/utf8.h"

#include <string.h>

/* ---- base64 (RFC 4648, with padding) ---- */

static int digit_of(unsigned char c)
{
    if (c >= 'A' && c <= 'Z') return c - 'A';
    if (c >= 'a' && c <= 'z') return c - 'a' + 26;
    if (c >= '0' && c <= '9') return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* The 3 bytes of 4 digits, the last `padding` of which are '='. Bits of no byte are zero. */
static bool decode_group(const char *digits, size_t padding, unsigned char bytes[3])
{
    uint32_t bits = 0;
    for (size_t i = 0; i < 4; i++) {
        int digit = i < 4 - padding ? digit_of((unsigned char)digits[i]) : 0;
        if (digit < 0) return false;
        bits = bits << 6 | (uint32_t)digit;
    }
    for (size_t i = 0; i < 3; i++) bytes[i] = (unsigned char)(bits >> (16 - 8 * i));
    return (bits & ((1u << 8 * padding) - 1)) == 0;
}

SutraStatus su_charsmap_decode(const char *base64, size_t length, const char *where, char **blob,
                               size_t *size, SutraError *err)
{
    size_t padding = 0;
    while (padding < 2 && padding < length && base64[length - 1 - padding] == '=') padding++;
    *blob = su_alloc(length / 4 * 3 + 1, 1);
    if (!*blob) SU_RAISE(err, SUTRA_E_MEMORY, "%s: out of memory", where);
    bool valid = length % 4 == 0;
    *size = 0;
    for (size_t at = 0; valid && at < length; at += 4) {
        unsigned char bytes[3];
        size_t missing = at + 4 == length ? padding : 0;
        valid = decode_group(base64 + at, missing, bytes);
        memcpy(*blob + *size, bytes, 3 - missing);
        *size += 3 - missing;
    }
    if (valid) return SUTRA_OK;
    su_free(*blob);
    *blob = NULL;
    SU_RAISE(err, SUTRA_E_FORMAT, "%s: normalizer.precompiled_charsmap is not base64", where);
}

/* ---- the map ---- */

static uint32_t load_u32(const unsigned char *from)
{
    return from[0] | (uint32_t)from[1] << 8 | (uint32_t)from[2] << 16 | (uint32_t)from[3] << 24;
}

/* What cannot be followed is not plain: it raises the error when it is met. */
static void find_plain(SuCharsmap *map)
{
    for (unsigned c = 0; c < 128; c++) {
        const char text = (char)c, *to;
        size_t to_size;
        bool found;
        SutraStatus status = su_charsmap_find(map, &text, 1, &found, &to, &to_size, NULL);
        if (status == SUTRA_OK && !found && c != '\r') /* which may begin a cluster of two */
            map->plain[c / 64] |= UINT64_C(1) << c % 64;
    }
}

SutraStatus su_charsmap_open(const char *blob, size_t size, const char *where, SuCharsmap *map,
                             SutraError *err)
{
    const unsigned char *bytes = (const unsigned char *)blob;
    size_t bad, count, num_units = size >= 4 ? load_u32(bytes) / 4 : 0;
    if (num_units == 0 || num_units > (size - 4) / 4)
        SU_RAISE(err, SUTRA_E_FORMAT,
                 "%s: normalizer.precompiled_charsmap of %zu bytes with a trie of %zu units", where,
                 size, num_units);
    *map = (SuCharsmap){.units = bytes + 4,
                        .num_units = num_units,
                        .texts = blob + 4 + 4 * num_units,
                        .texts_size = size - 4 - 4 * num_units};
    if (!su_utf8_validate(map->texts, map->texts_size, &bad, &count))
        SU_RAISE(err, SUTRA_E_FORMAT,
                 "%s: normalizer.precompiled_charsmap: the replacements are not valid UTF-8",
                 where);
    find_plain(map);
    return SUTRA_OK;
}

static uint32_t offset_of(uint32_t unit) { return (unit >> 10) << ((unit >> 9 & 1) * 8); }

static SutraStatus damaged(SutraError *err)
{
    SU_RAISE(err, SUTRA_E_FORMAT, "the tokenizer's precompiled_charsmap is damaged");
}

static SutraStatus take_value(const SuCharsmap *map, size_t place, const char **to, size_t *to_size,
                              SutraError *err)
{
    if (place >= map->num_units) return damaged(err);
    size_t at = load_u32(map->units + 4 * place) & 0x7fffffffu;
    if (at > map->texts_size) return damaged(err);
    if (at < map->texts_size && su_utf8_is_continuation(map->texts[at])) return damaged(err);
    *to = map->texts + at;
    *to_size = strnlen(*to, map->texts_size - at);
    return SUTRA_OK;
}

SutraStatus su_charsmap_find(const SuCharsmap *map, const char *text, size_t size, bool *found,
                             const char **to, size_t *to_size, SutraError *err)
{
    size_t place = offset_of(load_u32(map->units));
    *found = false;
    for (size_t i = 0; i < size; i++) {
        unsigned char byte = (unsigned char)text[i];
        if (byte == 0) return SUTRA_OK; /* ends keys */
        place ^= byte;
        if (place >= map->num_units) return damaged(err);
        uint32_t unit = load_u32(map->units + 4 * place);
        if ((unit & 0x800000ffu) != byte) return SUTRA_OK;
        place ^= offset_of(unit);
        if (unit >> 8 & 1) {
            *found = true;
            return take_value(map, place, to, to_size, err);
        }
    }
    return SUTRA_OK;
}
