/* Jobs through sutra.h: their life after the engine's, submitting from callbacks, partial results. */
#include "support/engine_gate.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

enum { HIDDEN = 64, QUEUE_TOKENS = 600, LARGE = 500 };

static EngineGate gate;

static int set_up(void **state)
{
    static TinyEngine tiny;
    const SutraEngineOptions options = {.struct_size = sizeof options,
                                        .num_threads = 2,
                                        .max_queued_tokens = QUEUE_TOKENS,
                                        .log = engine_gate_log,
                                        .log_user = &gate};
    engine_gate_init(&gate);
    tiny_engine_open(&(TinyModel){HIDDEN, 2, 1, 64, 512, NULL, 7}, &options, &tiny);
    *state = &tiny;
    return 0;
}

static int tear_down(void **state)
{
    tiny_engine_close(*state);
    engine_gate_destroy(&gate);
    return 0;
}

static void free_engine(TinyEngine *f)
{
    sutra_engine_free(f->engine);
    f->engine = NULL;
}

static SutraJob *submit(TinyEngine *f, const SutraInput *inputs, size_t n)
{
    SutraJob *job = NULL;
    assert_int_equal(sutra_submit(f->engine, f->model, inputs, n, NULL, NULL, NULL, &job, NULL),
                     SUTRA_OK);
    return job;
}

/* ---- after the engine ---- */

static void a_job_outlives_its_engine(void **state)
{
    TinyEngine *f = *state;
    SutraError err = {0};
    SutraResult *result = NULL;
    SutraInput input = text_input("a b c");
    SutraJob *kept = submit(f, &input, 1), *unread = submit(f, &input, 1);
    free_engine(f);
    assert_int_equal(sutra_job_wait(kept, 0, &result, &err), SUTRA_OK); /* run by then */
    assert_non_null(result);
    sutra_job_cancel(kept);
    sutra_job_free(kept);
    sutra_job_free(unread);
    sutra_result_free(result);
}

typedef struct Waiter {
    SutraJob *job;
    SutraStatus status;
} Waiter;

static void *wait_for_job(void *arg)
{
    Waiter *waiter = arg;
    SutraResult *result = NULL;
    waiter->status = sutra_job_wait(waiter->job, UINT64_MAX, &result, NULL);
    sutra_result_free(result);
    sutra_job_free(waiter->job);
    return NULL;
}

static void threads_wait_while_the_engine_is_freed(void **state)
{
    enum { WAITERS = 4 };
    TinyEngine *f = *state;
    pthread_t threads[WAITERS];
    Waiter waiters[WAITERS];
    SutraInput input = text_input("a b c");
    for (int i = 0; i < WAITERS; i++) {
        waiters[i] = (Waiter){.job = submit(f, &input, 1), .status = SUTRA_E_IO};
        assert_int_equal(pthread_create(&threads[i], NULL, wait_for_job, &waiters[i]), 0);
    }
    free_engine(f);
    for (int i = 0; i < WAITERS; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(waiters[i].status, SUTRA_OK);
    }
}

/* ---- submitting from a callback ---- */

typedef struct Chain {
    TinyEngine *fixture;
    SutraInput next;
    bool again;            /* submit until it is refused */
    sem_t called;          /* posted by each callback */
    pthread_mutex_t gate;  /* held by the test while it prepares */
    SutraStatus submitted; /* of the last submission; to be read when that job's callback is over */
} Chain;

static void free_result(void *user, SutraResult *result, const SutraError *err)
{
    (void)user;
    (void)err;
    sutra_result_free(result);
}

static void submit_another(void *user, SutraResult *result, const SutraError *err)
{
    Chain *chain = user;
    TinyEngine *f = chain->fixture;
    (void)err;
    sutra_result_free(result);
    sem_post(&chain->called);
    pthread_mutex_lock(&chain->gate);
    pthread_mutex_unlock(&chain->gate);
    chain->submitted = sutra_submit(f->engine, f->model, &chain->next, 1, NULL,
                                    chain->again ? submit_another : free_result, chain, NULL, NULL);
}

