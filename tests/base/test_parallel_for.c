#include "base/parallel_for.h"
#include "base/thread_pool.h"

#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

/* Loops in which every iteration reads what all iterations of the loop before wrote. */
enum { COUNT = 13, LOOPS = 50 };
typedef struct Work {
    SuParallelRegion region;
    uint32_t cell[2][COUNT]; /* plain: the region's ordering makes them visible */
    uint32_t size;
    uint32_t company; /* ranks that each waits for */
    _Atomic uint32_t done, wrong, ranks;
    _Atomic bool over;
} Work;

static void iterate(Work *work, uint32_t number, size_t at)
{
    for (uint32_t i = 0; number > 0 && i < COUNT; i++)
        if (work->cell[(number - 1) % 2][i] != number) atomic_fetch_add(&work->wrong, 1);
    work->cell[number % 2][at] = number + 1;
    atomic_fetch_add(&work->done, 1);
}

static void work_through(void *arg, uint32_t rank)
{
    Work *work = arg;
    SuRegionThread thread = {.rank = rank, .size = work->size, .region = &work->region};
    if (atomic_load(&work->over)) atomic_fetch_add(&work->wrong, 1);
    atomic_fetch_add(&work->ranks, 1);
    while (atomic_load(&work->ranks) < work->company) sched_yield();
    for (uint32_t number = 0; number < LOOPS; number++) {
        SuLoop loop = su_parallel_for(&thread, COUNT);
        while (su_loop_next(&thread, &loop))
            for (size_t i = loop.begin; i < loop.end; i++) iterate(work, number, i);
        loop = su_parallel_for(&thread, 0); /* of nothing: no barrier, no chunk */
        if (su_loop_next(&thread, &loop)) atomic_fetch_add(&work->wrong, 1);
    }
}

static void all_the_work_is_done_by_whoever_comes(void **state)
{
    (void)state;
    SuThreadPool *pool;
    assert_int_equal(su_thread_pool_create(4, &pool, NULL), SUTRA_OK);
    for (uint32_t run = 0; run < 500; run++) {
        Work work = {.size = 1 + run % 4};
        su_parallel_region_init(&work.region);
        su_thread_pool_run_available(pool, work.size, work_through, &work);
        atomic_store(&work.over, true);
        assert_int_equal(work.wrong, 0);
        assert_int_equal(work.done, COUNT * LOOPS);
        assert_in_range(work.ranks, 1, work.size);
    }
    su_thread_pool_free(pool);
}

/* While the caller is at work, whoever is idle comes. */
static void all_who_are_wanted_come(void **state)
{
    (void)state;
    SuThreadPool *pool;
    assert_int_equal(su_thread_pool_create(4, &pool, NULL), SUTRA_OK);
    for (uint32_t size = 2; size <= 4; size++) {
        Work work = {.size = size, .company = size};
        su_parallel_region_init(&work.region);
        su_thread_pool_run_available(pool, size, work_through, &work);
        assert_int_equal(work.ranks, size);
        assert_int_equal(work.wrong, 0);
        assert_int_equal(work.done, COUNT * LOOPS);
    }
    su_thread_pool_free(pool);
}

/* A thread that comes when the loops are over does nothing and gets through. */
static void a_late_thread_finds_its_loops_over(void **state)
{
    (void)state;
    Work work = {.size = 2};
    su_parallel_region_init(&work.region);
    work_through(&work, 0);
    work_through(&work, 1);
    assert_int_equal(work.wrong, 0);
    assert_int_equal(work.done, COUNT * LOOPS);
}

/* Chunks follow each other without gap, and are as many as a thread's share says at most. */
static void chunks_cover_a_loop_once(void **state)
{
    (void)state;
    for (uint32_t size = 1; size <= 5; size++)
        for (size_t count = 0; count < 40; count++) {
            SuParallelRegion region;
            su_parallel_region_init(&region);
            SuRegionThread thread = {.size = size, .region = &region};
            SuLoop loop = su_parallel_for(&thread, count);
            size_t at = 0;
            uint32_t chunks = 0;
            for (; su_loop_next(&thread, &loop); chunks++) {
                assert_int_equal(loop.begin, at);
                assert_true(loop.end > loop.begin);
                at = loop.end;
            }
            assert_int_equal(at, count);
            assert_true(chunks <= su_parallel_chunks(&thread));
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_the_work_is_done_by_whoever_comes),
        cmocka_unit_test(all_who_are_wanted_come),
        cmocka_unit_test(a_late_thread_finds_its_loops_over),
        cmocka_unit_test(chunks_cover_a_loop_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
