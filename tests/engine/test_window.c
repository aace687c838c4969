/* Long texts as windows, through sutra.h: the vector is that of the explicit windows, aggregated and
 * converted here, byte for byte. */
#include "base/clock.h"
#include "encoder/encoder.h"
#include "support/window_case.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

enum { CUT = 40, CLS = 2, SEP = 3, MOST = 200 };

/* ---- what it must be ---- */

typedef struct Windows {
    int32_t ids[MOST][LONGEST];
    SutraInput inputs[MOST];
    size_t begin[MOST], end[MOST], count, tokens;
} Windows;

/* As the reference's truncation with a stride cuts. */
static const Windows *cut(const WindowText *text, size_t max_tokens, size_t overlap)
{
    static Windows w;
    size_t room = max_tokens - 2;
    w.count = w.tokens = 0;
    for (size_t start = 0;; start += room - overlap) {
        size_t stop = start + room < text->size ? start + room : text->size, i = w.count++;
        w.ids[i][0] = CLS;
        memcpy(w.ids[i] + 1, text->ids + start, (stop - start) * sizeof *w.ids[i]);
        w.ids[i][stop - start + 1] = SEP;
        w.inputs[i] = (SutraInput){.token_ids = w.ids[i], .num_token_ids = stop - start + 2};
        w.begin[i] = start;
        w.end[i] = stop;
        w.tokens += stop - start + 2;
        if (stop == text->size) return &w;
    }
}

static float weight(SutraAggregate how, const Windows *w, size_t i)
{
    double text = (double)w->end[w->count - 1], middle = (double)(w->begin[i] + w->end[i]);
    return how == SUTRA_AGGREGATE_LENGTH   ? (float)(w->end[i] - w->begin[i])
           : how == SUTRA_AGGREGATE_CENTER ? (float)(text - fabs(text - middle))
                                           : 1.0f;
}

static void aggregate(SutraAggregate how, const Windows *w, const float *rows, size_t dim, float *x)
{
    for (size_t j = 0; j < dim; j++) {
        float sum = 0, weights = 0, most = -INFINITY;
        for (size_t i = 0; i < w->count; i++) {
            float part = weight(how, w, i) * rows[i * dim + j];
            sum += part;
            weights += weight(how, w, i);
            most = fmaxf(most, rows[i * dim + j]);
        }
        x[j] = how == SUTRA_AGGREGATE_MAX    ? most
               : how == SUTRA_AGGREGATE_LAST ? rows[(w->count - 1) * dim + j]
                                             : sum / weights;
    }
}

/* normalize, size: of the row that comes of the windows' [size], see SutraBatch. */
static void expect(WindowFixture *f, SutraModel *model, const Windows *w,
                   const SutraEmbedOptions *given, uint32_t dim, uint32_t size, uint32_t normalize,
                   unsigned char *row)
{
    static float rows[MOST * HIDDEN];
    float x[HIDDEN], steps[HIDDEN];
    SutraEmbedOptions options = *given;
    SuKernels kernels;
    SuIsa isa;
    options.truncation = SUTRA_TRUNCATE_ERROR;
    options.window_overlap = options.aggregate = 0;
    options.dtype = SUTRA_F32;
    options.ranges = NULL;
    if (size != dim) options.dim = size;
    assert_int_equal(sutra_embed_into(f->engine, model, w->inputs, w->count, &options, rows,
                                      sizeof rows, NULL, NULL),
                     SUTRA_OK);
    aggregate(given->aggregate, w, rows, size, x);
    assert_int_equal(su_isa_select(&isa, NULL), SUTRA_OK);
    su_kernels_init(&kernels, isa);
    const SutraBatch form = {
        .dtype = given->dtype, .dim = dim, .normalize = normalize, .ranges = given->ranges};
    su_output_steps(&form, steps);
    assert_true(su_output_row(&kernels, x, size, &form, steps, row));
}

static void check(WindowFixture *f, SutraModel *model, const WindowText *text,
                  const SutraEmbedOptions *options, size_t overlap, uint32_t dim, uint32_t size,
                  uint32_t normalize)
{
    SutraInput input = text_input(text->text);
    SutraItem item;
    unsigned char expected[HIDDEN * 4], row[HIDDEN * 4];
    size_t row_bytes = sutra_row_bytes(options->dtype, dim);
    const Windows *w = cut(text, options->max_tokens, overlap);
    expect(f, model, w, options, dim, size, normalize, expected);
    assert_int_equal(
        sutra_embed_into(f->engine, model, &input, 1, options, row, row_bytes, &item, NULL),
        SUTRA_OK);
    assert_memory_equal(row, expected, row_bytes);
    assert_int_equal(item.windows, w->count);
    assert_int_equal(item.tokens_seen, text->size + 2);
    assert_int_equal(item.tokens_used, w->tokens);
    assert_int_equal(item.flags, 0);
    assert_true(item.compute_ns > 0);
}