static Chain new_chain(TinyEngine *f, SutraInput next)
{
    Chain chain = {
        .fixture = f, .next = next, .gate = PTHREAD_MUTEX_INITIALIZER, .submitted = SUTRA_E_IO};
    assert_int_equal(sem_init(&chain.called, 0, 0), 0);
    return chain;
}

/* The job is done when its callback has returned. */
static SutraJob *submit_first(Chain *chain, const SutraInput *input)
{
    SutraJob *job = NULL;
    assert_int_equal(sutra_submit(chain->fixture->engine, chain->fixture->model, input, 1, NULL,
                                  submit_another, chain, &job, NULL),
                     SUTRA_OK);
    return job;
}

static void finish(SutraJob *job)
{
    assert_int_equal(sutra_job_wait(job, UINT64_MAX, NULL, NULL), SUTRA_OK);
    sutra_job_free(job);
}

/* A job counts as queued until its callback is called, no longer. */
static void a_callback_may_submit_as_much_as_its_job_took(void **state)
{
    TinyEngine *f = *state;
    int32_t ids[LARGE] = {2};
    SutraInput large = {.token_ids = ids, .num_token_ids = LARGE};
    Chain chain = new_chain(f, large);
    finish(submit_first(&chain, &large));
    assert_int_equal(chain.submitted, SUTRA_OK);
}

/* The engine's end waits for the thread of the callbacks. */
static void a_full_queue_is_busy_from_a_callback(void **state)
{
    TinyEngine *f = *state;
    int32_t ids[LARGE] = {2};
    SutraInput small = text_input("a"), large = {.token_ids = ids, .num_token_ids = LARGE};
    Chain chain = new_chain(f, large);
    pthread_mutex_lock(&chain.gate);
    SutraJob *first = submit_first(&chain, &small);
    sem_wait(&chain.called);
    engine_gate_close(&gate, f);
    SutraJob *fills = submit(f, &large, 1);
    pthread_mutex_unlock(&chain.gate);
    finish(first);
    assert_int_equal(chain.submitted, SUTRA_E_BUSY);
    engine_gate_open(&gate);
    finish(fills);
}

static void ring(void *user, SutraResult *result, const SutraError *err)
{
    sutra_result_free(result);
    if (err->status == SUTRA_OK) sem_post(user);
}

/* The callback of another job is at work all the while. */
static void a_quick_callback_waits_for_no_other(void **state)
{
    TinyEngine *f = *state;
    SutraInput small = text_input("a");
    const SutraEmbedOptions quick = {.struct_size = sizeof quick, .quick_done = 1};
    Chain chain = new_chain(f, small);
    sem_t rung;
    sem_init(&rung, 0, 0);
    pthread_mutex_lock(&chain.gate);
    SutraJob *first = submit_first(&chain, &small);
    sem_wait(&chain.called);
    for (int i = 0; i < 20; i++) {
        SutraJob *job = NULL;
        assert_int_equal(
            sutra_submit(f->engine, f->model, &small, 1, &quick, ring, &rung, &job, NULL),
            SUTRA_OK);
        sem_wait(&rung);
        finish(job);
    }
    pthread_mutex_unlock(&chain.gate);
    finish(first);
    sem_destroy(&rung);
}

static void *submit_large(void *tiny)
{
    int32_t ids[LARGE] = {2};
    SutraInput large = {.token_ids = ids, .num_token_ids = LARGE};
    return submit(tiny, &large, 1);
}

