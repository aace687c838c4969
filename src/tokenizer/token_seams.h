/* token_seams.h - places between two characters that no token of a model reaches over.
 *
 * Known by what is on either side: one character each, or of models of bytes 1 to 3 bytes each (a
 * token may begin or end in the middle of a character). What tokens have side by side is hashed
 * into a set of bits: a seam is never taken for what it isn't, but may be overlooked. */
#ifndef SU_TOKEN_SEAMS_H
#define SU_TOKEN_SEAMS_H

#include "tokenizer/vocabulary.h"
#include "tokenizer/word_table.h"

#define SU_SEAM_BYTES 3u

typedef struct SuTokenSeams {
    uint64_t *bits; /* [1 << (58 - shift)]; NULL: no seams are known */
    uint32_t shift; /* of a hash, to the number of a bit */
} SuTokenSeams;

/* A token, as words hold it. */
typedef SuToken (*SuSeamToken)(void *context, size_t index);

/* From the `count` tokens that `token` gives, each twice, in order, index 0 upwards. Errors:
 * MEMORY. */
SutraStatus su_token_seams_create(SuTokenSeams *seams, bool bytes, size_t count, SuSeamToken token,
                                  void *context, SutraError *err);
void su_token_seams_free(SuTokenSeams *seams);

/* As su_word_table_write and su_word_table_attach. */
void su_token_seams_write(const SuTokenSeams *seams, SuArena *arena);
bool su_token_seams_attach(SuTokenSeams *seams, SuArena *arena);

/* Up to 4 bytes each. */
static inline uint64_t su_seam_hash(uint32_t left, uint32_t right)
{
    uint64_t mixed = ((uint64_t)left << 32 | right) * UINT64_C(0x9e3779b97f4a7c15);
    return (mixed ^ mixed >> 29) * UINT64_C(0x9fb21c651e98df25);
}

static inline bool su_seam_bit(const SuTokenSeams *seams, uint64_t hash)
{
    uint64_t bit = hash >> seams->shift;
    return seams->bits[bit / 64] >> bit % 64 & 1;
}

/* The `size` ≤ 4 bytes at text, of which SU_WORD_LOAD are readable. */
static inline uint32_t su_seam_load(const char *text, size_t size)
{
    return (uint32_t)(su_load_le64(text) & ((UINT64_C(1) << 8 * size) - 1));
}

/* Whether text [size] has a seam at `at`, between the whole characters before and behind it, of so
 * many bytes. */
static inline bool su_seam_between(const SuTokenSeams *seams, const char *text, size_t at,
                                   size_t before, size_t behind)
{
    return !su_seam_bit(seams, su_seam_hash(su_seam_load(text + at - before, before),
                                            su_seam_load(text + at, behind)));
}

/* The same of bytes: 0 < at < size. */
bool su_seam_of_bytes(const SuTokenSeams *seams, const char *text, size_t size, size_t at);

#endif