/* ---- tests ---- */

static void a_vector_is_that_of_its_windows(void **state)
{
    WindowFixture *f = *state;
    uint32_t random = 5;
    WindowText text;
    for (int i = 0; i < 200; i++) {
        uint32_t max_tokens = 4 + tiny_random(&random) % 40, room = max_tokens - 2;
        uint32_t overlap = tiny_random(&random) % (room - 1) * (tiny_random(&random) & 1);
        window_text(f, room + 1 + tiny_random(&random) % (LONGEST - room - 1) / (1 + i % 4),
                    &random, &text);
        if (text.size > (room - overlap) * (MOST - 1)) continue;
        const SutraEmbedOptions options = {
            .struct_size = sizeof options,
            .max_tokens = max_tokens,
            .pooling = (SutraPooling)(tiny_random(&random) % (SUTRA_POOL_LAST + 1)),
            .truncation = SUTRA_TRUNCATE_WINDOW,
            .window_overlap = overlap ? overlap : SUTRA_WINDOW_NO_OVERLAP,
            .aggregate = (SutraAggregate)(i % (SUTRA_AGGREGATE_LAST + 1))};
        check(f, f->plain, &text, &options, overlap, HIDDEN, HIDDEN, 0);
    }
}

/* One token more than fits, one less, and ends that fall on the end of a window. */
static void ends_of_texts(void **state)
{
    WindowFixture *f = *state;
    uint32_t random = 6;
    WindowText text;
    for (size_t size = MAX_TOKENS - 1; size < 60; size++)
        for (uint32_t overlap = 0; overlap < MAX_TOKENS - 2; overlap++) {
            const SutraEmbedOptions options = {.struct_size = sizeof options,
                                               .max_tokens = MAX_TOKENS,
                                               .truncation = SUTRA_TRUNCATE_WINDOW,
                                               .window_overlap =
                                                   overlap ? overlap : SUTRA_WINDOW_NO_OVERLAP};
            window_text(f, size, &random, &text);
            check(f, f->plain, &text, &options, overlap, HIDDEN, HIDDEN, 0);
        }
}

static void every_type_and_normalisation(void **state)
{
    WindowFixture *f = *state;
    float ranges[2 * HIDDEN];
    uint32_t random = 7;
    WindowText text;
    for (uint32_t dtype = SUTRA_F32; dtype <= SUTRA_UBINARY; dtype++)
        for (uint32_t how = 0; how <= SUTRA_AGGREGATE_LAST; how++) {
            SutraEmbedOptions o = {.struct_size = sizeof o,
                                   .dtype = (SutraDtype)dtype,
                                   .max_tokens = 20,
                                   .truncation = SUTRA_TRUNCATE_WINDOW,
                                   .window_overlap = 5,
                                   .aggregate = (SutraAggregate)how};
            window_text(f, 100, &random, &text);
            check(f, f->normalized, &text, &o, 5, HIDDEN, HIDDEN, SUTRA_BATCH_NORMALIZE);
            check(f, f->cut, &text, &o, 5, CUT, HIDDEN, SUTRA_BATCH_NORMALIZE_WHOLE);
            o.dim = CUT;
            check(f, f->plain, &text, &o, 5, CUT, CUT, 0);
            check(f, f->normalized, &text, &o, 5, CUT, CUT, SUTRA_BATCH_NORMALIZE);
            o.normalize = SUTRA_NORMALIZE_YES;
            check(f, f->plain, &text, &o, 5, CUT, CUT, SUTRA_BATCH_NORMALIZE);
            if (dtype != SUTRA_I8 && dtype != SUTRA_U8) continue;
            for (int i = 0; i < CUT; i++) ranges[i] = -0.3f, ranges[CUT + i] = 0.2f;
            o.ranges = ranges;
            check(f, f->plain, &text, &o, 5, CUT, CUT, SUTRA_BATCH_NORMALIZE);
        }
}

static void an_eighth_is_shared_by_default(void **state)
{
    WindowFixture *f = *state;
    uint32_t random = 8;
    WindowText text;
    window_text(f, 300, &random, &text);
    for (uint32_t max_tokens = 9; max_tokens < 40; max_tokens++) {
        const SutraEmbedOptions options = {.struct_size = sizeof options,
                                           .max_tokens = max_tokens,
                                           .truncation = SUTRA_TRUNCATE_WINDOW};
        check(f, f->plain, &text, &options, (max_tokens - 2) / 8, HIDDEN, HIDDEN, 0);
    }
}

