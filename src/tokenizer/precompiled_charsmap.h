/* precompiled_charsmap.h - the map of characters that SentencePiece models normalise text by.
 *
 *   | size of the trie, u32 | trie: units, u32 | replacements, each ended by a NUL |
 *
 * Numbers are little-endian.
 *
 * The trie is a double array (darts-clone). A unit, at place p, of the key so far:
 *   bits 0-7, 31   the byte that leads here
 *   bit 8          the key is whole: its value is in unit p ^ offset
 *   bits 9, 10-30  offset: bits 10-30, times 256 where bit 9 is set; byte b leads to p ^ offset ^ b
 * A value is the place of the key's replacement. */
#ifndef SU_PRECOMPILED_CHARSMAP_H
#define SU_PRECOMPILED_CHARSMAP_H

#include "tokenizer/normalized.h"

typedef struct SuCharsmap {
    const unsigned char *units; /* [num_units, 4] */
    size_t num_units;
    const char *texts; /* [texts_size] valid UTF-8 */
    size_t texts_size;
    uint64_t plain[2]; /* bit c & 63 of c / 64: ASCII character c, alone, is left as it is */
} SuCharsmap;

/* *blob [*size], to be su_free'd, from base64 text. Errors: FORMAT, MEMORY. */
SutraStatus su_charsmap_decode(const char *base64, size_t length, const char *where, char **blob,
                               size_t *size, SutraError *err);

/* Borrows the blob. What the trie says is checked where it is followed. Errors: FORMAT (sizes,
 * replacements that are not UTF-8). */
SutraStatus su_charsmap_open(const char *blob, size_t size, const char *where, SuCharsmap *map,
                             SutraError *err);

/* Whether a key begins text [size]; *to [*to_size] is the replacement of the shortest one. Errors:
 * FORMAT (the map is damaged). */
SutraStatus su_charsmap_find(const SuCharsmap *map, const char *text, size_t size, bool *found,
                             const char **to, size_t *to_size, SutraError *err);

/* Whether text [size] is ASCII that is left as it is. */
bool su_charsmap_leaves(const SuCharsmap *map, const char *text, size_t size);

/* Replaces out->text by what the map makes of `in`, as the reference does: a grapheme cluster of
 * less than 6 bytes becomes the replacement of the shortest key that begins it; of a longer one, or
 * where there is none, each code point does, or stays. Errors: FORMAT (damaged), MEMORY. */
SutraStatus su_charsmap_normalize(const SuCharsmap *map, SuTextView in, SuNormalized *out,
                                  SutraError *err);

#endif
