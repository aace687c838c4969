/* Streams that are full, that fail, that are cancelled, and whose engine or model goes. */
#include "base/memory.h"
#include "support/stream_case.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* ---- bounds ---- */

static void a_slow_consumer_makes_the_producer_wait(void **state)
{
    enum { CHUNKS = 3, TIMES = 10, BYTES = 32 * 16 + 1024 };
    static char text[LONGEST];
    static StreamTaken taken;
    uint32_t random = 8;
    SutraStreamOptions options = {
        .struct_size = sizeof options, .max_tokens = 16, .max_chunks = CHUNKS, .max_bytes = BYTES};
    SutraStream *stream = stream_open(*state, &options);
    StreamProducer producer = {stream, text, stream_text(&random, text, 4000), TIMES, SUTRA_E_IO};
    pthread_t thread;
    taken.n = 0;
    assert_int_equal(pthread_create(&thread, NULL, stream_produce, &producer), 0);
    for (uint64_t i = 1; i <= 20; i++) {
        stream_wait_full(stream, i);
        uint64_t chunks = stream_stats(stream).chunks;
        assert_int_equal(chunks - taken.n, CHUNKS);
        assert_true(stream_take(stream, FOR_EVER, NULL, &taken));
    }
    while (stream_take(stream, FOR_EVER, NULL, &taken)) {}
    pthread_join(thread, NULL);
    SutraStreamStats stats = stream_stats(stream);
    assert_int_equal(producer.status, SUTRA_OK);
    assert_int_equal(taken.end, SUTRA_E_END);
    assert_int_equal(stats.bytes, producer.size * TIMES);
    assert_int_equal(stats.chunks, taken.n);
    assert_int_equal(stats.taken, taken.n);
    assert_int_equal(stats.most_waiting_chunks, CHUNKS);
    assert_true(stats.most_waiting_bytes <= BYTES + 3);
    assert_int_equal(stats.waiting_bytes + stats.waiting_chunks + stats.failed, 0);
    assert_true(stats.push_wait_ns > 0 && stats.most_latency_ns > 0);
    assert_true(stats.latency_ns >= stats.most_latency_ns);
    sutra_stream_free(stream);
}

static void a_push_takes_what_there_is_room_for(void **state)
{
    enum { BYTES = 32 * 16 + 1024 };
    static char text[LONGEST];
    uint32_t random = 2;
    size_t size = stream_text(&random, text, LONGEST), now = 0, more = 1;
    SutraStreamOptions options = {
        .struct_size = sizeof options, .max_tokens = 16, .max_chunks = 1, .max_bytes = BYTES};
    SutraError err = {0};
    SutraStream *stream = stream_open(*state, &options);
    assert_int_equal(sutra_stream_push(stream, text, size, 0, &now, &err), SUTRA_E_BUSY);
    assert_true(now >= BYTES && now < size);
    assert_int_equal(stream_stats(stream).bytes, now);
    assert_int_equal(sutra_stream_push(stream, text + now, size - now, 1, &more, &err),
                     SUTRA_E_TIMEOUT);
    assert_int_equal(more, 0);
    assert_int_equal(sutra_stream_flush(stream, &err), SUTRA_OK); /* what was taken still counts */
    sutra_stream_free(stream);
}

/* Once a stream has had its first chunks, memory stays as it is. */
static void a_stream_at_work_allocates_nothing(void **state)
{
    static StreamTaken taken;
    static char text[LONGEST], repeated[4 * LONGEST];
    uint32_t random = 6;
    SutraStreamOptions options = {.struct_size = sizeof options, .max_tokens = 24, .overlap = 4};
    size_t size = stream_text(&random, text, LONGEST);
    for (size_t i = 0; i < 4; i++) memcpy(repeated + i * size, text, size);
    TinyEngine *f = *state;
    assert_int_equal(sutra_model_warmup(f->engine, f->model, NULL, NULL), SUTRA_OK);
    SutraStream *stream = stream_open(f, &options);
    su_memory_fail_after(-1, false);
    taken.n = 0;
    stream_push_part(stream, repeated, 0, 2 * size, &random, &taken);
    uint64_t before = su_memory_allocations();
    stream_push_part(stream, repeated, 2 * size, 2 * size, &random, &taken);
    assert_int_equal(su_memory_allocations(), before);
    sutra_stream_free(stream);
}

/* ---- failures ---- */