/* There is room for a small job all the time, and for the large one at the end alone. */
static void those_who_wait_for_room_go_in_turn(void **state)
{
    TinyEngine *f = *state;
    const SutraEmbedOptions options = {.struct_size = sizeof options, .timeout_ns = 1000000};
    SutraInput small = text_input("a");
    SutraStatus status = SUTRA_OK;
    pthread_t thread;
    void *large = NULL;
    engine_gate_close(&gate, f);
    SutraJob *fills = submit_large(f);
    assert_int_equal(pthread_create(&thread, NULL, submit_large, f), 0);
    for (int i = 0; i < 2000 && status == SUTRA_OK; i++) { /* until the large one is in line */
        SutraJob *job = NULL;
        status = sutra_submit(f->engine, f->model, &small, 1, &options, NULL, NULL, &job, NULL);
        if (!job) break;
        sutra_job_cancel(job);
        sutra_job_free(job);
        nanosleep(&(struct timespec){0, 1000000}, NULL);
    }
    engine_gate_open(&gate);
    pthread_join(thread, &large);
    finish(fills);
    finish(large);
    assert_int_equal(status, SUTRA_E_TIMEOUT);
}

/* Without an end to what callbacks submit, freeing the engine would never return. */
static void an_engine_that_is_freed_takes_no_more_jobs(void **state)
{
    TinyEngine *f = *state;
    SutraInput small = text_input("a");
    Chain chain = new_chain(f, small);
    chain.again = true;
    SutraJob *first = submit_first(&chain, &small);
    free_engine(f);
    finish(first);
    assert_int_equal(chain.submitted, SUTRA_E_CANCELLED);
}

/* ---- results beside errors ---- */

typedef struct Outcome {
    SutraResult *result;
    SutraError err;
} Outcome;

static void keep(void *user, SutraResult *result, const SutraError *err)
{
    *(Outcome *)user = (Outcome){result, *err};
}

static void check_second_failed(const SutraResult *result, SutraStatus status,
                                const SutraError *err)
{
    SutraResultView view = {.struct_size = sizeof view};
    assert_int_equal(status, SUTRA_E_ARGUMENT);
    assert_int_equal(err->status, SUTRA_E_ARGUMENT);
    assert_non_null(result);
    assert_int_equal(sutra_result_view(result, &view, NULL), SUTRA_OK);
    assert_int_equal(view.items[0].status, SUTRA_OK);
    assert_int_equal(view.items[1].status, SUTRA_E_ARGUMENT);
    const float *rows = view.data;
    assert_true(rows[0] != 0.0f && rows[HIDDEN] == 0.0f);
}

/* The rows of the other inputs come with the error, to whomever the result goes. */
static void a_failing_input_leaves_the_other_rows(void **state)
{
    TinyEngine *f = *state;
    const SutraInput inputs[] = {text_input("a b c"), text_input("\xff")};
    SutraError err = {0};
    Outcome outcome = {0};
    SutraResult *result = NULL;
    SutraStatus status = sutra_embed(f->engine, f->model, inputs, 2, NULL, &result, &err);
    check_second_failed(result, status, &err);
    sutra_result_free(result);

    SutraJob *job = submit(f, inputs, 2);
    status = sutra_job_wait(job, UINT64_MAX, &result, &err);
    check_second_failed(result, status, &err);
    sutra_result_free(result);
    assert_int_equal(sutra_job_wait(job, UINT64_MAX, &result, &err), SUTRA_E_ARGUMENT);
    assert_null(result); /* handed out once */
    sutra_job_free(job);

    assert_int_equal(sutra_submit(f->engine, f->model, inputs, 2, NULL, keep, &outcome, &job, &err),
                     SUTRA_OK);
    result = (SutraResult *)f;
    status = sutra_job_wait(job, UINT64_MAX, &result, &err);
    assert_null(result);
    check_second_failed(outcome.result, status, &outcome.err);
    sutra_job_free(job);
    sutra_result_free(outcome.result);
}

static void a_job_that_has_no_result_gives_null(void **state)
{
    TinyEngine *f = *state;
    SutraInput small = text_input("a");
    SutraResult *result = (SutraResult *)f;
    engine_gate_close(&gate, f);
    SutraJob *job = submit(f, &small, 1);
    assert_int_equal(sutra_job_wait(job, 0, &result, NULL), SUTRA_E_TIMEOUT);
    assert_null(result);
    sutra_job_cancel(job);
    result = (SutraResult *)f;
    assert_int_equal(sutra_job_wait(job, UINT64_MAX, &result, NULL), SUTRA_E_CANCELLED);
    assert_null(result);
    engine_gate_open(&gate);
    sutra_job_free(job);
}

