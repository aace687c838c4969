/* The engine through sutra.h: options, items, outputs, errors, jobs, concurrent callers. */
#include "support/engine_gate.h"

#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { HIDDEN = 64 };

static EngineGate gate;

static int set_up(void **state)
{
    static TinyEngine tiny;
    const SutraEngineOptions options = {.struct_size = sizeof options,
                                        .num_threads = 2,
                                        .max_queued_tokens = 600,
                                        .log = engine_gate_log,
                                        .log_user = &gate};
    engine_gate_init(&gate);
    tiny_engine_open(&(TinyModel){HIDDEN, 2, 2, 128, 256, NULL, 5}, &options, &tiny);
    *state = &tiny;
    return 0;
}

static int tear_down(void **state)
{
    tiny_engine_close(*state);
    engine_gate_destroy(&gate);
    return 0;
}

static void test_items(void **state)
{
    TinyEngine *f = *state;
    SutraError err = {0};
    SutraResult *result;
    SutraInput inputs[] = {text_input(""), text_input("a b c d e f g h"), text_input("\xff")};
    SutraEmbedOptions options = {.struct_size = sizeof options, .max_tokens = 5};
    SutraResultView view = tiny_embed(f, inputs, 3, &options, SUTRA_E_ARGUMENT, &result, &err);
    assert_non_null(strstr(err.message, "item 2"));
    assert_int_equal(view.num_items, 3);
    assert_int_equal(view.dim, HIDDEN);
    assert_int_equal(view.items[0].tokens_seen, 2);
    assert_int_equal(view.items[0].flags, 0);
    assert_int_equal(view.items[1].tokens_seen, 10);
    assert_int_equal(view.items[1].tokens_used, 5);
    assert_int_equal(view.items[1].flags, SUTRA_ITEM_TRUNCATED);
    assert_int_equal(view.items[2].status, SUTRA_E_ARGUMENT);
    const float *rows = view.data;
    for (int i = 0; i < HIDDEN; i++) assert_true(rows[2 * HIDDEN + i] == 0.0f);
    double norm = 0;
    for (int i = 0; i < HIDDEN; i++) norm += fabs((double)rows[i]);
    assert_true(norm > 0.1);
    sutra_result_free(result);

    options.truncation = SUTRA_TRUNCATE_ERROR;
    tiny_embed(f, inputs, 2, &options, SUTRA_E_LIMIT, &result, &err);
    assert_non_null(strstr(err.message, "10 tokens"));
    sutra_result_free(result);
}

/* Left truncation keeps the end: the same as embedding only what is kept. */
static void test_truncate_left(void **state)
{
    TinyEngine *f = *state;
    SutraError err = {0};
    SutraResult *a, *b;
    SutraInput whole = text_input("a b c d e f"), end = text_input("d e f");
    SutraEmbedOptions options = {
        .struct_size = sizeof options, .max_tokens = 5, .truncation = SUTRA_TRUNCATE_LEFT};
    SutraResultView x = tiny_embed(f, &whole, 1, &options, SUTRA_OK, &a, &err);
    SutraResultView y = tiny_embed(f, &end, 1, NULL, SUTRA_OK, &b, &err);
    assert_memory_equal(x.data, y.data, HIDDEN * sizeof(float));
    sutra_result_free(a);
    sutra_result_free(b);
}

