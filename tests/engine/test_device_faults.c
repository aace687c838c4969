/* Devices that fail, hang, give NaN, vanish and come back: nothing is lost, nothing doubled, and the
 * bytes are those of the processor. test_device_faults TURNS: how long the load lasts. */
#include "support/fault_control.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

enum { HIDDEN = 64 };

static FaultEngine fault;
static long turns = 20;

static void open_two(uint32_t timeout_ms)
{
    const SutraEngineOptions options = {.policy = SUTRA_POLICY_ROUND_ROBIN,
                                        .device_timeout_ms = timeout_ms};
    fault_engine_open(&fault, PLUGINS, "fault:0,fault:1", &options);
}

static void rest(void) { nanosleep(&(struct timespec){0, 1000000}, NULL); }

/* Batches until the device is well again. */
static void check_readmission(const char *device)
{
    while (!fault_is(&fault, device, "ready")) {
        fault_check_bytes(&fault, 20);
        rest();
    }
}

static void a_device_that_fails_is_left_alone_and_comes_back(int mode)
{
    open_two(0);
    fault_check_bytes(&fault, 100);
    fault_switch(1)->mode = mode;
    while (!fault_is(&fault, "fault:1", "quarantined")) fault_check_bytes(&fault, 100);
    assert_true(fault_count(&fault, "fault:1", "failed_runs") >= 1);
    assert_true(fault_count(&fault, "fault:1", "retried_texts") >= 1);
    fault_check_bytes(&fault, 100);
    fault_switch(1)->mode = FAULT_NONE;
    check_readmission("fault:1");
    fault_engine_close(&fault);
}

static void errors_go_to_another_device(void **state)
{
    (void)state;
    a_device_that_fails_is_left_alone_and_comes_back(FAULT_ERROR);
}

static void rows_of_the_wrong_size_go_to_another_device(void **state)
{
    (void)state;
    a_device_that_fails_is_left_alone_and_comes_back(FAULT_ROWS);
}

static void nan_goes_to_another_device(void **state)
{
    (void)state;
    a_device_that_fails_is_left_alone_and_comes_back(FAULT_NAN);
}

static void a_device_that_vanishes_may_come_back(void **state)
{
    (void)state;
    a_device_that_fails_is_left_alone_and_comes_back(FAULT_GONE);
}

/* The first two failures are forgiven. */
static void a_lone_failure_is_no_reason_for_quarantine(void **state)
{
    (void)state;
    open_two(0);
    fault_check_bytes(&fault, 10);
    fault_switch(0)->mode = FAULT_ERROR;
    while (fault_count(&fault, "fault:0", "failed_runs") == 0) fault_check_bytes(&fault, 1);
    fault_switch(0)->mode = FAULT_NONE;
    assert_true(fault_is(&fault, "fault:0", "ready"));
    fault_engine_close(&fault);
}

/* What hangs does not come back in time, and when it does, writes to nobody's memory. */
static void a_hung_device_never_writes_into_a_users_memory(void **state)
{
    (void)state;
    open_two(1000);
    fault_check_bytes(&fault, 10);
    fault_switch(0)->mode = FAULT_HANG;
    fault_switch(1)->mode = FAULT_HANG;
    const SutraInput input = {.text = "a b c", .text_size = 5};
    float row[HIDDEN], kept[HIDDEN];
    SutraItem item = {0};
    SutraError err = {0};
    memset(row, 0x5a, sizeof row);
    while (!fault_switch(0)->hanging || !fault_switch(1)->hanging)
        assert_int_equal(sutra_embed_into(fault.tiny.engine, fault.tiny.model, &input, 1, NULL, row,
                                          sizeof row, &item, &err),
                         SUTRA_E_DEVICE);
    assert_non_null(strstr(err.message, "has not come back"));
    assert_int_equal(item.status, SUTRA_E_DEVICE);
    memcpy(kept, row, sizeof row);
    assert_true(fault_count(&fault, "fault:0", "hung") > 0);
    assert_true(fault_count(&fault, "fault:1", "hung") > 0);
    for (uint32_t d = 0; d < 2; d++) fault_switch(d)->mode = FAULT_NONE;
    for (uint32_t d = 0; d < 2; d++)
        while (fault_count(&fault, d ? "fault:1" : "fault:0", "hung")) rest();
    assert_memory_equal(row, kept, sizeof row);
    for (;;) { /* both are in quarantine */
        SutraStatus status = sutra_embed_into(fault.tiny.engine, fault.tiny.model, &input, 1, NULL,
                                              row, sizeof row, &item, &err);
        if (status == SUTRA_OK) break;
        assert_int_equal(status, SUTRA_E_DEVICE);
        rest();
    }
    check_readmission("fault:0");
    check_readmission("fault:1");
    fault_engine_close(&fault);
}

