/* Long texts as windows among other texts: whoever computes them, and whatever is computed beside them;
 * their failures and ends. */
#include "pipeline/engine.h"
#include "support/fake_backend.h"
#include "support/window_case.h"

#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

/* ---- among others ---- */

enum { MIXED = 60 };

typedef struct Mixture {
    WindowText texts[MIXED];
    SutraInput inputs[MIXED];
    unsigned char expected[MIXED][HIDDEN];
    SutraEmbedOptions options;
} Mixture;

/* Long and short texts; alone, each has the expected bytes. */
static Mixture *mix(WindowFixture *f)
{
    static Mixture mixture;
    uint32_t random = 11;
    mixture.options = (SutraEmbedOptions){.struct_size = sizeof mixture.options,
                                          .dtype = SUTRA_I8,
                                          .max_tokens = 24,
                                          .truncation = SUTRA_TRUNCATE_WINDOW,
                                          .aggregate = SUTRA_AGGREGATE_CENTER};
    for (int i = 0; i < MIXED; i++) {
        window_text(f, 1 + tiny_random(&random) % (i % 3 ? 40 : LONGEST), &random,
                    &mixture.texts[i]);
        mixture.inputs[i] = text_input(mixture.texts[i].text);
        assert_int_equal(sutra_embed_into(f->engine, f->normalized, &mixture.inputs[i], 1,
                                          &mixture.options, mixture.expected[i], HIDDEN, NULL,
                                          NULL),
                         SUTRA_OK);
    }
    return &mixture;
}

static void check_view(const Mixture *mixture, const SutraResultView *view)
{
    assert_memory_equal(view->data, mixture->expected, sizeof mixture->expected);
    for (int i = 0; i < MIXED; i++) {
        size_t size = mixture->texts[i].size;
        assert_int_equal(view->items[i].windows > 1, size > 22);
        assert_int_equal(view->items[i].tokens_seen, size + 2);
        assert_int_equal(view->items[i].status, SUTRA_OK);
    }
}

static void calls_and_jobs_on_any_number_of_threads(void **state)
{
    WindowFixture *f = *state;
    const Mixture *mixture = mix(f);
    for (uint32_t threads = 1; threads <= 5; threads++) {
        const SutraEngineOptions options = {
            .struct_size = sizeof options, .num_threads = threads, .cache_bytes = 1 << 20};
        SutraEngine *engine = NULL;
        SutraJob *jobs[4];
        SutraResult *result = NULL;
        SutraResultView view = {.struct_size = sizeof view};
        assert_int_equal(sutra_engine_create(&options, &engine, NULL), SUTRA_OK);
        for (int i = 0; i < 4; i++)
            assert_int_equal(sutra_submit(engine, f->normalized, mixture->inputs, MIXED,
                                          &mixture->options, NULL, NULL, &jobs[i], NULL),
                             SUTRA_OK);
        for (int i = 0; i < 2; i++) {
            assert_int_equal(sutra_embed(engine, f->normalized, mixture->inputs, MIXED,
                                         &mixture->options, &result, NULL),
                             SUTRA_OK);
            sutra_result_view(result, &view, NULL);
            check_view(mixture, &view);
            sutra_result_free(result);
        }
        for (int i = 0; i < 4; i++) {
            assert_int_equal(sutra_job_wait(jobs[i], UINT64_MAX, &result, NULL), SUTRA_OK);
            sutra_result_view(result, &view, NULL);
            check_view(mixture, &view);
            sutra_result_free(result);
            sutra_job_free(jobs[i]);
        }
        /* requests and texts are counted as they were given */
        char stats[512];
        assert_int_equal(sutra_engine_stats(engine, stats, sizeof stats, NULL, NULL), SUTRA_OK);
        assert_non_null(strstr(stats, "\"requests\": 6, \"texts\": 360,"));
        sutra_engine_free(engine);
    }
}

