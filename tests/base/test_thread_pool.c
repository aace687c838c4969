#include "base/memory.h"
#include "base/thread_pool.h"

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum { MOST = 8 };

/* Plain, not atomic: only the pool's own ordering makes them visible, which ThreadSanitizer checks.
 */
typedef struct Visits {
    uint32_t count[MOST];
} Visits;

static void visit(void *arg, uint32_t rank) { ((Visits *)arg)->count[rank]++; }

static void every_rank_runs_once(void **state)
{
    (void)state;
    for (uint32_t size = 1; size <= MOST; size++) {
        SuThreadPool *pool;
        assert_int_equal(su_thread_pool_create(size, &pool, NULL), SUTRA_OK);
        assert_int_equal(su_thread_pool_size(pool), size);
        for (uint32_t n = 1; n <= size; n++) {
            Visits visits = {0};
            su_thread_pool_run(pool, n, visit, &visits);
            for (uint32_t rank = 0; rank < MOST; rank++)
                assert_int_equal(visits.count[rank], rank < n ? 1 : 0);
        }
        su_thread_pool_free(pool);
    }
}

static void runs_follow_each_other(void **state)
{
    (void)state;
    SuThreadPool *pool;
    assert_int_equal(su_thread_pool_create(4, &pool, NULL), SUTRA_OK);
    Visits visits = {0};
    uint32_t expected[MOST] = {0};
    for (uint32_t run = 0; run < 3000; run++) {
        uint32_t n = 1 + run % 4; /* fewer ranks, then more again */
        su_thread_pool_run(pool, n, visit, &visits);
        for (uint32_t rank = 0; rank < n; rank++) expected[rank]++;
        assert_memory_equal(visits.count, expected, sizeof expected);
    }
    su_thread_pool_free(pool);
}

typedef struct Thread {
    pthread_t id;
} Thread;

static void record_thread(void *arg, uint32_t rank) { ((Thread *)arg)[rank].id = pthread_self(); }

static void rank_0_is_the_caller_and_ranks_are_distinct_threads(void **state)
{
    (void)state;
    SuThreadPool *pool;
    Thread threads[MOST];
    assert_int_equal(su_thread_pool_create(MOST, &pool, NULL), SUTRA_OK);
    su_thread_pool_run(pool, MOST, record_thread, threads);
    assert_true(pthread_equal(threads[0].id, pthread_self()));
    for (int i = 0; i < MOST; i++)
        for (int j = 0; j < i; j++) assert_false(pthread_equal(threads[i].id, threads[j].id));
    su_thread_pool_free(pool);
}

static void record_mask(void *arg, uint32_t rank)
{
    pthread_sigmask(SIG_SETMASK, NULL, &((sigset_t *)arg)[rank]);
}

static void signals_are_left_to_the_program(void **state)
{
    (void)state;
    SuThreadPool *pool;
    sigset_t before, masks[4];
    pthread_sigmask(SIG_SETMASK, NULL, &before);
    assert_int_equal(su_thread_pool_create(4, &pool, NULL), SUTRA_OK);
    su_thread_pool_run(pool, 4, record_mask, masks);
    su_thread_pool_free(pool);
    static const int left[] = {SIGINT,  SIGTERM, SIGHUP,  SIGPIPE,
                               SIGQUIT, SIGCHLD, SIGUSR1, SIGUSR2};
    static const int kept[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT, SIGPROF};
    for (int rank = 1; rank < 4; rank++) {
        for (size_t i = 0; i < sizeof left / sizeof *left; i++)
            assert_int_equal(sigismember(&masks[rank], left[i]), 1);
        for (size_t i = 0; i < sizeof kept / sizeof *kept; i++)
            assert_int_equal(sigismember(&masks[rank], kept[i]), 0);
    }
    for (size_t i = 0; i < sizeof left / sizeof *left; i++)
        assert_int_equal(sigismember(&masks[0], left[i]), sigismember(&before, left[i]));
}

/* Several callers share one pool; a run is never mixed with another. */
typedef struct Caller {
    SuThreadPool *pool;
    uint32_t *owner; /* whose run it is: written by every rank */
    uint32_t self, clashes;
    pthread_barrier_t gate; /* of the three ranks */
} Caller;

static void claim(void *arg, uint32_t rank)
{
    Caller *caller = arg;
    if (rank == 0) *caller->owner = caller->self;
    pthread_barrier_wait(&caller->gate);
    if (rank != 0 && *caller->owner != caller->self) caller->clashes = 1;
    pthread_barrier_wait(&caller->gate);
}

static void *call_often(void *argument)
{
    for (int i = 0; i < 200; i++)
        su_thread_pool_run(((Caller *)argument)->pool, 3, claim, argument);
    return NULL;
}

static void callers_take_turns(void **state)
{
    (void)state;
    SuThreadPool *pool;
    pthread_t threads[3];
    Caller callers[3];
    uint32_t owner = 0;
    assert_int_equal(su_thread_pool_create(3, &pool, NULL), SUTRA_OK);
    for (uint32_t i = 0; i < 3; i++) {
        callers[i] = (Caller){.pool = pool, .owner = &owner, .self = i + 1};
        assert_int_equal(pthread_barrier_init(&callers[i].gate, NULL, 3), 0);
        assert_int_equal(pthread_create(&threads[i], NULL, call_often, &callers[i]), 0);
    }
    for (int i = 0; i < 3; i++) {
        pthread_join(threads[i], NULL);
        pthread_barrier_destroy(&callers[i].gate);
        assert_int_equal(callers[i].clashes, 0);
    }
    su_thread_pool_free(pool);
}

static void bad_sizes_are_errors(void **state)
{
    (void)state;
    SuThreadPool *pool = (SuThreadPool *)&pool;
    SutraError err;
    assert_int_equal(su_thread_pool_create(0, &pool, &err), SUTRA_E_ARGUMENT);
    assert_null(pool);
    assert_int_equal(su_thread_pool_create(1u << 30, &pool, &err), SUTRA_E_ARGUMENT);
    assert_non_null(strstr(err.message, "num_threads"));
    su_memory_fail_after(0, true);
    assert_int_equal(su_thread_pool_create(2, &pool, &err), SUTRA_E_MEMORY);
    su_memory_fail_after(-1, false);
    su_thread_pool_free(NULL);
}

static void a_pool_that_never_ran_can_be_freed(void **state)
{
    (void)state;
    for (int i = 0; i < 50; i++) {
        SuThreadPool *pool;
        assert_int_equal(su_thread_pool_create(MOST, &pool, NULL), SUTRA_OK);
        su_thread_pool_free(pool);
    }
}

static void nothing_is_allocated_by_a_run(void **state)
{
    (void)state;
    SuThreadPool *pool;
    Visits visits = {0};
    su_memory_fail_after(-1, false);
    assert_int_equal(su_thread_pool_create(4, &pool, NULL), SUTRA_OK);
    uint64_t before = su_memory_allocations();
    for (int i = 0; i < 100; i++) su_thread_pool_run(pool, 4, visit, &visits);
    assert_int_equal(su_memory_allocations(), before);
    su_thread_pool_free(pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_rank_runs_once),
        cmocka_unit_test(runs_follow_each_other),
        cmocka_unit_test(rank_0_is_the_caller_and_ranks_are_distinct_threads),
        cmocka_unit_test(signals_are_left_to_the_program),
        cmocka_unit_test(callers_take_turns),
        cmocka_unit_test(bad_sizes_are_errors),
        cmocka_unit_test(a_pool_that_never_ran_can_be_freed),
        cmocka_unit_test(nothing_is_allocated_by_a_run),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
