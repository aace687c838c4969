/* word_cache.h - the tokens of words that a model has encoded before, in the scratch of a thread.
 *
 * A place of the cache holds the word that came last: up to SU_CACHED_BYTES, of up to
 * SU_CACHED_TOKENS tokens, side by side from its first byte on. */
#ifndef SU_WORD_CACHE_H
#define SU_WORD_CACHE_H

#include "tokenizer/token_model.h"
#include "tokenizer/word_table.h"

#include <string.h>

#define SU_CACHE_BITS 15u /* 2 MiB */
#define SU_CACHED_BYTES 23u
#define SU_CACHED_TOKENS 7u

typedef struct SuCachedWord {
    uint64_t key[3]; /* the bytes, then zeros; the size in the highest. 0: free */
    int32_t ids[SU_CACHED_TOKENS];
    uint8_t ends[SU_CACHED_TOKENS];
    uint8_t count;
    bool close; /* of Unigram */
    uint8_t reserved[3];
} SuCachedWord;

_Static_assert(sizeof(SuCachedWord) == SU_CACHE_LINE, "one place a cache line");

/* What a cache belongs to: a number of no other model of the process, never 0. */
uint64_t su_word_cache_owner(void);

/* Empties the cache for the model of that number. Errors: MEMORY. */
SutraStatus su_word_cache_prepare(SuModelScratch *scratch, uint64_t owner, SutraError *err);

/* Fills the key of a word of up to SU_CACHED_BYTES, and returns the place that it belongs in.
 * SU_WORD_LOAD bytes are readable from any of its bytes. */
static inline SuCachedWord *su_word_cache_place(const SuModelScratch *scratch, const char *text,
                                                size_t size, uint64_t key[3])
{
    static const unsigned char ones[48] = {
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    };
    const char *mask = (const char *)ones + 24 - size;
    key[0] = su_load_le64(text) & su_load_le64(mask);
    key[1] = su_load_le64(text + 8) & su_load_le64(mask + 8);
    key[2] = su_load_le64(text + (size > 16 ? 16 : 0)) & su_load_le64(mask + 16);
    key[2] |= (uint64_t)size << 56;
    uint64_t mixed = key[0] * UINT64_C(0x9e3779b97f4a7c15) + key[1] * UINT64_C(0xc2b2ae3d27d4eb4f) +
                     key[2] * UINT64_C(0xd6e8feb86659fd93);
    mixed = (mixed ^ mixed >> 29) * UINT64_C(0x9fb21c651e98df25);
    return (SuCachedWord *)scratch->cache + (mixed >> (64 - SU_CACHE_BITS));
}

static inline bool su_word_cache_holds(const SuCachedWord *cached, const uint64_t key[3])
{
    return ((cached->key[0] ^ key[0]) | (cached->key[1] ^ key[1]) | (cached->key[2] ^ key[2])) == 0;
}

static inline void su_word_cache_name(SuCachedWord *cached, const uint64_t key[3])
{
    for (size_t i = 0; i < 3; i++) cached->key[i] = key[i];
}

/* base: byte of the word in `place` that the cached one begins at. */
static inline SutraStatus su_word_cache_push(const SuCachedWord *cached, size_t base,
                                             SuWordPlace place, SuTokenRow *row, SutraError *err)
{
    if (!row->with_offsets && row->stop - row->size >= SU_CACHED_TOKENS) {
        memcpy(row->ids + row->size, cached->ids, sizeof cached->ids);
        row->size += cached->count;
        row->seen += cached->count;
        return SUTRA_OK;
    }
    size_t begin = base;
    for (size_t i = 0; i < cached->count; i++) {
        size_t end = base + cached->ends[i];
        SU_TRY(su_token_row_push_bytes(row, cached->ids[i], begin, end, place, err));
        begin = end;
    }
    return SUTRA_OK;
}

#endif
