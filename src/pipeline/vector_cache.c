/* XXH3 comes from Debian's xxhash.h, compiled in: no shared object to load at run time. */
#define XXH_INLINE_ALL
#include "pipeline/vector_cache.h"

#include "base/memory.h"

#include <pthread.h>
#include <string.h>
#include <xxhash.h>

enum { WAYS = 4, SMALLEST = 64 * 1024, INDEX_SHARE = 16, ALIGNMENT = 16 };

typedef struct Entry {
    uint64_t hash;
    uint64_t key_bytes, row_bytes; /* behind the entry, key first */
    SuCacheFacts facts;
} Entry;

/* A place is a count of all bytes ever written: the entry lies at place % capacity, while it is no
 * more than capacity behind. */
typedef struct Slot {
    uint64_t hash, place; /* place + 1; 0: empty */
} Slot;

struct SuVectorCache {
    pthread_mutex_t lock;
    unsigned char *ring;
    Slot *slots;
    uint64_t capacity, num_buckets; /* buckets: a power of two */
    uint64_t end;                   /* place of the next entry */
    SuCacheCounts counts;
};

SutraStatus su_vector_cache_create(uint64_t bytes, SuVectorCache **out, SutraError *err)
{
    *out = NULL;
    if (bytes < SMALLEST)
        SU_RAISE(err, SUTRA_E_ARGUMENT, "cache_bytes %llu is less than %d",
                 (unsigned long long)bytes, SMALLEST);
    SuVectorCache *cache = su_calloc(1, sizeof *cache);
    if (!cache) SU_RAISE(err, SUTRA_E_MEMORY, "out of memory");
    cache->num_buckets = 1;
    while (cache->num_buckets * 2 * WAYS * sizeof(Slot) <= bytes / INDEX_SHARE)
        cache->num_buckets *= 2;
    size_t index = cache->num_buckets * WAYS * sizeof(Slot);
    cache->capacity = (bytes - index) / ALIGNMENT * ALIGNMENT;
    cache->slots = su_calloc(cache->num_buckets * WAYS, sizeof(Slot));
    cache->ring = su_alloc_aligned(cache->capacity);
    pthread_mutex_init(&cache->lock, NULL);
    if (!cache->slots || !cache->ring) {
        su_vector_cache_free(cache);
        SU_RAISE(err, SUTRA_E_MEMORY, "out of memory for a vector cache of %llu bytes",
                 (unsigned long long)bytes);
    }
    cache->counts.bytes = bytes;
    *out = cache;
    return SUTRA_OK;
}

void su_vector_cache_free(SuVectorCache *cache)
{
    if (!cache) return;
    pthread_mutex_destroy(&cache->lock);
    su_free_aligned(cache->ring);
    su_free(cache->slots);
    su_free(cache);
}

void su_vector_cache_hash(SuCacheKey *key)
{
    uint64_t hash = 0;
    for (int i = 0; i < SU_CACHE_KEY_PARTS; i++)
        hash = XXH3_64bits_withSeed(key->parts[i].data, key->parts[i].size, hash);
    key->hash = hash;
}

static size_t key_size(const SuCacheKey *key)
{
    size_t size = 0;
    for (int i = 0; i < SU_CACHE_KEY_PARTS; i++) size += key->parts[i].size;
    return size;
}

static bool is_key(const unsigned char *bytes, const SuCacheKey *key)
{
    for (int i = 0; i < SU_CACHE_KEY_PARTS; i++) {
        if (key->parts[i].size && memcmp(bytes, key->parts[i].data, key->parts[i].size) != 0)
            return false;
        bytes += key->parts[i].size;
    }
    return true;
}

/* lock is held */
static Entry *find(const SuVectorCache *cache, const SuCacheKey *key)
{
    const Slot *bucket = &cache->slots[(key->hash & (cache->num_buckets - 1)) * WAYS];
    for (int i = 0; i < WAYS; i++) {
        if (!bucket[i].place || bucket[i].hash != key->hash) continue;
        uint64_t place = bucket[i].place - 1;
        if (cache->end - place > cache->capacity) continue; /* overwritten */
        Entry *entry = (Entry *)(cache->ring + place % cache->capacity);
        if (entry->key_bytes == key_size(key) && is_key((unsigned char *)(entry + 1), key))
            return entry;
    }
    return NULL;
}

bool su_vector_cache_find(SuVectorCache *cache, const SuCacheKey *key, void *row, size_t row_bytes,
                          SuCacheFacts *facts)
{
    pthread_mutex_lock(&cache->lock);
    const Entry *entry = find(cache, key);
    bool found = entry && entry->row_bytes == row_bytes;
    if (found) {
        memcpy(row, (const unsigned char *)(entry + 1) + entry->key_bytes, row_bytes);
        *facts = entry->facts;
        cache->counts.hits++;
    } else {
        cache->counts.misses++;
    }
    pthread_mutex_unlock(&cache->lock);
    return found;
}

/* Room for `size` bytes in one piece; what would cross the end of the ring begins at its start. */
static uint64_t take_place(SuVectorCache *cache, size_t size)
{
    uint64_t at = cache->end % cache->capacity;
    uint64_t place = at + size > cache->capacity ? cache->end + cache->capacity - at : cache->end;
    cache->end = place + size;
    return place;
}

static void put(SuVectorCache *cache, const SuCacheKey *key, const void *row, size_t row_bytes,
                SuCacheFacts facts)
{
    size_t key_bytes = key_size(key);
    size_t size = su_round_up(sizeof(Entry) + key_bytes + row_bytes, ALIGNMENT);
    if (size > cache->capacity / 2) return;
    uint64_t place = take_place(cache, size);
    Entry *entry = (Entry *)(cache->ring + place % cache->capacity);
    *entry = (Entry){key->hash, key_bytes, row_bytes, facts};
    unsigned char *bytes = (unsigned char *)(entry + 1);
    for (int i = 0; i < SU_CACHE_KEY_PARTS; i++) {
        if (key->parts[i].size) memcpy(bytes, key->parts[i].data, key->parts[i].size);
        bytes += key->parts[i].size;
    }
    memcpy(bytes, row, row_bytes);
    Slot *bucket = &cache->slots[(key->hash & (cache->num_buckets - 1)) * WAYS], *oldest = bucket;
    for (int i = 1; i < WAYS; i++)
        if (bucket[i].place < oldest->place) oldest = &bucket[i];
    *oldest = (Slot){key->hash, place + 1};
}

void su_vector_cache_put(SuVectorCache *cache, const SuCacheKey *key, const void *row,
                         size_t row_bytes, SuCacheFacts facts)
{
    pthread_mutex_lock(&cache->lock);
    if (!find(cache, key)) put(cache, key, row, row_bytes, facts);
    pthread_mutex_unlock(&cache->lock);
}

void su_vector_cache_clear(SuVectorCache *cache)
{
    pthread_mutex_lock(&cache->lock);
    memset(cache->slots, 0, cache->num_buckets * WAYS * sizeof(Slot));
    pthread_mutex_unlock(&cache->lock);
}

SuCacheCounts su_vector_cache_counts(SuVectorCache *cache)
{
    pthread_mutex_lock(&cache->lock);
    SuCacheCounts counts = cache->counts;
    pthread_mutex_unlock(&cache->lock);
    return counts;
}
