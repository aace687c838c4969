/* The input is the options of a stream of text (7 bytes) and the text, of any bytes, which is pushed in
 * pieces of any size, with flushes between them. The chunks must be those of each text between two
 * flushes as a whole, as far as it is UTF-8; what is not, is where the stream says. Nobody waits for
 * ever: libFuzzer's time limit says so. */
#include "support/fuzz.h"
#include "support/tiny_model.h"
#include "sutra_chunks.h"
#include "unicode/utf8.h"

#include <string.h>

enum { OPTIONS = 7, ROOM = 24 };

typedef struct Case {
    SutraStreamOptions options;
    const char *text;
    size_t size;
    bool flushes, lone; /* lone: a byte at a time */
    uint32_t random;
    SutraStream *stream;

    size_t segment, pushed; /* bytes of the text that is being pushed: its start, its end so far */
    SutraChunk *chunks;     /* of it, taken */
    size_t num_chunks, capacity;
    SutraStatus failed; /* of the stream */
    SutraError err;
} Case;

static SutraModel *model;
static SutraEngine *engine;

static void open_engine(void)
{
    SutraError err = {0};
    const SutraEngineOptions options = {.struct_size = sizeof options, .num_threads = 1};
    char *path = tiny_model_write(&(TinyModel){16, 2, 1, 16, 64, NULL, 7});
    if (sutra_model_open(path, NULL, &model, &err) != SUTRA_OK) abort();
    if (sutra_engine_create(&options, &engine, &err) != SUTRA_OK) abort();
    tiny_model_remove(path);
}

static void set_up(Case *c, const uint8_t *data, size_t size)
{
    *c = (Case){.options = {.struct_size = sizeof c->options,
                            .by = (SutraChunkBy)(data[0] % 3),
                            .max_tokens = 3 + data[1] % ROOM,
                            .max_chunks = 1 + data[3] % 4},
                .text = (const char *)data + OPTIONS,
                .size = size - OPTIONS,
                .flushes = data[4] & 1,
                .lone = data[4] & 2,
                .random = 1 + data[5] + 256u * data[6]};
    c->options.overlap = data[2] % (c->options.max_tokens - 2);
    if (data[4] & 4) c->options.max_bytes = 32 * c->options.max_tokens + 1024;
    if (sutra_stream_open(engine, model, &c->options, &c->stream, &c->err) != SUTRA_OK) abort();
}

/* False: there is no other. */
static bool take(Case *c, uint64_t timeout_ns)
{
    SutraStreamChunk chunk = {.struct_size = sizeof chunk};
    SutraStatus status = sutra_stream_next(c->stream, timeout_ns, &chunk, &c->err);
    if (status == SUTRA_E_END || status == SUTRA_E_TIMEOUT) return false;
    if (status != SUTRA_OK) {
        if (chunk.text || status != SUTRA_E_ARGUMENT) abort();
        c->failed = status;
        return false;
    }
    const SutraChunk *place = &chunk.chunk;
    if (place->begin >= place->end || place->end > c->size) abort();
    if (memcmp(chunk.text, c->text + place->begin, (size_t)(place->end - place->begin)) != 0)
        abort();
    if (chunk.item.tokens_used != place->tokens || place->tokens > c->options.max_tokens) abort();
    if (c->num_chunks == c->capacity) {
        c->capacity = 2 * c->capacity + 16;
        c->chunks = realloc(c->chunks, c->capacity * sizeof *c->chunks);
        if (!c->chunks) abort();
    }
    c->chunks[c->num_chunks++] = *place;
    return true;
}

/* Bytes of the text that are whole characters, up to the first that is none. */
static size_t whole_characters(const char *text, size_t size)
{
    size_t bad, count;
    return su_utf8_validate(text, size, &bad, &count) ? size : bad;
}

/* What was taken are the chunks of bytes segment … end; `all` of them, or the first ones. Keeps
 * what is of the text after them. */
static void compare(Case *c, size_t end, bool all)
{
    const SutraChunkOptions options = {.struct_size = sizeof options,
                                       .by = c->options.by,
                                       .max_tokens = c->options.max_tokens,
                                       .overlap = c->options.overlap};
    SutraChunk *chunks = NULL;
    size_t n = 0;
    SutraError err = {0};
    if (sutra_chunk(model, c->text + c->segment, end - c->segment, &options, &chunks, &n, &err) !=
        SUTRA_OK)
        abort();
    if (all ? c->num_chunks != n : c->num_chunks > n) abort();
    for (size_t i = 0; i < c->num_chunks; i++)
        if (c->chunks[i].begin != chunks[i].begin + c->segment ||
            c->chunks[i].end != chunks[i].end + c->segment ||
            c->chunks[i].tokens != chunks[i].tokens)
            abort();
    sutra_chunks_free(chunks);
    c->num_chunks = 0;
    c->segment = end;
}

/* All chunks of what was pushed come out without more of the text. */
static void flush(Case *c)
{
    size_t end = c->segment + whole_characters(c->text + c->segment, c->pushed - c->segment);
    SutraStreamStats stats = {.struct_size = sizeof stats};
    if (sutra_stream_flush(c->stream, &c->err) != SUTRA_OK) return;
    do {
        while (take(c, 0)) {}
        if (sutra_stream_stats(c->stream, &stats, NULL) != SUTRA_OK) abort();
        if (stats.waiting_chunks) take(c, UINT64_MAX);
    } while (stats.waiting_chunks && c->failed == SUTRA_OK);
    if (c->failed == SUTRA_OK) compare(c, end, true);
}

static void push(Case *c)
{
    while (c->pushed < c->size && c->failed == SUTRA_OK) {
        size_t most = c->lone ? 1 : 1 + tiny_random(&c->random) % 400, taken = 0;
        size_t size = c->size - c->pushed < most ? c->size - c->pushed : most;
        SutraStatus status =
            sutra_stream_push(c->stream, c->text + c->pushed, size, 0, &taken, &c->err);
        c->pushed += taken;
        if (status == SUTRA_OK && taken != size) abort();
        if (status != SUTRA_OK && status != SUTRA_E_BUSY) break;
        if (status == SUTRA_E_BUSY || tiny_random(&c->random) % 4 == 0)
            take(c, status == SUTRA_E_BUSY ? UINT64_MAX : 0);
        if (c->flushes && tiny_random(&c->random) % 8 == 0) flush(c);
    }
}

static void end(Case *c)
{
    size_t whole = whole_characters(c->text, c->size);
    SutraStatus finished = sutra_stream_finish(c->stream, &c->err);
    while (take(c, UINT64_MAX)) {}
    if ((whole == c->size) != (c->failed == SUTRA_OK)) abort();
    if ((c->failed == SUTRA_OK) != (finished == SUTRA_OK)) abort();
    compare(c, whole, c->failed == SUTRA_OK);
    sutra_stream_free(c->stream);
    free(c->chunks);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    Case c;
    if (size < OPTIONS) return 0;
    if (!engine) open_engine();
    set_up(&c, data, size);
    push(&c);
    end(&c);
    return 0;
}