static void text_that_is_not_utf8_fails_with_its_place(void **state)
{
    static const struct {
        const char *bytes;
        size_t bad;
        bool at_end; /* of the text only */
    } cases[] = {{"ab\xff", 2, false},
                 {"ab\xe4\xb8z", 2, false},
                 {"\xc3\xa9\xc0\x80", 2, false},
                 {"a\xed\xa0\x80", 1, false},
                 {"a\xf0\x9f\x91z", 1, false},
                 {"a\xe0\x80\x80", 1, false},
                 {"a\xf4\x90\x80\x80", 1, false},
                 {"a\x80", 1, false},
                 {"ab\xe4\xb8", 2, true},
                 {"a\xf0", 1, true}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t size = strlen(cases[i].bytes);
        for (size_t split = 0; split <= size; split++) {
            SutraError err = {0}, again = {0};
            SutraStreamChunk chunk = {.struct_size = sizeof chunk};
            char place[64];
            SutraStream *stream = stream_open(*state, NULL);
            SutraStatus status = sutra_stream_push(stream, cases[i].bytes, split, 0, NULL, &err);
            if (status == SUTRA_OK)
                status =
                    sutra_stream_push(stream, cases[i].bytes + split, size - split, 0, NULL, &err);
            if (cases[i].at_end) {
                assert_int_equal(status, SUTRA_OK);
                status = sutra_stream_finish(stream, &err);
            }
            assert_int_equal(status, SUTRA_E_ARGUMENT);
            snprintf(place, sizeof place, "at byte %zu", cases[i].bad);
            assert_non_null(strstr(err.message, place));
            assert_int_equal(sutra_stream_push(stream, "a", 1, 0, NULL, &again), SUTRA_E_ARGUMENT);
            assert_string_equal(again.message, err.message);
            assert_int_equal(sutra_stream_next(stream, FOR_EVER, &chunk, &again), SUTRA_E_ARGUMENT);
            assert_null(chunk.text);
            sutra_stream_free(stream);
        }
    }
}

/* Those that were decided before it are not lost. */
static void chunks_come_out_before_a_failure(void **state)
{
    static char text[LONGEST];
    static StreamTaken taken;
    uint32_t random = 4;
    SutraStreamOptions options = {.struct_size = sizeof options, .max_tokens = 16};
    size_t size = stream_text(&random, text, 3000);
    SutraStream *stream = stream_open(*state, &options);
    taken.n = 0;
    stream_push_all(stream, text, size, 100, &random, &taken);
    uint64_t chunks = stream_stats(stream).chunks;
    assert_int_equal(sutra_stream_push(stream, "\xff", 1, FOR_EVER, NULL, NULL), SUTRA_E_ARGUMENT);
    while (stream_take(stream, FOR_EVER, text, &taken)) {}
    assert_int_equal(taken.end, SUTRA_E_ARGUMENT);
    assert_true(chunks > 0 && taken.n >= chunks);
    sutra_stream_free(stream);
}

static void options_that_make_no_sense_are_refused(void **state)
{
    TinyEngine *f = *state;
    const SutraEmbedOptions tokens = {.struct_size = sizeof tokens, .output = SUTRA_OUT_TOKENS};
    const SutraEmbedOptions few = {.struct_size = sizeof few, .max_tokens = 32};
    const struct {
        SutraStreamOptions options;
        SutraStatus status;
    } cases[] = {
        {{.by = (SutraChunkBy)9}, SUTRA_E_ARGUMENT},
        {{.max_tokens = 9999}, SUTRA_E_LIMIT},
        {{.max_tokens = 2}, SUTRA_E_ARGUMENT},
        {{.max_tokens = 33, .embed = &few}, SUTRA_E_ARGUMENT},
        {{.overlap = 9999}, SUTRA_E_ARGUMENT},
        {{.prompt_name = "nobody"}, SUTRA_E_ARGUMENT},
        {{.embed = &tokens}, SUTRA_E_UNSUPPORTED},
        {{.aggregate = SUTRA_AGGREGATE_CENTER}, SUTRA_E_UNSUPPORTED},
        {{.aggregate = (SutraAggregate)7}, SUTRA_E_ARGUMENT},
        {{.max_chunks = 65537}, SUTRA_E_ARGUMENT},
        {{.max_bytes = 100}, SUTRA_E_ARGUMENT},
        {{.max_bytes = UINT64_MAX}, SUTRA_E_MEMORY},
    };
    SutraStream *stream;
    SutraStreamChunk chunk = {0};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        SutraStreamOptions options = cases[i].options;
        SutraError err = {0};
        options.struct_size = sizeof options;
        assert_int_equal(sutra_stream_open(f->engine, f->model, &options, &stream, &err),
                         cases[i].status);
        assert_null(stream);
        assert_true(strlen(err.message) > 0);
    }
    assert_int_equal(sutra_stream_open(NULL, f->model, NULL, &stream, NULL), SUTRA_E_ARGUMENT);
    assert_int_equal(sutra_stream_open(f->engine, NULL, NULL, &stream, NULL), SUTRA_E_ARGUMENT);
    stream = stream_open(f, NULL);
    assert_int_equal(sutra_stream_push(stream, NULL, 1, 0, NULL, NULL), SUTRA_E_ARGUMENT);
    assert_int_equal(sutra_stream_next(stream, 0, &chunk, NULL), SUTRA_E_ABI);
    sutra_stream_free(stream);
    sutra_stream_free(NULL);
    sutra_stream_cancel(NULL);
}

