/* Models by name: opened on demand, closed when idle or when their room is needed, never in use. */
#include "support/engine_gate.h"
#include "support/tiny_engine.h"

#include <jansson.h>
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

enum { HIDDEN = 64, MODELS = 4, CALLERS = 4 };

static char *paths[MODELS];
static const char *const names[MODELS] = {"a", "b", "c", "d"};
static uint64_t weight_bytes; /* of each */
static SutraEngine *engine;
static float expected[MODELS][HIDDEN];
static long turns = 40;

static SutraStatus embed(const SutraModel *model, float row[HIDDEN])
{
    const SutraInput input = {.text = "a b c", .text_size = 5};
    SutraError err = {0};
    return sutra_embed_into(engine, model, &input, 1, NULL, row, HIDDEN * sizeof *row, NULL, &err);
}

static int set_up(void **state)
{
    (void)state;
    SutraError err = {0};
    const SutraEngineOptions options = {.struct_size = sizeof options, .num_threads = 2};
    assert_int_equal(sutra_engine_create(&options, &engine, &err), SUTRA_OK);
    for (uint32_t i = 0; i < MODELS; i++) {
        SutraModel *model;
        SutraModelInfo info = {.struct_size = sizeof info};
        paths[i] = tiny_model_write(&(TinyModel){HIDDEN, 2, 1, 64, 128, NULL, i + 1});
        assert_int_equal(sutra_model_open(paths[i], NULL, &model, &err), SUTRA_OK);
        assert_int_equal(embed(model, expected[i]), SUTRA_OK);
        assert_int_equal(sutra_model_info(model, &info, &err), SUTRA_OK);
        weight_bytes = info.weight_bytes;
        sutra_model_free(model);
    }
    assert_true(weight_bytes > 0);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    for (int i = 0; i < MODELS; i++) tiny_model_remove(paths[i]);
    sutra_engine_free(engine);
    return 0;
}

static SutraModels *create(uint64_t budget, uint32_t idle_ms)
{
    SutraModels *models;
    SutraError err = {0};
    const SutraModelsOptions options = {
        .struct_size = sizeof options, .memory_budget = budget, .idle_ms = idle_ms};
    assert_int_equal(sutra_models_create(&options, &models, &err), SUTRA_OK);
    for (int i = 0; i < MODELS; i++)
        assert_int_equal(sutra_models_add(models, names[i], paths[i], NULL, &err), SUTRA_OK);
    return models;
}

static SutraModel *get(SutraModels *models, const char *name)
{
    SutraModel *model = NULL;
    SutraError err = {0};
    if (sutra_models_get(models, name, &model, &err) != SUTRA_OK) fail_msg("%s", err.message);
    return model;
}

/* A fact of a name: text that begins so. */
static bool is(SutraModels *models, const char *name, const char *fact)
{
    char json[8192], key[64];
    SutraError err = {0};
    assert_int_equal(sutra_models_describe(models, json, sizeof json, NULL, &err), SUTRA_OK);
    snprintf(key, sizeof key, "\"name\": \"%s\"", name);
    const char *at = strstr(json, key);
    assert_non_null(at);
    const char *end = strchr(at, '}'), *found = strstr(at, fact);
    return found && found < end;
}

static void a_model_is_opened_when_it_is_wanted(void **state)
{
    (void)state;
    SutraModels *models = create(0, 0);
    assert_true(is(models, "a", "\"state\": \"closed\""));
    SutraModel *first = get(models, "a"), *second = get(models, "a");
    assert_ptr_equal(first, second);
    assert_true(is(models, "a", "\"opened\": 1,"));
    assert_true(is(models, "a", "\"in_use\": true"));
    assert_true(is(models, "b", "\"state\": \"closed\""));
    float row[HIDDEN];
    assert_int_equal(embed(first, row), SUTRA_OK);
    assert_memory_equal(row, expected[0], sizeof row);
    sutra_models_free(models);
    assert_int_equal(embed(second, row), SUTRA_OK);
    sutra_model_free(first);
    sutra_model_free(second);
}

static void check_row(const SutraModel *model, int which)
{
    float row[HIDDEN];
    assert_int_equal(embed(model, row), SUTRA_OK);
    assert_memory_equal(row, expected[which], sizeof row);
}

