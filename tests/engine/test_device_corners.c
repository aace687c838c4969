/* Devices that differ in what they take, and devices and models that come and go while others are
 * at work. */
#include "base/memory.h"
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

enum { HIDDEN = 64, TEXTS = 300 };

static FaultEngine fault;

static void rest(void) { nanosleep(&(struct timespec){0, 1000000}, NULL); }

static void open_devices(const char *devices, uint32_t policy, uint32_t timeout_ms)
{
    const SutraEngineOptions options = {
        .policy = policy, .device_timeout_ms = timeout_ms, .max_batch_tokens = 512};
    fault_engine_open(&fault, PLUGINS, devices, &options);
}

static SutraStatus embed_one(const SutraModel *model, const SutraEmbedOptions *options)
{
    const SutraInput input = text_input("a b c");
    SutraResult *result = NULL;
    SutraError err = {0};
    SutraStatus status = sutra_embed(fault.tiny.engine, model, &input, 1, options, &result, &err);
    sutra_result_free(result);
    return status;
}

/* Enough texts for all lanes at once. */
static void embed_many(void)
{
    SutraInput inputs[TEXTS];
    SutraResult *result = NULL;
    SutraError err = {0};
    for (size_t i = 0; i < TEXTS; i++) inputs[i] = text_input("a b c d e f g h");
    sutra_embed(fault.tiny.engine, fault.tiny.model, inputs, TEXTS, NULL, &result, &err);
    sutra_result_free(result);
}

static void *check_bytes(void *arg)
{
    (void)arg;
    fault_check_bytes(&fault, 100);
    return NULL;
}

/* ---- what devices refuse ---- */

static void an_output_that_is_refused_is_no_reason_against_others(void **state)
{
    (void)state;
    const SutraEmbedOptions tokens = {.struct_size = sizeof tokens, .output = SUTRA_OUT_TOKENS};
    open_devices("fault:0", 0, 0);
    fault_switch(0)->refused_outputs = 1u << SUTRA_OUT_TOKENS;
    fault_check_bytes(&fault, 5);
    for (int i = 0; i < 3; i++)
        assert_int_equal(embed_one(fault.tiny.model, &tokens), SUTRA_E_UNSUPPORTED);
    fault_check_bytes(&fault, 5);
    fault_switch(1)->lanes = 1;
    fault_add_device(&fault, "fault:1");
    assert_int_equal(embed_one(fault.tiny.model, &tokens), SUTRA_OK);
    fault_switch(0)->refused_outputs = 0; /* it is not asked again */
    uint64_t failed = fault_count(&fault, "fault:0", "retried_texts");
    for (int i = 0; i < 4; i++) assert_int_equal(embed_one(fault.tiny.model, &tokens), SUTRA_OK);
    assert_int_equal(fault_count(&fault, "fault:0", "retried_texts"), failed);
    fault_check_bytes(&fault, 50);
    fault_drop_device(&fault, "fault:1");
    assert_int_equal(embed_one(fault.tiny.model, &tokens), SUTRA_E_UNSUPPORTED);
    fault_engine_close(&fault);
}

static void a_run_that_is_refused_is_no_reason_against_others(void **state)
{
    (void)state;
    float ranges[2][HIDDEN];
    for (size_t i = 0; i < HIDDEN; i++) {
        ranges[0][i] = -1;
        ranges[1][i] = 1;
    }
    const SutraEmbedOptions ranged = {
        .struct_size = sizeof ranged, .dtype = SUTRA_I8, .ranges = ranges[0]};
    open_devices("fault:0", 0, 0);
    fault_switch(0)->refuses_ranges = 1;
    assert_int_equal(embed_one(fault.tiny.model, &ranged), SUTRA_E_UNSUPPORTED);
    fault_check_bytes(&fault, 5);
    fault_add_device(&fault, "fault:1");
    assert_int_equal(embed_one(fault.tiny.model, &ranged), SUTRA_OK);
    fault_engine_close(&fault);
}

