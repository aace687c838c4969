/* Streams beside sutra_chunk and sutra_embed of the whole text; their bounds, ends and failures. */
#include "base/memory.h"
#include "pipeline/aggregate.h"
#include "support/engine_gate.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { HIDDEN = 64, MOST = 3000, LONGEST = 20000 };

#define FOR_EVER UINT64_MAX

static EngineGate gate;

static int set_up(void **state)
{
    static TinyEngine tiny;
    const SutraEngineOptions options = {
        .struct_size = sizeof options, .num_threads = 2, .log = engine_gate_log, .log_user = &gate};
    engine_gate_init(&gate);
    tiny_engine_open(&(TinyModel){HIDDEN, 2, 1, 64, 256, NULL, 7}, &options, &tiny);
    *state = &tiny;
    return 0;
}

static int tear_down(void **state)
{
    tiny_engine_close(*state);
    engine_gate_destroy(&gate);
    return 0;
}

static size_t make_text(uint32_t *random, char *text, size_t most)
{
    static const char *const parts[] = {
        "a",         "b c ",         " ",     "the ",         "word. ",           "A b! ", "\n\n",
        "e\xcc\x81", "\xe4\xb8\xad", "x1.5 ", "\xe3\x80\x82", "\xf0\x9f\x91\xa9", "(So.) "};
    size_t used = 0;
    for (;;) {
        const char *part = parts[tiny_random(random) % (sizeof parts / sizeof *parts)];
        if (used + strlen(part) > most) return used;
        memcpy(text + used, part, strlen(part));
        used += strlen(part);
    }
}

/* ---- what came out of a stream ---- */

typedef struct Taken {
    SutraChunk chunks[MOST];
    float rows[MOST][HIDDEN]; /* of any type: row_bytes each */
    size_t n;
    SutraStatus end;
    SutraError err;
} Taken;

/* One chunk; false at the end, however that is. */
static bool take_one(SutraStream *stream, uint64_t timeout_ns, const char *text, Taken *taken)
{
    SutraStreamChunk chunk = {.struct_size = sizeof chunk};
    taken->end = sutra_stream_next(stream, timeout_ns, &chunk, &taken->err);
    if (taken->end != SUTRA_OK) return false;
    assert_true(taken->n < MOST);
    assert_int_equal(chunk.number, taken->n);
    assert_int_equal(chunk.item.status, SUTRA_OK);
    assert_int_equal(chunk.item.tokens_used, chunk.chunk.tokens);
    if (text)
        assert_memory_equal(chunk.text, text + chunk.chunk.begin,
                            (size_t)(chunk.chunk.end - chunk.chunk.begin));
    taken->chunks[taken->n] = chunk.chunk;
    memcpy(taken->rows[taken->n++], chunk.vector, chunk.row_bytes);
    return true;
}

static SutraStream *open_stream(TinyEngine *f, const SutraStreamOptions *options)
{
    SutraStream *stream = NULL;
    SutraError err = {0};
    if (sutra_stream_open(f->engine, f->model, options, &stream, &err) != SUTRA_OK)
        fail_msg("%s", err.message);
    return stream;
}

/* Pushes in pieces of at most `most` bytes, by the thread that takes. */
static void push_all(SutraStream *stream, const char *text, size_t size, size_t most,
                     uint32_t *random, Taken *taken)
{
    size_t at = 0;
    while (at < size) {
        size_t piece = 1 + tiny_random(random) % most, now;
        SutraError err = {0};
        if (piece > size - at) piece = size - at;
        SutraStatus status = sutra_stream_push(stream, text + at, piece, 0, &now, &err);
        at += now;
        if (status == SUTRA_E_BUSY)
            assert_true(take_one(stream, FOR_EVER, text, taken));
        else
            assert_string_equal(err.message, "");
    }
}

static void finish_and_take(SutraStream *stream, const char *text, Taken *taken)
{
    assert_int_equal(sutra_stream_finish(stream, NULL), SUTRA_OK);
    while (take_one(stream, FOR_EVER, text, taken)) {}
    assert_int_equal(taken->end, SUTRA_E_END);
}

