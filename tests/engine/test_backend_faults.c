/* What the engine makes of a backend that fails, with a message and without. */
#include "pipeline/engine.h"
#include "support/fake_backend.h"
#include "support/tiny_model.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum { HIDDEN = 64 };

static char *path;
static SutraModel *model;
static SutraEngine *engine;

static int set_up(void **state)
{
    (void)state;
    SutraError err = {0};
    const SutraEngineOptions options = {.struct_size = sizeof options, .num_threads = 2};
    fake = (FakeBackend){.status = SUTRA_E_DEVICE};
    path = tiny_model_write(&(TinyModel){HIDDEN, 2, 1, 64, 128, NULL, 8});
    if (sutra_model_open(path, NULL, &model, &err) != SUTRA_OK ||
        sutra_engine_create(&options, &engine, &err) != SUTRA_OK) {
        print_error("%s\n", err.message);
        return -1;
    }
    engine->backend = fake_backend();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    sutra_engine_free(engine);
    sutra_model_free(model);
    tiny_model_remove(path);
    return 0;
}

static SutraStatus embed(SutraError *err)
{
    const SutraInput input = {.text = "a b c", .text_size = 5};
    float vector[HIDDEN];
    memset(err, 'x', sizeof *err);
    err->message[sizeof err->message - 1] = '\0';
    return sutra_embed_into(engine, model, &input, 1, NULL, vector, sizeof vector, NULL, err);
}

static void check_step(FakeStep step, const char *function)
{
    SutraError err;
    fake.fails = step;
    fake.message = NULL;
    assert_int_equal(embed(&err), SUTRA_E_DEVICE);
    assert_int_equal(err.status, SUTRA_E_DEVICE);
    if (!strstr(err.message, "fake") || !strstr(err.message, function))
        fail_msg("%s: \"%s\"", function, err.message);
    fake.message = "the fan stopped";
    assert_int_equal(embed(&err), SUTRA_E_DEVICE);
    if (!strstr(err.message, "the fan stopped")) fail_msg("%s: \"%s\"", function, err.message);
    fake.fails = FAKE_NONE;
    assert_int_equal(embed(&err), SUTRA_OK);
}

static void a_failing_load_is_named(void **state)
{
    (void)state;
    check_step(FAKE_LOAD, "load");
}

static void a_failing_context_is_named(void **state)
{
    (void)state;
    check_step(FAKE_CONTEXT, "context_create");
}

static void a_failing_run_is_named(void **state)
{
    (void)state;
    check_step(FAKE_RUN, "run");
}

/* Rows of another size would be copied past the caller's memory. */
static void rows_of_another_size_are_refused(void **state)
{
    (void)state;
    SutraError err;
    fake.fails = FAKE_RUN_ROWS;
    assert_int_equal(embed(&err), SUTRA_E_DEVICE);
    assert_non_null(strstr(err.message, "512 bytes"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_failing_load_is_named, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_failing_context_is_named, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_failing_run_is_named, set_up, tear_down),
        cmocka_unit_test_setup_teardown(rows_of_another_size_are_refused, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
