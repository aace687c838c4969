/* Streams beside sutra_chunk and sutra_embed of the whole text: chunks, vectors, the aggregate. */
#include "pipeline/aggregate.h"
#include "support/stream_case.h"

#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static SutraStreamOptions random_options(uint32_t *random)
{
    uint32_t max_tokens = 8 + tiny_random(random) % 40;
    return (SutraStreamOptions){.struct_size = sizeof(SutraStreamOptions),
                                .by = (SutraChunkBy)(tiny_random(random) % 3),
                                .max_tokens = max_tokens,
                                .overlap = tiny_random(random) % 2 ? max_tokens / 3 : 0,
                                .max_chunks = tiny_random(random) % 4};
}

static SutraEmbedOptions random_embed(uint32_t *random)
{
    SutraEmbedOptions embed = {.struct_size = sizeof embed,
                               .dtype = (SutraDtype)(tiny_random(random) % 6)};
    if (tiny_random(random) % 2) embed.dim = 24;
    if (tiny_random(random) % 2) embed.normalize = SUTRA_NORMALIZE_NO;
    if (tiny_random(random) % 2) embed.pooling = SUTRA_POOL_MAX;
    return embed;
}

/* ---- equality ---- */

static void chunks_and_vectors_are_those_of_the_whole_text(void **state)
{
    static char text[LONGEST];
    static StreamTaken taken;
    uint32_t random = 5;
    for (int turn = 0; turn < 40; turn++) {
        size_t size = stream_text(&random, text, tiny_random(&random) % (LONGEST / 4));
        SutraEmbedOptions embed = random_embed(&random);
        SutraStreamOptions options = random_options(&random);
        size_t most = turn % 3 == 0 ? 1 : turn % 3 == 1 ? 7 : LONGEST;
        options.embed = turn % 4 ? &embed : NULL;
        taken.n = 0;
        SutraStream *stream = stream_open(*state, &options);
        stream_push_all(stream, text, size, most, &random, &taken);
        stream_finish(stream, text, &taken);
        assert_int_equal(stream_check(*state, text, size, 0, &options, &taken, 0), taken.n);
        sutra_stream_free(stream);
    }
}

/* ---- without waiting ---- */

typedef struct Bell {
    sem_t rung;
    _Atomic bool is_over; /* nobody may ring any more */
    _Atomic int late;
} Bell;

static void ring(void *user)
{
    Bell *bell = user;
    bell->late += bell->is_over;
    sem_post(&bell->rung);
}

/* Who never waits in a call of the stream is told when to come. */
static void who_waits_for_the_bell_alone_gets_all_chunks(void **state)
{
    static char text[LONGEST];
    static StreamTaken taken;
    uint32_t random = 11;
    Bell bell = {.is_over = false};
    sem_init(&bell.rung, 0, 0);
    size_t size = stream_text(&random, text, LONGEST), pushed = 0;
    SutraStreamOptions options = {.struct_size = sizeof options,
                                  .max_tokens = 16,
                                  .max_chunks = 3,
                                  .ready = ring,
                                  .user = &bell};
    SutraStream *stream = stream_open(*state, &options);
    taken.n = 0;
    taken.end = SUTRA_E_TIMEOUT;
    while (taken.end == SUTRA_E_TIMEOUT) {
        size_t now = 0;
        sutra_stream_push(stream, text + pushed, size - pushed, 0, &now, NULL);
        pushed += now;
        if (pushed == size) sutra_stream_finish(stream, NULL);
        size_t before = taken.n;
        while (stream_take(stream, 0, text, &taken)) continue;
        if (taken.end == SUTRA_E_TIMEOUT && now == 0 && taken.n == before) sem_wait(&bell.rung);
    }
    assert_int_equal(taken.end, SUTRA_E_END);
    assert_int_equal(stream_check(*state, text, size, 0, &options, &taken, 0), taken.n);
    sutra_stream_free(stream);
    sem_destroy(&bell.rung);
}