static void a_name_may_come_to_stand_for_another_model(void **state)
{
    (void)state;
    SutraModels *models = create(0, 0);
    SutraModel *first = get(models, "a"), *second, *same;
    SutraError err = {0};
    assert_int_equal(sutra_models_replace(models, "a", paths[1], &second, &err), SUTRA_OK);
    assert_true(is(models, "a", paths[1]));
    assert_true(is(models, "a", "\"opened\": 2, \"closed\": 1"));
    check_row(first, 0);
    sutra_model_free(first);
    check_row(second, 1);
    assert_ptr_equal(get(models, "a"), second);
    sutra_model_free(second);
    assert_int_equal(sutra_models_replace(models, "a", NULL, &same, &err), SUTRA_OK);
    assert_ptr_not_equal(same, second);
    check_row(same, 1);
    sutra_model_free(same);
    assert_int_equal(sutra_models_replace(models, "a", paths[2], NULL, &err), SUTRA_OK);
    assert_true(is(models, "a", "\"state\": \"closed\""));
    check_row(second, 1); /* which is still this test's */
    sutra_model_free(second);
    first = get(models, "a");
    check_row(first, 2);
    sutra_model_free(first);
    sutra_models_free(models);
}

static void one_that_cannot_be_replaced_stays(void **state)
{
    (void)state;
    SutraModels *models = create(weight_bytes + weight_bytes / 2, 0);
    SutraModel *first = get(models, "a"), *other;
    SutraError err = {0};
    assert_int_equal(sutra_models_replace(models, "a", "no/such/folder", &other, &err), SUTRA_E_IO);
    assert_null(other);
    assert_int_equal(sutra_models_replace(models, "a", paths[1], &other, &err), SUTRA_E_LIMIT);
    assert_int_equal(sutra_models_replace(models, "e", paths[1], &other, &err), SUTRA_E_ARGUMENT);
    sutra_model_free(first);
    first = get(models, "a");
    check_row(first, 0);
    sutra_model_free(first);
    assert_int_equal(sutra_models_replace(models, "a", paths[1], &other, &err), SUTRA_OK);
    check_row(other, 1); /* the room is that of the one that nobody used */
    sutra_model_free(other);
    sutra_models_free(models);
}

static void names_are_checked(void **state)
{
    (void)state;
    SutraModels *models = create(0, 0);
    SutraModel *model;
    SutraError err = {0};
    assert_int_equal(sutra_models_get(models, "e", &model, &err), SUTRA_E_ARGUMENT);
    assert_string_equal(err.message, "there is no model \"e\"; there are a, b, c, d");
    assert_null(model);
    assert_int_equal(sutra_models_add(models, "a", paths[0], NULL, &err), SUTRA_E_ARGUMENT);
    assert_int_equal(sutra_models_add(models, "", paths[0], NULL, &err), SUTRA_E_ARGUMENT);
    assert_int_equal(sutra_models_add(models, "f", NULL, NULL, &err), SUTRA_E_ARGUMENT);
    assert_int_equal(sutra_models_remove(models, "e", &err), SUTRA_E_ARGUMENT);
    assert_int_equal(sutra_models_get(NULL, "a", &model, &err), SUTRA_E_ARGUMENT);
    assert_int_equal(sutra_models_add(models, "f", "no/such/folder", NULL, &err), SUTRA_OK);
    for (int i = 0; i < 2; i++)
        assert_int_not_equal(sutra_models_get(models, "f", &model, &err), SUTRA_OK);
    assert_non_null(strstr(err.message, "no/such/folder"));
    sutra_models_free(models);
}

static void a_name_may_go_while_its_model_is_in_use(void **state)
{
    (void)state;
    SutraModels *models = create(0, 0);
    SutraError err = {0};
    SutraModel *model = get(models, "b");
    float row[HIDDEN];
    assert_int_equal(sutra_models_remove(models, "b", &err), SUTRA_OK);
    assert_int_equal(embed(model, row), SUTRA_OK);
    assert_memory_equal(row, expected[1], sizeof row);
    sutra_model_free(model);
    assert_int_equal(sutra_models_get(models, "b", &model, &err), SUTRA_E_ARGUMENT);
    sutra_models_free(models);
}

static void the_budget_closes_the_one_used_longest_ago(void **state)
{
    (void)state;
    SutraModels *models = create(2 * weight_bytes, 0);
    sutra_model_free(get(models, "a"));
    sutra_model_free(get(models, "b"));
    sutra_model_free(get(models, "a"));
    sutra_model_free(get(models, "c"));
    assert_true(is(models, "a", "\"state\": \"open\""));
    assert_true(is(models, "b", "\"state\": \"closed\""));
    assert_true(is(models, "b", "\"closed\": 1"));
    assert_true(is(models, "c", "\"state\": \"open\""));
    sutra_models_free(models);
}