/* Chunks from `first` on are those of the text, whose begin is byte `base` of the stream. */
static size_t check_chunks(TinyEngine *f, const char *text, size_t size, size_t base,
                           const SutraStreamOptions *o, const Taken *taken, size_t first)
{
    const SutraChunkOptions options = {.struct_size = sizeof options,
                                       .by = o->by,
                                       .max_tokens = o->max_tokens,
                                       .overlap = o->overlap,
                                       .prompt_name = o->prompt_name};
    SutraChunk *chunks = NULL;
    size_t n = 0;
    assert_int_equal(sutra_chunk(f->model, text, size, &options, &chunks, &n, NULL), SUTRA_OK);
    assert_true(first + n <= taken->n);
    for (size_t i = 0; i < n; i++) {
        const SutraChunk *got = &taken->chunks[first + i];
        SutraInput input = {.text = text + chunks[i].begin,
                            .text_size = (size_t)(chunks[i].end - chunks[i].begin),
                            .prompt_name = o->prompt_name};
        SutraResult *result = NULL;
        SutraError err = {0};
        SutraResultView view = tiny_embed(f, &input, 1, o->embed, SUTRA_OK, &result, &err);
        assert_int_equal(got->begin, chunks[i].begin + base);
        assert_int_equal(got->end, chunks[i].end + base);
        assert_int_equal(got->tokens, chunks[i].tokens);
        assert_memory_equal(taken->rows[first + i], view.data, view.row_bytes);
        sutra_result_free(result);
    }
    sutra_chunks_free(chunks);
    return n;
}

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
    static Taken taken;
    uint32_t random = 5;
    for (int turn = 0; turn < 40; turn++) {
        size_t size = make_text(&random, text, tiny_random(&random) % (LONGEST / 4));
        SutraEmbedOptions embed = random_embed(&random);
        SutraStreamOptions options = random_options(&random);
        size_t most = turn % 3 == 0 ? 1 : turn % 3 == 1 ? 7 : LONGEST;
        options.embed = turn % 4 ? &embed : NULL;
        taken.n = 0;
        SutraStream *stream = open_stream(*state, &options);
        push_all(stream, text, size, most, &random, &taken);
        finish_and_take(stream, text, &taken);
        assert_int_equal(check_chunks(*state, text, size, 0, &options, &taken, 0), taken.n);
        sutra_stream_free(stream);
    }
}

static void ranges_are_copied(void **state)
{
    TinyEngine *f = *state;
    static Taken taken;
    static const char text[] = "a b c the word. ";
    float ranges[2 * HIDDEN], again[2 * HIDDEN];
    for (size_t i = 0; i < HIDDEN; i++) {
        ranges[i] = -0.2f;
        ranges[HIDDEN + i] = 0.3f;
    }
    memcpy(again, ranges, sizeof ranges);
    SutraEmbedOptions embed = {.struct_size = sizeof embed, .dtype = SUTRA_U8, .ranges = ranges};
    SutraStreamOptions options = {.struct_size = sizeof options, .embed = &embed};
    SutraStream *stream = open_stream(f, &options);
    memset(ranges, 0, sizeof ranges);
    taken.n = 0;
    assert_int_equal(sutra_stream_push(stream, text, sizeof text - 1, 0, NULL, NULL), SUTRA_OK);
    finish_and_take(stream, text, &taken);
    sutra_stream_free(stream);
    embed.ranges = again;
    assert_int_equal(check_chunks(f, text, sizeof text - 1, 0, &options, &taken, 0), 1);
}

static void push_part(SutraStream *stream, const char *text, size_t at, size_t size,
                      uint32_t *random, Taken *taken)
{
    for (size_t end = at + size; at < end;) {
        size_t now, piece = end - at < 300 ? end - at : 1 + tiny_random(random) % 300;
        if (sutra_stream_push(stream, text + at, piece, 0, &now, NULL) != SUTRA_OK)
            assert_true(take_one(stream, FOR_EVER, text, taken));
        at += now;
    }
}

