/* Requests of many threads through one engine: whatever meets in a batch, each gets its own bytes,
 * once.
 *
 * usage: test_scheduler [TURNS]   what each thread of the mixed load does, 150 */
#include "support/engine_gate.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { HIDDEN = 64, QUEUE_TOKENS = 600, NUM_TEXTS = 24, NUM_KINDS = 4, NUM_MODELS = 2 };

static EngineGate gate;
static char texts[NUM_TEXTS][160];

static TinyEngine open_tiny(uint32_t threads, uint64_t queue_tokens)
{
    TinyEngine tiny;
    const SutraEngineOptions options = {.struct_size = sizeof options,
                                        .num_threads = threads,
                                        .max_queued_tokens = queue_tokens,
                                        .log = engine_gate_log,
                                        .log_user = &gate};
    tiny_engine_open(&(TinyModel){HIDDEN, 2, 2, 128, 256, NULL, 7}, &options, &tiny);
    return tiny;
}

static int set_up(void **state)
{
    (void)state;
    engine_gate_init(&gate);
    for (size_t i = 0; i < NUM_TEXTS; i++)
        for (size_t w = 0; w < 1 + i * 3; w++)
            snprintf(texts[i] + 2 * w, sizeof texts[i] - 2 * w, "%c ", (char)('a' + (i + w) % 26));
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    engine_gate_destroy(&gate);
    return 0;
}

static SutraJob *submit(TinyEngine *tiny, const SutraInput *input, const SutraEmbedOptions *options,
                        SutraStatus expected)
{
    SutraJob *job = NULL;
    SutraError err = {0};
    SutraStatus status =
        sutra_submit(tiny->engine, tiny->model, input, 1, options, NULL, NULL, &job, &err);
    if (status != expected) print_error("%s\n", err.message);
    assert_int_equal(status, expected);
    return job;
}

static SutraStatus end_of(SutraJob *job)
{
    SutraStatus status = sutra_job_wait(job, UINT64_MAX, NULL, NULL);
    sutra_job_free(job);
    return status;
}

/* ---- while nothing can be done ---- */

static void a_cancelled_job_is_over_and_leaves_its_room(void **state)
{
    (void)state;
    TinyEngine tiny = open_tiny(2, QUEUE_TOKENS);
    int32_t ids[500] = {2};
    SutraInput large = {.token_ids = ids, .num_token_ids = 500};
    SutraEmbedOptions fail = {.struct_size = sizeof fail, .when_full = SUTRA_WHEN_FULL_FAIL};
    engine_gate_close(&gate, &tiny);
    SutraJob *first = submit(&tiny, &large, &fail, SUTRA_OK);
    submit(&tiny, &large, &fail, SUTRA_E_BUSY);
    char stats[512];
    assert_int_equal(sutra_engine_stats(tiny.engine, stats, sizeof stats, NULL, NULL), SUTRA_OK);
    /* the gate's job and this one, cut to 256 tokens */
    assert_non_null(strstr(stats, "\"waiting\": {\"requests\": 2, \"texts\": 2, \"tokens\": 258}"));
    sutra_job_cancel(first);
    assert_int_equal(end_of(first), SUTRA_E_CANCELLED); /* the engine still stands */
    SutraJob *second = submit(&tiny, &large, &fail, SUTRA_OK);
    engine_gate_open(&gate);
    assert_int_equal(end_of(second), SUTRA_OK);
    tiny_engine_close(&tiny);
}

static void a_full_queue_is_waited_for_as_long_as_the_job_may(void **state)
{
    (void)state;
    TinyEngine tiny = open_tiny(2, QUEUE_TOKENS);
    int32_t ids[500] = {2};
    SutraInput large = {.token_ids = ids, .num_token_ids = 500};
    SutraEmbedOptions hurry = {.struct_size = sizeof hurry, .timeout_ns = 1000000};
    engine_gate_close(&gate, &tiny);
    SutraJob *first = submit(&tiny, &large, NULL, SUTRA_OK);
    submit(&tiny, &large, &hurry, SUTRA_E_TIMEOUT);
    engine_gate_open(&gate);
    assert_int_equal(end_of(first), SUTRA_OK);
    tiny_engine_close(&tiny);
}