/* Pieces of what no device takes fail, and no others. */
static void a_text_that_no_device_takes_fails_alone(void **state)
{
    (void)state;
    static char text[200];
    SutraInput inputs[60];
    SutraItem items[60];
    float rows[60][HIDDEN];
    SutraError err = {0};
    for (size_t c = 0; c < sizeof text; c++) text[c] = c % 2 ? ' ' : 'a';
    for (size_t i = 0; i < 60; i++) inputs[i] = (SutraInput){.text = text, .text_size = 5};
    inputs[0].text_size = sizeof text;
    open_devices("fault:0,fault:1", 0, 0);
    for (uint32_t d = 0; d < 2; d++) fault_switch(d)->most_tokens = 80;
    assert_int_equal(sutra_embed_into(fault.tiny.engine, fault.tiny.model, inputs, 60, NULL, rows,
                                      sizeof rows, items, &err),
                     SUTRA_E_LIMIT);
    assert_int_equal(items[0].status, SUTRA_E_LIMIT);
    for (size_t i = 1; i < 60; i++)
        if (items[i].status != SUTRA_OK) fail_msg("text %zu: %d", i, items[i].status);
    fault_engine_close(&fault);
}

/* ---- pieces ---- */

/* Of both engines, which must be equal. */
static void check_options(const SutraInput *inputs, size_t n, const SutraEmbedOptions *options)
{
    SutraEngine *const engines[] = {fault.plain, fault.tiny.engine};
    SutraResultView views[2];
    SutraResult *results[2];
    SutraError err = {0};
    for (int e = 0; e < 2; e++) {
        views[e] = (SutraResultView){.struct_size = sizeof views[e]};
        if (sutra_embed(engines[e], fault.tiny.model, inputs, n, options, &results[e], &err) !=
            SUTRA_OK)
            fail_msg("%s", err.message);
        sutra_result_view(results[e], &views[e], NULL);
    }
    size_t rows = views[0].offsets ? views[0].offsets[n] : n;
    assert_int_equal(views[0].row_bytes, views[1].row_bytes);
    assert_memory_equal(views[0].data, views[1].data, rows * views[0].row_bytes);
    for (int e = 0; e < 2; e++) sutra_result_free(results[e]);
}

/* Batches larger than a device prefers go in pieces, some to a device that fails. */
static void rows_of_pieces_lie_where_their_texts_do(void **state)
{
    (void)state;
    static char text[300];
    static float ranges[2][HIDDEN];
    SutraInput inputs[TEXTS];
    for (size_t c = 0; c < sizeof text; c++) text[c] = c % 2 ? ' ' : (char)('a' + c % 26);
    for (size_t i = 0; i < TEXTS; i++)
        inputs[i] = (SutraInput){.text = text + i % 7, .text_size = i * 13 % 290};
    for (size_t i = 0; i < HIDDEN; i++) {
        ranges[0][i] = -0.1f;
        ranges[1][i] = 0.2f;
    }
    SutraEmbedOptions kinds[] = {{.output = SUTRA_OUT_TOKENS},
                                 {.output = SUTRA_OUT_TOKENS, .dtype = SUTRA_F16},
                                 {.dtype = SUTRA_I8, .ranges = ranges[0]},
                                 {.dtype = SUTRA_U8},
                                 {.dim = 16},
                                 {.dtype = SUTRA_F16}};
    open_devices("fault:0,fault:1,fault:2", SUTRA_POLICY_RANDOM, 0);
    fault_switch(1)->refuses_ranges = 1;
    fault_switch(2)->most_tokens = 30;
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
        kinds[k].struct_size = sizeof *kinds;
        for (int turn = 0; turn < 3; turn++) check_options(inputs, TEXTS, &kinds[k]);
    }
    fault_engine_close(&fault);
}

/* ---- what plugins say of themselves ---- */

static void preferences_are_bounded(void **state)
{
    (void)state;
    open_devices("fault:0", 0, 0);
    fault_switch(1)->lanes = 1;
    fault_switch(1)->preferred_tokens = UINT32_MAX;
    fault_add_device(&fault, "fault:1");
    fault_drop_device(&fault, "fault:0");
    for (int i = 0; i < 3; i++) fault_check_bytes(&fault, 100);
    assert_int_equal(fault_count(&fault, "fault:1", "failed_runs"), 0);
    fault_engine_close(&fault);
}

