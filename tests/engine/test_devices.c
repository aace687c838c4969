/* Several devices of one engine: names, plugins, who gets what. */
#include "backend/device_name.h"
#include "backend/plugin.h"
#include "support/fault_control.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static SutraStatus parse(const char *text, SuDeviceName *name)
{
    SutraError err = {0};
    return su_device_name_parse(text, strlen(text), name, &err);
}

static void names_have_a_backend_a_number_and_cores(void **state)
{
    (void)state;
    SuDeviceName name;
    assert_int_equal(parse("cpu", &name), SUTRA_OK);
    assert_string_equal(name.backend, "cpu");
    assert_int_equal(name.index, 0);
    assert_int_equal(name.num_cores, 0);
    assert_int_equal(parse("cuda:12", &name), SUTRA_OK);
    assert_string_equal(name.backend, "cuda");
    assert_int_equal(name.index, 12);
    assert_int_equal(parse("cpu@0-2+8", &name), SUTRA_OK);
    assert_int_equal(name.num_cores, 4);
    assert_int_equal(name.cores[0], 7);
    assert_int_equal(name.cores[1], 1);
    assert_int_equal(parse("cpu:0@1", &name), SUTRA_OK);
    assert_int_equal(name.num_cores, 1);
}

static void names_that_are_not_valid_are_refused(void **state)
{
    (void)state;
    static const char *const wrong[] = {"",         ":0",      "cpu:",    "cpu:x",     "cpu:1x",
                                        "cpu@",     "cpu@1-",  "cpu@3-1", "cpu@1+",    "cpu@1+1",
                                        "cpu@1024", "c\"pu:0", "Cpu",     "cuda:9999", "cpu@0:1",
                                        "cpu:-1",   "cpu@1++2"};
    SuDeviceName name;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        if (parse(wrong[i], &name) != SUTRA_E_ARGUMENT) fail_msg("\"%s\" was taken", wrong[i]);
    char text[200];
    memset(text, 'a', sizeof text);
    SutraError err = {0};
    assert_int_equal(su_device_name_parse(text, sizeof text, &name, &err), SUTRA_E_ARGUMENT);
}

typedef struct Lines {
    char text[16384];
} Lines;

static void keep_line(void *user, int level, const char *line)
{
    Lines *lines = user;
    size_t used = strlen(lines->text);
    snprintf(lines->text + used, sizeof lines->text - used, "%d %s\n", level, line);
}

static SutraStatus create(const char *devices, const char *plugins, uint32_t mixed, Lines *lines,
                          SutraError *err)
{
    SutraEngineOptions options = {.struct_size = sizeof options, .num_threads = 2};
    SutraEngine *engine = NULL;
    options.devices = devices;
    options.plugins = plugins;
    options.allow_mixed = mixed;
    options.log = lines ? keep_line : NULL;
    options.log_user = lines;
    SutraStatus status = sutra_engine_create(&options, &engine, err);
    sutra_engine_free(engine);
    return status;
}

static void plugins_that_do_not_fit_are_notes(void **state)
{
    (void)state;
    static Lines lines;
    SutraError err = {0};
    assert_int_equal(create("cpu,bad:0", BAD_PLUGINS, 0, &lines, &err), SUTRA_E_UNSUPPORTED);
    assert_non_null(strstr(err.message, "bad:0"));
    static const char *const said[] = {
        "sutra_bad0.so is left out: it has no function sutra_backend_entry",
        "sutra_bad1.so is left out: it is of version",
        "sutra_bad2.so is left out: its table is not filled",
        "sutra_bad3.so is left out: it does not know version", "sutra_text.so is left out: "};
    for (size_t i = 0; i < sizeof said / sizeof *said; i++)
        if (!strstr(lines.text, said[i])) fail_msg("\"%s\" is not in:\n%s", said[i], lines.text);
    assert_int_equal(create("cpu,cpu@0", BAD_PLUGINS, 0, NULL, &err), SUTRA_OK);
}

static void a_folder_of_plugins_must_be_there(void **state)
{
    (void)state;
    static const char *const devices[] = {"fault:0", "cpu@0", "cpu", "cpu:0", NULL};
    for (size_t i = 0; i < sizeof devices / sizeof *devices; i++) {
        SutraError err = {0};
        assert_int_equal(create(devices[i], PLUGINS "/nowhere", 0, NULL, &err), SUTRA_E_IO);
        assert_non_null(strstr(err.message, "nowhere"));
        assert_int_equal(create(devices[i], PLUGINS "/sutra_fault.so", 0, NULL, &err), SUTRA_E_IO);
    }
}

