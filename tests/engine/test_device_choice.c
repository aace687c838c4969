/* Which device of a pool takes a batch, by what is known of each: no device is run, and the times
 * that runs are said to have taken are so long that none is forgotten meanwhile. */
#include "backend/device_choice.h"
#include "backend/device_health.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

enum { DEVICES = 2, LANES = 2, BATCH = 64 };

static const uint64_t SECOND = 1000000000;

static SuDevicePool pool;
static SuDevice devices[DEVICES];
static SuLane lanes[DEVICES][LANES];
static SuDeviceShared shared = {.lock = PTHREAD_MUTEX_INITIALIZER,
                                .changed = PTHREAD_COND_INITIALIZER};

/* Seconds that a batch takes on each; 0: not known. */
static void set_up(uint32_t policy, uint64_t first, uint64_t second)
{
    const uint64_t seconds[DEVICES] = {first, second};
    memset(devices, 0, sizeof devices);
    memset(lanes, 0, sizeof lanes);
    pool = (SuDevicePool){.shared = &shared, .policy = policy, .num_devices = DEVICES, .random = 1};
    for (size_t d = 0; d < DEVICES; d++) {
        pool.devices[d] = &devices[d];
        devices[d].shared = &shared;
        devices[d].preferred_tokens = BATCH;
        devices[d].lanes = lanes[d];
        devices[d].num_lanes = LANES;
        if (seconds[d]) su_device_praise(&pool, &devices[d], 1, BATCH, seconds[d] * SECOND);
    }
}

/* Batches that a device has at hand. */
static void load(size_t d, size_t batches)
{
    devices[d].tokens_out = batches * BATCH;
    for (size_t i = 0; i < LANES; i++)
        lanes[d][i].state = i < batches ? SU_LANE_RUNNING : SU_LANE_FREE;
}

/* The number of the device that takes a batch; DEVICES: none for now. */
static size_t choose(void)
{
    const SuDevice *device = su_device_by_policy(&pool, pool.devices, DEVICES, BATCH);
    return device ? (size_t)(device - devices) : DEVICES;
}

static void the_fastest_takes_what_it_will_have_done_first(void **state)
{
    (void)state;
    for (size_t fast = 0; fast < DEVICES; fast++) {
        size_t slow = 1 - fast;
        set_up(SUTRA_POLICY_FASTEST, fast == 0 ? 1 : 10, fast == 1 ? 1 : 10);
        assert_int_equal(choose(), fast);
        load(fast, 1);
        assert_int_equal(choose(), fast);
        load(fast, LANES); /* it is worth a wait */
        assert_int_equal(choose(), DEVICES);
        pool.tokens_waiting = 16 * BATCH; /* (2 + 16 + 1) / 2 runs of a second, to one of ten */
        assert_int_equal(choose(), DEVICES);
        pool.tokens_waiting = 18 * BATCH;
        assert_int_equal(choose(), slow);
        load(slow, LANES);
        assert_int_equal(choose(), DEVICES);
    }
}

/* Each batch goes on its way as soon as it may, and each run takes as long as its device's. */
static void a_few_batches_do_not_wait_for_a_slow_device(void **state)
{
    (void)state;
    enum { BATCHES = 8, FAST = 1 };
    const uint64_t seconds[DEVICES] = {10, 1};
    uint64_t ends[DEVICES][LANES] = {{0}}, now = 0, last = 0;
    size_t taken[DEVICES] = {0};
    set_up(SUTRA_POLICY_FASTEST, seconds[0], seconds[1]);
    for (size_t batches = BATCHES; batches; now++) {
        for (size_t d = 0; d < DEVICES; d++)
            for (size_t i = 0; i < LANES; i++) {
                if (lanes[d][i].state == SU_LANE_FREE || ends[d][i] > now) continue;
                lanes[d][i].state = SU_LANE_FREE;
                devices[d].tokens_out -= BATCH;
                su_device_praise(&pool, &devices[d], 1, BATCH, seconds[d] * SECOND);
            }
        for (size_t d; batches && (d = choose()) < DEVICES; batches--) {
            size_t i = lanes[d][0].state == SU_LANE_FREE ? 0 : 1;
            lanes[d][i].state = SU_LANE_RUNNING;
            devices[d].tokens_out += BATCH;
            ends[d][i] = now + seconds[d];
            if (ends[d][i] > last) last = ends[d][i];
            taken[d]++;
        }
    }
    assert_int_equal(taken[FAST], BATCHES);
    assert_int_equal(last, BATCHES / LANES);
}