static void nobody_rings_after_a_cancel(void **state)
{
    static char text[LONGEST];
    uint32_t random = 12;
    Bell bell = {.is_over = false};
    sem_init(&bell.rung, 0, 0);
    size_t size = stream_text(&random, text, LONGEST);
    const SutraStreamOptions options = {
        .struct_size = sizeof options, .max_tokens = 16, .ready = ring, .user = &bell};
    for (int turn = 0; turn < 50; turn++) {
        SutraStream *stream = stream_open(*state, &options);
        sutra_stream_push(stream, text, size, 0, NULL, NULL);
        if (turn % 2) sem_wait(&bell.rung);
        sutra_stream_cancel(stream);
        bell.is_over = true;
        const SutraInput input = text_input("a b");
        SutraResult *result = NULL;
        TinyEngine *f = *state; /* chunks that were at work are done when this is */
        assert_int_equal(sutra_embed(f->engine, f->model, &input, 1, NULL, &result, NULL),
                         SUTRA_OK);
        sutra_result_free(result);
        sutra_stream_free(stream);
        bell.is_over = false;
    }
    assert_int_equal(bell.late, 0);
    sem_destroy(&bell.rung);
}

static void ranges_are_copied(void **state)
{
    TinyEngine *f = *state;
    static StreamTaken taken;
    static const char text[] = "a b c the word. ";
    float ranges[2 * HIDDEN], again[2 * HIDDEN];
    for (size_t i = 0; i < HIDDEN; i++) {
        ranges[i] = -0.2f;
        ranges[HIDDEN + i] = 0.3f;
    }
    memcpy(again, ranges, sizeof ranges);
    SutraEmbedOptions embed = {.struct_size = sizeof embed, .dtype = SUTRA_U8, .ranges = ranges};
    SutraStreamOptions options = {.struct_size = sizeof options, .embed = &embed};
    SutraStream *stream = stream_open(f, &options);
    memset(ranges, 0, sizeof ranges);
    taken.n = 0;
    assert_int_equal(sutra_stream_push(stream, text, sizeof text - 1, 0, NULL, NULL), SUTRA_OK);
    stream_finish(stream, text, &taken);
    sutra_stream_free(stream);
    embed.ranges = again;
    assert_int_equal(stream_check(f, text, sizeof text - 1, 0, &options, &taken, 0), 1);
}

static void a_flush_is_the_end_of_a_text(void **state)
{
    enum { PARTS = 5 };
    static char text[LONGEST];
    static StreamTaken taken;
    uint32_t random = 9;
    for (int turn = 0; turn < 20; turn++) {
        size_t at[PARTS + 1] = {0}, first = 0;
        SutraStreamOptions options = random_options(&random);
        SutraStream *stream = stream_open(*state, &options);
        taken.n = 0;
        for (int part = 0; part < PARTS; part++) {
            size_t size =
                stream_text(&random, text + at[part], tiny_random(&random) % (LONGEST / PARTS));
            at[part + 1] = at[part] + size;
            stream_push_part(stream, text, at[part], size, &random, &taken);
            assert_int_equal(sutra_stream_flush(stream, NULL), SUTRA_OK);
            assert_int_equal(sutra_stream_flush(stream, NULL), SUTRA_OK);
        }
        stream_finish(stream, text, &taken);
        for (int part = 0; part < PARTS; part++)
            first += stream_check(*state, text + at[part], at[part + 1] - at[part], at[part],
                                  &options, &taken, first);
        assert_int_equal(first, taken.n);
        sutra_stream_free(stream);
    }
}

/* A word of more characters than the tokenizer takes apart is one token, unless it is cut: how much of
 * a text is looked at first decides. */
static void the_text_after_a_flush_begins_anew(void **state)
{
    enum { BEFORE = 4, WORD = 135 };
    static char text[BEFORE + WORD];
    static StreamTaken taken;
    SutraStreamOptions options = {.struct_size = sizeof options, .max_tokens = 12};
    SutraStream *stream = stream_open(*state, &options);
    memset(text, 'a', sizeof text);
    memcpy(text, "b c ", BEFORE);
    taken.n = 0;
    assert_int_equal(sutra_stream_push(stream, text, BEFORE, 0, NULL, NULL), SUTRA_OK);
    assert_int_equal(sutra_stream_flush(stream, NULL), SUTRA_OK);
    assert_true(stream_take(stream, FOR_EVER, text, &taken));
    assert_int_equal(sutra_stream_push(stream, text + BEFORE, WORD, 0, NULL, NULL), SUTRA_OK);
    stream_finish(stream, text, &taken);
    assert_int_equal(taken.n,
                     1 + stream_check(*state, text + BEFORE, WORD, BEFORE, &options, &taken, 1));
    sutra_stream_free(stream);
}

