/* Long texts as windows, through sutra.h: the vector is that of the explicit windows, aggregated and
 * converted here, byte for byte; whoever computes it, and whatever is computed beside it. */
#include "encoder/encoder.h"
#include "model/model_folder.h"
#include "support/fake_backend.h"
#include "support/tiny_engine.h"

#include "base/clock.h"
#include "pipeline/engine.h"

#include <math.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { HIDDEN = 64, CUT = 40, MAX_TOKENS = 12, LONGEST = 400, CLS = 2, SEP = 3, MOST = 200 };

/* A chain with Normalize; prompts are not pooled. */
static const char modules[] =
    "[{\"idx\":0,\"name\":\"0\",\"path\":\"\",\"type\":\"sentence_transformers.models."
    "Transformer\"},"
    "{\"idx\":1,\"name\":\"1\",\"path\":\"1_Pooling\",\"type\":\"sentence_transformers.models."
    "Pooling\"},"
    "{\"idx\":2,\"name\":\"2\",\"path\":\"2_Normalize\",\"type\":\"sentence_transformers.models."
    "Normalize\"}]";
static const char pooling[] = "{\"word_embedding_dimension\":64,\"pooling_mode_mean_tokens\":true,"
                              "\"include_prompt\":false}";
static const char prompts[] = "{\"prompts\":{\"query\":\"q u e: \",\"endless\":\"a b c d e f g h i "
                              "j k l m n o \"}}";

typedef struct Fixture {
    char *path;
    SutraModel *plain, *normalized, *cut; /* no Normalize; with it; truncate_dim after it */
    SutraEngine *engine;
} Fixture;

static SutraModel *open_model(const char *path)
{
    SutraModel *model = NULL;
    SutraError err = {0};
    if (sutra_model_open(path, NULL, &model, &err) != SUTRA_OK) fail_msg("%s", err.message);
    return model;
}

static int set_up(void **state)
{
    static Fixture f;
    const SutraEngineOptions options = {.struct_size = sizeof options, .num_threads = 3};
    f.path = tiny_model_write(&(TinyModel){HIDDEN, 2, 2, 128, 512, NULL, 21});
    f.plain = open_model(f.path);
    folder_write_text(f.path, "modules.json", modules);
    folder_write_text(f.path, "1_Pooling/config.json", pooling);
    folder_write_text(f.path, "config_sentence_transformers.json", prompts);
    f.normalized = open_model(f.path);
    folder_write_text(f.path, "config_sentence_transformers.json", "{\"truncate_dim\":40}");
    f.cut = open_model(f.path);
    assert_int_equal(sutra_engine_create(&options, &f.engine, NULL), SUTRA_OK);
    *state = &f;
    return 0;
}

static int tear_down(void **state)
{
    Fixture *f = *state;
    sutra_engine_free(f->engine);
    sutra_model_free(f->plain);
    sutra_model_free(f->normalized);
    sutra_model_free(f->cut);
    folder_remove(f->path);
    free(f->path);
    return 0;
}

/* ---- what it must be ---- */

typedef struct Text {
    char text[2 * LONGEST + 1];
    int32_t ids[LONGEST]; /* [size] without special tokens */
    size_t size;
} Text;

/* Letters, a token each. */
static void make_text(const Fixture *f, size_t size, uint32_t *random, Text *text)
{
    SutraTokens *tokens = NULL;
    SutraTokensView view = {.struct_size = sizeof view};
    text->size = size;
    for (size_t i = 0; i < size; i++)
        memcpy(text->text + 2 * i, (char[]){(char)('a' + tiny_random(random) % 26), ' '}, 2);
    text->text[2 * size] = '\0';
    SutraInput input = text_input(text->text);
    assert_int_equal(sutra_tokenize(f->plain, &input, 1, 0, &tokens, NULL), SUTRA_OK);
    assert_int_equal(sutra_tokens_view(tokens, &view, NULL), SUTRA_OK);
    assert_int_equal(view.cu_seqlens[1], size + 2);
    memcpy(text->ids, view.token_ids + 1, size * sizeof *text->ids);
    sutra_tokens_free(tokens);
}

typedef struct Windows {
    int32_t ids[MOST][LONGEST];
    SutraInput inputs[MOST];
    size_t begin[MOST], end[MOST], count, tokens;
} Windows;

/* As the reference's truncation with a stride cuts. */
static const Windows *cut(const Text *text, size_t max_tokens, size_t overlap)
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
static void expect(Fixture *f, SutraModel *model, const Windows *w, const SutraEmbedOptions *given,
                   uint32_t dim, uint32_t size, uint32_t normalize, unsigned char *row)
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

static void check(Fixture *f, SutraModel *model, const Text *text, const SutraEmbedOptions *options,
                  size_t overlap, uint32_t dim, uint32_t size, uint32_t normalize)
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
    Fixture *f = *state;
    uint32_t random = 5;
    Text text;
    for (int i = 0; i < 200; i++) {
        uint32_t max_tokens = 4 + tiny_random(&random) % 40, room = max_tokens - 2;
        uint32_t overlap = tiny_random(&random) % (room - 1) * (tiny_random(&random) & 1);
        make_text(f, room + 1 + tiny_random(&random) % (LONGEST - room - 1) / (1 + i % 4), &random,
                  &text);
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
    Fixture *f = *state;
    uint32_t random = 6;
    Text text;
    for (size_t size = MAX_TOKENS - 1; size < 60; size++)
        for (uint32_t overlap = 0; overlap < MAX_TOKENS - 2; overlap++) {
            const SutraEmbedOptions options = {.struct_size = sizeof options,
                                               .max_tokens = MAX_TOKENS,
                                               .truncation = SUTRA_TRUNCATE_WINDOW,
                                               .window_overlap =
                                                   overlap ? overlap : SUTRA_WINDOW_NO_OVERLAP};
            make_text(f, size, &random, &text);
            check(f, f->plain, &text, &options, overlap, HIDDEN, HIDDEN, 0);
        }
}

