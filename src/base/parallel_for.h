/* parallel_for.h - loops whose iterations the threads of a parallel region share.
 *
 * The threads of a region (see su_thread_pool_run_available) go through the same loops in the same
 * order. A loop is cut into chunks of about equal size, which the threads claim one after the other
 * (dynamic scheduling); it is over when all of its chunks are done, whoever did them, and no thread
 * starts the next loop before: that is the barrier. A thread that the system keeps from running
 * holds up nobody unless it holds a chunk; one that comes late finds its loops over and catches up.
 *
 *   SuLoop loop = su_parallel_for(thread, count);
 *   while (su_loop_next(thread, &loop)) work on loop.begin … loop.end - 1
 */
#ifndef SU_PARALLEL_FOR_H
#define SU_PARALLEL_FOR_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Shared by the threads of a region. */
typedef struct SuParallelRegion {
    _Atomic uint64_t entry; /* loop << 32 | next chunk */
    _Atomic uint32_t done;  /* chunks of this loop */
} SuParallelRegion;

/* One thread of a region. */
typedef struct SuRegionThread {
    uint32_t rank, size; /* rank < size; 0 is the caller's */
    SuParallelRegion *region;
    uint32_t loops; /* that this thread has gone through */
} SuRegionThread;

/* A loop as one thread sees it. */
typedef struct SuLoop {
    size_t begin, end; /* of the chunk at hand */
    size_t count;
    uint32_t chunks, number;
    bool working; /* on a chunk */
} SuLoop;

/* Before the region's threads start, by their caller. */
void su_parallel_region_init(SuParallelRegion *region);
/* Chunks that a loop is cut into at most. */
uint32_t su_parallel_chunks(const SuRegionThread *thread);
/* A loop of `count` iterations. */
SuLoop su_parallel_for(SuRegionThread *thread, size_t count);
/* The next chunk; false when the loop is over. */
bool su_loop_next(SuRegionThread *thread, SuLoop *loop);

#endif