typedef struct Order {
    pthread_mutex_t lock;
    char names[8];
    size_t count;
} Order;

typedef struct Named {
    Order *order;
    char name;
} Named;

static void note_name(void *user, SutraResult *result, const SutraError *err)
{
    Named *named = user;
    (void)err;
    sutra_result_free(result);
    pthread_mutex_lock(&named->order->lock);
    named->order->names[named->order->count++] = named->name;
    pthread_mutex_unlock(&named->order->lock);
}

/* Each has a batch of its own. */
static void jobs_come_by_priority_then_in_order(void **state)
{
    (void)state;
    TinyEngine tiny = open_tiny(1, 0);
    int32_t ids[256] = {2};
    SutraInput whole = {.token_ids = ids, .num_token_ids = 256};
    Order order = {.lock = PTHREAD_MUTEX_INITIALIZER};
    const uint8_t priorities[] = {0, 3, 255, 3, 0};
    Named named[5];
    engine_gate_close(&gate, &tiny);
    for (int i = 0; i < 5; i++) {
        SutraEmbedOptions options = {.struct_size = sizeof options, .priority = priorities[i]};
        named[i] = (Named){&order, (char)('a' + i)};
        assert_int_equal(sutra_submit(tiny.engine, tiny.model, &whole, 1, &options, note_name,
                                      &named[i], NULL, NULL),
                         SUTRA_OK);
    }
    engine_gate_open(&gate);
    tiny_engine_close(&tiny);
    assert_string_equal(order.names, "cbdae");
}

/* ---- a job that has begun ---- */

/* Rows that are there are whole, the others say that the job was cancelled. */
static void cancelling_a_job_that_runs_leaves_what_is_done(void **state)
{
    (void)state;
    enum { MANY = 4000 };
    TinyEngine tiny = open_tiny(2, 0);
    static SutraInput inputs[MANY];
    for (size_t i = 0; i < MANY; i++) inputs[i] = text_input(texts[i % NUM_TEXTS]);
    SutraResult *expected = NULL, *result = NULL;
    SutraError err = {0};
    SutraResultView whole = tiny_embed(&tiny, inputs, NUM_TEXTS, NULL, SUTRA_OK, &expected, &err);
    SutraJob *job = NULL;
    char stats[512];
    unsigned long long before = 0, tokens = 0;
    assert_int_equal(sutra_engine_stats(tiny.engine, stats, sizeof stats, NULL, &err), SUTRA_OK);
    assert_int_equal(sscanf(strstr(stats, "\"tokens\""), "\"tokens\": %llu", &before), 1);
    assert_int_equal(
        sutra_submit(tiny.engine, tiny.model, inputs, MANY, NULL, NULL, NULL, &job, &err),
        SUTRA_OK);
    for (tokens = before; tokens == before;) {
        assert_int_equal(sutra_engine_stats(tiny.engine, stats, sizeof stats, NULL, &err),
                         SUTRA_OK);
        sscanf(strstr(stats, "\"tokens\""), "\"tokens\": %llu", &tokens);
    }
    sutra_job_cancel(job);
    SutraStatus status = sutra_job_wait(job, UINT64_MAX, &result, &err);
    assert_true(status == SUTRA_E_CANCELLED || status == SUTRA_OK);
    assert_non_null(result);
    SutraResultView view = {.struct_size = sizeof view};
    assert_int_equal(sutra_result_view(result, &view, &err), SUTRA_OK);
    size_t done = 0;
    static const unsigned char zero[HIDDEN * sizeof(float)];
    for (size_t i = 0; i < MANY; i++) {
        const unsigned char *row = (const unsigned char *)view.data + i * view.row_bytes;
        bool good = view.items[i].status == SUTRA_OK;
        if (!good) assert_int_equal(view.items[i].status, SUTRA_E_CANCELLED);
        assert_memory_equal(
            row, good ? (const unsigned char *)whole.data + i % NUM_TEXTS * whole.row_bytes : zero,
            view.row_bytes);
        done += good;
    }
    assert_true(done > 0);
    assert_int_equal(status == SUTRA_OK, done == MANY);
    sutra_result_free(result);
    sutra_result_free(expected);
    sutra_job_free(job);
    tiny_engine_close(&tiny);
}