/* What is flushed comes out although the text goes on. */
static void flushed_chunks_need_no_more_text(void **state)
{
    static StreamTaken taken;
    SutraStream *stream = stream_open(*state, NULL);
    taken.n = 0;
    assert_int_equal(sutra_stream_push(stream, "a b \xe4\xb8", 6, 0, NULL, NULL), SUTRA_OK);
    assert_false(stream_take(stream, 0, NULL, &taken));
    assert_int_equal(taken.end, SUTRA_E_TIMEOUT);
    assert_int_equal(sutra_stream_flush(stream, NULL), SUTRA_OK);
    assert_true(stream_take(stream, FOR_EVER, "a b", &taken));
    assert_int_equal(taken.chunks[0].end, 3);
    assert_int_equal(sutra_stream_push(stream, "\xad", 1, 0, NULL, NULL), SUTRA_OK);
    stream_finish(stream, "a b \xe4\xb8\xad", &taken);
    assert_int_equal(taken.n, 2);
    assert_int_equal(taken.chunks[1].begin, 4);
    assert_int_equal(taken.chunks[1].end, 7);
    sutra_stream_free(stream);
}

/* ---- the aggregate ---- */

static void the_aggregate_is_that_of_the_chunks_in_order(void **state)
{
    TinyEngine *f = *state;
    static char text[LONGEST];
    static StreamTaken taken;
    static float weights[MOST], packed[MOST * HIDDEN];
    uint32_t random = 3;
    size_t size = stream_text(&random, text, LONGEST);
    for (int how = SUTRA_AGGREGATE_MEAN; how <= SUTRA_AGGREGATE_LAST; how++) {
        SutraEmbedOptions embed = {.struct_size = sizeof embed, .normalize = SUTRA_NORMALIZE_NO};
        SutraStreamOptions options = {.struct_size = sizeof options,
                                      .max_tokens = 20,
                                      .embed = &embed,
                                      .aggregate = (SutraAggregate)how};
        SutraStream *stream = NULL;
        float expected[HIDDEN], got[HIDDEN], again[HIDDEN];
        if (how == SUTRA_AGGREGATE_CENTER) {
            assert_int_equal(sutra_stream_open(f->engine, f->model, &options, &stream, NULL),
                             SUTRA_E_UNSUPPORTED);
            assert_null(stream);
            continue;
        }
        taken.n = 0;
        stream = stream_open(f, &options);
        stream_push_all(stream, text, size, 500, &random, &taken);
        assert_int_equal(sutra_stream_aggregate(stream, got, sizeof got, NULL), SUTRA_E_ARGUMENT);
        stream_finish(stream, text, &taken);
        for (size_t i = 0; i < taken.n; i++) {
            weights[i] = how == SUTRA_AGGREGATE_LENGTH ? (float)(taken.chunks[i].tokens - 2) : 1;
            memcpy(packed + i * HIDDEN, taken.rows[i], sizeof expected);
        }
        su_aggregate((SutraAggregate)how, packed, weights, taken.n, HIDDEN, expected);
        assert_int_equal(sutra_stream_aggregate(stream, got, sizeof got - 1, NULL),
                         SUTRA_E_ARGUMENT);
        assert_int_equal(sutra_stream_aggregate(stream, got, sizeof got, NULL), SUTRA_OK);
        assert_int_equal(sutra_stream_aggregate(stream, again, sizeof again, NULL), SUTRA_OK);
        assert_memory_equal(got, expected, sizeof got);
        assert_memory_equal(again, expected, sizeof got);
        sutra_stream_free(stream);
    }
}

/* Of one chunk it is the chunk's vector, normalised once more. */
static void the_aggregate_has_the_form_of_the_vectors(void **state)
{
    static const char text[] = "a b c the word. ";
    for (int dtype = SUTRA_F32; dtype <= SUTRA_UBINARY; dtype++) {
        static StreamTaken taken;
        SutraEmbedOptions embed = {.struct_size = sizeof embed,
                                   .dtype = (SutraDtype)dtype,
                                   .normalize = SUTRA_NORMALIZE_NO};
        SutraStreamOptions options = {
            .struct_size = sizeof options, .embed = &embed, .aggregate = SUTRA_AGGREGATE_LAST};
        unsigned char row[4 * HIDDEN];
        SutraStream *stream = stream_open(*state, &options);
        taken.n = 0;
        stream_push_all(stream, text, sizeof text - 1, 3, &(uint32_t){1}, &taken);
        stream_finish(stream, text, &taken);
        assert_int_equal(sutra_stream_aggregate(stream, row, sizeof row, NULL), SUTRA_OK);
        assert_memory_equal(row, taken.rows[0], sutra_row_bytes((SutraDtype)dtype, HIDDEN));
        sutra_stream_free(stream);
    }
}

