/* sutra_device_choose: a device by name that can't be had, and the faster one of two. */
#include "support/fault_control.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static FaultEngine fault; /* of all tests: a plugin stays in the process */

static SutraStatus choose(const char *devices, const char *plugins, SutraDeviceChoice *choice,
                          SutraError *err)
{
    const SutraEngineOptions options = {.struct_size = sizeof options,
                                        .num_threads = 1,
                                        .devices = devices,
                                        .plugins = plugins,
                                        .device_timeout_ms = 20000};
    *choice = (SutraDeviceChoice){.struct_size = sizeof *choice};
    return sutra_device_choose(fault.tiny.model, &options, choice, err);
}

static void expect(const char *devices, const char *plugins, const char *device, const char *reason,
                   bool fell_back)
{
    SutraDeviceChoice choice;
    SutraError err = {0};
    if (choose(devices, plugins, &choice, &err) != SUTRA_OK) fail_msg("%s", err.message);
    assert_string_equal(choice.device, device);
    if (reason ? !strstr(choice.reason, reason) : choice.reason[0])
        fail_msg("\"%s\" is not in \"%s\"", reason ? reason : "nothing", choice.reason);
    assert_int_equal(choice.fell_back, fell_back);
}

static void set_mode(int mode)
{
    for (uint32_t d = 0; d < FAULT_DEVICES; d++) {
        fault_switch(d)->mode = mode;
        fault_switch(d)->slow_us = 60000;
    }
}

/* "1,230" behind some words */
static uint64_t number_after(const char *text, const char *words)
{
    const char *at = strstr(text, words);
    uint64_t number = 0;
    assert_non_null(at);
    for (at += strlen(words); (*at >= '0' && *at <= '9') || *at == ','; at++)
        if (*at != ',') number = number * 10 + (uint64_t)(*at - '0');
    return number;
}

/* The first test: no plugin is open yet, nor is one after it. */
static void without_plugins_there_is_the_processor(void **state)
{
    (void)state;
    SutraDeviceChoice choice;
    SutraError err = {0};
    static const char *const same[] = {"cpu", "cpu:0", "cpu@0", "fault:0", "cdua:0"};
    expect(NULL, NULL, "cpu", NULL, false);
    expect(NULL, PLUGINS, "cpu", NULL, false);
    expect("auto", NULL, "cpu", NULL, false);
    expect("auto", NO_PLUGINS, "cpu", "the processor, there is no other; " NO_PLUGINS, false);
    for (size_t i = 0; i < sizeof same / sizeof *same; i++)
        expect(same[i], NULL, same[i], NULL, false);
    expect(
        "cuda:0", NULL, "cpu",
        "device \"cuda:0\": there is no plugin for it, nor a folder of plugins; the processor is "
        "used instead",
        true);
    expect("cuda:3", NO_PLUGINS, "cpu", "device \"cuda:3\": " NO_PLUGINS ": no plugins", true);
    expect("cuda", BAD_PLUGINS, "cpu", "sutra_bad0.so is left out: it has no function", true);
    assert_int_equal(choose("auto", PLUGINS "/nowhere", &choice, &err), SUTRA_E_IO);
    assert_int_equal(choose("cuda:0", PLUGINS "/nowhere", &choice, &err), SUTRA_E_IO);
}

static void arguments_are_checked(void **state)
{
    (void)state;
    SutraDeviceChoice choice;
    SutraError err = {0};
    const SutraEngineOptions any = {.struct_size = sizeof any, .devices = "auto"};
    assert_int_equal(choose("cpu,cuda:0", NULL, &choice, &err), SUTRA_E_ARGUMENT);
    assert_int_equal(choose("Cuda:0", NULL, &choice, &err), SUTRA_E_ARGUMENT);
    assert_int_equal(choose("", NULL, &choice, &err), SUTRA_E_ARGUMENT);
    choice.struct_size = sizeof choice;
    assert_int_equal(sutra_device_choose(NULL, &any, &choice, &err), SUTRA_E_ARGUMENT);
    assert_int_equal(sutra_device_choose(fault.tiny.model, &any, NULL, &err), SUTRA_E_ARGUMENT);
    choice.struct_size = 8;
    assert_int_equal(sutra_device_choose(fault.tiny.model, &any, &choice, &err), SUTRA_E_ABI);
    choice.struct_size = sizeof choice;
    assert_int_equal(sutra_device_choose(NULL, NULL, &choice, &err), SUTRA_OK);
    assert_string_equal(choice.device, "cpu");
}