/* ---- many threads ---- */

static int turns = 150; /* of a thread; the program's argument */

typedef struct Load {
    SutraEngine *engine;
    const char *path; /* of the models */
    SutraModel *models[NUM_MODELS];
    SutraResult *expected[NUM_MODELS][NUM_KINDS];
    _Atomic int wrong, ended, submitted;
} Load;

/* What jobs and calls differ in: their batches must not meet. */
static SutraEmbedOptions kind_options(int kind)
{
    SutraEmbedOptions options = {.struct_size = sizeof options};
    if (kind == 1) options.dim = 32;
    if (kind == 2) options.dtype = SUTRA_I8;
    if (kind == 3) options.output = SUTRA_OUT_TOKENS;
    return options;
}

static SutraStatus check_rows(const Load *load, int model, int kind, size_t first, size_t n,
                              const SutraResult *result)
{
    SutraResultView all = {.struct_size = sizeof all}, own = {.struct_size = sizeof own};
    sutra_result_view(load->expected[model][kind], &all, NULL);
    sutra_result_view(result, &own, NULL);
    size_t from = all.offsets ? all.offsets[first] : first;
    size_t to = all.offsets ? all.offsets[first + n] : first + n;
    bool equal = own.num_items == n &&
                 memcmp(own.data, (const unsigned char *)all.data + from * all.row_bytes,
                        (to - from) * all.row_bytes) == 0;
    return equal ? SUTRA_OK : SUTRA_E_NUMERIC;
}

typedef struct Ticket {
    Load *load;
    int model, kind;
    size_t first, n;
} Ticket;

static void check_ticket(void *user, SutraResult *result, const SutraError *err)
{
    Ticket *ticket = user;
    Load *load = ticket->load;
    bool given_up = err->status == SUTRA_E_CANCELLED || err->status == SUTRA_E_TIMEOUT;
    bool right =
        err->status == SUTRA_OK &&
        check_rows(load, ticket->model, ticket->kind, ticket->first, ticket->n, result) == SUTRA_OK;
    if (!right && !given_up) atomic_fetch_add(&load->wrong, 1);
    sutra_result_free(result);
    atomic_fetch_add(&load->ended, 1);
    free(ticket);
}

/* A model of its own, which goes right after. */
static void come_and_go(Load *load, const SutraInput *inputs, size_t first, size_t n)
{
    SutraModel *model = NULL;
    SutraResult *result = NULL;
    bool right = sutra_model_open(load->path, NULL, &model, NULL) == SUTRA_OK &&
                 sutra_embed(load->engine, model, inputs, n, NULL, &result, NULL) == SUTRA_OK &&
                 check_rows(load, 0, 0, first, n, result) == SUTRA_OK;
    if (!right) atomic_fetch_add(&load->wrong, 1);
    sutra_model_free(model);
    sutra_result_free(result);
}