static void a_folder_without_plugins_is_a_warning(void **state)
{
    (void)state;
    static Lines lines;
    SutraError err = {0};
    assert_int_equal(create("cpu@0", NO_PLUGINS, 0, &lines, &err), SUTRA_OK);
    assert_non_null(strstr(lines.text, "1 " NO_PLUGINS ": no plugins"));
}

/* This test and the next are the first that name the plugin, which is opened once a process. */
static void the_processor_alone_opens_no_plugins(void **state)
{
    (void)state;
    static Lines lines;
    SutraError err = {0};
    assert_null(su_backend_find("fault"));
    assert_int_equal(create(NULL, PLUGINS, 0, &lines, &err), SUTRA_OK);
    assert_int_equal(create("cpu", PLUGINS, 0, NULL, &err), SUTRA_OK);
    assert_null(su_backend_find("fault"));
    assert_non_null(strstr(lines.text, "2 " PLUGINS ": its plugins (1) are not opened"));
}

static void a_plugin_may_speak(void **state)
{
    (void)state;
    static Lines lines;
    SutraError err = {0};
    FaultEngine fault;
    assert_null(su_backend_find("fault"));
    assert_int_equal(create("fault:0", PLUGINS, 0, &lines, &err), SUTRA_OK);
    assert_non_null(strstr(lines.text, "2 fault: hello\n"));
    lines.text[0] = '\0';
    fault_engine_open(&fault, PLUGINS, "fault:0",
                      &(SutraEngineOptions){.log = keep_line, .log_user = &lines});
    assert_null(strstr(lines.text, "fault: hello"));
    fault_check_bytes(&fault, 1);
    assert_null(strstr(lines.text, "fault: runs"));
    fault_switch(0)->speaks = 1;
    fault_check_bytes(&fault, 1);
    assert_non_null(strstr(lines.text, "1 fault: runs\n"));
    fault_engine_close(&fault);
}

static void devices_that_are_not_there_are_refused(void **state)
{
    (void)state;
    SutraError err = {0};
    assert_int_equal(create("fault:8", PLUGINS, 0, NULL, &err), SUTRA_E_ARGUMENT);
    assert_non_null(strstr(err.message, "fault:8"));
    assert_int_equal(create("fault:0,fault:0", PLUGINS, 0, NULL, &err), SUTRA_E_ARGUMENT);
    assert_int_equal(create("fault:0@1", PLUGINS, 0, NULL, &err), SUTRA_E_ARGUMENT);
    assert_int_equal(create("cpu@1023", PLUGINS, 0, NULL, &err), SUTRA_E_ARGUMENT);
    assert_int_equal(create(",", PLUGINS, 0, NULL, &err), SUTRA_E_ARGUMENT);
}

static void unlike_devices_need_leave(void **state)
{
    (void)state;
    SutraError err = {0};
    assert_int_equal(create("cpu,fault:0", PLUGINS, 0, NULL, &err), SUTRA_E_UNSUPPORTED);
    assert_non_null(strstr(err.message, "unlike"));
    assert_int_equal(create("cpu,fault:0", PLUGINS, 1, NULL, &err), SUTRA_OK);
}

/* Two halves of the cores where there are two, else one core under two names. */
static void devices_of_the_processor_have_its_bytes(void **state)
{
    (void)state;
    FaultEngine fault;
    fault_engine_open(&fault, PLUGINS, "cpu@0,cpu:0@0", NULL);
    for (size_t n = 1; n <= 200; n += 33) fault_check_bytes(&fault, n);
    assert_true(fault_count(&fault, "cpu@0", "texts") > 0);
    assert_true(fault_count(&fault, "cpu:0@0", "texts") > 0);
    fault_engine_close(&fault);
}

static void all_devices_are_used(uint32_t policy)
{
    FaultEngine fault;
    const SutraEngineOptions options = {.policy = policy};
    fault_engine_open(&fault, PLUGINS, "fault:0,fault:1,fault:2", &options);
    uint64_t all = 0;
    for (int i = 0; i < 20; i++) fault_check_bytes(&fault, 100);
    for (uint32_t d = 0; d < 3; d++) {
        char name[16];
        snprintf(name, sizeof name, "fault:%u", d);
        uint64_t texts = fault_count(&fault, name, "texts");
        if (texts == 0) fail_msg("policy %u: %s got nothing", policy, name);
        all += texts;
    }
    assert_int_equal(all, 20 * 100);
    fault_engine_close(&fault);
}