static void test_token_output(void **state)
{
    TinyEngine *f = *state;
    SutraError err = {0};
    SutraResult *tokens, *pooled;
    SutraInput inputs[] = {text_input("a b c"), text_input("d")};
    SutraEmbedOptions options = {.struct_size = sizeof options, .output = SUTRA_OUT_TOKENS};
    SutraResultView t = tiny_embed(f, inputs, 2, &options, SUTRA_OK, &tokens, &err);
    assert_int_equal(t.offsets[1], 5);
    assert_int_equal(t.offsets[2], 8);
    SutraResultView p = tiny_embed(f, inputs, 2, NULL, SUTRA_OK, &pooled, &err);
    const float *rows = t.data, *vectors = p.data;
    for (int text = 0; text < 2; text++) {
        for (int i = 0; i < HIDDEN; i++) {
            float sum = 0;
            size_t n = t.offsets[text + 1] - t.offsets[text];
            for (size_t r = t.offsets[text]; r < t.offsets[text + 1]; r++)
                sum += rows[r * HIDDEN + (size_t)i];
            assert_true(sum / (float)n ==
                        vectors[text * HIDDEN + i]); /* mean pooling, not normalised */
        }
    }
    sutra_result_free(tokens);
    sutra_result_free(pooled);
    options.output = SUTRA_OUT_SPARSE;
    tiny_embed(f, inputs, 2, &options, SUTRA_E_UNSUPPORTED, &tokens, &err);
    options.output = SUTRA_OUT_SCORES;
    tiny_embed(f, inputs, 2, &options, SUTRA_E_UNSUPPORTED, &tokens, &err);
}

static void test_bad_options(void **state)
{
    TinyEngine *f = *state;
    SutraError err = {0};
    SutraResult *result;
    SutraInput input = text_input("a");
    SutraEmbedOptions dim = {.struct_size = sizeof dim, .dim = HIDDEN + 1};
    tiny_embed(f, &input, 1, &dim, SUTRA_E_ARGUMENT, &result, &err);
    SutraEmbedOptions tokens = {.struct_size = sizeof tokens, .max_tokens = 257};
    tiny_embed(f, &input, 1, &tokens, SUTRA_E_LIMIT, &result, &err);
    SutraEmbedOptions full = {.struct_size = sizeof full, .when_full = SUTRA_WHEN_FULL_FAIL + 1};
    tiny_embed(f, &input, 1, &full, SUTRA_E_ARGUMENT, &result, &err);
    SutraEmbedOptions unset = {0};
    tiny_embed(f, &input, 1, &unset, SUTRA_E_ABI, &result, &err);
    input.prompt_name = "nope";
    tiny_embed(f, &input, 1, NULL, SUTRA_E_ARGUMENT, &result, &err);
    sutra_result_free(result);
    int32_t ids[] = {2, TINY_VOCAB_SIZE};
    SutraInput bad_id = {.token_ids = ids, .num_token_ids = 2};
    tiny_embed(f, &bad_id, 1, NULL, SUTRA_E_ARGUMENT, &result, &err);
    assert_non_null(strstr(err.message, "133"));
    sutra_result_free(result);
    SutraEngine *engine;
    SutraEngineOptions device = {.struct_size = sizeof device, .devices = "tpu:3"};
    assert_int_equal(sutra_engine_create(&device, &engine, &err), SUTRA_E_UNSUPPORTED);
    assert_null(engine);
}

typedef struct Log {
    int lines, level;
    char last[256];
} Log;

static void note_line(void *user, int level, const char *line)
{
    Log *log = user;
    log->lines++;
    log->level = level;
    snprintf(log->last, sizeof log->last, "%s", line);
}

/* A model that is made ready is worth a line; one that is ready is not. */
static void test_log(void **state)
{
    TinyEngine *f = *state;
    Log log = {0};
    SutraEngine *engine;
    SutraInput input = text_input("a b c");
    float out[HIDDEN];
    const SutraEngineOptions options = {
        .struct_size = sizeof options, .num_threads = 1, .log = note_line, .log_user = &log};
    assert_int_equal(sutra_engine_create(&options, &engine, NULL), SUTRA_OK);
    assert_int_equal(
        sutra_embed_into(engine, f->model, &input, 1, NULL, out, sizeof out, NULL, NULL), SUTRA_OK);
    assert_int_equal(log.lines, 2);
    assert_int_equal(log.level, 2);
    assert_non_null(strstr(log.last, "256 tokens"));
    assert_null(strchr(log.last, '\n'));
    assert_int_equal(
        sutra_embed_into(engine, f->model, &input, 1, NULL, out, sizeof out, NULL, NULL), SUTRA_OK);
    assert_int_equal(log.lines, 2);
    sutra_engine_free(engine);
}

