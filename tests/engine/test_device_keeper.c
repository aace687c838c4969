/* What no batch waits for: models are loaded behind the batches, within a limit of their own; devices
 * are asked for their facts within a limit, and asked again while the engine is idle. And what a
 * device gets at a time. */
#include "support/fault_control.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

enum { HOUR_MS = 3600000 };

static FaultEngine fault;

static void rest(void) { nanosleep(&(struct timespec){0, 1000000}, NULL); }

static void open_devices(const char *devices, uint32_t timeout_ms)
{
    const SutraEngineOptions options = {.policy = SUTRA_POLICY_ROUND_ROBIN,
                                        .device_timeout_ms = timeout_ms};
    fault_engine_open(&fault, PLUGINS, devices, &options);
}

/* ---- loads ---- */

static void batches_go_elsewhere_while_a_device_loads(void **state)
{
    (void)state;
    open_devices("fault:0", HOUR_MS);
    fault_check_bytes(&fault, 50);
    fault_switch(1)->mode = FAULT_LOAD_HANG;
    fault_add_device(&fault, "fault:1");
    for (int i = 0; i < 5; i++) fault_check_bytes(&fault, 100);
    assert_int_equal(fault_count(&fault, "fault:1", "loading"), 2);
    assert_int_equal(fault_count(&fault, "fault:1", "texts"), 0);
    assert_true(fault_is(&fault, "fault:1", "ready"));
    fault_switch(1)->mode = FAULT_NONE;
    while (fault_count(&fault, "fault:1", "texts") == 0) fault_check_bytes(&fault, 100);
    assert_int_equal(fault_count(&fault, "fault:1", "failed_runs"), 0);
    fault_engine_close(&fault);
    for (uint32_t d = 0; d < 2; d++) {
        assert_int_equal(fault_switch(d)->contexts, fault_switch(d)->context_frees);
        assert_int_equal(fault_switch(d)->unloads, fault_switch(d)->loads);
    }
}

/* It takes longer than a run may, and the device is the only one. */
static void a_load_is_no_run(void **state)
{
    (void)state;
    enum { RUN_MS = 2000 };
    SutraError err = {0};
    const SutraInput input = text_input("a b c");
    float row[64];
    open_devices("fault:0", RUN_MS);
    fault_check_bytes(&fault, 1);
    fault_switch(1)->slow_us = RUN_MS * 1500;
    fault_switch(1)->mode = FAULT_LOAD_SLOW;
    fault_add_device(&fault, "fault:1");
    fault_drop_device(&fault, "fault:0");
    if (sutra_embed_into(fault.tiny.engine, fault.tiny.model, &input, 1, NULL, row, sizeof row,
                         NULL, &err) != SUTRA_OK)
        fail_msg("%s", err.message);
    assert_int_equal(fault_count(&fault, "fault:1", "late_runs"), 0);
    fault_engine_close(&fault);
}

static void a_load_behind_the_batches_has_a_limit(void **state)
{
    (void)state;
    open_devices("fault:0", 100);
    fault_check_bytes(&fault, 1);
    fault_switch(1)->mode = FAULT_LOAD_HANG;
    fault_add_device(&fault, "fault:1");
    /* trials of it load again, now and then */
    while (!fault_is(&fault, "fault:1", "quarantined") ||
           fault_count(&fault, "fault:1", "loading") > 0)
        fault_check_bytes(&fault, 1);
    assert_true(fault_count(&fault, "fault:1", "hung") > 0);
    fault_switch(1)->mode = FAULT_NONE;
    while (fault_count(&fault, "fault:1", "texts") == 0) fault_check_bytes(&fault, 20);
    fault_engine_close(&fault);
}

/* Neither the end of the engine nor of the device waits for it; it keeps its model until it is
 * back. */
static void what_loads_may_go(void **state)
{
    (void)state;
    for (int removed = 0; removed < 2; removed++) {
        open_devices("fault:0", HOUR_MS);
        fault_check_bytes(&fault, 50);
        fault_switch(1)->mode = FAULT_LOAD_HANG;
        fault_add_device(&fault, "fault:1");
        while (!fault_switch(1)->hanging) fault_check_bytes(&fault, 50);
        if (removed) fault_drop_device(&fault, "fault:1");
        fault_check_bytes(&fault, 50);
        tiny_engine_close(&fault.tiny);
        sutra_engine_free(fault.plain);
        assert_int_equal(fault_switch(0)->unloads, 0);
        fault_switch(1)->mode = FAULT_NONE;
        for (uint32_t d = 0; d < 2; d++)
            while (fault_switch(d)->unloads < 1) rest();
        for (uint32_t d = 0; d < 2; d++) {
            assert_int_equal(fault_switch(d)->contexts, fault_switch(d)->context_frees);
            assert_int_equal(fault_switch(d)->early_unloads, 0);
        }
    }
}

