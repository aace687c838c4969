#include "base/parallel_for.h"

#include "base/cpu_relax.h"

#include <sched.h>

enum {
    CHUNKS_EACH = 3, /* a thread's: more of them balance better, fewer cost less to claim */
    SPINS = 4000     /* before a waiting thread gives its processor away */
};

void su_parallel_region_init(SuParallelRegion *region)
{
    atomic_store_explicit(&region->done, 0, memory_order_relaxed);
    atomic_store_explicit(&region->entry, 0, memory_order_release);
}

uint32_t su_parallel_chunks(const SuRegionThread *thread)
{
    return thread->size == 1 ? 1 : CHUNKS_EACH * thread->size;
}

SuLoop su_parallel_for(SuRegionThread *thread, size_t count)
{
    uint32_t chunks = su_parallel_chunks(thread);
    SuLoop loop = {.count = count, .chunks = chunks < count ? chunks : (uint32_t)count};
    if (thread->size > 1 && count > 0) loop.number = thread->loops++;
    return loop;
}

/* One more chunk of the loop is done; the last one opens the next loop. */
static void finish_chunk(SuParallelRegion *region, const SuLoop *loop)
{
    uint32_t done = atomic_fetch_add_explicit(&region->done, 1, memory_order_acq_rel) + 1;
    if (done < loop->chunks) return;
    atomic_store_explicit(&region->done, 0, memory_order_relaxed);
    atomic_store_explicit(&region->entry, (uint64_t)(loop->number + 1) << 32, memory_order_release);
}

static void wait_for_end(const SuParallelRegion *region, uint32_t number)
{
    for (int i = 0;
         (uint32_t)(atomic_load_explicit(&region->entry, memory_order_acquire) >> 32) == number;
         i++) {
        if (i < SPINS)
            su_cpu_relax();
        else
            sched_yield();
    }
}

static bool claim_chunk(SuParallelRegion *region, SuLoop *loop, uint32_t *chunk)
{
    if (loop->working) finish_chunk(region, loop);
    loop->working = false;
    uint64_t entry = atomic_load_explicit(&region->entry, memory_order_acquire);
    while ((uint32_t)(entry >> 32) == loop->number) {
        if ((uint32_t)entry == loop->chunks) {
            wait_for_end(region, loop->number);
            return false;
        }
        if (!atomic_compare_exchange_weak_explicit(&region->entry, &entry, entry + 1,
                                                   memory_order_acq_rel, memory_order_acquire))
            continue;
        *chunk = (uint32_t)entry;
        loop->working = true;
        return true;
    }
    return false;
}

bool su_loop_next(SuRegionThread *thread, SuLoop *loop)
{
    uint32_t chunk = 0;
    if (loop->count == 0) return false;
    if (thread->size == 1) {
        if (loop->end) return false;
    } else if (!claim_chunk(thread->region, loop, &chunk)) {
        return false;
    }
    loop->begin = loop->count * chunk / loop->chunks;
    loop->end = loop->count * (chunk + 1) / loop->chunks;
    return true;
}