/* ---- jobs
 * ---------------------------------------------------------------------------------------------------------
 */

static void test_job_equals_embed(void **state)
{
    TinyEngine *f = *state;
    SutraError err = {0};
    SutraResult *direct, *queued = NULL;
    char text[] = "one two three";
    SutraInput input = text_input(text);
    SutraResultView a = tiny_embed(f, &input, 1, NULL, SUTRA_OK, &direct, &err);
    SutraJob *job;
    assert_int_equal(sutra_submit(f->engine, f->model, &input, 1, NULL, NULL, NULL, &job, &err),
                     SUTRA_OK);
    memset(text, 'x', sizeof text - 1); /* the job has its own copy */
    assert_int_equal(sutra_job_wait(job, UINT64_MAX, &queued, &err), SUTRA_OK);
    SutraResultView b = {.struct_size = sizeof b};
    assert_int_equal(sutra_result_view(queued, &b, &err), SUTRA_OK);
    assert_memory_equal(a.data, b.data, HIDDEN * sizeof(float));
    sutra_job_free(job);
    sutra_result_free(queued);
    sutra_result_free(direct);
}

typedef struct Seen {
    _Atomic int ok, failed;
    SutraStatus last;
} Seen;

static void count(void *user, SutraResult *result, const SutraError *err)
{
    Seen *seen = user;
    if (result)
        seen->ok++;
    else
        seen->failed++;
    seen->last = err->status;
    sutra_result_free(result);
}

/* Freeing the engine runs what is queued; every callback comes exactly once; the user's model
 * handle may go first. */
static void test_jobs_drain(void **state)
{
    (void)state;
    SutraError err = {0};
    SutraModel *model;
    SutraEngine *engine;
    Seen seen = {0};
    char *path = tiny_model_write(&(TinyModel){HIDDEN, 2, 1, 64, 128, NULL, 6});
    SutraEngineOptions options = {.struct_size = sizeof options, .num_threads = 2};
    assert_int_equal(sutra_model_open(path, NULL, &model, &err), SUTRA_OK);
    assert_int_equal(sutra_engine_create(&options, &engine, &err), SUTRA_OK);
    SutraInput input = text_input("a b c");
    for (int i = 0; i < 50; i++)
        assert_int_equal(sutra_submit(engine, model, &input, 1, NULL, count, &seen, NULL, &err),
                         SUTRA_OK);
    sutra_model_free(model);
    sutra_engine_free(engine);
    assert_int_equal(seen.ok, 50);
    assert_int_equal(seen.failed, 0);
    tiny_model_remove(path);
}

