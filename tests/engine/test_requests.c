/* Requests that come and go while the engine's threads change hands. */
#include "pipeline/engine.h"
#include "support/engine_gate.h"
#include "support/fake_backend.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum { HIDDEN = 64, POSITIONS = 4096, LONG_WORDS = 1400, MANY = 200 };

static EngineGate gate;
static TinyEngine tiny;
static char words[2 * LONG_WORDS + 1];
static int32_t long_ids[POSITIONS];

static void open_engine(uint32_t threads)
{
    const SutraEngineOptions options = {.struct_size = sizeof options,
                                        .num_threads = threads,
                                        .log = engine_gate_log,
                                        .log_user = &gate};
    tiny_engine_open(&(TinyModel){HIDDEN, 2, 1, 64, POSITIONS, NULL, 8}, &options, &tiny);
}

static int set_up(void **state)
{
    (void)state;
    engine_gate_init(&gate);
    fake = (FakeBackend){.status = SUTRA_E_MEMORY};
    for (size_t i = 0; i < LONG_WORDS; i++) {
        words[2 * i] = (char)('a' + i % 26);
        words[2 * i + 1] = ' ';
    }
    for (size_t i = 0; i < POSITIONS; i++) long_ids[i] = 5 + (int32_t)(i * 7 % 26);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    tiny_engine_close(&tiny);
    engine_gate_destroy(&gate);
    return 0;
}

static SutraJob *submit(const SutraModel *model, const SutraInput *inputs, size_t n,
                        const SutraEmbedOptions *options)
{
    SutraJob *job = NULL;
    SutraError err = {0};
    if (sutra_submit(tiny.engine, model, inputs, n, options, NULL, NULL, &job, &err) != SUTRA_OK)
        fail_msg("%s", err.message);
    return job;
}

static SutraStatus end_of(SutraJob *job)
{
    SutraStatus status = sutra_job_wait(job, UINT64_MAX, NULL, NULL);
    sutra_job_free(job);
    return status;
}

/* Opens the pool: enough texts for all threads. */
static void run_wide(void)
{
    static SutraInput inputs[MANY];
    SutraResult *result = NULL;
    SutraError err = {0};
    for (size_t i = 0; i < MANY; i++) inputs[i] = text_input("a b c d e f g h i j");
    tiny_embed(&tiny, inputs, MANY, NULL, SUTRA_OK, &result, &err);
    sutra_result_free(result);
}

/* The last text of a job, longer than its bytes promise, is the last thing that needs its model. */
static void a_model_may_go_with_its_last_long_text(void **state)
{
    (void)state;
    open_engine(2);
    SutraInput input = text_input(words);
    SutraModel *model = NULL;
    assert_int_equal(sutra_model_open(tiny.path, NULL, &model, NULL), SUTRA_OK);
    engine_gate_close(&gate, &tiny);
    SutraJob *job = submit(model, &input, 1, NULL);
    sutra_job_free(job);
    sutra_model_free(model);
    engine_gate_open(&gate);
    run_wide();
}

/* Between two phases the engine has no lock on the list. */
static void the_first_request_may_go_before_its_turn(void **state)
{
    (void)state;
    open_engine(3);
    SutraInput text = {.token_ids = long_ids, .num_token_ids = 1100}, other = text_input("a b");
    SutraEmbedOptions first = {.struct_size = sizeof first, .priority = 255};
    SutraEmbedOptions tokens = {.struct_size = sizeof tokens, .output = SUTRA_OUT_TOKENS};
    SutraError err = {0};
    SutraResult *expected = NULL;
    SutraResultView whole = tiny_embed(&tiny, &text, 1, &tokens, SUTRA_OK, &expected, &err);
    SutraResult *pooled = NULL;
    SutraResultView own = tiny_embed(&tiny, &other, 1, NULL, SUTRA_OK, &pooled, &err);
    for (int turn = 0; turn < 60; turn++) {
        SutraModel *model = NULL;
        SutraResult *result = NULL;
        assert_int_equal(sutra_model_open(tiny.path, NULL, &model, NULL), SUTRA_OK);
        run_wide();
        SutraJob *job = submit(tiny.model, &text, 1, &tokens);
        for (volatile int i = 0; i < turn % 30 * 100; i++) continue;
        SutraJob *before = submit(turn % 2 ? model : tiny.model, &other, 1, &first);
        if (turn % 3) sutra_job_cancel(job);
        SutraStatus status = sutra_job_wait(job, UINT64_MAX, &result, NULL);
        if (status == SUTRA_OK) {
            SutraResultView view = {.struct_size = sizeof view};
            sutra_result_view(result, &view, NULL);
            assert_memory_equal(view.data, whole.data, 1100 * whole.row_bytes);
        } else {
            assert_int_equal(status, SUTRA_E_CANCELLED);
        }
        sutra_result_free(result);
        sutra_job_free(job);
        assert_int_equal(sutra_job_wait(before, UINT64_MAX, &result, NULL), SUTRA_OK);
        SutraResultView view = {.struct_size = sizeof view};
        sutra_result_view(result, &view, NULL);
        assert_memory_equal(view.data, own.data, own.row_bytes);
        sutra_result_free(result);
        sutra_job_free(before);
        sutra_model_free(model);
    }
    sutra_result_free(pooled);
    sutra_result_free(expected);
}