static void what_is_in_use_is_not_closed(void **state)
{
    (void)state;
    SutraModels *models = create(2 * weight_bytes, 1);
    SutraModel *a = get(models, "a"), *b = get(models, "b"), *c = NULL;
    SutraError err = {0};
    assert_int_equal(sutra_models_get(models, "c", &c, &err), SUTRA_E_LIMIT);
    assert_non_null(strstr(err.message, "a, b"));
    sutra_models_close_idle(models);
    assert_true(is(models, "a", "\"state\": \"open\""));
    sutra_model_free(a);
    c = get(models, "c");
    assert_true(is(models, "a", "\"state\": \"closed\""));
    assert_true(is(models, "b", "\"state\": \"open\""));
    sutra_model_free(b);
    sutra_model_free(c);
    sutra_models_free(models);
}

static void one_that_is_larger_than_the_budget_closes_nothing(void **state)
{
    (void)state;
    SutraModels *models = create(weight_bytes - 1, 0);
    SutraModel *model;
    SutraError err = {0};
    assert_int_equal(sutra_models_get(models, "a", &model, &err), SUTRA_E_LIMIT);
    sutra_models_free(models);
}

static void rest(void) { nanosleep(&(struct timespec){0, 1000000}, NULL); }

static void idle_ones_are_closed(void **state)
{
    (void)state;
    SutraModels *models = create(0, 5);
    SutraModel *b = get(models, "b");
    sutra_model_free(get(models, "a"));
    while (!is(models, "a", "\"state\": \"closed\"")) rest();
    assert_true(is(models, "b", "\"state\": \"open\""));
    sutra_model_free(b);
    while (!is(models, "b", "\"state\": \"closed\"")) rest();
    float row[HIDDEN];
    SutraModel *again = get(models, "b");
    assert_int_equal(embed(again, row), SUTRA_OK);
    assert_memory_equal(row, expected[1], sizeof row);
    sutra_model_free(again);
    sutra_models_free(models);
}

/* A job holds its model, also while it waits for an engine that stands still. */
static void a_job_keeps_its_model_open(void **state)
{
    (void)state;
    EngineGate gate;
    TinyEngine still;
    SutraJob *job;
    SutraError err = {0};
    const SutraInput input = text_input("a b c");
    engine_gate_init(&gate);
    const SutraEngineOptions options = {
        .struct_size = sizeof options, .num_threads = 1, .log = engine_gate_log, .log_user = &gate};
    tiny_engine_open(&(TinyModel){HIDDEN, 2, 1, 64, 128, NULL, 9}, &options, &still);
    engine_gate_close(&gate, &still);
    SutraModels *models = create(weight_bytes, 0);
    SutraModel *model = get(models, "a"), *other = NULL;
    assert_int_equal(sutra_submit(still.engine, model, &input, 1, NULL, NULL, NULL, &job, &err),
                     SUTRA_OK);
    sutra_model_free(model);
    assert_int_equal(sutra_models_get(models, "b", &other, &err), SUTRA_E_LIMIT);
    engine_gate_open(&gate);
    assert_int_equal(sutra_job_wait(job, UINT64_MAX, NULL, &err), SUTRA_OK);
    sutra_job_free(job);
    sutra_model_free(get(models, "b"));
    assert_true(is(models, "a", "\"state\": \"closed\""));
    sutra_models_free(models);
    tiny_engine_close(&still);
    engine_gate_destroy(&gate);
}

typedef struct Closing {
    SutraModels *models;
    bool is_closed;
} Closing;

static void close_them(void *user, SutraResult *result, const SutraError *err)
{
    Closing *closing = user;
    (void)err;
    sutra_result_free(result);
    sutra_models_close_idle(closing->models);
    closing->is_closed = is(closing->models, "a", "\"state\": \"closed\"");
}

static void a_callback_finds_its_jobs_model_let_go(void **state)
{
    (void)state;
    SutraJob *job;
    SutraError err = {0};
    const SutraInput input = text_input("a b c");
    SutraModels *models = create(0, 0);
    SutraModel *model = get(models, "a");
    Closing closing = {.models = models};
    assert_int_equal(sutra_submit(engine, model, &input, 1, NULL, close_them, &closing, &job, &err),
                     SUTRA_OK);
    sutra_model_free(model);
    assert_int_equal(sutra_job_wait(job, UINT64_MAX, NULL, &err), SUTRA_OK);
    assert_true(closing.is_closed);
    sutra_job_free(job);
    sutra_models_free(models);
}

/* The description, whole. */
static json_t *describe(SutraModels *models)
{
    SutraError err = {0};
    size_t size = 0;
    assert_int_equal(sutra_models_describe(models, NULL, 0, &size, &err), SUTRA_E_LIMIT);
    char *json = malloc(size + 1);
    assert_non_null(json);
    assert_int_equal(sutra_models_describe(models, json, size, NULL, &err), SUTRA_E_LIMIT);
    assert_int_equal(sutra_models_describe(models, json, size + 1, NULL, &err), SUTRA_OK);
    assert_int_equal(strlen(json), size);
    json_error_t why;
    json_t *root = json_loads(json, JSON_REJECT_DUPLICATES, &why);
    if (!root) fail_msg("%s: %s", why.text, json);
    free(json);
    return root;
}