static void note_memory(void *user, int level, const char *line)
{
    if (level == 1 && strstr(line, "fault:1: its memory holds runs of")) ++*(_Atomic int *)user;
}

static void batches_come_in_pieces_where_memory_is_short(void **state)
{
    (void)state;
    _Atomic int said = 0;
    const SutraEngineOptions options = {
        .max_batch_tokens = 512, .log = note_memory, .log_user = (void *)&said};
    fault_engine_open(&fault, PLUGINS, "fault:0", &options);
    fault_switch(1)->preferred_tokens = 512;
    fault_switch(1)->memory_tokens = 150;
    fault_add_device(&fault, "fault:1");
    fault_drop_device(&fault, "fault:0");
    for (int i = 0; i < 5; i++) fault_check_bytes(&fault, 100);
    assert_int_equal(fault_count(&fault, "fault:1", "failed_runs"), 0);
    assert_int_equal(fault_count(&fault, "fault:1", "retried_texts"), 0);
    assert_int_equal(fault_switch(1)->largest_context, 128); /* a quarter */
    assert_true(fault_switch(1)->largest_run > 64 && fault_switch(1)->largest_run <= 128);
    assert_int_equal(said, 1);
    fault_engine_close(&fault);
}

static void a_device_without_any_memory_says_so(void **state)
{
    (void)state;
    SutraResult *result = NULL;
    SutraError err = {0};
    const SutraInput input = text_input("a b c");
    open_devices("fault:0", 0, 0);
    fault_switch(0)->memory_tokens = 1;
    assert_int_equal(
        sutra_embed(fault.tiny.engine, fault.tiny.model, &input, 1, NULL, &result, &err),
        SUTRA_E_MEMORY);
    assert_non_null(strstr(err.message, "device fault:0: no memory for 64 tokens"));
    fault_engine_close(&fault);
}

static void a_context_that_is_none_is_a_failure(void **state)
{
    (void)state;
    open_devices("fault:0,fault:1", SUTRA_POLICY_ROUND_ROBIN, 0);
    fault_switch(0)->mode = FAULT_EMPTY;
    for (int i = 0; i < 5; i++) fault_check_bytes(&fault, 100);
    assert_int_equal(fault_count(&fault, "fault:0", "runs"), 0);
    fault_engine_close(&fault);
}

/* ---- health ---- */

static void count_quarantines(void *user, int level, const char *line)
{
    (void)level;
    if (strstr(line, "is left alone")) ++*(_Atomic int *)user;
}

/* Calls that hang at the same time are one outage, however many they are. */
static void one_outage_is_one_relapse(void **state)
{
    (void)state;
    _Atomic int quarantines = 0;
    uint64_t late = 0, before;
    const SutraEngineOptions options = {
        .device_timeout_ms = 500, .log = count_quarantines, .log_user = &quarantines};
    fault_engine_open(&fault, PLUGINS, "fault:0", &options);
    do {
        fault_switch(0)->mode = FAULT_NONE;
        fault_check_bytes(&fault, 400);
        before = fault_count(&fault, "fault:0", "late_runs");
        quarantines = 0;
        fault_switch(0)->mode = FAULT_HANG;
        embed_many();
        late = fault_count(&fault, "fault:0", "late_runs") - before;
    } while (late < 2);
    assert_int_equal(quarantines, 1);
    fault_engine_close(&fault);
}

/* The other has taken all that it can, and does not come back. */
static void a_device_whose_time_has_come_is_tried_by_who_waits(void **state)
{
    (void)state;
    pthread_t caller;
    open_devices("fault:0,fault:1", SUTRA_POLICY_ROUND_ROBIN, 3600000);
    fault_check_bytes(&fault, 50);
    fault_switch(1)->mode = FAULT_ERROR;
    while (!fault_is(&fault, "fault:1", "quarantined")) fault_check_bytes(&fault, 50);
    fault_switch(0)->mode = FAULT_HANG;
    fault_switch(1)->mode = FAULT_NONE;
    int runs = fault_switch(1)->runs;
    assert_int_equal(pthread_create(&caller, NULL, check_bytes, NULL), 0);
    while (fault_switch(1)->runs == runs) rest();
    fault_switch(0)->mode = FAULT_NONE;
    pthread_join(caller, NULL);
    fault_engine_close(&fault);
}

