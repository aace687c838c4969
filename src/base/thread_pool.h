/* thread_pool.h - a fixed set of threads that run one function together.
 *
 * su_thread_pool_run(pool, n, body, arg) runs body(arg, 0) on the caller and body(arg, 1 … n-1) on
 * n - 1 of the pool's threads, all at once, and returns when every one has returned. One run at a
 * time: a second caller waits its turn. Waiting threads spin for a short while before they sleep,
 * so that back-to-back runs pay no wake-up. Nothing is allocated after creation. */
#ifndef SU_THREAD_POOL_H
#define SU_THREAD_POOL_H

#include "base/status.h"

typedef struct SuThreadPool SuThreadPool;
typedef void (*SuThreadBody)(void *arg, uint32_t rank);

/* num_threads counts the caller: 1 makes no thread. Errors: MEMORY, LIMIT (threads could not be
 * started). */
SutraStatus su_thread_pool_create(uint32_t num_threads, SuThreadPool **pool, SutraError *err);
void su_thread_pool_free(SuThreadPool *pool);
uint32_t su_thread_pool_size(const SuThreadPool *pool);
/* 1 ≤ n ≤ size */
void su_thread_pool_run(SuThreadPool *pool, uint32_t n, SuThreadBody body, void *arg);
/* The same, but threads that have not started when body(arg, 0) returns are left out: on a busy
 * machine the caller waits for nobody who does no work. body must do all of the work with whichever
 * ranks come, rank 0 among them; see base/parallel_for.h. */
void su_thread_pool_run_available(SuThreadPool *pool, uint32_t n, SuThreadBody body, void *arg);
/* The same without rank 0, which may be anybody's: ranks 1 … n-1 start, and the call returns. Close
 * leaves out those that have not started, and waits for the others; any thread may. No run and no
 * other open lies between the two. */
void su_thread_pool_open(SuThreadPool *pool, uint32_t n, SuThreadBody body, void *arg);
void su_thread_pool_close(SuThreadPool *pool);

#endif
