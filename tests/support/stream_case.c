#include "support/stream_case.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

EngineGate stream_gate;

int stream_set_up(void **state)
{
    static TinyEngine tiny;
    const SutraEngineOptions options = {.struct_size = sizeof options,
                                        .num_threads = 2,
                                        .log = engine_gate_log,
                                        .log_user = &stream_gate};
    engine_gate_init(&stream_gate);
    tiny_engine_open(&(TinyModel){HIDDEN, 2, 1, 64, 256, NULL, 7}, &options, &tiny);
    *state = &tiny;
    return 0;
}

int stream_tear_down(void **state)
{
    tiny_engine_close(*state);
    engine_gate_destroy(&stream_gate);
    return 0;
}

size_t stream_text(uint32_t *random, char *text, size_t most)
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

bool stream_take(SutraStream *stream, uint64_t timeout_ns, const char *text, StreamTaken *taken)
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

SutraStream *stream_open(TinyEngine *f, const SutraStreamOptions *options)
{
    SutraStream *stream = NULL;
    SutraError err = {0};
    if (sutra_stream_open(f->engine, f->model, options, &stream, &err) != SUTRA_OK)
        fail_msg("%s", err.message);
    return stream;
}

void stream_push_all(SutraStream *stream, const char *text, size_t size, size_t most,
                     uint32_t *random, StreamTaken *taken)
{
    size_t at = 0;
    while (at < size) {
        size_t piece = 1 + tiny_random(random) % most, now;
        SutraError err = {0};
        if (piece > size - at) piece = size - at;
        SutraStatus status = sutra_stream_push(stream, text + at, piece, 0, &now, &err);
        at += now;
        if (status == SUTRA_E_BUSY)
            assert_true(stream_take(stream, FOR_EVER, text, taken));
        else
            assert_string_equal(err.message, "");
    }
}

void stream_finish(SutraStream *stream, const char *text, StreamTaken *taken)
{
    assert_int_equal(sutra_stream_finish(stream, NULL), SUTRA_OK);
    while (stream_take(stream, FOR_EVER, text, taken)) {}
    assert_int_equal(taken->end, SUTRA_E_END);
}

size_t stream_check(TinyEngine *f, const char *text, size_t size, size_t base,
                    const SutraStreamOptions *o, const StreamTaken *taken, size_t first)
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

void stream_push_part(SutraStream *stream, const char *text, size_t at, size_t size,
                      uint32_t *random, StreamTaken *taken)
{
    for (size_t end = at + size; at < end;) {
        size_t now, piece = end - at < 300 ? end - at : 1 + tiny_random(random) % 300;
        if (sutra_stream_push(stream, text + at, piece, 0, &now, NULL) != SUTRA_OK)
            assert_true(stream_take(stream, FOR_EVER, text, taken));
        at += now;
    }
}

void *stream_produce(void *arg)
{
    StreamProducer *p = arg;
    p->status = SUTRA_OK;
    for (size_t i = 0; i < p->times && p->status == SUTRA_OK; i++)
        p->status = sutra_stream_push(p->stream, p->text, p->size, FOR_EVER, NULL, NULL);
    if (p->status == SUTRA_OK) p->status = sutra_stream_finish(p->stream, NULL);
    return NULL;
}

SutraStreamStats stream_stats(SutraStream *stream)
{
    SutraStreamStats stats = {.struct_size = sizeof stats};
    assert_int_equal(sutra_stream_stats(stream, &stats, NULL), SUTRA_OK);
    return stats;
}

void stream_wait_full(SutraStream *stream, uint64_t waits)
{
    while (stream_stats(stream).push_waits < waits) {}
}
