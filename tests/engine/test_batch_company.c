/* With devices: a batch takes in what comes while no device is free, and, for as long as the engine
 * may let it wait, while they are at work. */
#include "support/fault_control.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

enum { LANES = 2, MOST_JOBS = 16, PATIENCE_MS = 60000, LONG_US = 600000000 };

typedef struct Case {
    FaultEngine fault;
    SutraJob *jobs[MOST_JOBS];
    size_t num_jobs;
    uint64_t runs_before;
} Case;

static Case c;

static void open_case(uint32_t max_wait_us)
{
    const SutraEngineOptions options = {.max_wait_us = max_wait_us};
    memset(&c, 0, sizeof c);
    fault_engine_open(&c.fault, PLUGINS, "fault:0", &options);
    fault_check_bytes(&c.fault, 1); /* the model is ready */
}

static uint64_t stats_number(const char *name, const char *inner)
{
    char json[16384];
    SutraError err = {0};
    if (sutra_engine_stats(c.fault.tiny.engine, json, sizeof json, NULL, &err) != SUTRA_OK)
        fail_msg("%s", err.message);
    const char *at = strstr(json, name);
    assert_non_null(at);
    at = strstr(at, inner);
    assert_non_null(at);
    return strtoull(at + strlen(inner), NULL, 10);
}

static uint64_t runs(void) { return stats_number("\"wide\"", "\"runs\": "); }
static uint64_t texts_waiting(void) { return stats_number("\"waiting\"", "\"texts\": "); }
static uint64_t texts_hanging(void) { return (uint64_t)fault_switch(0)->hanging; }

static void wait_until(uint64_t (*number)(void), uint64_t expected)
{
    for (int i = 0; number() != expected; i++) {
        if (i == PATIENCE_MS)
            fail_msg("%llu, not %llu", (unsigned long long)number(), (unsigned long long)expected);
        nanosleep(&(struct timespec){0, 1000000}, NULL);
    }
}

/* A text, which some thread then has in its batch. */
static void submit(const char *text)
{
    const SutraInput input = text_input(text);
    SutraError err = {0};
    assert_true(c.num_jobs < MOST_JOBS);
    if (sutra_submit(c.fault.tiny.engine, c.fault.tiny.model, &input, 1, NULL, NULL, NULL,
                     &c.jobs[c.num_jobs++], &err) != SUTRA_OK)
        fail_msg("%s", err.message);
    wait_until(texts_waiting, 0);
}

static void hang_lanes(uint64_t n)
{
    fault_switch(0)->mode = FAULT_HANG;
    c.runs_before = runs();
    for (uint64_t i = 1; i <= n; i++) {
        submit("a b");
        wait_until(texts_hanging, i);
    }
}

/* All jobs end well; the number of runs that they took. */
static uint64_t end_jobs(void)
{
    fault_switch(0)->mode = FAULT_NONE;
    for (size_t i = 0; i < c.num_jobs; i++) {
        SutraResult *result = NULL;
        SutraError err = {0};
        if (sutra_job_wait(c.jobs[i], UINT64_MAX, &result, &err) != SUTRA_OK)
            fail_msg("%s", err.message);
        sutra_result_free(result);
        sutra_job_free(c.jobs[i]);
    }
    uint64_t took = runs() - c.runs_before; /* without those of the check */
    fault_check_bytes(&c.fault, 40);
    fault_engine_close(&c.fault);
    return took;
}

static void texts_join_a_batch_that_no_device_is_free_for(void **state)
{
    (void)state;
    open_case(0);
    hang_lanes(LANES);
    for (int i = 0; i < 3; i++) submit("a b c");
    assert_int_equal(texts_hanging(), LANES);
    uint64_t took = end_jobs(); /* two threads may each have begun a batch */
    assert_true(took == LANES + 1 || took == LANES + 2);
}

static void a_free_device_is_not_waited_for(void **state)
{
    (void)state;
    open_case(0);
    hang_lanes(1);
    submit("a b c");
    wait_until(texts_hanging, 2);
    assert_int_equal(end_jobs(), 2);
}

static void a_batch_waits_while_a_device_is_at_work(void **state)
{
    (void)state;
    open_case(LONG_US);
    hang_lanes(1);
    for (int i = 0; i < 5; i++) submit("a b c");
    assert_int_equal(texts_hanging(), 1);
    uint64_t took = end_jobs(); /* three threads may each have begun a batch */
    assert_true(took >= 2 && took <= 4);
}

static void it_waits_no_longer_than_it_may(void **state)
{
    (void)state;
    open_case(1000);
    hang_lanes(1);
    submit("a b c");
    wait_until(texts_hanging, 2);
    assert_int_equal(end_jobs(), 2);
}

static void an_idle_device_is_never_waited_for(void **state)
{
    (void)state;
    open_case(LONG_US);
    c.runs_before = runs();
    submit("a b c");
    assert_int_equal(end_jobs(), 1);
}

/* ---- callers that wait ---- */

enum { CALLERS = 24, CALLS = 30, KINDS = 2, ROW = 64 * sizeof(float) };

static unsigned char expected[CALLERS][ROW];
static _Atomic int wrong;

static SutraStatus embed_one(SutraEngine *engine, size_t caller, unsigned char *row)
{
    char text[2 * CALLERS + 2];
    SutraEmbedOptions options = {.struct_size = sizeof options,
                                 .dtype = caller % KINDS ? SUTRA_F16 : SUTRA_F32};
    for (size_t i = 0; i <= caller; i++) memcpy(text + 2 * i, "a ", 2);
    SutraInput input = {.text = text, .text_size = 2 * caller + 1};
    memset(row, 0, ROW);
    return sutra_embed_into(engine, c.fault.tiny.model, &input, 1, &options, row, ROW, NULL, NULL);
}

static void *call_many_times(void *arg)
{
    size_t caller = (size_t)arg;
    unsigned char row[ROW];
    for (int i = 0; i < CALLS; i++) {
        bool ok = embed_one(c.fault.tiny.engine, caller, row) == SUTRA_OK &&
                  memcmp(row, expected[caller], ROW) == 0;
        if (!ok) wrong++;
    }
    return NULL;
}

static void callers_of_two_kinds_are_all_served(uint32_t max_wait_us)
{
    pthread_t threads[CALLERS];
    open_case(max_wait_us);
    wrong = 0;
    for (size_t i = 0; i < CALLERS; i++)
        assert_int_equal(embed_one(c.fault.plain, i, expected[i]), SUTRA_OK);
    fault_switch(0)->slow_us = 300;
    fault_switch(0)->mode = FAULT_SLOW;
    for (size_t i = 0; i < CALLERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, call_many_times, (void *)i), 0);
    for (size_t i = 0; i < CALLERS; i++) pthread_join(threads[i], NULL);
    assert_int_equal(wrong, 0);
    end_jobs();
}

static void callers_are_served_without_a_wait(void **state)
{
    (void)state;
    callers_of_two_kinds_are_all_served(0);
}

static void callers_are_served_with_a_wait(void **state)
{
    (void)state;
    callers_of_two_kinds_are_all_served(500);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_join_a_batch_that_no_device_is_free_for),
        cmocka_unit_test(a_free_device_is_not_waited_for),
        cmocka_unit_test(a_batch_waits_while_a_device_is_at_work),
        cmocka_unit_test(it_waits_no_longer_than_it_may),
        cmocka_unit_test(an_idle_device_is_never_waited_for),
        cmocka_unit_test(callers_are_served_without_a_wait),
        cmocka_unit_test(callers_are_served_with_a_wait),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
