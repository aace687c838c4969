#include "tokenizer/word_cache.h"

#include <stdatomic.h>

/* Memory of a model that is gone may be the next one's: numbers are not used twice. */
uint64_t su_word_cache_owner(void)
{
    static atomic_uint_fast64_t models;
    return atomic_fetch_add(&models, 1) + 1;
}

SutraStatus su_word_cache_prepare(SuModelScratch *scratch, uint64_t owner, SutraError *err)
{
    const size_t size = sizeof(SuCachedWord) << SU_CACHE_BITS;
    if (!scratch->cache) scratch->cache = su_alloc_aligned(size);
    if (!scratch->cache) SU_RAISE(err, SUTRA_E_MEMORY, "out of memory for a cache of words");
    memset(scratch->cache, 0, size);
    scratch->cache_owner = owner;
    return SUTRA_OK;
}