static void *load_engine(void *arg)
{
    Load *load = arg;
    static _Atomic uint32_t seeds;
    uint32_t random = 7 + 1013904223u * atomic_fetch_add(&seeds, 1);
    for (int turn = 0; turn < turns; turn++) {
        random = random * 1664525u + 1013904223u;
        int model = random >> 20 & 1, kind = random >> 16 & 3;
        size_t first = (random >> 8) % NUM_TEXTS, n = 1 + (random >> 24) % 3;
        if (first + n > NUM_TEXTS) n = NUM_TEXTS - first;
        SutraInput inputs[3];
        for (size_t i = 0; i < n; i++) inputs[i] = text_input(texts[first + i]);
        SutraEmbedOptions options = kind_options(kind);
        if (random >> 27 == 0) {
            come_and_go(load, inputs, first, n);
            continue;
        }
        if (random >> 10 & 1) {
            SutraResult *result = NULL;
            if (sutra_embed(load->engine, load->models[model], inputs, n, &options, &result,
                            NULL) != SUTRA_OK ||
                check_rows(load, model, kind, first, n, result) != SUTRA_OK)
                atomic_fetch_add(&load->wrong, 1);
            sutra_result_free(result);
            continue;
        }
        Ticket *ticket = malloc(sizeof *ticket);
        *ticket = (Ticket){load, model, kind, first, n};
        SutraJob *job = NULL;
        options.priority = (uint8_t)(random >> 4);
        if ((random >> 12 & 7) == 0) options.timeout_ns = 1 + (random >> 16) * 20;
        SutraStatus status = sutra_submit(load->engine, load->models[model], inputs, n, &options,
                                          check_ticket, ticket, &job, NULL);
        if (status != SUTRA_OK) {
            if (status != SUTRA_E_TIMEOUT) atomic_fetch_add(&load->wrong, 1);
            free(ticket);
            continue;
        }
        atomic_fetch_add(&load->submitted, 1);
        if ((random >> 14 & 3) == 0) sutra_job_cancel(job);
        if (random >> 11 & 1) sutra_job_wait(job, UINT64_MAX, NULL, NULL);
        sutra_job_free(job);
    }
    return NULL;
}

static void mixed_requests_get_their_own_bytes(void **state)
{
    (void)state;
    enum { THREADS = 8 };
    for (uint32_t engine_threads = 1; engine_threads <= 3; engine_threads++) {
        TinyEngine tiny = open_tiny(engine_threads, 3000);
        Load load = {0};
        SutraError err = {0};
        SutraInput inputs[NUM_TEXTS];
        for (size_t i = 0; i < NUM_TEXTS; i++) inputs[i] = text_input(texts[i]);
        for (int m = 0; m < NUM_MODELS; m++) {
            assert_int_equal(sutra_model_open(tiny.path, NULL, &load.models[m], &err), SUTRA_OK);
            for (int k = 0; k < NUM_KINDS; k++) {
                SutraEmbedOptions options = kind_options(k);
                assert_int_equal(sutra_embed(tiny.engine, load.models[m], inputs, NUM_TEXTS,
                                             &options, &load.expected[m][k], &err),
                                 SUTRA_OK);
            }
        }
        /* a new engine: its sessions are made under the load */
        sutra_engine_free(tiny.engine);
        const SutraEngineOptions options = {.struct_size = sizeof options,
                                            .num_threads = engine_threads,
                                            .max_queued_tokens = 3000};
        assert_int_equal(sutra_engine_create(&options, &tiny.engine, &err), SUTRA_OK);
        load.engine = tiny.engine;
        load.path = tiny.path;
        pthread_t threads[THREADS];
        for (int i = 0; i < THREADS; i++)
            assert_int_equal(pthread_create(&threads[i], NULL, load_engine, &load), 0);
        for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
        for (int m = 0; m < NUM_MODELS; m++) sutra_model_free(load.models[m]);
        tiny_engine_close(&tiny);
        assert_int_equal(load.wrong, 0);
        assert_true(load.submitted > 0);
        assert_int_equal(load.ended, load.submitted);
        for (int m = 0; m < NUM_MODELS; m++)
            for (int k = 0; k < NUM_KINDS; k++) sutra_result_free(load.expected[m][k]);
    }
}

/* ---- texts longer than a thread's context ---- */

enum { LONG_POSITIONS = 1300, NUM_LONG = 12 };