/* ---- a request that has begun, whose session is lost ---- */

static SutraJob *larger;
static _Atomic int runs;

/* Another job of the model wants larger buffers than there is memory for. */
static void submit_larger(void)
{
    if (atomic_fetch_add(&runs, 1) != 0) return;
    SutraInput input = text_input("z");
    SutraEmbedOptions options = {.struct_size = sizeof options, .priority = 255};
    larger = submit(tiny.model, &input, 1, &options);
    fake.fails = FAKE_CONTEXT;
}

static void what_is_done_stays_when_the_rest_cannot_be(void **state)
{
    (void)state;
    open_engine(1);
    tiny.engine->backend = fake_backend();
    static SutraInput inputs[MANY];
    static SutraItem items[MANY];
    static float rows[MANY][HIDDEN];
    SutraEmbedOptions small = {.struct_size = sizeof small, .max_tokens = 32};
    SutraError err = {0};
    for (size_t i = 0; i < MANY; i++) inputs[i] = text_input("a b c d e f g h i j k l m n o");
    memset(rows, 0xff, sizeof rows);
    runs = 0;
    fake.on_run = submit_larger;
    SutraStatus status = sutra_embed_into(tiny.engine, tiny.model, inputs, MANY, &small, rows,
                                          sizeof rows, items, &err);
    fake.on_run = NULL;
    assert_int_equal(status, SUTRA_E_MEMORY);
    assert_int_equal(end_of(larger), SUTRA_E_MEMORY);
    static const float zero[HIDDEN];
    size_t done = 0;
    while (done < MANY && items[done].status == SUTRA_OK) {
        assert_memory_equal(rows[done], rows[0], sizeof rows[0]);
        done++;
    }
    assert_true(done > 0 && done < MANY);
    assert_int_equal(err.has_item, 1);
    assert_int_equal(err.item, done);
    for (size_t i = done; i < MANY; i++) {
        assert_int_equal(items[i].status, SUTRA_E_MEMORY);
        assert_memory_equal(rows[i], zero, sizeof zero);
    }
    fake.fails = FAKE_NONE;
    run_wide();
}

/* ---- a wide phase that is left with something to claim ---- */

static SutraJob *left, *unready[2];
static SutraModel *another;

/* By the thread that leads, when nobody else is at work: it leaves with its own texts done, and
 * calls another for the job; what comes first then cannot be claimed. */
static void leave_a_job(void)
{
    if (atomic_fetch_add(&runs, 1) != 0) return;
    SutraInput input = text_input("z");
    left = submit(tiny.model, &input, 1, NULL);
}

static void *submit_unready(void *arg)
{
    SutraInput input = text_input("y");
    SutraEmbedOptions first = {.struct_size = sizeof first, .priority = 255};
    (void)arg;
    while (atomic_load(&runs) == 0) continue;
    unready[0] = submit(another, &input, 1, &first);
    unready[1] = submit(another, NULL, 0, &first);
    return NULL;
}

static void a_wide_phase_ends_for_what_comes_first(void **state)
{
    (void)state;
    open_engine(1);
    tiny.engine->backend = fake_backend();
    run_wide();
    fake.on_run = leave_a_job; /* while nothing runs */
    for (int turn = 0; turn < 100; turn++) {
        pthread_t thread;
        runs = 0;
        assert_int_equal(sutra_model_open(tiny.path, NULL, &another, NULL), SUTRA_OK);
        assert_int_equal(pthread_create(&thread, NULL, submit_unready, NULL), 0);
        SutraInput input = text_input("a b");
        SutraResult *result = NULL;
        tiny_embed(&tiny, &input, 1, NULL, SUTRA_OK, &result, &(SutraError){0});
        sutra_result_free(result);
        pthread_join(thread, NULL);
        assert_int_equal(end_of(left), SUTRA_OK);
        for (int i = 0; i < 2; i++) assert_int_equal(end_of(unready[i]), SUTRA_OK);
        sutra_model_free(another);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_model_may_go_with_its_last_long_text, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_first_request_may_go_before_its_turn, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(what_is_done_stays_when_the_rest_cannot_be, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_wide_phase_ends_for_what_comes_first, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