static void rows_of_windows_are_cached(void **state)
{
    WindowFixture *f = *state;
    const Mixture *mixture = mix(f);
    const SutraEngineOptions small = {
        .struct_size = sizeof small, .num_threads = 2, .cache_bytes = 1 << 20};
    SutraEngine *engine = NULL;
    SutraItem items[2][MIXED];
    static unsigned char rows[MIXED][HIDDEN];
    assert_int_equal(sutra_engine_create(&small, &engine, NULL), SUTRA_OK);
    for (int turn = 0; turn < 2; turn++) {
        assert_int_equal(sutra_embed_into(engine, f->normalized, mixture->inputs, MIXED,
                                          &mixture->options, rows, sizeof rows, items[turn], NULL),
                         SUTRA_OK);
        assert_memory_equal(rows, mixture->expected, sizeof rows);
    }
    for (int i = 0; i < MIXED; i++) {
        assert_int_equal(items[1][i].flags, SUTRA_ITEM_CACHED);
        assert_int_equal(items[1][i].windows, items[0][i].windows);
        assert_int_equal(items[1][i].tokens_seen, items[0][i].tokens_seen);
        assert_int_equal(items[1][i].tokens_used, items[0][i].tokens_used);
    }
    /* another overlap, another aggregate: other rows */
    SutraEmbedOptions options = mixture->options;
    options.aggregate = SUTRA_AGGREGATE_MAX;
    SutraInput *input = (SutraInput *)&mixture->inputs[0];
    assert_true(items[0][0].windows > 0);
    for (int turn = 0; turn < 2; turn++) {
        assert_int_equal(sutra_embed_into(engine, f->normalized, input, 1, &options, rows,
                                          sizeof rows, items[0], NULL),
                         SUTRA_OK);
        assert_int_equal(items[0][0].flags, 0);
        options.window_overlap = 7;
    }
    sutra_engine_free(engine);
}

/* An engine that is freed runs what is begun; a job that is cancelled is over all the same. */
static void jobs_of_windows_end(void **state)
{
    WindowFixture *f = *state;
    const Mixture *mixture = mix(f);
    for (int turn = 0; turn < 20; turn++) {
        const SutraEngineOptions options = {.struct_size = sizeof options, .num_threads = 3};
        SutraEngine *engine = NULL;
        SutraJob *jobs[3];
        assert_int_equal(sutra_engine_create(&options, &engine, NULL), SUTRA_OK);
        for (int i = 0; i < 3; i++)
            assert_int_equal(sutra_submit(engine, f->normalized, mixture->inputs, MIXED,
                                          &mixture->options, NULL, NULL, &jobs[i], NULL),
                             SUTRA_OK);
        if (turn % 2) sutra_job_cancel(jobs[1]);
        if (turn % 4 == 1)
            assert_true(sutra_job_wait(jobs[1], UINT64_MAX, NULL, NULL) < SUTRA_E_ABI);
        sutra_engine_free(engine);
        for (int i = 0; i < 3; i++) {
            SutraResult *result = NULL;
            SutraResultView view = {.struct_size = sizeof view};
            SutraStatus status = sutra_job_wait(jobs[i], 0, &result, NULL);
            assert_true(status == SUTRA_OK || (i == 1 && status == SUTRA_E_CANCELLED));
            if (result) sutra_result_view(result, &view, NULL);
            if (status == SUTRA_OK) check_view(mixture, &view);
            sutra_result_free(result);
            sutra_job_free(jobs[i]);
        }
    }
}

/* ---- failures ---- */

static void check_failure(WindowFixture *f, SutraModel *model, const SutraInput *input,
                          const SutraEmbedOptions *options, SutraStatus status, const char *message)
{
    SutraError err = {0};
    SutraResult *result = NULL;
    assert_int_equal(sutra_embed(f->engine, model, input, 1, options, &result, &err), status);
    if (!strstr(err.message, message)) fail_msg("%s", err.message);
    sutra_result_free(result);
}