/* A run that took long says little of those that come much later. */
static void a_device_that_was_slow_once_is_tried_again(void **state)
{
    (void)state;
    open_devices("fault:0,fault:1", SUTRA_POLICY_FASTEST, 0);
    fault_switch(1)->slow_us = 20000;
    fault_switch(1)->mode = FAULT_SLOW;
    while (fault_count(&fault, "fault:1", "runs") == 0) fault_check_bytes(&fault, 100);
    fault_switch(1)->mode = FAULT_NONE;
    uint64_t runs = fault_count(&fault, "fault:1", "runs");
    while (fault_count(&fault, "fault:1", "runs") < runs + 20) fault_check_bytes(&fault, 100);
    fault_engine_close(&fault);
}

/* NaN of a text that the other device's piece does not have says nothing of the first. */
static void only_numbers_for_the_same_text_refute_nan(void **state)
{
    (void)state;
    open_devices("fault:0,fault:1", SUTRA_POLICY_ROUND_ROBIN, 0);
    fault_drop_device(&fault, "fault:1");
    fault_switch(1)->preferred_tokens = 512;
    fault_add_device(&fault, "fault:1");
    static const char text[] = "a b c d e f g h i j k l m n o p q r s t u v w x y z";
    static SutraInput inputs[TEXTS];
    static SutraItem items[TEXTS];
    static float rows[TEXTS][HIDDEN];
    SutraError err = {0};
    for (size_t i = 0; i < TEXTS; i++)
        inputs[i] = (SutraInput){.text = text, .text_size = i % 10 == 9 ? 5 : sizeof text - 1};
    for (uint32_t d = 0; d < 2; d++) fault_switch(d)->nan_tokens = 5;
    for (int turn = 0; turn < 5; turn++) {
        assert_int_equal(sutra_embed_into(fault.tiny.engine, fault.tiny.model, inputs, TEXTS, NULL,
                                          rows, sizeof rows, items, &err),
                         SUTRA_E_NUMERIC);
        for (size_t i = 0; i < TEXTS; i++)
            assert_int_equal(items[i].status, i % 10 == 9 ? SUTRA_E_NUMERIC : SUTRA_OK);
        for (int d = 0; d < 2; d++)
            if (!fault_is(&fault, d ? "fault:1" : "fault:0", "ready")) fail_msg("%d is ill", d);
    }
    fault_engine_close(&fault);
}

/* ---- coming and going ---- */

static void *drop_first(void *arg)
{
    (void)arg;
    fault_drop_device(&fault, "fault:0");
    return NULL;
}

/* Devices after it in the list are prepared no less. */
static void a_device_may_go_while_a_model_is_prepared(void **state)
{
    (void)state;
    pthread_t caller, remover;
    open_devices("fault:0,fault:1,fault:2", SUTRA_POLICY_ROUND_ROBIN, 0);
    fault_switch(1)->mode = FAULT_LOAD_HANG;
    assert_int_equal(pthread_create(&caller, NULL, check_bytes, NULL), 0);
    while (!fault_switch(1)->hanging || fault_switch(2)->contexts < 2) rest();
    assert_int_equal(pthread_create(&remover, NULL, drop_first, NULL), 0);
    pthread_join(remover, NULL);
    fault_switch(1)->mode = FAULT_NONE;
    pthread_join(caller, NULL);
    for (int i = 0; i < 10; i++) fault_check_bytes(&fault, 100);
    assert_true(fault_count(&fault, "fault:2", "runs") > 0);
    fault_drop_device(&fault, "fault:2");
    fault_engine_close(&fault);
}

