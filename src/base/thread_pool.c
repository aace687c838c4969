/* One run, seen from the threads:
 *
 *   caller:  lock -> body, arg, n written -> ticket += 1 -> wake sleepers -> body(arg, 0) -> wait
 * running == 0 -> unlock worker:  wait for a new ticket (spin, then sleep) -> rank < n: body(arg,
 * rank) -> running -= 1
 *
 * Every worker takes part in every ticket, if only to count itself out, so that none can see the
 * next run's arguments while it still works on this one. */
#include "base/thread_pool.h"

#include "base/memory.h"

#include <pthread.h>
#include <sched.h>
#include <stdbool.h>

#if defined(__x86_64__)
#include <immintrin.h>
#define cpu_relax() _mm_pause()
#else
#define cpu_relax() ((void)0)
#endif

enum {
    SPINS = 4000
}; /* some 50 µs: longer than the gap between two batches, shorter than a scheduler tick */

struct SuThreadPool {
    uint32_t num_threads;
    pthread_mutex_t run_lock; /* held for a whole run */
    pthread_mutex_t lock;     /* guards sleeping and waking */
    pthread_cond_t ticket_changed, all_done;
    _Atomic uint32_t ticket;
    _Atomic uint32_t running; /* workers that have not finished this ticket */
    _Atomic bool stop;
    SuThreadBody body;
    void *arg;
    uint32_t n;
    struct Worker {
        pthread_t thread;
        SuThreadPool *pool;
        uint32_t rank;
    } workers[];
};

static void wait_for_ticket(SuThreadPool *pool, uint32_t seen)
{
    for (int i = 0; i < SPINS; i++) {
        if (atomic_load_explicit(&pool->ticket, memory_order_acquire) != seen) return;
        cpu_relax();
    }
    pthread_mutex_lock(&pool->lock);
    while (atomic_load_explicit(&pool->ticket, memory_order_acquire) == seen)
        pthread_cond_wait(&pool->ticket_changed, &pool->lock);
    pthread_mutex_unlock(&pool->lock);
}

static void *worker_main(void *argument)
{
    struct Worker *worker = argument;
    SuThreadPool *pool = worker->pool;
    uint32_t seen = 0;
    for (;;) {
        wait_for_ticket(pool, seen);
        seen++;
        if (atomic_load_explicit(&pool->stop, memory_order_acquire)) return NULL;
        if (worker->rank < pool->n) pool->body(pool->arg, worker->rank);
        if (atomic_fetch_sub_explicit(&pool->running, 1, memory_order_acq_rel) == 1) {
            pthread_mutex_lock(&pool->lock);
            pthread_cond_signal(&pool->all_done);
            pthread_mutex_unlock(&pool->lock);
        }
    }
}

static void announce(SuThreadPool *pool)
{
    pthread_mutex_lock(&pool->lock);
    atomic_fetch_add_explicit(&pool->ticket, 1, memory_order_release);
    pthread_cond_broadcast(&pool->ticket_changed);
    pthread_mutex_unlock(&pool->lock);
}

static void wait_for_workers(SuThreadPool *pool)
{
    for (int i = 0; i < SPINS; i++) {
        if (atomic_load_explicit(&pool->running, memory_order_acquire) == 0) return;
        cpu_relax();
    }
    pthread_mutex_lock(&pool->lock);
    while (atomic_load_explicit(&pool->running, memory_order_acquire) != 0)
        pthread_cond_wait(&pool->all_done, &pool->lock);
    pthread_mutex_unlock(&pool->lock);
}

void su_thread_pool_run(SuThreadPool *pool, uint32_t n, SuThreadBody body, void *arg)
{
    if (n <= 1) {
        body(arg, 0);
        return;
    }
    pthread_mutex_lock(&pool->run_lock);
    pool->body = body;
    pool->arg = arg;
    pool->n = n;
    atomic_store_explicit(&pool->running, pool->num_threads - 1, memory_order_relaxed);
    announce(pool);
    body(arg, 0);
    wait_for_workers(pool);
    pthread_mutex_unlock(&pool->run_lock);
}

static void stop_workers(SuThreadPool *pool, uint32_t started)
{
    atomic_store_explicit(&pool->stop, true, memory_order_release);
    announce(pool);
    for (uint32_t i = 0; i < started; i++) pthread_join(pool->workers[i].thread, NULL);
    pthread_cond_destroy(&pool->all_done);
    pthread_cond_destroy(&pool->ticket_changed);
    pthread_mutex_destroy(&pool->lock);
    pthread_mutex_destroy(&pool->run_lock);
    su_free(pool);
}

SutraStatus su_thread_pool_create(uint32_t num_threads, SuThreadPool **out, SutraError *err)
{
    *out = NULL;
    if (num_threads == 0 || num_threads > 4096)
        SU_RAISE(err, SUTRA_E_ARGUMENT, "num_threads is %u, outside 1 … 4096", num_threads);
    SuThreadPool *pool = su_calloc(1, sizeof *pool + (num_threads - 1) * sizeof pool->workers[0]);
    if (!pool) SU_RAISE(err, SUTRA_E_MEMORY, "out of memory for %u threads", num_threads);
    pool->num_threads = num_threads;
    pthread_mutex_init(&pool->run_lock, NULL);
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->ticket_changed, NULL);
    pthread_cond_init(&pool->all_done, NULL);
    for (uint32_t i = 0; i + 1 < num_threads; i++) {
        struct Worker *worker = &pool->workers[i];
        *worker = (struct Worker){.pool = pool, .rank = i + 1};
        if (pthread_create(&worker->thread, NULL, worker_main, worker) != 0) {
            stop_workers(pool, i);
            SU_RAISE(err, SUTRA_E_LIMIT, "could start only %u of %u threads", i + 1, num_threads);
        }
    }
    *out = pool;
    return SUTRA_OK;
}

void su_thread_pool_free(SuThreadPool *pool)
{
    if (pool) stop_workers(pool, pool->num_threads - 1);
}

uint32_t su_thread_pool_size(const SuThreadPool *pool) { return pool->num_threads; }

void su_barrier_wait(SuBarrier *barrier, uint32_t n)
{
    if (n <= 1) return;
    uint32_t generation = atomic_load_explicit(&barrier->generation, memory_order_relaxed);
    if (atomic_fetch_add_explicit(&barrier->arrived, 1, memory_order_acq_rel) == n - 1) {
        atomic_store_explicit(&barrier->arrived, 0, memory_order_relaxed);
        atomic_fetch_add_explicit(&barrier->generation, 1, memory_order_release);
        return;
    }
    for (int i = 0; atomic_load_explicit(&barrier->generation, memory_order_acquire) == generation;
         i++) {
        if (i < SPINS)
            cpu_relax();
        else
            sched_yield();
    }
}