static void test_queue_full_cancel_timeout(void **state)
{
    TinyEngine *f = *state;
    SutraError err = {0};
    SutraInput input = text_input("a");
    int32_t ids[500] = {2};
    SutraInput large = {.token_ids = ids, .num_token_ids = 500};
    SutraEmbedOptions fail = {.struct_size = sizeof fail, .when_full = SUTRA_WHEN_FULL_FAIL};
    SutraEmbedOptions hurry = {.struct_size = sizeof hurry, .timeout_ns = 1};
    SutraJob *cancelled, *late, *third;
    SutraResult *result = NULL;

    engine_gate_close(&gate, f);
    assert_int_equal(
        sutra_submit(f->engine, f->model, &input, 1, NULL, NULL, NULL, &cancelled, &err), SUTRA_OK);
    assert_int_equal(sutra_submit(f->engine, f->model, &input, 1, &hurry, NULL, NULL, &late, &err),
                     SUTRA_OK);
    assert_int_equal(sutra_submit(f->engine, f->model, &large, 1, &fail, NULL, NULL, &third, &err),
                     SUTRA_OK);
    SutraJob *refused = NULL;
    assert_int_equal(
        sutra_submit(f->engine, f->model, &large, 1, &fail, NULL, NULL, &refused, &err),
        SUTRA_E_BUSY);
    assert_null(refused);
    assert_int_equal(sutra_job_wait(cancelled, 1000, &result, &err), SUTRA_E_TIMEOUT);
    sutra_job_cancel(cancelled);
    assert_int_equal(sutra_job_wait(cancelled, UINT64_MAX, &result, &err), SUTRA_E_CANCELLED);
    assert_null(result);
    engine_gate_open(&gate);
    assert_int_equal(sutra_job_wait(late, UINT64_MAX, &result, &err), SUTRA_E_TIMEOUT);
    assert_int_equal(sutra_job_wait(third, UINT64_MAX, &result, &err), SUTRA_OK);
    sutra_result_free(result);
    sutra_job_free(cancelled);
    sutra_job_free(late);
    sutra_job_free(third);
}

/* ---- concurrent callers
 * ------------------------------------------------------------------------------------------- */

typedef struct Caller {
    TinyEngine *fixture;
    const float *expected;
    int mismatches;
} Caller;

static void *call_often(void *arg)
{
    Caller *caller = arg;
    SutraInput input = text_input("the quick brown fox jumps");
    float out[HIDDEN];
    for (int i = 0; i < 40; i++) {
        SutraStatus status = sutra_embed_into(caller->fixture->engine, caller->fixture->model,
                                              &input, 1, NULL, out, sizeof out, NULL, NULL);
        caller->mismatches += status != SUTRA_OK || memcmp(out, caller->expected, sizeof out) != 0;
    }
    return NULL;
}

static void test_concurrent_callers(void **state)
{
    TinyEngine *f = *state;
    float expected[HIDDEN];
    SutraInput input = text_input("the quick brown fox jumps");
    assert_int_equal(sutra_embed_into(f->engine, f->model, &input, 1, NULL, expected,
                                      sizeof expected, NULL, NULL),
                     SUTRA_OK);
    pthread_t threads[4];
    Caller callers[4];
    for (int i = 0; i < 4; i++) {
        callers[i] = (Caller){f, expected, 0};
        assert_int_equal(pthread_create(&threads[i], NULL, call_often, &callers[i]), 0);
    }
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(callers[i].mismatches, 0);
    }
}

static void test_similarity(void **state)
{
    (void)state;
    const float a[] = {1, 0, 3, 4}, b[] = {0, 2, 6, 8};
    float out[4];
    assert_int_equal(sutra_similarity(SUTRA_F32, 2, a, 2, b, 2, out, NULL), SUTRA_OK);
    assert_true(out[0] == 0.0f && fabsf(out[1] - 0.6f) < 1e-6f);
    assert_true(fabsf(out[2] - 0.8f) < 1e-6f && fabsf(out[3] - 1.0f) < 1e-6f);
    const uint8_t bits[] = {0xf0, 0xff};
    assert_int_equal(sutra_similarity(SUTRA_UBINARY, 8, bits, 1, bits + 1, 1, out, NULL), SUTRA_OK);
    assert_true(fabsf(out[0]) < 1e-6f);
    assert_int_equal(sutra_similarity(SUTRA_F32, 0, a, 1, b, 1, out, NULL), SUTRA_E_ARGUMENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_items),
        cmocka_unit_test(test_truncate_left),
        cmocka_unit_test(test_token_output),
        cmocka_unit_test(test_bad_options),
        cmocka_unit_test(test_log),
        cmocka_unit_test(test_job_equals_embed),
        cmocka_unit_test(test_jobs_drain),
        cmocka_unit_test(test_queue_full_cancel_timeout),
        cmocka_unit_test(test_concurrent_callers),
        cmocka_unit_test(test_similarity),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