/* A call for one model hangs when its device is removed; another model was on the same lane. */
static void models_go_while_a_removed_device_hangs(void **state)
{
    (void)state;
    SutraModel *other = NULL;
    SutraError err = {0};
    open_devices("fault:0,fault:1", SUTRA_POLICY_ROUND_ROBIN, 1000);
    assert_int_equal(sutra_model_open(fault.tiny.path, NULL, &other, &err), SUTRA_OK);
    for (int i = 0; i < 4; i++) embed_one(other, NULL);
    fault_check_bytes(&fault, 10);
    fault_switch(0)->mode = FAULT_HANG;
    while (fault_count(&fault, "fault:0", "hung") == 0) fault_check_bytes(&fault, 100);
    fault_drop_device(&fault, "fault:0");
    sutra_model_free(other);
    assert_int_equal(fault_switch(0)->early_unloads, 0);
    fault_engine_close(&fault);
    while (fault_switch(0)->unloads < fault_switch(0)->loads) rest();
    assert_int_equal(fault_switch(0)->contexts, fault_switch(0)->context_frees);
}

/* ---- memory ---- */

/* The n-th allocation fails, of any thread: the call says so or does without, and the devices are as
 * good as before. True: there were not so many. */
static bool check_without_memory(int64_t n, bool persistent)
{
    const SutraEngineOptions options = {.struct_size = sizeof options,
                                        .num_threads = 2,
                                        .devices = "fault:0,fault:1",
                                        .plugins = PLUGINS};
    SutraEngine *const first = fault.tiny.engine;
    SutraEngine *engine = NULL;
    SutraError err = {0};
    su_memory_fail_after(n, persistent);
    SutraStatus status = sutra_engine_create(&options, &engine, &err);
    if (status == SUTRA_OK) {
        fault.tiny.engine = engine;
        status = embed_one(fault.tiny.model, NULL);
        if (status == SUTRA_OK) status = sutra_engine_add_device(engine, "fault:2", &err);
    }
    su_memory_fail_after(-1, false);
    if (status != SUTRA_OK && status != SUTRA_E_MEMORY) fail_msg("%d, %d", (int)n, status);
    if (engine) fault_check_bytes(&fault, 30);
    fault.tiny.engine = first;
    sutra_engine_free(engine);
    return status == SUTRA_OK;
}

static void memory_that_is_not_there_harms_no_device(void **state)
{
    (void)state;
    open_devices("fault:0,fault:1", 0, 0);
    for (int persistent = 0; persistent < 2; persistent++) {
        int good = 0; /* in a row: a device may do what the other has no memory for */
        for (int64_t n = 0; good < 20; n++)
            good = check_without_memory(n, persistent) ? good + 1 : 0;
    }
    fault_engine_close(&fault);
    for (uint32_t d = 0; d < 3; d++)
        assert_int_equal(fault_switch(d)->contexts, fault_switch(d)->context_frees);
}

/* ---- load ---- */

enum { CALLERS = 3 };

static _Atomic int callers_left;
static long turns = 10;

/* How a text may end while devices are in trouble: a healthy one may be late on a busy machine. */
static bool may_end_with(SutraStatus status)
{
    return status == SUTRA_OK || status == SUTRA_E_DEVICE || status == SUTRA_E_UNSUPPORTED;
}

static void embed_any(SutraModel *model, uint32_t *random)
{
    static const float ranges[2][HIDDEN] = {{0}, {0}};
    char text[200]; /* some are longer than a device prefers */
    SutraEmbedOptions options = {.struct_size = sizeof options};
    SutraInput inputs[30];
    SutraResult *result = NULL;
    SutraResultView view = {.struct_size = sizeof view};
    SutraError err = {0};
    uint32_t kind = tiny_random(random) % 3;
    size_t n = 1 + tiny_random(random) % 30;
    for (size_t c = 0; c < sizeof text; c++) text[c] = c % 2 ? ' ' : (char)('a' + c % 26);
    for (size_t i = 0; i < n; i++)
        inputs[i] = (SutraInput){.text = text, .text_size = tiny_random(random) % sizeof text};
    if (kind == 1) options.output = SUTRA_OUT_TOKENS;
    if (kind == 2) options.dtype = SUTRA_I8;
    if (kind == 2) options.ranges = ranges[0];
    SutraStatus status = sutra_embed(fault.tiny.engine, model, inputs, n, &options, &result, &err);
    if (result) sutra_result_view(result, &view, NULL);
    for (size_t i = 0; result && i < n; i++) assert_true(may_end_with(view.items[i].status));
    if (!may_end_with(status)) fail_msg("%s", err.message);
    sutra_result_free(result);
}