static void a_hung_device_holds_nobody_up(void **state)
{
    (void)state;
    open_two(1000);
    fault_check_bytes(&fault, 10);
    fault_switch(1)->mode = FAULT_HANG;
    while (fault_count(&fault, "fault:1", "late_runs") == 0) fault_check_bytes(&fault, 100);
    for (int i = 0; i < 5; i++) fault_check_bytes(&fault, 100);
    assert_true(fault_is(&fault, "fault:1", "quarantined"));
    fault_switch(1)->mode = FAULT_NONE;
    check_readmission("fault:1");
    fault_engine_close(&fault);
}

/* Its call comes back when engine and model are gone. */
static void a_hung_device_outlives_its_engine(void **state)
{
    (void)state;
    open_two(1000);
    fault_check_bytes(&fault, 10);
    fault_switch(0)->mode = FAULT_HANG;
    while (fault_count(&fault, "fault:0", "late_runs") == 0) fault_check_bytes(&fault, 100);
    int hanging = fault_switch(0)->hanging;
    assert_true(hanging >= 1);
    tiny_engine_close(&fault.tiny);
    assert_int_equal(fault_switch(0)->hanging, hanging);
    assert_int_equal(fault_switch(0)->unloads, 0); /* the call may still read the weights */
    fault_switch(0)->mode = FAULT_NONE;
    while (fault_switch(0)->unloads == 0) rest();
    assert_int_equal(fault_switch(0)->contexts, fault_switch(0)->context_frees);
    sutra_engine_free(fault.plain);
}

static void a_hung_device_can_be_removed(void **state)
{
    (void)state;
    SutraError err = {0};
    open_two(1000);
    fault_check_bytes(&fault, 10);
    fault_switch(0)->mode = FAULT_HANG;
    while (fault_count(&fault, "fault:0", "late_runs") == 0) fault_check_bytes(&fault, 100);
    assert_int_equal(sutra_engine_remove_device(fault.tiny.engine, "fault:0", &err), SUTRA_OK);
    fault_check_bytes(&fault, 100);
    fault_switch(0)->mode = FAULT_NONE;
    assert_int_equal(sutra_engine_add_device(fault.tiny.engine, "fault:0", &err), SUTRA_OK);
    for (int i = 0; i < 5; i++) fault_check_bytes(&fault, 100);
    assert_true(fault_count(&fault, "fault:0", "texts") > 0);
    while (fault_switch(0)->hanging) rest();
    fault_engine_close(&fault);
    while (fault_switch(0)->unloads < fault_switch(0)->loads) rest();
}

static void loading_may_hang_too(void **state)
{
    (void)state;
    open_two(0);
    fault_switch(1)->mode = FAULT_LOAD_HANG;
    fault_check_bytes(&fault, 20);
    assert_int_equal(fault_count(&fault, "fault:1", "loading"), 2);
    assert_int_equal(fault_count(&fault, "fault:1", "failed_runs"), 0);
    fault_switch(1)->mode = FAULT_NONE;
    while (fault_count(&fault, "fault:1", "texts") == 0) fault_check_bytes(&fault, 20);
    fault_engine_close(&fault);
}

/* NaN of all devices is the model's. */
static void nan_of_every_device_is_the_texts(void **state)
{
    (void)state;
    open_two(0);
    fault_check_bytes(&fault, 10);
    for (uint32_t d = 0; d < 2; d++) fault_switch(d)->mode = FAULT_NAN;
    const SutraInput input = {.text = "a b c", .text_size = 5};
    float row[HIDDEN];
    SutraError err = {0};
    for (int i = 0; i < 5; i++)
        assert_int_equal(sutra_embed_into(fault.tiny.engine, fault.tiny.model, &input, 1, NULL, row,
                                          sizeof row, NULL, &err),
                         SUTRA_E_NUMERIC);
    assert_true(fault_is(&fault, "fault:0", "ready"));
    assert_true(fault_is(&fault, "fault:1", "ready"));
    fault_engine_close(&fault);
}