/* ---- fork ---- */

/* What the child finds: 0 if all is as it should be. */
static int use_in_child(TinyEngine *f, const SutraInput *input, const SutraResultView *expected)
{
    SutraError err = {0};
    SutraResult *result = NULL;
    SutraJob *job = NULL;
    SutraEngine *own = NULL;
    if (sutra_embed(f->engine, f->model, input, 1, NULL, &result, &err) != SUTRA_E_ARGUMENT)
        return 1;
    if (!strstr(err.message, "fork")) return 2;
    if (sutra_submit(f->engine, f->model, input, 1, NULL, NULL, NULL, &job, &err) !=
        SUTRA_E_ARGUMENT)
        return 3;
    sutra_engine_free(f->engine);
#ifdef __SANITIZE_THREAD__
    (void)own;
    (void)expected;
    return 0; /* its runtime starts no threads after a fork of several */
#else
    if (sutra_engine_create(NULL, &own, &err) != SUTRA_OK) return 4;
    if (sutra_embed(own, f->model, input, 1, NULL, &result, &err) != SUTRA_OK) return 5;
    SutraResultView view = {.struct_size = sizeof view};
    sutra_result_view(result, &view, &err);
    int same = memcmp(view.data, expected->data, view.row_bytes);
    sutra_result_free(result);
    sutra_engine_free(own);
    return same ? 6 : 0;
#endif
}

static void a_child_makes_an_engine_of_its_own(void **state)
{
    TinyEngine *f = *state;
    SutraInput small = text_input("a b c");
    SutraError err = {0};
    SutraResult *result = NULL;
    int status = -1;
    finish(submit(f, &small, 1)); /* all threads are there */
    SutraResultView view = tiny_embed(f, &small, 1, NULL, SUTRA_OK, &result, &err);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) _exit(use_in_child(f, &small, &view));
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    sutra_result_free(result);
}

static void a_call_that_fails_as_a_whole_fills_the_items(void **state)
{
    TinyEngine *f = *state;
    const SutraEmbedOptions wide = {.struct_size = sizeof wide, .dim = HIDDEN + 1};
    const SutraInput inputs[] = {text_input("a b c"), text_input("\xff")};
    SutraItem items[2];
    float out[2 * HIDDEN];
    memset(items, 0xa5, sizeof items);
    assert_int_equal(
        sutra_embed_into(f->engine, f->model, inputs, 2, &wide, out, sizeof out, items, NULL),
        SUTRA_E_ARGUMENT);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(items[i].status, SUTRA_E_ARGUMENT);
        assert_int_equal(items[i].tokens_used, 0);
    }
    assert_int_equal(
        sutra_embed_into(f->engine, f->model, inputs, 2, NULL, out, sizeof out, items, NULL),
        SUTRA_E_ARGUMENT);
    assert_int_equal(items[0].status, SUTRA_OK);
    assert_int_equal(items[1].status, SUTRA_E_ARGUMENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_job_outlives_its_engine, set_up, tear_down),
        cmocka_unit_test_setup_teardown(threads_wait_while_the_engine_is_freed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_callback_may_submit_as_much_as_its_job_took, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_full_queue_is_busy_from_a_callback, set_up, tear_down),
        cmocka_unit_test_setup_teardown(those_who_wait_for_room_go_in_turn, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_quick_callback_waits_for_no_other, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_failing_input_leaves_the_other_rows, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_job_that_has_no_result_gives_null, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_call_that_fails_as_a_whole_fills_the_items, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_child_makes_an_engine_of_its_own, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_engine_that_is_freed_takes_no_more_jobs, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