static void *open_and_embed(void *arg)
{
    uint32_t random = 11 + (uint32_t)(size_t)arg;
    SutraError err = {0};
    for (long i = 0; i < turns; i++) {
        SutraModel *model = NULL;
        assert_int_equal(sutra_model_open(fault.tiny.path, NULL, &model, &err), SUTRA_OK);
        for (uint32_t calls = 1 + tiny_random(&random) % 6; calls > 0; calls--)
            embed_any(model, &random);
        sutra_model_free(model);
    }
    callers_left--;
    return NULL;
}

static void change_devices(void)
{
    uint32_t random = 3;
    bool there[4] = {true, true, true, false};
    SutraError err = {0};
    while (callers_left) {
        uint32_t d = 1 + tiny_random(&random) % 3;
        char name[16];
        snprintf(name, sizeof name, "fault:%u", d);
        fault_switch(d)->slow_us = 1000;
        fault_switch(d)->refuses_ranges = tiny_random(&random) % 2;
        fault_switch(d)->refused_outputs = tiny_random(&random) % 2 << SUTRA_OUT_TOKENS;
        fault_switch(d)->mode = (int)(tiny_random(&random) % FAULT_MODES);
        for (uint32_t ms = tiny_random(&random) % 60; ms > 0 && callers_left; ms--) rest();
        if (tiny_random(&random) % 3 == 0) {
            SutraStatus status = there[d]
                                     ? sutra_engine_remove_device(fault.tiny.engine, name, &err)
                                     : sutra_engine_add_device(fault.tiny.engine, name, &err);
            if (status == SUTRA_OK) there[d] = !there[d];
            if (status != SUTRA_OK && status != SUTRA_E_DEVICE) fail_msg("%s", err.message);
        }
        if (tiny_random(&random) % 2) fault_switch(d)->mode = FAULT_NONE;
        fault_count(&fault, "fault:0", "runs");
    }
}

static void models_and_devices_come_and_go_under_load(void **state)
{
    (void)state;
    pthread_t threads[CALLERS];
    open_devices("fault:0,fault:1,fault:2", 0, 300);
    callers_left = CALLERS;
    for (size_t t = 0; t < CALLERS; t++)
        assert_int_equal(pthread_create(&threads[t], NULL, open_and_embed, (void *)t), 0);
    change_devices();
    for (size_t t = 0; t < CALLERS; t++) pthread_join(threads[t], NULL);
    fault_engine_close(&fault);
    for (uint32_t d = 0; d < 4; d++) {
        while (fault_switch(d)->unloads < fault_switch(d)->loads ||
               fault_switch(d)->context_frees < fault_switch(d)->contexts)
            rest();
        assert_int_equal(fault_switch(d)->early_unloads, 0);
    }
}

int main(int argc, char **argv)
{
    if (argc > 1) turns = strtol(argv[1], NULL, 10);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_output_that_is_refused_is_no_reason_against_others),
        cmocka_unit_test(a_run_that_is_refused_is_no_reason_against_others),
        cmocka_unit_test(a_text_that_no_device_takes_fails_alone),
        cmocka_unit_test(rows_of_pieces_lie_where_their_texts_do),
        cmocka_unit_test(preferences_are_bounded),
        cmocka_unit_test(batches_come_in_pieces_where_memory_is_short),
        cmocka_unit_test(a_device_without_any_memory_says_so),
        cmocka_unit_test(a_context_that_is_none_is_a_failure),
        cmocka_unit_test(a_device_whose_time_has_come_is_tried_by_who_waits),
        cmocka_unit_test(a_device_that_was_slow_once_is_tried_again),
        cmocka_unit_test(only_numbers_for_the_same_text_refute_nan),
        cmocka_unit_test(models_go_while_a_removed_device_hangs),
        cmocka_unit_test(one_outage_is_one_relapse),
        cmocka_unit_test(a_device_may_go_while_a_model_is_prepared),
        cmocka_unit_test(memory_that_is_not_there_harms_no_device),
        cmocka_unit_test(models_and_devices_come_and_go_under_load),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