static void what_cannot_be_windowed_says_so(void **state)
{
    WindowFixture *f = *state;
    int32_t ids[30] = {0};
    SutraInput text = text_input("a b c d e f g h i j k l m n o p"), tokens = {0}, prompted = text;
    SutraEmbedOptions o = {
        .struct_size = sizeof o, .max_tokens = MAX_TOKENS, .truncation = SUTRA_TRUNCATE_WINDOW};
    tokens.token_ids = ids;
    tokens.num_token_ids = 30;
    prompted.prompt_name = "endless";
    check_failure(f, f->plain, &tokens, &o, SUTRA_E_LIMIT,
                  "token_ids are 30, more than 12: windows are made of texts, not of token_ids");
    check_failure(f, f->normalized, &prompted, &o, SUTRA_E_ARGUMENT,
                  "max_tokens 12 leaves no room for text beside 17 tokens, special ones and the "
                  "prompt's");
    prompted.prompt_name = "query";
    o.window_overlap = 6;
    check_failure(f, f->normalized, &prompted, &o, SUTRA_E_ARGUMENT,
                  "window_overlap 6 is not less than the 6 tokens of text in a window of 12");
    o.window_overlap = 10;
    check_failure(f, f->plain, &text, &o, SUTRA_E_ARGUMENT,
                  "window_overlap 10 is not less than the 10 tokens of text in a window of 12");
    o.window_overlap = 0;
    o.aggregate = 5;
    check_failure(f, f->plain, &text, &o, SUTRA_E_ARGUMENT, "aggregate 5 is not known");
    o.aggregate = SUTRA_AGGREGATE_MAX;
    o.output = SUTRA_OUT_TOKENS;
    check_failure(f, f->plain, &text, &o, SUTRA_E_UNSUPPORTED,
                  "windows are for pooled vectors: token vectors of a long text are not put");
    o.output = SUTRA_OUT_POOLED;
    o.truncation = SUTRA_TRUNCATE_RIGHT;
    check_failure(f, f->plain, &text, &o, SUTRA_E_ARGUMENT,
                  "aggregate goes with truncation = SUTRA_TRUNCATE_WINDOW only");
    o.aggregate = 0;
    o.window_overlap = 1;
    check_failure(f, f->plain, &text, &o, SUTRA_E_ARGUMENT,
                  "window_overlap goes with truncation = SUTRA_TRUNCATE_WINDOW only");
    o.truncation = SUTRA_TRUNCATE_WINDOW + 1;
    check_failure(f, f->plain, &text, &o, SUTRA_E_ARGUMENT, "truncation 5 is not known");
}

/* A text has no vector when one of its windows has none; others have theirs. */
/* An overlap near the room makes a window of almost every token: of a short text that is all right. */
static void windows_are_not_more_than_memory_bears(void **state)
{
    enum { TOKENS = 300000 };
    static char text[2 * TOKENS];
    WindowFixture *f = *state;
    SutraEmbedOptions o = {
        .struct_size = sizeof o, .max_tokens = 128, .truncation = SUTRA_TRUNCATE_WINDOW};
    SutraInput inputs[] = {{.text = text, .text_size = sizeof text},
                           {.text = text, .text_size = 1000}};
    SutraItem items[2];
    float rows[2][HIDDEN];
    SutraError err = {0};
    for (size_t i = 0; i < sizeof text; i++) text[i] = i % 2 ? ' ' : 'a';
    o.window_overlap = 125;
    assert_int_equal(
        sutra_embed_into(f->engine, f->plain, inputs, 2, &o, rows, sizeof rows, items, &err),
        SUTRA_E_LIMIT);
    if (!strstr(err.message, "a text of 300000 tokens would become 299875 windows") ||
        !strstr(err.message, "neighbours share 125 of 126 tokens"))
        fail_msg("%s", err.message);
    assert_int_equal(items[0].status, SUTRA_E_LIMIT);
    assert_int_equal(items[1].status, SUTRA_OK);
    assert_int_equal(items[1].windows, 500 - 126 + 1);
    o.window_overlap = 0;
    assert_int_equal(
        sutra_embed_into(f->engine, f->plain, inputs, 2, &o, rows, sizeof rows, items, &err),
        SUTRA_OK);
}