/* ---- cancelling, and the ends of others ---- */

static void a_cancel_ends_who_waits(void **state)
{
    static char text[LONGEST];
    uint32_t random = 8;
    SutraStreamOptions options = {
        .struct_size = sizeof options, .max_tokens = 16, .max_chunks = 2, .max_bytes = 1600};
    SutraStream *stream = stream_open(*state, &options);
    SutraStreamChunk chunk = {.struct_size = sizeof chunk};
    StreamProducer producer = {stream, text, stream_text(&random, text, LONGEST), 9, SUTRA_E_IO};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, stream_produce, &producer), 0);
    stream_wait_full(stream, 1);
    sutra_stream_cancel(stream);
    pthread_join(thread, NULL);
    assert_int_equal(producer.status, SUTRA_E_CANCELLED);
    assert_int_equal(sutra_stream_next(stream, FOR_EVER, &chunk, NULL), SUTRA_E_CANCELLED);
    assert_int_equal(sutra_stream_flush(stream, NULL), SUTRA_E_CANCELLED);
    assert_int_equal(sutra_stream_finish(stream, NULL), SUTRA_E_CANCELLED);
    sutra_stream_cancel(stream);
    sutra_stream_free(stream);
}

/* The engine stands still: chunks are at it, and none is done. */
static void chunks_that_wait_are_cancelled(void **state)
{
    TinyEngine *f = *state;
    static char text[LONGEST];
    uint32_t random = 8;
    SutraStreamOptions options = {
        .struct_size = sizeof options, .max_tokens = 16, .max_bytes = 1600};
    size_t size = stream_text(&random, text, LONGEST);
    for (int freed = 0; freed < 2; freed++) {
        SutraStream *stream = stream_open(f, &options);
        engine_gate_close(&stream_gate, f);
        assert_int_equal(sutra_stream_push(stream, text, size, 0, NULL, NULL), SUTRA_E_BUSY);
        assert_int_equal(stream_stats(stream).failed, 0);
        if (freed) {
            sutra_stream_free(stream);
        } else {
            sutra_stream_cancel(stream);
            assert_int_equal(stream_stats(stream).failed, stream_stats(stream).chunks);
            sutra_stream_free(stream);
        }
        engine_gate_open(&stream_gate);
    }
}

/* A chunk's own failure: the next one is not touched by it. */
static void a_chunk_that_waits_too_long_fails_alone(void **state)
{
    TinyEngine *f = *state;
    SutraEmbedOptions embed = {.struct_size = sizeof embed, .timeout_ns = 1, .dtype = SUTRA_U8};
    SutraStreamOptions options = {.struct_size = sizeof options, .embed = &embed};
    SutraStreamChunk chunk = {.struct_size = sizeof chunk};
    SutraError err = {0};
    unsigned char row[HIDDEN], zero[HIDDEN] = {0};
    SutraStream *stream = stream_open(f, &options);
    engine_gate_close(&stream_gate, f);
    assert_int_equal(sutra_stream_push(stream, "a b", 3, 0, NULL, NULL), SUTRA_OK);
    assert_int_equal(sutra_stream_finish(stream, NULL), SUTRA_OK);
    engine_gate_open(&stream_gate);
    assert_int_equal(sutra_stream_next(stream, FOR_EVER, &chunk, &err), SUTRA_E_TIMEOUT);
    assert_memory_equal(chunk.text, "a b", 3);
    assert_memory_equal(chunk.vector, zero, sizeof zero);
    assert_int_equal(chunk.item.status, SUTRA_E_TIMEOUT);
    assert_int_equal(sutra_stream_next(stream, FOR_EVER, &chunk, &err), SUTRA_E_END);
    assert_int_equal(sutra_stream_aggregate(stream, row, sizeof row, &err), SUTRA_E_TIMEOUT);
    sutra_stream_free(stream);
}

