/* When a model's memory goes: with its last reference, whatever engines have made of it. */
#include "pipeline/engine.h"
#include "support/fake_backend.h"
#include "support/tiny_model.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum { HIDDEN = 64, THREADS = 2 };

static char *path;

static int set_up(void **state)
{
    (void)state;
    fake = (FakeBackend){0};
    path = tiny_model_write(&(TinyModel){HIDDEN, 2, 1, 64, 128, NULL, 8});
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    tiny_model_remove(path);
    return 0;
}

static SutraModel *open_model(void)
{
    SutraModel *model = NULL;
    SutraError err = {0};
    if (sutra_model_open(path, NULL, &model, &err) != SUTRA_OK) fail_msg("%s", err.message);
    return model;
}

static SutraEngine *create_engine(void)
{
    const SutraEngineOptions options = {.struct_size = sizeof options, .num_threads = THREADS};
    SutraEngine *engine = NULL;
    assert_int_equal(sutra_engine_create(&options, &engine, NULL), SUTRA_OK);
    engine->backend = fake_backend();
    return engine;
}

static SutraStatus embed(SutraEngine *engine, const SutraModel *model)
{
    const SutraInput input = {.text = "a b c", .text_size = 5};
    float vector[HIDDEN];
    return sutra_embed_into(engine, model, &input, 1, NULL, vector, sizeof vector, NULL, NULL);
}

static void check_all_gone(int models)
{
    assert_int_equal(fake.loads, models);
    assert_int_equal(fake.unloads, models);
    assert_true(fake.contexts >= models * THREADS);
    assert_int_equal(fake.context_frees, fake.contexts);
}

static void engines_hold_no_model(void **state)
{
    (void)state;
    SutraEngine *one = create_engine(), *two = create_engine();
    SutraModel *model = open_model(), *other = open_model();
    assert_int_equal(embed(one, model), SUTRA_OK);
    assert_int_equal(embed(two, model), SUTRA_OK);
    assert_int_equal(sutra_model_warmup(two, model, NULL, NULL), SUTRA_OK);
    assert_ptr_equal(sutra_model_retain(model), model);
    sutra_model_free(model);
    assert_int_equal(fake.unloads, 0);
    sutra_model_free(model);
    check_all_gone(1);
    assert_int_equal(embed(one, other), SUTRA_OK);
    sutra_engine_free(one);
    assert_int_equal(embed(two, other), SUTRA_OK);
    sutra_model_free(other);
    check_all_gone(2);
    sutra_engine_free(two);
}

static void a_model_outlives_its_engines(void **state)
{
    (void)state;
    SutraEngine *engine = create_engine();
    SutraModel *model = open_model();
    assert_int_equal(embed(engine, model), SUTRA_OK);
    sutra_engine_free(engine);
    assert_int_equal(fake.context_frees, fake.contexts);
    assert_int_equal(fake.unloads, 0);
    engine = create_engine();
    assert_int_equal(embed(engine, model), SUTRA_OK);
    assert_int_equal(fake.loads, 1);
    sutra_engine_free(engine);
    sutra_model_free(model);
    check_all_gone(1);
}

static void a_job_holds_its_model_until_it_is_over(void **state)
{
    (void)state;
    const SutraInput input = {.text = "a b c", .text_size = 5};
    SutraEngine *engine = create_engine();
    SutraModel *model = open_model();
    SutraJob *job = NULL;
    assert_int_equal(sutra_submit(engine, model, &input, 1, NULL, NULL, NULL, &job, NULL),
                     SUTRA_OK);
    sutra_model_free(model);
    assert_int_equal(sutra_job_wait(job, UINT64_MAX, NULL, NULL), SUTRA_OK);
    check_all_gone(1);
    sutra_job_free(job);
    sutra_engine_free(engine);
}

/* ---- on several threads ---- */

typedef struct Call {
    SutraEngine *engine;
    SutraModel *model;
    SutraStatus status;
} Call;

static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static bool running, may_go_on;

static void wait_in_run(void)
{
    pthread_mutex_lock(&gate);
    running = true;
    pthread_cond_broadcast(&changed);
    while (!may_go_on) pthread_cond_wait(&changed, &gate);
    pthread_mutex_unlock(&gate);
}

static void *call_embed(void *arg)
{
    Call *call = arg;
    call->status = embed(call->engine, call->model);
    return NULL;
}

static void a_call_holds_its_model(void **state)
{
    (void)state;
    pthread_t thread;
    Call call = {.engine = create_engine(), .model = open_model()};
    fake.on_run = wait_in_run;
    assert_int_equal(pthread_create(&thread, NULL, call_embed, &call), 0);
    pthread_mutex_lock(&gate);
    while (!running) pthread_cond_wait(&changed, &gate);
    sutra_model_free(call.model);
    int unloads = fake.unloads;
    may_go_on = true;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&gate);
    pthread_join(thread, NULL);
    assert_int_equal(call.status, SUTRA_OK);
    assert_int_equal(unloads, 0);
    check_all_gone(1);
    sutra_engine_free(call.engine);
}

static void *free_model(void *arg)
{
    sutra_model_free(((Call *)arg)->model);
    return NULL;
}

static void *free_engine(void *arg)
{
    sutra_engine_free(((Call *)arg)->engine);
    return NULL;
}

/* While a third thread uses another model of a second engine. */
static void models_and_engines_are_freed_at_once(void **state)
{
    enum { ROUNDS = 30 };
    (void)state;
    SutraEngine *engine = create_engine();
    SutraModel *model = open_model();
    for (int round = 0; round < ROUNDS; round++) {
        pthread_t threads[3];
        Call call = {.engine = create_engine(), .model = open_model()};
        Call other = {.engine = engine, .model = model};
        assert_int_equal(embed(call.engine, call.model), SUTRA_OK);
        assert_int_equal(embed(engine, call.model), SUTRA_OK);
        assert_int_equal(pthread_create(&threads[0], NULL, free_model, &call), 0);
        assert_int_equal(pthread_create(&threads[1], NULL, free_engine, &call), 0);
        assert_int_equal(pthread_create(&threads[2], NULL, call_embed, &other), 0);
        for (int i = 0; i < 3; i++) pthread_join(threads[i], NULL);
        assert_int_equal(other.status, SUTRA_OK);
        assert_int_equal(fake.unloads, round + 1);
    }
    sutra_model_free(model);
    check_all_gone(ROUNDS + 1);
    sutra_engine_free(engine);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(engines_hold_no_model, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_model_outlives_its_engines, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_job_holds_its_model_until_it_is_over, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_call_holds_its_model, set_up, tear_down),
        cmocka_unit_test_setup_teardown(models_and_engines_are_freed_at_once, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
