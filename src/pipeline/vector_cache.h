/* vector_cache.h - rows of texts that an engine has embedded before, bounded by bytes.
 *
 *   ring    | entry | entry | … | free: the oldest entries give way
 *   index   hash -> place in the ring, four ways a bucket
 *
 * An entry holds its key whole, so that a row is never that of another text whose hash is the same.
 * Everything is allocated at creation; one lock. */
#ifndef SU_VECTOR_CACHE_H
#define SU_VECTOR_CACHE_H

#include "base/status.h"

typedef struct SuVectorCache SuVectorCache;

enum { SU_CACHE_KEY_PARTS = 5 };

/* The parts one after the other; the first says how long the others are. */
typedef struct SuCacheKey {
    struct SuCachePart {
        const void *data;
        size_t size;
    } parts[SU_CACHE_KEY_PARTS];
    uint64_t hash; /* su_vector_cache_hash */
} SuCacheKey;

/* Beside the row. */
typedef struct SuCacheFacts {
    uint32_t tokens_seen, tokens_used, windows;
} SuCacheFacts;

typedef struct SuCacheCounts {
    uint64_t bytes, hits, misses;
} SuCacheCounts;

/* bytes: of ring and index together. Errors: ARGUMENT (less than 64 KiB), MEMORY. */
SutraStatus su_vector_cache_create(uint64_t bytes, SuVectorCache **cache, SutraError *err);
void su_vector_cache_free(SuVectorCache *cache);

void su_vector_cache_hash(SuCacheKey *key);

/* True: row [row_bytes] and *facts are written. */
bool su_vector_cache_find(SuVectorCache *cache, const SuCacheKey *key, void *row, size_t row_bytes,
                          SuCacheFacts *facts);
/* Nothing happens when the entry is there, or is too large for the cache. */
void su_vector_cache_put(SuVectorCache *cache, const SuCacheKey *key, const void *row,
                         size_t row_bytes, SuCacheFacts facts);
/* Forgets all entries. */
void su_vector_cache_clear(SuVectorCache *cache);
SuCacheCounts su_vector_cache_counts(SuVectorCache *cache);

#endif