static void every_type_and_normalisation(void **state)
{
    Fixture *f = *state;
    float ranges[2 * HIDDEN];
    uint32_t random = 7;
    Text text;
    for (uint32_t dtype = SUTRA_F32; dtype <= SUTRA_UBINARY; dtype++)
        for (uint32_t how = 0; how <= SUTRA_AGGREGATE_LAST; how++) {
            SutraEmbedOptions o = {.struct_size = sizeof o,
                                   .dtype = (SutraDtype)dtype,
                                   .max_tokens = 20,
                                   .truncation = SUTRA_TRUNCATE_WINDOW,
                                   .window_overlap = 5,
                                   .aggregate = (SutraAggregate)how};
            make_text(f, 100, &random, &text);
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
    Fixture *f = *state;
    uint32_t random = 8;
    Text text;
    make_text(f, 300, &random, &text);
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
    Fixture *f = *state;
    uint32_t random = 9;
    Text text;
    SutraInput inputs[MOST];
    float rows[MOST * HIDDEN], sum[HIDDEN] = {0}, expected[HIDDEN], row[HIDDEN], steps[HIDDEN];
    SutraEmbedOptions options = {.struct_size = sizeof options, .max_tokens = PROMPT + ROOM + 2};
    make_text(f, 61, &random, &text);
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
    Fixture *f = *state;
    uint32_t random = 10;
    static Text texts[30];
    SutraInput inputs[30];
    static float rows[30 * HIDDEN], expected[30 * HIDDEN];
    SutraItem items[30], usual[30];
    SutraEmbedOptions options = {.struct_size = sizeof options, .max_tokens = 32};
    for (size_t i = 0; i < 30; i++) {
        make_text(f, i + 1, &random, &texts[i]); /* the last one is as long as fits */
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
    Fixture *f = *state;
    const SutraEngineOptions one = {.struct_size = sizeof one, .num_threads = 1};
    const SutraEmbedOptions o = {
        .struct_size = sizeof o, .max_tokens = MAX_TOKENS, .truncation = SUTRA_TRUNCATE_WINDOW};
    static Text text;
    uint32_t random = 13;
    SutraEngine *engine = NULL;
    SutraItem item;
    float row[HIDDEN];
    make_text(f, LONGEST, &random, &text);
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

/* ---- among others ---- */

enum { MIXED = 60 };

typedef struct Mixture {
    Text texts[MIXED];
    SutraInput inputs[MIXED];
    unsigned char expected[MIXED][HIDDEN];
    SutraEmbedOptions options;
} Mixture;

/* Long and short texts; alone, each has the expected bytes. */
static Mixture *mix(Fixture *f)
{
    static Mixture mixture;
    uint32_t random = 11;
    mixture.options = (SutraEmbedOptions){.struct_size = sizeof mixture.options,
                                          .dtype = SUTRA_I8,
                                          .max_tokens = 24,
                                          .truncation = SUTRA_TRUNCATE_WINDOW,
                                          .aggregate = SUTRA_AGGREGATE_CENTER};
    for (int i = 0; i < MIXED; i++) {
        make_text(f, 1 + tiny_random(&random) % (i % 3 ? 40 : LONGEST), &random, &mixture.texts[i]);
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
    Fixture *f = *state;
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
    Fixture *f = *state;
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
    Fixture *f = *state;
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

static void check_failure(Fixture *f, SutraModel *model, const SutraInput *input,
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
    Fixture *f = *state;
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
static void a_window_that_fails(void **state)
{
    Fixture *f = *state;
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
static SutraStatus cancel_in_a_run(Fixture *f, const SutraInput *inputs, size_t n)
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
    Fixture *f = *state;
    static Text text;
    SutraInput inputs[1 + SHORT];
    uint32_t random = 12;
    make_text(f, LONGEST, &random, &text);
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
        cmocka_unit_test(a_vector_is_that_of_its_windows),
        cmocka_unit_test(ends_of_texts),
        cmocka_unit_test(every_type_and_normalisation),
        cmocka_unit_test(an_eighth_is_shared_by_default),
        cmocka_unit_test(windows_begin_with_the_prompt),
        cmocka_unit_test(what_fits_is_as_without_windows),
        cmocka_unit_test(batches_take_no_longer_than_the_call),
        cmocka_unit_test(calls_and_jobs_on_any_number_of_threads),
        cmocka_unit_test(rows_of_windows_are_cached),
        cmocka_unit_test(jobs_of_windows_end),
        cmocka_unit_test(what_cannot_be_windowed_says_so),
        cmocka_unit_test(a_window_that_fails),
        cmocka_unit_test(windows_are_cancelled),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