/* Opens the plugin for the tests after it. */
static void a_named_device_falls_back_when_it_can_not_be_had(void **state)
{
    (void)state;
    static const struct {
        int mode;
        const char *device, *chosen, *reason;
    } cases[] = {
        {FAULT_NONE, "fault:0", "fault:0", NULL},
        {FAULT_NONE, "fault:7", "fault:7", NULL},
        {FAULT_NONE, "fault:8", "fault:8", NULL}, /* sutra_engine_create says what is wrong */
        {FAULT_NO_DEVICES, "fault:0", "cpu", "device \"fault:0\": the fault backend has no device"},
        {FAULT_COUNT_FAILS, "fault:1", "cpu", "device \"fault:1\": fault:0 has no driver"},
        {FAULT_GONE, "fault:2", "cpu", "device \"fault:2\": fault:2 is gone"},
        {FAULT_ERROR, "fault:0", "fault:0", NULL}}; /* it can be had */
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        set_mode(cases[i].mode);
        bool falls = strcmp(cases[i].chosen, "cpu") == 0;
        expect(cases[i].device, PLUGINS, cases[i].chosen, cases[i].reason, falls);
        if (falls) expect(cases[i].device, PLUGINS, "cpu", "; the processor is used instead", true);
    }
    set_mode(FAULT_NONE);
}

static void the_faster_one_is_taken(void **state)
{
    (void)state;
    SutraDeviceChoice choice;
    SutraError err = {0};
    set_mode(FAULT_FAST);
    expect("auto", PLUGINS, "fault:0", "fault:0 (" FAULT_NAME "): ", false);
    assert_int_equal(choose("auto", PLUGINS, &choice, &err), SUTRA_OK);
    assert_non_null(strstr(choice.reason, " tokens/s, the processor "));
    assert_true(choice.tokens_per_second > 0);
    set_mode(FAULT_SLOW);
    expect("auto", PLUGINS, "cpu", " tokens/s, fault:0 (" FAULT_NAME ") ", false);
    assert_int_equal(choose("auto", PLUGINS, &choice, &err), SUTRA_OK);
    assert_ptr_equal(strstr(choice.reason, "the processor: "), choice.reason);
    /* 60 ms a run of a text of at most 128 tokens, on at most two lanes */
    assert_in_range(number_after(choice.reason, FAULT_NAME ") "), 1, 128 * 2 * 1000 / 60 + 10);
    set_mode(FAULT_NONE);
}

static void a_device_that_fails_loses(void **state)
{
    (void)state;
    static const struct {
        int mode;
        const char *reason;
    } cases[] = {
        {FAULT_ERROR, "fault:0 fails"},
        {FAULT_REFUSES, "fault:0 does not like it"},
        {FAULT_NAN, "NaN or infinity"},
        {FAULT_EMPTY, "; fault:0 (" FAULT_NAME "): "},
        {FAULT_NO_DEVICES, "the processor, there is no other; device \"fault:0\": the "
                           "fault backend has no device"},
        {FAULT_COUNT_FAILS, "there is no other; device \"fault:0\": fault:0 has no driver"},
        {FAULT_GONE, "there is no other; device \"fault:0\": fault:0 is gone"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        set_mode(cases[i].mode);
        expect("auto", PLUGINS, "cpu", cases[i].reason, false);
    }
    set_mode(FAULT_NONE);
}

static void a_measurement_leaves_the_weights_alone(void **state)
{
    (void)state;
    const FaultDevice *device = fault_switch(0);
    SutraDeviceChoice choice;
    SutraError err = {0};
    int runs = device->runs;
    if (choose("auto", PLUGINS, &choice, &err) != SUTRA_OK) fail_msg("%s", err.message);
    assert_true(device->runs > runs);
    assert_int_equal(device->loads, 1); /* of all tests: it is the model's */
    assert_int_equal(device->unloads, 0);
    assert_int_equal(device->contexts, device->context_frees);
    assert_int_equal(device->early_unloads, 0);
}

static int open_all(void **state)
{
    (void)state;
    fault_engine_open(&fault, PLUGINS, "cpu", NULL); /* which opens no plugin */
    return 0;
}

static int close_all(void **state)
{
    (void)state;
    fault_engine_close(&fault);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_plugins_there_is_the_processor),
        cmocka_unit_test(arguments_are_checked),
        cmocka_unit_test(a_named_device_falls_back_when_it_can_not_be_had),
        cmocka_unit_test(the_faster_one_is_taken),
        cmocka_unit_test(a_device_that_fails_loses),
        cmocka_unit_test(a_measurement_leaves_the_weights_alone),
    };
    setenv("SUTRA_ISA", "scalar", 1); /* so that a device without work is faster on any processor */
    return cmocka_run_group_tests(tests, open_all, close_all);
}