/* What meets in one call: short texts, token_ids that are known to be long, and words of one letter,
 * whose number of bytes promises fewer tokens than there are. */
static void fill_long_inputs(SutraInput *inputs)
{
    static int32_t ids[LONG_POSITIONS];
    static char words[2 * LONG_POSITIONS];
    for (size_t i = 0; i < LONG_POSITIONS; i++) {
        ids[i] = 5 + (int32_t)(i * 7 % 26);
        words[2 * i] = (char)('a' + i % 26);
        words[2 * i + 1] = ' ';
    }
    for (size_t i = 0; i < NUM_LONG; i++) inputs[i] = text_input(texts[i]);
    inputs[2] = (SutraInput){.token_ids = ids, .num_token_ids = 1100};
    inputs[3] = (SutraInput){.token_ids = ids, .num_token_ids = 1024};
    inputs[5] = (SutraInput){.text = words, .text_size = 2 * (size_t)1100};
    inputs[8] = (SutraInput){.text = words, .text_size = 2 * (size_t)LONG_POSITIONS};
    inputs[11] = (SutraInput){.token_ids = ids, .num_token_ids = LONG_POSITIONS};
}

static _Atomic int long_contexts;

static void note_long_context(void *user, int level, const char *line)
{
    (void)user;
    (void)level;
    if (strstr(line, "and for one longer text")) atomic_fetch_add(&long_contexts, 1);
}

static void long_texts_share_a_context(void **state)
{
    (void)state;
    SutraError err = {0};
    SutraInput inputs[NUM_LONG];
    fill_long_inputs(inputs);
    TinyEngine tiny;
    SutraEngineOptions options = {.struct_size = sizeof options,
                                  .num_threads = 1,
                                  .max_batch_tokens = LONG_POSITIONS, /* of every context */
                                  .log = note_long_context};
    tiny_engine_open(&(TinyModel){HIDDEN, 2, 2, 128, LONG_POSITIONS, NULL, 7}, &options, &tiny);
    SutraResult *expected = NULL;
    SutraResultView whole = tiny_embed(&tiny, inputs, NUM_LONG, NULL, SUTRA_OK, &expected, &err);
    assert_int_equal(whole.items[5].tokens_used, 1102);
    assert_int_equal(long_contexts, 0);
    for (uint32_t threads = 1; threads <= 3; threads++) {
        sutra_engine_free(tiny.engine);
        options.num_threads = threads;
        options.max_batch_tokens = 0;
        assert_int_equal(sutra_engine_create(&options, &tiny.engine, &err), SUTRA_OK);
        for (int turn = 0; turn < 2; turn++) {
            SutraResult *result = NULL;
            SutraResultView view =
                tiny_embed(&tiny, inputs, NUM_LONG, NULL, SUTRA_OK, &result, &err);
            assert_memory_equal(view.data, whole.data, NUM_LONG * whole.row_bytes);
            sutra_result_free(result);
            for (size_t i = 2; i < NUM_LONG; i += 3) { /* 2, 5, 8 and 11 */
                view = tiny_embed(&tiny, &inputs[i], 1, NULL, SUTRA_OK, &result, &err);
                assert_memory_equal(view.data,
                                    (const unsigned char *)whole.data + i * whole.row_bytes,
                                    whole.row_bytes);
                sutra_result_free(result);
            }
        }
        assert_int_equal(long_contexts, threads); /* one an engine */
    }
    sutra_result_free(expected);
    tiny_engine_close(&tiny);
}

int main(int argc, char **argv)
{
    if (argc > 1) turns = atoi(argv[1]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_cancelled_job_is_over_and_leaves_its_room, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_full_queue_is_waited_for_as_long_as_the_job_may, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(jobs_come_by_priority_then_in_order, set_up, tear_down),
        cmocka_unit_test_setup_teardown(cancelling_a_job_that_runs_leaves_what_is_done, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(mixed_requests_get_their_own_bytes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(long_texts_share_a_context, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