/* Nothing of it runs on behind the end. */
static void a_load_that_is_nearly_done_is_waited_for(void **state)
{
    (void)state;
    for (int removed = 0; removed < 2; removed++) {
        open_devices("fault:0", HOUR_MS);
        fault_check_bytes(&fault, 50);
        fault_switch(1)->slow_us = 200000;
        fault_switch(1)->mode = FAULT_LOAD_SLOW;
        fault_add_device(&fault, "fault:1");
        while (fault_count(&fault, "fault:1", "loading") == 0 && !fault_switch(1)->loads)
            fault_check_bytes(&fault, 50);
        if (removed) fault_drop_device(&fault, "fault:1");
        if (removed) assert_int_equal(fault_switch(1)->loads, 1);
        fault_engine_close(&fault);
        assert_int_equal(fault_switch(1)->loads, 1);
        assert_int_equal(fault_switch(1)->unloads, 1);
        assert_int_equal(fault_switch(1)->contexts, fault_switch(1)->context_frees);
    }
}

static void a_load_that_fails_harms_no_batch(void **state)
{
    (void)state;
    open_devices("fault:0", 0);
    fault_check_bytes(&fault, 50);
    fault_switch(1)->mode = FAULT_EMPTY;
    fault_add_device(&fault, "fault:1");
    while (fault_count(&fault, "fault:1", "failed_runs") == 0) fault_check_bytes(&fault, 50);
    fault_switch(1)->mode = FAULT_REFUSES;
    fault_drop_device(&fault, "fault:1");
    fault_add_device(&fault, "fault:1");
    for (int i = 0; i < 5; i++) fault_check_bytes(&fault, 50);
    assert_true(fault_is(&fault, "fault:1", "ready"));
    fault_engine_close(&fault);
}

/* ---- facts ---- */

static void check_late_facts(uint32_t device, int mode, const char *function)
{
    const SutraEngineOptions options = {
        .struct_size = sizeof options, .devices = "fault:2", .device_timeout_ms = 500};
    SutraEngine *engine = NULL;
    SutraError err = {0};
    fault_switch(device)->mode = mode;
    assert_int_equal(sutra_engine_create(&options, &engine, &err), SUTRA_E_DEVICE);
    assert_null(engine);
    if (!strstr(err.message, "\"fault:2\"") || !strstr(err.message, function) ||
        !strstr(err.message, "has not come back"))
        fail_msg("%s", err.message);
    assert_int_equal(fault_switch(device)->hanging, 1);
    fault_switch(device)->mode = FAULT_NONE;
    while (fault_switch(device)->hanging) rest();
    SutraEngineOptions patient = options;
    patient.device_timeout_ms = 0;
    if (sutra_engine_create(&patient, &engine, &err) != SUTRA_OK) fail_msg("%s", err.message);
    sutra_engine_free(engine);
}

static void facts_that_do_not_come_are_an_error(void **state)
{
    (void)state;
    open_devices("fault:1", 0);
    check_late_facts(0, FAULT_COUNT_HANG, "device_count");
    check_late_facts(2, FAULT_INFO_HANG, "device_info");
    fault_engine_close(&fault);
}

/* ---- health ---- */

static void make_ill(const char *name, uint32_t device)
{
    fault_check_bytes(&fault, 50);
    fault_switch(device)->mode = FAULT_ERROR;
    while (!fault_is(&fault, name, "quarantined")) fault_check_bytes(&fault, 50);
}

static void an_idle_engine_asks_whether_a_device_is_well(void **state)
{
    (void)state;
    open_devices("fault:0,fault:1", 0);
    make_ill("fault:1", 1);
    fault_switch(1)->mode = FAULT_GONE;
    while (fault_count(&fault, "fault:1", "failed_probes") < 2) rest();
    fault_switch(1)->mode = FAULT_NONE;
    while (!fault_is(&fault, "fault:1", "recovering")) rest();
    int infos = fault_switch(1)->infos, runs = fault_switch(1)->runs;
    assert_int_equal(fault_count(&fault, "fault:1", "probes"),
                     fault_count(&fault, "fault:1", "failed_probes") + 1);
    fault_check_bytes(&fault, 1);
    assert_true(fault_is(&fault, "fault:1", "ready"));
    assert_int_equal(fault_switch(1)->runs, runs + 1); /* the first batch is its trial */
    assert_int_equal(fault_switch(1)->infos, infos);
    fault_engine_close(&fault);
}