/* Each window is what a text of its own with that prompt would be: its tokens are not pooled. */
static void windows_begin_with_the_prompt(void **state)
{
    enum { PROMPT = 4, ROOM = 10, OVERLAP = 3 }; /* "q", "u", "e", ":" */
    WindowFixture *f = *state;
    uint32_t random = 9;
    WindowText text;
    SutraInput inputs[MOST];
    float rows[MOST * HIDDEN], sum[HIDDEN] = {0}, expected[HIDDEN], row[HIDDEN], steps[HIDDEN];
    SutraEmbedOptions options = {.struct_size = sizeof options, .max_tokens = PROMPT + ROOM + 2};
    window_text(f, 61, &random, &text);
    size_t n = 0;
    for (size_t start = 0, stop = 0; stop < text.size; start += ROOM - OVERLAP) {
        stop = start + ROOM < text.size ? start + ROOM : text.size;
        inputs[n++] = (SutraInput){
            .text = text.text + 2 * start, .text_size = 2 * (stop - start), .prompt_name = "query"};
    }
    assert_int_equal(sutra_embed_into(f->engine, f->normalized, inputs, n, &options, rows,
                                      sizeof rows, NULL, NULL),
                     SUTRA_OK);
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < HIDDEN; j++) sum[j] += rows[i * HIDDEN + j];
    for (size_t j = 0; j < HIDDEN; j++) sum[j] /= (float)n;
    SuKernels kernels;
    su_kernels_init(&kernels, SU_ISA_SCALAR);
    su_output_row(&kernels, sum, HIDDEN,
                  &(SutraBatch){.dim = HIDDEN, .normalize = SUTRA_BATCH_NORMALIZE}, steps,
                  expected);
    SutraItem item;
    SutraInput whole = text_input(text.text);
    whole.prompt_name = "query";
    options.truncation = SUTRA_TRUNCATE_WINDOW;
    options.window_overlap = OVERLAP;
    assert_int_equal(sutra_embed_into(f->engine, f->normalized, &whole, 1, &options, row,
                                      sizeof row, &item, NULL),
                     SUTRA_OK);
    assert_memory_equal(row, expected, sizeof row);
    assert_int_equal(item.windows, n);
    assert_int_equal(item.tokens_seen, text.size + PROMPT + 2);
}

static void what_fits_is_as_without_windows(void **state)
{
    WindowFixture *f = *state;
    uint32_t random = 10;
    static WindowText texts[30];
    SutraInput inputs[30];
    static float rows[30 * HIDDEN], expected[30 * HIDDEN];
    SutraItem items[30], usual[30];
    SutraEmbedOptions options = {.struct_size = sizeof options, .max_tokens = 32};
    for (size_t i = 0; i < 30; i++) {
        window_text(f, i + 1, &random, &texts[i]); /* the last one is as long as fits */
        inputs[i] = text_input(texts[i].text);
    }
    assert_int_equal(sutra_embed_into(f->engine, f->plain, inputs, 30, &options, expected,
                                      sizeof expected, usual, NULL),
                     SUTRA_OK);
    options.truncation = SUTRA_TRUNCATE_WINDOW;
    assert_int_equal(
        sutra_embed_into(f->engine, f->plain, inputs, 30, &options, rows, sizeof rows, items, NULL),
        SUTRA_OK);
    assert_memory_equal(rows, expected, sizeof rows);
    for (int i = 0; i < 30; i++) {
        assert_int_equal(items[i].windows, 0);
        assert_int_equal(items[i].tokens_used, usual[i].tokens_used);
    }
}

/* By one thread no batch runs while another does. */
static void batches_take_no_longer_than_the_call(void **state)
{
    WindowFixture *f = *state;
    const SutraEngineOptions one = {.struct_size = sizeof one, .num_threads = 1};
    const SutraEmbedOptions o = {
        .struct_size = sizeof o, .max_tokens = MAX_TOKENS, .truncation = SUTRA_TRUNCATE_WINDOW};
    static WindowText text;
    uint32_t random = 13;
    SutraEngine *engine = NULL;
    SutraItem item;
    float row[HIDDEN];
    window_text(f, LONGEST, &random, &text);
    SutraInput input = text_input(text.text);
    assert_int_equal(sutra_engine_create(&one, &engine, NULL), SUTRA_OK);
    for (int turn = 0; turn < 10; turn++) {
        uint64_t start = su_clock_ns();
        assert_int_equal(
            sutra_embed_into(engine, f->plain, &input, 1, &o, row, sizeof row, &item, NULL),
            SUTRA_OK);
        assert_true(item.compute_ns > 0 && item.compute_ns <= su_clock_ns() - start);
    }
    sutra_engine_free(engine);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_vector_is_that_of_its_windows),
        cmocka_unit_test(ends_of_texts),
        cmocka_unit_test(every_type_and_normalisation),
        cmocka_unit_test(an_eighth_is_shared_by_default),
        cmocka_unit_test(windows_begin_with_the_prompt),
        cmocka_unit_test(what_fits_is_as_without_windows),
        cmocka_unit_test(batches_take_no_longer_than_the_call),
    };
    return cmocka_run_group_tests(tests, window_set_up, window_tear_down);
}