static void a_flush_is_the_end_of_a_text(void **state)
{
    enum { PARTS = 5 };
    static char text[LONGEST];
    static Taken taken;
    uint32_t random = 9;
    for (int turn = 0; turn < 20; turn++) {
        size_t at[PARTS + 1] = {0}, first = 0;
        SutraStreamOptions options = random_options(&random);
        SutraStream *stream = open_stream(*state, &options);
        taken.n = 0;
        for (int part = 0; part < PARTS; part++) {
            size_t size =
                make_text(&random, text + at[part], tiny_random(&random) % (LONGEST / PARTS));
            at[part + 1] = at[part] + size;
            push_part(stream, text, at[part], size, &random, &taken);
            assert_int_equal(sutra_stream_flush(stream, NULL), SUTRA_OK);
            assert_int_equal(sutra_stream_flush(stream, NULL), SUTRA_OK);
        }
        finish_and_take(stream, text, &taken);
        for (int part = 0; part < PARTS; part++)
            first += check_chunks(*state, text + at[part], at[part + 1] - at[part], at[part],
                                  &options, &taken, first);
        assert_int_equal(first, taken.n);
        sutra_stream_free(stream);
    }
}

/* What is flushed comes out although the text goes on. */
static void flushed_chunks_need_no_more_text(void **state)
{
    static Taken taken;
    SutraStream *stream = open_stream(*state, NULL);
    taken.n = 0;
    assert_int_equal(sutra_stream_push(stream, "a b \xe4\xb8", 6, 0, NULL, NULL), SUTRA_OK);
    assert_false(take_one(stream, 0, NULL, &taken));
    assert_int_equal(taken.end, SUTRA_E_TIMEOUT);
    assert_int_equal(sutra_stream_flush(stream, NULL), SUTRA_OK);
    assert_true(take_one(stream, FOR_EVER, "a b", &taken));
    assert_int_equal(taken.chunks[0].end, 3);
    assert_int_equal(sutra_stream_push(stream, "\xad", 1, 0, NULL, NULL), SUTRA_OK);
    finish_and_take(stream, "a b \xe4\xb8\xad", &taken);
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
    static Taken taken;
    static float weights[MOST], packed[MOST * HIDDEN];
    uint32_t random = 3;
    size_t size = make_text(&random, text, LONGEST);
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
        stream = open_stream(f, &options);
        push_all(stream, text, size, 500, &random, &taken);
        assert_int_equal(sutra_stream_aggregate(stream, got, sizeof got, NULL), SUTRA_E_ARGUMENT);
        finish_and_take(stream, text, &taken);
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
        static Taken taken;
        SutraEmbedOptions embed = {.struct_size = sizeof embed,
                                   .dtype = (SutraDtype)dtype,
                                   .normalize = SUTRA_NORMALIZE_NO};
        SutraStreamOptions options = {
            .struct_size = sizeof options, .embed = &embed, .aggregate = SUTRA_AGGREGATE_LAST};
        unsigned char row[4 * HIDDEN];
        SutraStream *stream = open_stream(*state, &options);
        taken.n = 0;
        push_all(stream, text, sizeof text - 1, 3, &(uint32_t){1}, &taken);
        finish_and_take(stream, text, &taken);
        assert_int_equal(sutra_stream_aggregate(stream, row, sizeof row, NULL), SUTRA_OK);
        assert_memory_equal(row, taken.rows[0], sutra_row_bytes((SutraDtype)dtype, HIDDEN));
        sutra_stream_free(stream);
    }
}