/* `text` so many times; freed by free. */
static char *repeat(const char *text, size_t count)
{
    size_t size = strlen(text);
    char *all = malloc(size * count + 1);
    assert_non_null(all);
    for (size_t i = 0; i < count; i++) memcpy(all + i * size, text, size);
    all[size * count] = '\0';
    return all;
}

static void names_and_paths_are_described_whole(void **state)
{
    (void)state;
    SutraModels *models = create(0, 0);
    SutraError err = {0};
    char *name =
        repeat("\xc3\xbc \xe6\xa8\xa1\xe5\x9e\x8b \"q\" \\ \n\x01\x7f \xf0\x9d\x84\x9e", 200);
    char *path = repeat("/d\xc3\xa9p\xc3\xb4t/\xe6\xa8\xa1\xe5\x9e\x8b", 400);
    assert_int_equal(sutra_models_add(models, name, path, NULL, &err), SUTRA_OK);
    assert_int_equal(sutra_models_add(models, "broken \xff\xe2\x82", "p", NULL, &err), SUTRA_OK);
    json_t *root = describe(models), *list = json_object_get(root, "models");
    assert_int_equal(json_array_size(list), MODELS + 2);
    for (size_t i = 0; i < MODELS; i++) {
        json_t *entry = json_array_get(list, i);
        assert_string_equal(json_string_value(json_object_get(entry, "name")), names[i]);
        assert_string_equal(json_string_value(json_object_get(entry, "path")), paths[i]);
    }
    json_t *entry = json_array_get(list, MODELS);
    assert_string_equal(json_string_value(json_object_get(entry, "name")), name);
    assert_string_equal(json_string_value(json_object_get(entry, "path")), path);
    entry = json_array_get(list, MODELS + 1);
    assert_string_equal(json_string_value(json_object_get(entry, "name")),
                        "broken \xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
    json_decref(root);
    sutra_models_free(models);
    free(name);
    free(path);
    assert_int_equal(sutra_models_create(NULL, &models, &err), SUTRA_OK);
    root = describe(models);
    assert_int_equal(json_array_size(json_object_get(root, "models")), 0);
    json_decref(root);
    sutra_models_free(models);
}

static SutraModels *shared;

static void *use_models(void *arg)
{
    uint32_t random = 9 + (uint32_t)(size_t)arg;
    for (long i = 0; i < turns; i++) {
        uint32_t m = tiny_random(&random) % MODELS;
        SutraModel *model = NULL;
        SutraError err = {0};
        SutraStatus status = tiny_random(&random) % 8
                                 ? sutra_models_get(shared, names[m], &model, &err)
                                 : sutra_models_replace(shared, names[m], NULL, &model, &err);
        if (status == SUTRA_E_LIMIT) continue; /* all that are open are in use */
        assert_int_equal(status, SUTRA_OK);
        float row[HIDDEN];
        assert_int_equal(embed(model, row), SUTRA_OK);
        assert_memory_equal(row, expected[m], sizeof row);
        sutra_model_free(model);
        if (tiny_random(&random) % 8 == 0) sutra_models_close_idle(shared);
        if (tiny_random(&random) % 8 == 0) rest();
    }
    return NULL;
}

static void threads_share_them(void **state)
{
    (void)state;
    pthread_t threads[CALLERS];
    shared = create(2 * weight_bytes, 1);
    for (size_t t = 0; t < CALLERS; t++)
        assert_int_equal(pthread_create(&threads[t], NULL, use_models, (void *)t), 0);
    for (size_t t = 0; t < CALLERS; t++) pthread_join(threads[t], NULL);
    sutra_models_free(shared);
}

int main(int argc, char **argv)
{
    if (argc > 1) turns = strtol(argv[1], NULL, 10);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_model_is_opened_when_it_is_wanted),
        cmocka_unit_test(a_name_may_come_to_stand_for_another_model),
        cmocka_unit_test(one_that_cannot_be_replaced_stays),
        cmocka_unit_test(names_are_checked),
        cmocka_unit_test(names_and_paths_are_described_whole),
        cmocka_unit_test(a_name_may_go_while_its_model_is_in_use),
        cmocka_unit_test(the_budget_closes_the_one_used_longest_ago),
        cmocka_unit_test(what_is_in_use_is_not_closed),
        cmocka_unit_test(one_that_is_larger_than_the_budget_closes_nothing),
        cmocka_unit_test(idle_ones_are_closed),
        cmocka_unit_test(a_job_keeps_its_model_open),
        cmocka_unit_test(a_callback_finds_its_jobs_model_let_go),
        cmocka_unit_test(threads_share_them),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