static void a_window_that_fails(void **state)
{
    WindowFixture *f = *state;
    const SutraEngineOptions few = {.struct_size = sizeof few, .num_threads = 2};
    const SutraEmbedOptions o = {
        .struct_size = sizeof o, .max_tokens = MAX_TOKENS, .truncation = SUTRA_TRUNCATE_WINDOW};
    SutraInput inputs[] = {text_input("a b c d e f g h i j k l m n o p"), text_input("\xff")};
    SutraEngine *engine = NULL;
    SutraError err = {0};
    SutraItem items[2];
    float rows[2 * HIDDEN];
    assert_int_equal(sutra_engine_create(&few, &engine, NULL), SUTRA_OK);
    assert_int_equal(
        sutra_embed_into(engine, f->plain, inputs, 2, &o, rows, sizeof rows, items, &err),
        SUTRA_E_ARGUMENT);
    assert_int_equal(items[0].status, SUTRA_OK);
    assert_int_equal(items[1].status, SUTRA_E_ARGUMENT);
    assert_int_equal(items[1].windows, 0);
    sutra_engine_free(engine);

    assert_int_equal(sutra_engine_create(&few, &engine, NULL), SUTRA_OK);
    fake = (FakeBackend){.fails = FAKE_RUN, .status = SUTRA_E_DEVICE, .message = "it is gone"};
    engine->backend = fake_backend();
    memset(rows, 1, sizeof rows);
    assert_int_equal(
        sutra_embed_into(engine, f->plain, inputs, 1, &o, rows, sizeof rows, items, &err),
        SUTRA_E_DEVICE);
    assert_string_equal(err.message, "it is gone");
    assert_int_equal(items[0].status, SUTRA_E_DEVICE);
    for (int j = 0; j < HIDDEN; j++) assert_true(rows[j] == 0);
    sutra_engine_free(engine);
}

/* ---- a job that is cancelled while its windows run ---- */

static SutraJob *_Atomic running;
static atomic_int runs;

static void cancel_in_first_run(void)
{
    if (atomic_fetch_add(&runs, 1) > 0) return;
    while (!atomic_load(&running)) sched_yield();
    sutra_job_cancel(atomic_load(&running));
}

/* The status of the first text, which is long. */
static SutraStatus cancel_in_a_run(WindowFixture *f, const SutraInput *inputs, size_t n)
{
    const SutraEngineOptions one = {
        .struct_size = sizeof one, .num_threads = 1, .max_batch_tokens = 128};
    const SutraEmbedOptions o = {
        .struct_size = sizeof o, .max_tokens = MAX_TOKENS, .truncation = SUTRA_TRUNCATE_WINDOW};
    SutraEngine *engine = NULL;
    SutraJob *job = NULL;
    SutraResult *result = NULL;
    SutraResultView view = {.struct_size = sizeof view};
    atomic_store(&running, NULL);
    atomic_store(&runs, 0);
    assert_int_equal(sutra_engine_create(&one, &engine, NULL), SUTRA_OK);
    fake = (FakeBackend){.on_run = cancel_in_first_run};
    engine->backend = fake_backend();
    assert_int_equal(sutra_submit(engine, f->plain, inputs, n, &o, NULL, NULL, &job, NULL),
                     SUTRA_OK);
    atomic_store(&running, job);
    assert_int_equal(sutra_job_wait(job, UINT64_MAX, &result, NULL), SUTRA_E_CANCELLED);
    assert_int_equal(sutra_result_view(result, &view, NULL), SUTRA_OK);
    SutraStatus status = view.items[0].status;
    sutra_result_free(result);
    sutra_job_free(job);
    sutra_engine_free(engine);
    return status;
}

static void windows_are_cancelled(void **state)
{
    enum { SHORT = 40 };
    WindowFixture *f = *state;
    static WindowText text;
    SutraInput inputs[1 + SHORT];
    uint32_t random = 12;
    window_text(f, LONGEST, &random, &text);
    for (int i = 0; i <= SHORT; i++) inputs[i] = text_input(i ? "a b c d e f g h i j" : text.text);
    /* those that no thread has taken up */
    assert_int_equal(cancel_in_a_run(f, inputs, 1), SUTRA_E_CANCELLED);
    assert_true(runs <= 2); /* of five: one more for what was claimed already */
    /* those that are made, and not listed: the thread's batch was full before it was done */
    assert_int_equal(cancel_in_a_run(f, inputs, 1 + SHORT), SUTRA_E_CANCELLED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(calls_and_jobs_on_any_number_of_threads),
        cmocka_unit_test(rows_of_windows_are_cached),
        cmocka_unit_test(jobs_of_windows_end),
        cmocka_unit_test(what_cannot_be_windowed_says_so),
        cmocka_unit_test(windows_are_not_more_than_memory_bears),
        cmocka_unit_test(a_window_that_fails),
        cmocka_unit_test(windows_are_cancelled),
    };
    return cmocka_run_group_tests(tests, window_set_up, window_tear_down);
}