static void an_empty_stream_has_an_end_and_no_aggregate(void **state)
{
    static const char *const texts[] = {"", " \n "};
    for (size_t i = 0; i < 2; i++) {
        static Taken taken;
        float row[HIDDEN];
        SutraStream *stream = open_stream(*state, NULL);
        taken.n = 0;
        assert_int_equal(sutra_stream_push(stream, texts[i], strlen(texts[i]), 0, NULL, NULL),
                         SUTRA_OK);
        finish_and_take(stream, texts[i], &taken);
        assert_int_equal(taken.n, 0);
        assert_int_equal(sutra_stream_finish(stream, NULL), SUTRA_OK);
        assert_int_equal(sutra_stream_push(stream, "a", 1, 0, NULL, NULL), SUTRA_E_ARGUMENT);
        assert_int_equal(sutra_stream_flush(stream, NULL), SUTRA_E_ARGUMENT);
        assert_int_equal(sutra_stream_aggregate(stream, row, sizeof row, NULL), SUTRA_E_ARGUMENT);
        sutra_stream_free(stream);
    }
}

/* ---- bounds ---- */

typedef struct Producer {
    SutraStream *stream;
    const char *text;
    size_t size, times;
    SutraStatus status;
} Producer;

static void *produce(void *arg)
{
    Producer *p = arg;
    p->status = SUTRA_OK;
    for (size_t i = 0; i < p->times && p->status == SUTRA_OK; i++)
        p->status = sutra_stream_push(p->stream, p->text, p->size, FOR_EVER, NULL, NULL);
    if (p->status == SUTRA_OK) p->status = sutra_stream_finish(p->stream, NULL);
    return NULL;
}

static SutraStreamStats stats_of(SutraStream *stream)
{
    SutraStreamStats stats = {.struct_size = sizeof stats};
    assert_int_equal(sutra_stream_stats(stream, &stats, NULL), SUTRA_OK);
    return stats;
}

/* Until the producer can do no more than wait. */
static void wait_until_full(SutraStream *stream, uint64_t waits)
{
    while (stats_of(stream).push_waits < waits) {}
}

static void a_slow_consumer_makes_the_producer_wait(void **state)
{
    enum { CHUNKS = 3, TIMES = 10, BYTES = 32 * 16 + 1024 };
    static char text[LONGEST];
    static Taken taken;
    uint32_t random = 8;
    SutraStreamOptions options = {
        .struct_size = sizeof options, .max_tokens = 16, .max_chunks = CHUNKS, .max_bytes = BYTES};
    SutraStream *stream = open_stream(*state, &options);
    Producer producer = {stream, text, make_text(&random, text, 4000), TIMES, SUTRA_E_IO};
    pthread_t thread;
    taken.n = 0;
    assert_int_equal(pthread_create(&thread, NULL, produce, &producer), 0);
    for (uint64_t i = 1; i <= 20; i++) {
        wait_until_full(stream, i);
        uint64_t chunks = stats_of(stream).chunks;
        assert_int_equal(chunks - taken.n, CHUNKS);
        assert_true(take_one(stream, FOR_EVER, NULL, &taken));
    }
    while (take_one(stream, FOR_EVER, NULL, &taken)) {}
    pthread_join(thread, NULL);
    SutraStreamStats stats = stats_of(stream);
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
    size_t size = make_text(&random, text, LONGEST), now = 0, more = 1;
    SutraStreamOptions options = {
        .struct_size = sizeof options, .max_tokens = 16, .max_chunks = 1, .max_bytes = BYTES};
    SutraError err = {0};
    SutraStream *stream = open_stream(*state, &options);
    assert_int_equal(sutra_stream_push(stream, text, size, 0, &now, &err), SUTRA_E_BUSY);
    assert_true(now >= BYTES && now < size);
    assert_int_equal(stats_of(stream).bytes, now);
    assert_int_equal(sutra_stream_push(stream, text + now, size - now, 1, &more, &err),
                     SUTRA_E_TIMEOUT);
    assert_int_equal(more, 0);
    assert_int_equal(sutra_stream_flush(stream, &err), SUTRA_OK); /* what was taken still counts */
    sutra_stream_free(stream);
}