static void a_pace_that_is_not_known_is_that_of_another(void **state)
{
    (void)state;
    set_up(SUTRA_POLICY_FASTEST, 10, 0);
    assert_int_equal(choose(), 0);
    load(0, LANES);
    assert_int_equal(choose(), 1);
    set_up(SUTRA_POLICY_FASTEST, 0, 10);
    load(1, 1);
    assert_int_equal(choose(), 0);
    set_up(SUTRA_POLICY_FASTEST, 0, 0);
    load(0, LANES);
    assert_int_equal(choose(), 1);
}

static void a_pace_that_is_old_tells_nothing(void **state)
{
    (void)state;
    set_up(SUTRA_POLICY_FASTEST, 1, 10);
    load(0, LANES);
    assert_int_equal(choose(), DEVICES);
    devices[1].fresh_ns = 0;
    assert_int_equal(choose(), 1);
}

static void the_least_loaded_has_the_fewest_tokens(void **state)
{
    (void)state;
    set_up(SUTRA_POLICY_LEAST_LOADED, 10, 1);
    load(1, 1);
    assert_int_equal(choose(), 0);
    devices[0].tokens_out = BATCH + 1;
    assert_int_equal(choose(), 1);
    load(1, LANES);
    devices[1].tokens_out = 1; /* it has no lane */
    assert_int_equal(choose(), 0);
    load(0, LANES);
    assert_int_equal(choose(), DEVICES);
}

static void others_ask_for_a_free_lane_alone(void **state)
{
    (void)state;
    set_up(SUTRA_POLICY_ROUND_ROBIN, 10, 1);
    for (size_t i = 0; i < 6; i++) assert_int_equal(choose(), 1 - i % 2);
    load(0, LANES);
    for (size_t i = 0; i < 6; i++) assert_int_equal(choose(), 1);
    set_up(SUTRA_POLICY_RANDOM, 10, 1);
    size_t taken[DEVICES + 1] = {0};
    for (size_t i = 0; i < 1000; i++) taken[choose()]++;
    assert_true(taken[0] > 400 && taken[1] > 400 && !taken[DEVICES]);
    load(1, LANES);
    for (size_t i = 0; i < 6; i++) assert_int_equal(choose(), 0);
}

/* A text that is longer than a device prefers goes through its lane 0. */
static void long_texts_ask_for_the_first_lane(void **state)
{
    (void)state;
    set_up(SUTRA_POLICY_LEAST_LOADED, 1, 1);
    lanes[0][0].state = SU_LANE_RUNNING;
    assert_int_equal(choose(), 0);
    assert_ptr_equal(su_device_by_policy(&pool, pool.devices, DEVICES, BATCH + 1), &devices[1]);
    lanes[1][0].state = SU_LANE_RUNNING;
    assert_null(su_device_by_policy(&pool, pool.devices, DEVICES, BATCH + 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_fastest_takes_what_it_will_have_done_first),
        cmocka_unit_test(a_few_batches_do_not_wait_for_a_slow_device),
        cmocka_unit_test(a_pace_that_is_not_known_is_that_of_another),
        cmocka_unit_test(a_pace_that_is_old_tells_nothing),
        cmocka_unit_test(the_least_loaded_has_the_fewest_tokens),
        cmocka_unit_test(others_ask_for_a_free_lane_alone),
        cmocka_unit_test(long_texts_ask_for_the_first_lane),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
