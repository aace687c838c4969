/* thread_pool.h - a fixed set of threads that run one function together, and the stages of work that
 * they share.
 *
 * su_thread_pool_run(pool, n, body, arg) runs body(arg, 0) on the caller and body(arg, 1 … n-1) on
 * n - 1 of the pool's threads, all at once, and returns when every one has returned. One run at a
 * time: a second caller waits its turn. Waiting threads spin for a short while before they sleep,
 * so that back-to-back runs pay no wake-up. Nothing is allocated after creation. */
#ifndef SU_THREAD_POOL_H
#define SU_THREAD_POOL_H

#include "base/status.h"

#include <stdatomic.h>
#include <stdbool.h>

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
 * ranks come, rank 0 among them; see SuBoard. */
void su_thread_pool_offer(SuThreadPool *pool, uint32_t n, SuThreadBody body, void *arg);

/* Stages of work, each in numbered chunks that the ranks of an offer claim. A stage is over when all
 * of its chunks are done, whoever did them; no rank starts the next one before. A rank that comes
 * late finds its stages over and catches up. All ranks go through the same stages.
 *
 *   SuStage stage = {.number = …, .chunks = n};
 *   while (su_stage_claim(board, &stage, &chunk)) do chunk
 */
typedef struct SuBoard {
    _Atomic uint64_t entry; /* stage << 32 | next chunk */
    _Atomic uint32_t done;  /* chunks of this stage */
} SuBoard;

typedef struct SuStage {
    uint32_t number; /* 0 for the first after su_board_open, then one more each */
    uint32_t chunks; /* at least 1 */
    bool working;    /* on a chunk */
} SuStage;

/* Before the offer, by its caller. */
void su_board_open(SuBoard *board);
/* False when the stage is over. */
bool su_stage_claim(SuBoard *board, SuStage *stage, uint32_t *chunk);

#endif