/* Once a stream has had its first chunks, memory stays as it is. */
/* Once a stream has had its first chunks, memory stays as it is. */
static void a_stream_at_work_allocates_nothing(void **state)
{
    static Taken taken;
    static char text[LONGEST], repeated[4 * LONGEST];
    uint32_t random = 6;
    SutraStreamOptions options = {.struct_size = sizeof options, .max_tokens = 24, .overlap = 4};
    size_t size = make_text(&random, text, LONGEST);
    for (size_t i = 0; i < 4; i++) memcpy(repeated + i * size, text, size);
    TinyEngine *f = *state;
    assert_int_equal(sutra_model_warmup(f->engine, f->model, NULL, NULL), SUTRA_OK);
    SutraStream *stream = open_stream(f, &options);
    su_memory_fail_after(-1, false);
    taken.n = 0;
    push_part(stream, repeated, 0, 2 * size, &random, &taken);
    uint64_t before = su_memory_allocations();
    push_part(stream, repeated, 2 * size, 2 * size, &random, &taken);
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
            SutraStream *stream = open_stream(*state, NULL);
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
    static Taken taken;
    uint32_t random = 4;
    SutraStreamOptions options = {.struct_size = sizeof options, .max_tokens = 16};
    size_t size = make_text(&random, text, 3000);
    SutraStream *stream = open_stream(*state, &options);
    taken.n = 0;
    push_all(stream, text, size, 100, &random, &taken);
    uint64_t chunks = stats_of(stream).chunks;
    assert_int_equal(sutra_stream_push(stream, "\xff", 1, FOR_EVER, NULL, NULL), SUTRA_E_ARGUMENT);
    while (take_one(stream, FOR_EVER, text, &taken)) {}
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
    stream = open_stream(f, NULL);
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
    SutraStream *stream = open_stream(*state, &options);
    SutraStreamChunk chunk = {.struct_size = sizeof chunk};
    Producer producer = {stream, text, make_text(&random, text, LONGEST), 9, SUTRA_E_IO};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, produce, &producer), 0);
    wait_until_full(stream, 1);
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
    size_t size = make_text(&random, text, LONGEST);
    for (int freed = 0; freed < 2; freed++) {
        SutraStream *stream = open_stream(f, &options);
        engine_gate_close(&gate, f);
        assert_int_equal(sutra_stream_push(stream, text, size, 0, NULL, NULL), SUTRA_E_BUSY);
        assert_int_equal(stats_of(stream).failed, 0);
        if (freed) {
            sutra_stream_free(stream);
        } else {
            sutra_stream_cancel(stream);
            assert_int_equal(stats_of(stream).failed, stats_of(stream).chunks);
            sutra_stream_free(stream);
        }
        engine_gate_open(&gate);
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
    SutraStream *stream = open_stream(f, &options);
    engine_gate_close(&gate, f);
    assert_int_equal(sutra_stream_push(stream, "a b", 3, 0, NULL, NULL), SUTRA_OK);
    assert_int_equal(sutra_stream_finish(stream, NULL), SUTRA_OK);
    engine_gate_open(&gate);
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
    static Taken taken;
    uint32_t random = 8;
    SutraStreamOptions options = {.struct_size = sizeof options, .max_tokens = 16};
    size_t size = make_text(&random, text, LONGEST);
    for (size_t turn = 0; turn < 60; turn++) {
        SutraStream *stream = open_stream(f, &options);
        taken.n = 0;
        push_all(stream, text, turn * size / 60, 1000, &random, &taken);
        if (turn % 4 == 1) sutra_stream_flush(stream, NULL);
        if (turn % 4 == 2) sutra_stream_finish(stream, NULL);
        if (turn % 4 == 3) take_one(stream, 0, text, &taken);
        sutra_stream_free(stream);
    }
}