static void when_all_fail_the_reason_is_told(void **state)
{
    (void)state;
    open_two(0);
    fault_check_bytes(&fault, 10);
    for (uint32_t d = 0; d < 2; d++) fault_switch(d)->mode = FAULT_ERROR;
    const SutraInput inputs[] = {{.text = "a", .text_size = 1}, {.text = "b", .text_size = 1}};
    float rows[2][HIDDEN];
    SutraItem items[2];
    SutraError err = {0};
    assert_int_equal(sutra_embed_into(fault.tiny.engine, fault.tiny.model, inputs, 2, NULL, rows,
                                      sizeof rows, items, &err),
                     SUTRA_E_DEVICE);
    if (!strstr(err.message, "device fault:") || !strstr(err.message, "fails"))
        fail_msg("%s", err.message);
    assert_int_equal(items[0].status, SUTRA_E_DEVICE);
    assert_int_equal(items[1].status, SUTRA_E_DEVICE);
    for (uint32_t d = 0; d < 2; d++) fault_switch(d)->mode = FAULT_NONE;
    while (sutra_embed_into(fault.tiny.engine, fault.tiny.model, inputs, 2, NULL, rows, sizeof rows,
                            items, &err) != SUTRA_OK)
        rest();
    check_readmission("fault:0");
    fault_engine_close(&fault);
}

static void a_device_that_refuses_a_model_is_not_ill(void **state)
{
    (void)state;
    open_two(0);
    fault_switch(1)->mode = FAULT_REFUSES;
    for (int i = 0; i < 5; i++) fault_check_bytes(&fault, 100);
    assert_true(fault_is(&fault, "fault:1", "ready"));
    assert_int_equal(fault_count(&fault, "fault:1", "runs"), 0);
    fault_engine_close(&fault);
    open_two(0);
    for (uint32_t d = 0; d < 2; d++) fault_switch(d)->mode = FAULT_REFUSES;
    const SutraInput input = {.text = "a b c", .text_size = 5};
    float row[HIDDEN];
    SutraError err = {0};
    assert_int_equal(sutra_embed_into(fault.tiny.engine, fault.tiny.model, &input, 1, NULL, row,
                                      sizeof row, NULL, &err),
                     SUTRA_E_UNSUPPORTED);
    fault_engine_close(&fault);
}

/* ---- load ---- */

enum { CALLERS = 4, TEXTS = 24 };

static SutraInput load_inputs[TEXTS];
static char load_texts[TEXTS][64];
static float expected[TEXTS][HIDDEN];
static _Atomic int callers_left;
static _Atomic uint64_t good, late;

static void check_row(size_t i, SutraStatus status, const float *row)
{
    if (status == SUTRA_OK) {
        good++;
        assert_memory_equal(row, expected[i], sizeof expected[i]);
    } else {
        assert_int_equal(status,
                         SUTRA_E_DEVICE); /* both at once, or a healthy one on a busy machine */
        late++;
    }
}

static void call_once(uint32_t *random)
{
    float rows[TEXTS][HIDDEN];
    SutraItem items[TEXTS];
    size_t first = tiny_random(random) % TEXTS, n = 1 + tiny_random(random) % (TEXTS - first);
    SutraError err = {0};
    SutraStatus status = sutra_embed_into(fault.tiny.engine, fault.tiny.model, load_inputs + first,
                                          n, NULL, rows, sizeof rows, items, &err);
    for (size_t i = 0; i < n; i++) {
        check_row(first + i, items[i].status, rows[i]);
        if (items[i].status != SUTRA_OK) assert_int_not_equal(status, SUTRA_OK);
    }
}

static void submit_once(uint32_t *random)
{
    size_t first = tiny_random(random) % TEXTS, n = 1 + tiny_random(random) % (TEXTS - first);
    SutraJob *job = NULL;
    SutraResult *result = NULL;
    SutraResultView view = {.struct_size = sizeof view};
    SutraError err = {0};
    assert_int_equal(sutra_submit(fault.tiny.engine, fault.tiny.model, load_inputs + first, n, NULL,
                                  NULL, NULL, &job, &err),
                     SUTRA_OK);
    bool cancel = tiny_random(random) % 4 == 0;
    if (cancel) sutra_job_cancel(job);
    SutraStatus status = sutra_job_wait(job, UINT64_MAX, &result, &err);
    if (result) {
        sutra_result_view(result, &view, NULL);
        assert_int_equal(view.num_items, n);
        for (size_t i = 0; i < n; i++)
            if (!cancel || view.items[i].status != SUTRA_E_CANCELLED)
                check_row(first + i, view.items[i].status, (const float *)view.data + i * HIDDEN);
    } else {
        assert_true(status == SUTRA_E_DEVICE || (cancel && status == SUTRA_E_CANCELLED));
    }
    sutra_result_free(result);
    sutra_job_free(job);
}