static void streams_are_freed_at_any_time(void **state)
{
    TinyEngine *f = *state;
    static char text[LONGEST];
    static StreamTaken taken;
    uint32_t random = 8;
    SutraStreamOptions options = {.struct_size = sizeof options, .max_tokens = 16};
    size_t size = stream_text(&random, text, LONGEST);
    for (size_t turn = 0; turn < 60; turn++) {
        SutraStream *stream = stream_open(f, &options);
        taken.n = 0;
        stream_push_all(stream, text, turn * size / 60, 1000, &random, &taken);
        if (turn % 4 == 1) sutra_stream_flush(stream, NULL);
        if (turn % 4 == 2) sutra_stream_finish(stream, NULL);
        if (turn % 4 == 3) stream_take(stream, 0, text, &taken);
        sutra_stream_free(stream);
    }
}

static void a_stream_outlives_its_engine_and_model(void **state)
{
    TinyEngine *f = *state;
    static char text[LONGEST];
    static StreamTaken taken;
    uint32_t random = 8;
    SutraStreamOptions options = {
        .struct_size = sizeof options, .max_tokens = 16, .max_bytes = 1600};
    SutraEngine *engine = NULL;
    SutraModel *model = NULL;
    size_t size = stream_text(&random, text, LONGEST);
    assert_int_equal(sutra_engine_create(NULL, &engine, NULL), SUTRA_OK);
    assert_int_equal(sutra_model_open(f->path, NULL, &model, NULL), SUTRA_OK);
    SutraStream *stream = stream_open(&(TinyEngine){NULL, model, engine}, &options);
    SutraStream *idle = stream_open(&(TinyEngine){NULL, model, engine}, &options);
    assert_int_equal(sutra_stream_push(stream, text, size, 0, NULL, NULL), SUTRA_E_BUSY);
    sutra_model_free(model);
    sutra_engine_free(engine);
    taken.n = 0;
    while (stream_take(stream, FOR_EVER, text, &taken)) {}
    assert_int_equal(taken.n, 16);
    assert_int_equal(taken.end, SUTRA_E_CANCELLED);
    sutra_stream_cancel(stream);
    sutra_stream_free(stream);
    assert_int_equal(sutra_stream_push(idle, "a", 1, 0, NULL, NULL), SUTRA_OK);
    assert_int_equal(sutra_stream_finish(idle, NULL), SUTRA_E_CANCELLED);
    sutra_stream_free(idle);
}

static void each_allocation_may_fail(void **state)
{
    TinyEngine *f = *state;
    static char text[LONGEST];
    static StreamTaken taken;
    uint32_t random = 8;
    SutraStreamOptions options = {.struct_size = sizeof options, .max_tokens = 64};
    size_t size = stream_text(&random, text, 6000);
    bool failed = true;
    for (int64_t n = 0; failed; n++) {
        SutraStream *stream = NULL;
        taken.n = 0;
        su_memory_fail_after(n, false);
        SutraStatus status = sutra_stream_open(f->engine, f->model, &options, &stream, NULL);
        if (status == SUTRA_OK)
            status = sutra_stream_push(stream, text, size, FOR_EVER, NULL, NULL);
        if (status == SUTRA_OK) status = sutra_stream_finish(stream, NULL);
        while (status == SUTRA_OK && stream_take(stream, FOR_EVER, text, &taken)) {}
        if (status == SUTRA_OK && taken.end != SUTRA_E_END) status = taken.end;
        failed = status != SUTRA_OK;
        su_memory_fail_after(-1, false);
        if (failed) assert_int_equal(status, SUTRA_E_MEMORY);
        sutra_stream_free(stream);
        assert_true(n < 1000);
    }
    assert_int_equal(stream_check(f, text, size, 0, &options, &taken, 0), taken.n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_slow_consumer_makes_the_producer_wait),
        cmocka_unit_test(a_push_takes_what_there_is_room_for),
        cmocka_unit_test(a_stream_at_work_allocates_nothing),
        cmocka_unit_test(text_that_is_not_utf8_fails_with_its_place),
        cmocka_unit_test(chunks_come_out_before_a_failure),
        cmocka_unit_test(options_that_make_no_sense_are_refused),
        cmocka_unit_test(a_cancel_ends_who_waits),
        cmocka_unit_test(chunks_that_wait_are_cancelled),
        cmocka_unit_test(a_chunk_that_waits_too_long_fails_alone),
        cmocka_unit_test(streams_are_freed_at_any_time),
        cmocka_unit_test(a_stream_outlives_its_engine_and_model),
        cmocka_unit_test(each_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, stream_set_up, stream_tear_down);
}