static void a_stream_outlives_its_engine_and_model(void **state)
{
    TinyEngine *f = *state;
    static char text[LONGEST];
    static Taken taken;
    uint32_t random = 8;
    SutraStreamOptions options = {
        .struct_size = sizeof options, .max_tokens = 16, .max_bytes = 1600};
    SutraEngine *engine = NULL;
    SutraModel *model = NULL;
    size_t size = make_text(&random, text, LONGEST);
    assert_int_equal(sutra_engine_create(NULL, &engine, NULL), SUTRA_OK);
    assert_int_equal(sutra_model_open(f->path, NULL, &model, NULL), SUTRA_OK);
    SutraStream *stream = open_stream(&(TinyEngine){NULL, model, engine}, &options);
    SutraStream *idle = open_stream(&(TinyEngine){NULL, model, engine}, &options);
    assert_int_equal(sutra_stream_push(stream, text, size, 0, NULL, NULL), SUTRA_E_BUSY);
    sutra_model_free(model);
    sutra_engine_free(engine);
    taken.n = 0;
    while (take_one(stream, FOR_EVER, text, &taken)) {}
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
    static Taken taken;
    uint32_t random = 8;
    SutraStreamOptions options = {.struct_size = sizeof options, .max_tokens = 64};
    size_t size = make_text(&random, text, 6000);
    bool failed = true;
    for (int64_t n = 0; failed; n++) {
        SutraStream *stream = NULL;
        taken.n = 0;
        su_memory_fail_after(n, false);
        SutraStatus status = sutra_stream_open(f->engine, f->model, &options, &stream, NULL);
        if (status == SUTRA_OK)
            status = sutra_stream_push(stream, text, size, FOR_EVER, NULL, NULL);
        if (status == SUTRA_OK) status = sutra_stream_finish(stream, NULL);
        while (status == SUTRA_OK && take_one(stream, FOR_EVER, text, &taken)) {}
        if (status == SUTRA_OK && taken.end != SUTRA_E_END) status = taken.end;
        failed = status != SUTRA_OK;
        su_memory_fail_after(-1, false);
        if (failed) assert_int_equal(status, SUTRA_E_MEMORY);
        sutra_stream_free(stream);
        assert_true(n < 1000);
    }
    assert_int_equal(check_chunks(f, text, size, 0, &options, &taken, 0), taken.n);
}

/* ---- several ---- */

typedef struct Pair {
    Producer producer;
    Taken *taken;
    pthread_t threads[2];
} Pair;

static void *consume(void *arg)
{
    Pair *pair = arg;
    while (take_one(pair->producer.stream, FOR_EVER, pair->producer.text, pair->taken)) {}
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
        SutraStream *stream = open_stream(*state, &options);
        size_t size = make_text(&random, text[i], 6000);
        pairs[i] = (Pair){.producer = {stream, text[i], size, 1, SUTRA_E_IO},
                          .taken = calloc(1, sizeof(Taken))};
        assert_non_null(pairs[i].taken);
    }
    for (size_t i = 0; i < STREAMS; i++) {
        pthread_create(&pairs[i].threads[0], NULL, produce, &pairs[i].producer);
        pthread_create(&pairs[i].threads[1], NULL, consume, &pairs[i]);
    }
    for (size_t i = 0; i < STREAMS; i++) {
        const Producer *producer = &pairs[i].producer;
        pthread_join(pairs[i].threads[0], NULL);
        pthread_join(pairs[i].threads[1], NULL);
        assert_int_equal(producer->status, SUTRA_OK);
        assert_int_equal(pairs[i].taken->end, SUTRA_E_END);
        assert_int_equal(
            check_chunks(*state, producer->text, producer->size, 0, &options, pairs[i].taken, 0),
            pairs[i].taken->n);
        sutra_stream_free(producer->stream);
        free(pairs[i].taken);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chunks_and_vectors_are_those_of_the_whole_text),
        cmocka_unit_test(ranges_are_copied),
        cmocka_unit_test(a_flush_is_the_end_of_a_text),
        cmocka_unit_test(flushed_chunks_need_no_more_text),
        cmocka_unit_test(the_aggregate_is_that_of_the_chunks_in_order),
        cmocka_unit_test(the_aggregate_has_the_form_of_the_vectors),
        cmocka_unit_test(an_empty_stream_has_an_end_and_no_aggregate),
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
        cmocka_unit_test(streams_run_side_by_side),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
