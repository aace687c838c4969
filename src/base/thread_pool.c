/* One run, seen from the threads:
 *
 *   caller:  lock -> body, arg written -> entry = {ticket + 1, open, 0} -> wake sleepers
 *            -> body(arg, 0) -> [close] -> wait until those that came have finished -> unlock
 *   worker:  wait for a new ticket (spin, then sleep) -> come in: entry.joined += 1, if this ticket
 *            is open and has a rank left -> body(arg, rank) -> finished += 1
 *
 * entry is one word, so that a worker that wakes too late cannot come into another run, and reads
 * body and arg only once it is counted in. */
#include "base/thread_pool.h"

#include "base/cpu_relax.h"
#include "base/memory.h"
#include "base/thread_start.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

enum {
    SPINS = 4000, /* some 50 µs: longer than the gap between two batches, shorter than a tick */
    JOINED = 0xffff,
    ONE_FREE = 0x10000
};
#define FREE_RANKS UINT64_C(0xffff0000)

struct SuThreadPool {
    uint32_t num_threads;
    pthread_mutex_t run_lock; /* held for a whole run */
    pthread_mutex_t lock;     /* guards sleeping and waking */
    pthread_cond_t ticket_changed, all_done;
    _Atomic uint32_t ticket;
    _Atomic uint64_t entry;    /* ticket << 32 | free ranks << 16 | joined; no free rank: closed */
    _Atomic uint32_t finished; /* of those that joined */
    _Atomic bool stop;
    SuThreadBody body;
    void *arg;
    struct Worker {
        pthread_t thread;
        SuThreadPool *pool;
    } workers[];
};

static void wait_for_ticket(SuThreadPool *pool, uint32_t seen)
{
    for (int i = 0; i < SPINS; i++) {
        if (atomic_load_explicit(&pool->ticket, memory_order_acquire) != seen) return;
        su_cpu_relax();
    }
    pthread_mutex_lock(&pool->lock);
    while (atomic_load_explicit(&pool->ticket, memory_order_acquire) == seen)
        pthread_cond_wait(&pool->ticket_changed, &pool->lock);
    pthread_mutex_unlock(&pool->lock);
}

/* The rank that this thread gets in the run of `ticket`; 0: it comes too late or is not needed. */
static uint32_t come_in(SuThreadPool *pool, uint32_t ticket)
{
    uint64_t entry = atomic_load_explicit(&pool->entry, memory_order_acquire);
    while ((uint32_t)(entry >> 32) == ticket && (entry & FREE_RANKS))
        if (atomic_compare_exchange_weak_explicit(&pool->entry, &entry, entry - ONE_FREE + 1,
                                                  memory_order_acq_rel, memory_order_acquire))
            return (uint32_t)(entry & JOINED) + 1;
    return 0;
}

static void *worker_main(void *argument)
{
    struct Worker *worker = argument;
    SuThreadPool *pool = worker->pool;
    uint32_t seen = 0;
    for (;;) {
        wait_for_ticket(pool, seen);
        seen = atomic_load_explicit(&pool->ticket, memory_order_acquire);
        if (atomic_load_explicit(&pool->stop, memory_order_acquire)) return NULL;
        uint32_t rank = come_in(pool, seen);
        if (rank == 0) continue;
        pool->body(pool->arg, rank);
        atomic_fetch_add_explicit(&pool->finished, 1, memory_order_acq_rel);
        pthread_mutex_lock(&pool->lock);
        pthread_cond_signal(&pool->all_done);
        pthread_mutex_unlock(&pool->lock);
    }
}

static void announce(SuThreadPool *pool)
{
    pthread_mutex_lock(&pool->lock);
    atomic_fetch_add_explicit(&pool->ticket, 1, memory_order_release);
    pthread_cond_broadcast(&pool->ticket_changed);
    pthread_mutex_unlock(&pool->lock);
}

static void wait_for_workers(SuThreadPool *pool, uint32_t workers)
{
    for (int i = 0; i < SPINS; i++) {
        if (atomic_load_explicit(&pool->finished, memory_order_acquire) == workers) return;
        su_cpu_relax();
    }
    pthread_mutex_lock(&pool->lock);
    while (atomic_load_explicit(&pool->finished, memory_order_acquire) != workers)
        pthread_cond_wait(&pool->all_done, &pool->lock);
    pthread_mutex_unlock(&pool->lock);
}

static void start(SuThreadPool *pool, uint32_t n, SuThreadBody body, void *arg)
{
    pool->body = body;
    pool->arg = arg;
    atomic_store_explicit(&pool->finished, 0, memory_order_relaxed);
    uint32_t ticket = atomic_load_explicit(&pool->ticket, memory_order_relaxed) + 1;
    atomic_store_explicit(&pool->entry, (uint64_t)ticket << 32 | (uint64_t)(n - 1) * ONE_FREE,
                          memory_order_release);
    announce(pool);
}

/* The number of those that came. */
static uint32_t close_entry(SuThreadPool *pool)
{
    return (uint32_t)(atomic_fetch_and_explicit(&pool->entry, ~(uint64_t)FREE_RANKS,
                                                memory_order_acq_rel) &
                      JOINED);
}

/* late: ranks that have not come when rank 0 returns are left out. */
static void run(SuThreadPool *pool, uint32_t n, bool late, SuThreadBody body, void *arg)
{
    if (n <= 1) {
        body(arg, 0);
        return;
    }
    pthread_mutex_lock(&pool->run_lock);
    start(pool, n, body, arg);
    body(arg, 0);
    wait_for_workers(pool, late ? close_entry(pool) : n - 1);
    pthread_mutex_unlock(&pool->run_lock);
}

void su_thread_pool_open(SuThreadPool *pool, uint32_t n, SuThreadBody body, void *arg)
{
    if (n > 1) start(pool, n, body, arg);
}

void su_thread_pool_close(SuThreadPool *pool) { wait_for_workers(pool, close_entry(pool)); }

void su_thread_pool_run(SuThreadPool *pool, uint32_t n, SuThreadBody body, void *arg)
{
    run(pool, n, false, body, arg);
}

void su_thread_pool_run_available(SuThreadPool *pool, uint32_t n, SuThreadBody body, void *arg)
{
    run(pool, n, true, body, arg);
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
        *worker = (struct Worker){.pool = pool};
        if (!su_thread_start(&worker->thread, worker_main, worker)) {
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