static void *call_and_submit(void *arg)
{
    uint32_t random = 77 + (uint32_t)(size_t)arg;
    for (long i = 0; i < turns; i++) {
        if (tiny_random(&random) % 2)
            call_once(&random);
        else
            submit_once(&random);
    }
    callers_left--;
    return NULL;
}

/* One of devices 1 and 2 at a time is ill; 3 comes and goes. */
static void make_trouble(void)
{
    uint32_t random = 5;
    bool there = false;
    while (callers_left) {
        FaultDevice *device = fault_switch(1 + tiny_random(&random) % 2);
        device->slow_us = 2000;
        device->mode = (int)(tiny_random(&random) % FAULT_REFUSES);
        bool hangs = device->mode == FAULT_HANG || device->mode == FAULT_LOAD_HANG;
        uint32_t ms = tiny_random(&random) % 100 + (hangs && tiny_random(&random) % 2 ? 1200 : 0);
        for (; ms > 0 && callers_left; ms--) rest();
        device->mode = FAULT_NONE;
        if (tiny_random(&random) % 2) continue;
        SutraError err = {0};
        SutraStatus status = there ? sutra_engine_remove_device(fault.tiny.engine, "fault:3", &err)
                                   : sutra_engine_add_device(fault.tiny.engine, "fault:3", &err);
        if (status != SUTRA_OK) fail_msg("%s", err.message);
        there = !there;
    }
}

static void under_load_nothing_is_lost_or_doubled(void **state)
{
    (void)state;
    pthread_t threads[CALLERS];
    SutraError err = {0};
    const SutraEngineOptions options = {.device_timeout_ms = 1000};
    fault_engine_open(&fault, PLUGINS, "fault:0,fault:1,fault:2", &options);
    for (size_t i = 0; i < TEXTS; i++) {
        size_t size = 1 + i * 5 % 63;
        for (size_t c = 0; c < size; c++)
            load_texts[i][c] = c % 2 ? ' ' : (char)('a' + (i * 3 + c) % 26);
        load_inputs[i] = (SutraInput){.text = load_texts[i], .text_size = size};
    }
    assert_int_equal(sutra_embed_into(fault.plain, fault.tiny.model, load_inputs, TEXTS, NULL,
                                      expected, sizeof expected, NULL, &err),
                     SUTRA_OK);
    callers_left = CALLERS;
    for (size_t t = 0; t < CALLERS; t++)
        assert_int_equal(pthread_create(&threads[t], NULL, call_and_submit, (void *)t), 0);
    make_trouble();
    for (size_t t = 0; t < CALLERS; t++) pthread_join(threads[t], NULL);
    print_message("%llu texts, and %llu that no device did\n", (unsigned long long)good,
                  (unsigned long long)late);
    assert_true(good > 0);
    fault_engine_close(&fault);
    for (uint32_t d = 0; d < 4; d++) /* a call that hung may come back only now */
        while (fault_switch(d)->unloads < fault_switch(d)->loads ||
               fault_switch(d)->context_frees < fault_switch(d)->contexts)
            rest();
}

int main(int argc, char **argv)
{
    if (argc > 1) turns = strtol(argv[1], NULL, 10);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(errors_go_to_another_device),
        cmocka_unit_test(rows_of_the_wrong_size_go_to_another_device),
        cmocka_unit_test(nan_goes_to_another_device),
        cmocka_unit_test(a_device_that_vanishes_may_come_back),
        cmocka_unit_test(a_lone_failure_is_no_reason_for_quarantine),
        cmocka_unit_test(a_hung_device_never_writes_into_a_users_memory),
        cmocka_unit_test(a_hung_device_holds_nobody_up),
        cmocka_unit_test(a_hung_device_outlives_its_engine),
        cmocka_unit_test(a_hung_device_can_be_removed),
        cmocka_unit_test(loading_may_hang_too),
        cmocka_unit_test(nan_of_every_device_is_the_texts),
        cmocka_unit_test(when_all_fail_the_reason_is_told),
        cmocka_unit_test(a_device_that_refuses_a_model_is_not_ill),
        cmocka_unit_test(under_load_nothing_is_lost_or_doubled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
