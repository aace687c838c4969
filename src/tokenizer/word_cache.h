/* word_cache.h - the tokens of words that a model has encoded before, in the scratch of a thread.
 *
 * A place of the cache holds the word that came last: up to SU_CACHED_BYTES, of up to
 * SU_CACHED_TOKENS tokens, side by side from its first byte on. */
#ifndef SU_WORD_CACHE_H
#define SU_WORD_CACHE_H

#include "tokenizer/token_model.h"
#include "tokenizer/word_table.h"

#include <string.h>

#define SU_CACHE_BITS 14u /* 1 MiB */
#define SU_CACHED_BYTES 15u
#define SU_CACHED_TOKENS 8u

typedef struct SuCachedWord {
    uint64_t low, high; /* bytes 0-7; 8-14, and the size in the highest. 0: free */
    int32_t ids[SU_CACHED_TOKENS];
    uint8_t ends[SU_CACHED_TOKENS];
    uint8_t count, reserved[7];
} SuCachedWord;

_Static_assert(sizeof(SuCachedWord) == SU_CACHE_LINE, "one place a cache line");

/* What a cache belongs to: a number of no other model of the process, never 0. */
uint64_t su_word_cache_owner(void);

/* Empties the cache for the model of that number. Errors: MEMORY. */
SutraStatus su_word_cache_prepare(SuModelScratch *scratch, uint64_t owner, SutraError *err);

/* The key of a word of up to SU_CACHED_BYTES, and the place that it belongs in. SU_WORD_LOAD bytes
 * are readable. */
static inline SuCachedWord *su_word_cache_place(const SuModelScratch *scratch, const char *text,
                                                size_t size, uint64_t *low, uint64_t *high)
{
    *low = su_load_le64(text);
    *high = su_load_le64(text + 8);
    if (size < 8) *low &= (UINT64_C(1) << 8 * size) - 1;
    *high = size <= 8 ? 0 : *high & ((UINT64_C(1) << 8 * (size - 8)) - 1);
    *high |= (uint64_t)size << 56;
    uint64_t mixed = *low * UINT64_C(0x9e3779b97f4a7c15) + *high * UINT64_C(0xc2b2ae3d27d4eb4f);
    mixed = (mixed ^ mixed >> 29) * UINT64_C(0x9fb21c651e98df25);
    return (SuCachedWord *)scratch->cache + (mixed >> (64 - SU_CACHE_BITS));
}

/* base: byte of the word in `place` that the cached one begins at. */
static inline SutraStatus su_word_cache_push(const SuCachedWord *cached, size_t base,
                                             SuWordPlace place, SuTokenRow *row, SutraError *err)
{
    size_t begin = base;
    for (size_t i = 0; i < cached->count; i++) {
        size_t end = base + cached->ends[i];
        SU_TRY(su_token_row_push_bytes(row, cached->ids[i], begin, end, place, err));
        begin = end;
    }
    return SUTRA_OK;
}

#endif
