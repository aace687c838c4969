/* worker.h - a thread for what would hold up the loop: large bodies and answers, or opening models.
 * One thing after the other, in the order they came. */
#ifndef SU_WORKER_H
#define SU_WORKER_H

#include "base/status.h"

#include <pthread.h>

/* Lies in what it is about; run ends by handing the matter back to the loop (su_loop_post). */
typedef struct SuWork {
    struct SuWork *next;
    void (*run)(struct SuWork *work);
} SuWork;

typedef struct SuWorker {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    pthread_cond_t rested;
    SuWork *first, **last;
    bool has_thread, ends, is_at_work;
} SuWorker;

SutraStatus su_worker_start(SuWorker *worker, SutraError *err);
/* Allocates nothing, cannot fail. */
void su_worker_give(SuWorker *worker, SuWork *work);
/* Whether it comes to the end of all that it was given by then, a moment of su_clock_ns. */
bool su_worker_rests(SuWorker *worker, uint64_t until_ns);
/* After all that it was given; legal on a zeroed struct. */
void su_worker_stop(SuWorker *worker);

#endif