static void a_device_that_answers_and_fails_again_is_ill(void **state)
{
    (void)state;
    open_devices("fault:0,fault:1", 0);
    make_ill("fault:1", 1);
    while (!fault_is(&fault, "fault:1", "recovering")) rest();
    int runs = fault_switch(1)->runs;
    fault_check_bytes(&fault, 1);
    assert_false(fault_is(&fault, "fault:1", "ready"));
    assert_true(fault_switch(1)->runs > runs);
    fault_engine_close(&fault);
}

static void a_probe_that_hangs_is_late(void **state)
{
    (void)state;
    open_devices("fault:0,fault:1", 1000);
    make_ill("fault:1", 1);
    fault_switch(1)->mode = FAULT_INFO_HANG;
    while (fault_count(&fault, "fault:1", "hung") == 0) rest();
    fault_check_bytes(&fault, 50);
    fault_switch(1)->mode = FAULT_NONE;
    while (!fault_is(&fault, "fault:1", "recovering")) rest();
    fault_engine_close(&fault);
}

/* Also while a probe hangs, which the end does not wait for. */
static void a_freed_engine_asks_nothing(void **state)
{
    (void)state;
    open_devices("fault:0,fault:1", HOUR_MS);
    make_ill("fault:1", 1);
    fault_switch(1)->mode = FAULT_INFO_HANG;
    while (!fault_switch(1)->hanging) rest();
    tiny_engine_close(&fault.tiny);
    sutra_engine_free(fault.plain);
    int infos = fault_switch(1)->infos;
    fault_switch(1)->mode = FAULT_NONE;
    while (fault_switch(1)->hanging) rest();
    for (int i = 0; i < 300; i++) rest(); /* longer than the first quarantine */
    assert_int_equal(fault_switch(1)->infos, infos);
}

/* ---- what a device gets ---- */

/* A large device that comes later is no less used, and a small one is not given more than it
 * prefers. */
static void each_device_gets_pieces_of_its_own_size(void **state)
{
    (void)state;
    enum { SMALL = 64 /* of a device of the plugin */, LARGE = 512, TEXTS = 400, TURNS = 50 };
    for (int later = 0; later < 2; later++) {
        open_devices("fault:0", 0);
        fault_switch(1)->preferred_tokens = LARGE;
        if (!later) {
            const SutraEngineOptions options = {.struct_size = sizeof options,
                                                .num_threads = 2,
                                                .devices = "fault:0,fault:1",
                                                .policy = SUTRA_POLICY_ROUND_ROBIN};
            SutraError err = {0};
            sutra_engine_free(fault.tiny.engine);
            if (sutra_engine_create(&options, &fault.tiny.engine, &err) != SUTRA_OK)
                fail_msg("%s", err.message);
        } else {
            fault_check_bytes(&fault, 100);
            fault_add_device(&fault, "fault:1");
        }
        for (int turn = 0; turn < TURNS && fault_switch(1)->largest_run <= LARGE / 2; turn++)
            fault_check_bytes(&fault, TEXTS);
        assert_in_range(fault_switch(1)->largest_run, LARGE / 2 + 1, LARGE);
        assert_in_range(fault_switch(0)->largest_run, 1, SMALL);
        fault_engine_close(&fault);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(batches_go_elsewhere_while_a_device_loads),
        cmocka_unit_test(a_load_is_no_run),
        cmocka_unit_test(a_load_behind_the_batches_has_a_limit),
        cmocka_unit_test(what_loads_may_go),
        cmocka_unit_test(a_load_that_is_nearly_done_is_waited_for),
        cmocka_unit_test(a_load_that_fails_harms_no_batch),
        cmocka_unit_test(facts_that_do_not_come_are_an_error),
        cmocka_unit_test(an_idle_engine_asks_whether_a_device_is_well),
        cmocka_unit_test(a_device_that_answers_and_fails_again_is_ill),
        cmocka_unit_test(a_probe_that_hangs_is_late),
        cmocka_unit_test(a_freed_engine_asks_nothing),
        cmocka_unit_test(each_device_gets_pieces_of_its_own_size),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