static void each_policy_uses_all_devices_and_keeps_the_bytes(void **state)
{
    (void)state;
    for (uint32_t policy = 0; policy <= SUTRA_POLICY_RANDOM; policy++) all_devices_are_used(policy);
}

/* A run takes at least as long as the device rests. What comes of it: test_device_choice. */
static void the_pace_of_a_device_is_measured(void **state)
{
    (void)state;
    enum { SLOW_US = 20000, MOST_TOKENS = 64 /* of a batch */ };
    FaultEngine fault;
    fault_engine_open(&fault, PLUGINS, "fault:0,fault:1",
                      &(SutraEngineOptions){.policy = SUTRA_POLICY_ROUND_ROBIN});
    assert_int_equal(fault_count(&fault, "fault:1", "ns_per_token"), 0);
    fault_switch(1)->slow_us = SLOW_US;
    fault_switch(1)->mode = FAULT_SLOW;
    for (int i = 0; i < 3; i++) fault_check_bytes(&fault, 50);
    assert_true(fault_count(&fault, "fault:1", "runs") > 0);
    assert_true(fault_count(&fault, "fault:1", "ns_per_token") >= SLOW_US * 1000 / MOST_TOKENS);
    assert_true(fault_count(&fault, "fault:0", "ns_per_token") > 0);
    fault_engine_close(&fault);
}

static void statistics_are_json_of_any_characters(void **state)
{
    (void)state;
    FaultEngine fault;
    SutraError err = {0};
    char json[4096];
    size_t size = 0;
    fault_engine_open(&fault, PLUGINS, "fault:0,fault:1",
                      &(SutraEngineOptions){.policy = SUTRA_POLICY_ROUND_ROBIN});
    fault_switch(1)->mode = FAULT_ERROR;
    for (int i = 0; i < 4; i++) fault_check_bytes(&fault, 50);
    assert_int_equal(sutra_engine_stats(fault.tiny.engine, json, sizeof json, &size, &err),
                     SUTRA_OK);
    json_error_t why;
    json_t *root = json_loads(json, JSON_REJECT_DUPLICATES, &why);
    if (!root) fail_msg("%s: %s", why.text, json);
    json_t *list = json_object_get(root, "devices");
    assert_int_equal(json_array_size(list), 2);
    for (size_t d = 0; d < 2; d++)
        assert_string_equal(json_string_value(json_object_get(json_array_get(list, d), "device")),
                            FAULT_NAME);
    const char *error = json_string_value(json_object_get(json_array_get(list, 1), "last_error"));
    assert_non_null(strstr(error, "fault:1 fails, h\xc3\xa9las"));
    assert_int_equal(sutra_engine_stats(fault.tiny.engine, json, size, NULL, &err), SUTRA_E_LIMIT);
    json_decref(root);
    fault_engine_close(&fault);
}

static void devices_come_and_go(void **state)
{
    (void)state;
    FaultEngine fault;
    SutraError err = {0};
    fault_engine_open(&fault, PLUGINS, "fault:0", NULL);
    SutraEngine *engine = fault.tiny.engine;
    fault_check_bytes(&fault, 50);
    assert_int_equal(sutra_engine_remove_device(engine, "fault:0", &err), SUTRA_E_ARGUMENT);
    assert_non_null(strstr(err.message, "only"));
    assert_int_equal(sutra_engine_add_device(engine, "fault:0", &err), SUTRA_E_ARGUMENT);
    assert_int_equal(sutra_engine_add_device(engine, "cpu", &err), SUTRA_E_UNSUPPORTED);
    assert_int_equal(sutra_engine_add_device(engine, "fault:1", &err), SUTRA_OK);
    fault_check_bytes(&fault, 50);
    assert_int_equal(sutra_engine_remove_device(engine, "fault:0", &err), SUTRA_OK);
    assert_int_equal(sutra_engine_remove_device(engine, "fault:0", &err), SUTRA_E_ARGUMENT);
    int runs = fault_switch(0)->runs;
    fault_check_bytes(&fault, 50);
    assert_int_equal(fault_switch(0)->runs, runs);
    assert_int_equal(fault_switch(0)->contexts, fault_switch(0)->context_frees);
    fault_engine_close(&fault);
    for (uint32_t d = 0; d < 2; d++) {
        assert_int_equal(fault_switch(d)->contexts, fault_switch(d)->context_frees);
        assert_int_equal(fault_switch(d)->loads, 1);
        assert_int_equal(fault_switch(d)->unloads, 1);
    }
}