static void an_empty_stream_has_an_end_and_no_aggregate(void **state)
{
    static const char *const texts[] = {"", " \n "};
    for (size_t i = 0; i < 2; i++) {
        static StreamTaken taken;
        float row[HIDDEN];
        SutraStream *stream = stream_open(*state, NULL);
        taken.n = 0;
        assert_int_equal(sutra_stream_push(stream, texts[i], strlen(texts[i]), 0, NULL, NULL),
                         SUTRA_OK);
        stream_finish(stream, texts[i], &taken);
        assert_int_equal(taken.n, 0);
        assert_int_equal(sutra_stream_finish(stream, NULL), SUTRA_OK);
        assert_int_equal(sutra_stream_push(stream, "a", 1, 0, NULL, NULL), SUTRA_E_ARGUMENT);
        assert_int_equal(sutra_stream_flush(stream, NULL), SUTRA_E_ARGUMENT);
        assert_int_equal(sutra_stream_aggregate(stream, row, sizeof row, NULL), SUTRA_E_ARGUMENT);
        sutra_stream_free(stream);
    }
}

/* ---- several ---- */

typedef struct Pair {
    StreamProducer producer;
    StreamTaken *taken;
    pthread_t threads[2];
} Pair;

static void *consume(void *arg)
{
    Pair *pair = arg;
    while (stream_take(pair->producer.stream, FOR_EVER, pair->producer.text, pair->taken)) {}
    return NULL;
}

static void streams_run_side_by_side(void **state)
{
    enum { STREAMS = 4 };
    static char text[STREAMS][LONGEST];
    Pair pairs[STREAMS];
    uint32_t random = 21;
    SutraStreamOptions options = {
        .struct_size = sizeof options, .max_tokens = 20, .overlap = 3, .max_chunks = 3};
    for (size_t i = 0; i < STREAMS; i++) {
        SutraStream *stream = stream_open(*state, &options);
        size_t size = stream_text(&random, text[i], 6000);
        pairs[i] = (Pair){.producer = {stream, text[i], size, 1, SUTRA_E_IO},
                          .taken = calloc(1, sizeof(StreamTaken))};
        assert_non_null(pairs[i].taken);
    }
    for (size_t i = 0; i < STREAMS; i++) {
        pthread_create(&pairs[i].threads[0], NULL, stream_produce, &pairs[i].producer);
        pthread_create(&pairs[i].threads[1], NULL, consume, &pairs[i]);
    }
    for (size_t i = 0; i < STREAMS; i++) {
        const StreamProducer *producer = &pairs[i].producer;
        pthread_join(pairs[i].threads[0], NULL);
        pthread_join(pairs[i].threads[1], NULL);
        assert_int_equal(producer->status, SUTRA_OK);
        assert_int_equal(pairs[i].taken->end, SUTRA_E_END);
        assert_int_equal(
            stream_check(*state, producer->text, producer->size, 0, &options, pairs[i].taken, 0),
            pairs[i].taken->n);
        sutra_stream_free(producer->stream);
        free(pairs[i].taken);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chunks_and_vectors_are_those_of_the_whole_text),
        cmocka_unit_test(who_waits_for_the_bell_alone_gets_all_chunks),
        cmocka_unit_test(nobody_rings_after_a_cancel),
        cmocka_unit_test(ranges_are_copied),
        cmocka_unit_test(a_flush_is_the_end_of_a_text),
        cmocka_unit_test(the_text_after_a_flush_begins_anew),
        cmocka_unit_test(flushed_chunks_need_no_more_text),
        cmocka_unit_test(the_aggregate_is_that_of_the_chunks_in_order),
        cmocka_unit_test(the_aggregate_has_the_form_of_the_vectors),
        cmocka_unit_test(an_empty_stream_has_an_end_and_no_aggregate),
        cmocka_unit_test(streams_run_side_by_side),
    };
    return cmocka_run_group_tests(tests, stream_set_up, stream_tear_down);
}