static void the_processor_alone_has_no_devices_to_change(void **state)
{
    (void)state;
    TinyEngine tiny;
    SutraError err = {0};
    const SutraEngineOptions options = {.struct_size = sizeof options, .num_threads = 1};
    tiny_engine_open(&(TinyModel){64, 2, 1, 64, 128, NULL, 8}, &options, &tiny);
    assert_int_equal(sutra_engine_add_device(tiny.engine, "cpu@0", &err), SUTRA_E_UNSUPPORTED);
    assert_int_equal(sutra_engine_remove_device(tiny.engine, "cpu", &err), SUTRA_E_UNSUPPORTED);
    assert_int_equal(sutra_engine_add_device(tiny.engine, NULL, &err), SUTRA_E_ARGUMENT);
    assert_int_equal(sutra_engine_add_device(NULL, "cpu", &err), SUTRA_E_ARGUMENT);
    tiny_engine_close(&tiny);
}

static void models_go_from_devices(void **state)
{
    (void)state;
    FaultEngine fault;
    fault_engine_open(&fault, PLUGINS, "fault:0,fault:1", NULL);
    fault_check_bytes(&fault, 50);
    sutra_model_free(fault.tiny.model);
    for (uint32_t d = 0; d < 2; d++) {
        assert_int_equal(fault_switch(d)->loads, 1);
        assert_int_equal(fault_switch(d)->unloads, 1);
        assert_int_equal(fault_switch(d)->contexts, fault_switch(d)->context_frees);
    }
    fault.tiny.model = NULL;
    fault_engine_close(&fault);
}

/* Of one token up to more than a device prefers. */
static void long_texts_and_token_vectors_too(void **state)
{
    (void)state;
    FaultEngine fault;
    fault_engine_open(&fault, PLUGINS, "fault:0,fault:1", NULL);
    static char text[400];
    SutraInput inputs[40];
    for (size_t c = 0; c < sizeof text; c++) text[c] = c % 2 ? ' ' : (char)('a' + c % 26);
    for (size_t i = 0; i < 40; i++) inputs[i] = (SutraInput){.text = text, .text_size = i * 10};
    const SutraEmbedOptions options = {.struct_size = sizeof options, .output = SUTRA_OUT_TOKENS};
    SutraEngine *const engines[] = {fault.plain, fault.tiny.engine};
    SutraResultView views[2];
    SutraResult *results[2];
    SutraError err = {0};
    for (int e = 0; e < 2; e++) {
        views[e] = (SutraResultView){.struct_size = sizeof views[e]};
        assert_int_equal(
            sutra_embed(engines[e], fault.tiny.model, inputs, 40, &options, &results[e], &err),
            SUTRA_OK);
        sutra_result_view(results[e], &views[e], NULL);
    }
    assert_memory_equal(views[0].offsets, views[1].offsets, 41 * sizeof *views[0].offsets);
    assert_memory_equal(views[0].data, views[1].data, views[0].offsets[40] * views[0].row_bytes);
    for (int e = 0; e < 2; e++) sutra_result_free(results[e]);
    fault_engine_close(&fault);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_have_a_backend_a_number_and_cores),
        cmocka_unit_test(names_that_are_not_valid_are_refused),
        cmocka_unit_test(the_processor_alone_opens_no_plugins),
        cmocka_unit_test(a_plugin_may_speak),
        cmocka_unit_test(plugins_that_do_not_fit_are_notes),
        cmocka_unit_test(a_folder_of_plugins_must_be_there),
        cmocka_unit_test(a_folder_without_plugins_is_a_warning),
        cmocka_unit_test(devices_that_are_not_there_are_refused),
        cmocka_unit_test(unlike_devices_need_leave),
        cmocka_unit_test(devices_of_the_processor_have_its_bytes),
        cmocka_unit_test(each_policy_uses_all_devices_and_keeps_the_bytes),
        cmocka_unit_test(the_pace_of_a_device_is_measured),
        cmocka_unit_test(statistics_are_json_of_any_characters),
        cmocka_unit_test(devices_come_and_go),
        cmocka_unit_test(the_processor_alone_has_no_devices_to_change),
        cmocka_unit_test(models_go_from_devices),
        cmocka_unit_test(long_texts_and_token_vectors_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
