/* sutra_embed_late beside token vectors that are sliced and pooled here. */
#include "encoder/encoder.h"
#include "support/tiny_engine.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { HIDDEN = 64, CUT = 24, WORDS = 200, MOST = 16 };

static int set_up(void **state)
{
    static TinyEngine tiny;
    const SutraEngineOptions options = {.struct_size = sizeof options, .num_threads = 2};
    tiny_engine_open(&(TinyModel){HIDDEN, 2, 2, 128, 256, NULL, 31}, &options, &tiny);
    *state = &tiny;
    return 0;
}

static int tear_down(void **state)
{
    tiny_engine_close(*state);
    return 0;
}

/* Letters of two bytes (U+00E9 becomes e) or one, a token each: word i is at byte at[i]. */
static size_t make_text(uint32_t *random, char *text, size_t at[WORDS + 1])
{
    size_t used = 0;
    for (size_t i = 0; i < WORDS; i++) {
        at[i] = used;
        if (tiny_random(random) % 4 == 0)
            memcpy(text + used, "\xc3\xa9", 2), used += 2;
        else
            text[used++] = (char)('a' + tiny_random(random) % 26);
        text[used++] = ' ';
    }
    at[WORDS] = used;
    return used;
}

/* Tokens first … last - 1 of the text's own. */
static void pool(SutraPooling how, const float *rows, size_t first, size_t last, float *x)
{
    float sum = 0;
    for (size_t j = 0; j < HIDDEN; j++) x[j] = how == SUTRA_POOL_MAX ? -INFINITY : 0;
    for (size_t i = first; i < last; i++) {
        float weight = how == SUTRA_POOL_WEIGHTED_MEAN ? (float)(i - first + 1) : 1.0f;
        const float *row = rows + (i + 1) * HIDDEN; /* after [CLS] */
        sum += weight;
        for (size_t j = 0; j < HIDDEN; j++)
            x[j] = how == SUTRA_POOL_MAX ? fmaxf(x[j], row[j]) : x[j] + weight * row[j];
    }
    if (how == SUTRA_POOL_MEAN_SQRT) sum = sqrtf((float)(last - first));
    for (size_t j = 0; j < HIDDEN && how != SUTRA_POOL_MAX; j++) x[j] /= sum;
}

static void vectors_are_those_of_slices(void **state)
{
    TinyEngine *f = *state;
    static const SutraPooling poolings[] = {SUTRA_POOL_MODEL, SUTRA_POOL_MEAN, SUTRA_POOL_MAX,
                                            SUTRA_POOL_MEAN_SQRT, SUTRA_POOL_WEIGHTED_MEAN};
    uint32_t random = 12;
    SuKernels kernels;
    SuIsa isa;
    assert_int_equal(su_isa_select(&isa, NULL), SUTRA_OK);
    su_kernels_init(&kernels, isa);
    for (int turn = 0; turn < 60; turn++) {
        char text[WORDS * 3];
        size_t at[WORDS + 1], first[MOST], last[MOST];
        SutraError err = {0};
        SutraInput input = {.text = text, .text_size = make_text(&random, text, at)};
        SutraEmbedOptions tokens = {.struct_size = sizeof tokens, .output = SUTRA_OUT_TOKENS};
        SutraResult *result = NULL;
        SutraResultView view = tiny_embed(f, &input, 1, &tokens, SUTRA_OK, &result, &err);
        assert_int_equal(view.offsets[1], WORDS + 2);
        SutraChunk chunks[MOST];
        for (int i = 0; i < MOST; i++) {
            first[i] = tiny_random(&random) % WORDS;
            last[i] = first[i] + 1 + tiny_random(&random) % (WORDS - first[i]);
            chunks[i] = (SutraChunk){.begin = at[first[i]], .end = at[last[i]] - 1};
        }
        SutraEmbedOptions o = {.struct_size = sizeof o,
                               .dtype = (SutraDtype)(turn % (SUTRA_UBINARY + 1)),
                               .dim = turn % 3 ? HIDDEN : CUT,
                               .normalize = turn % 2 ? SUTRA_NORMALIZE_YES : SUTRA_NORMALIZE_MODEL,
                               .pooling = poolings[turn % 5]};
        unsigned char rows[MOST * HIDDEN * 4], expected[HIDDEN * 4];
        size_t row_bytes = sutra_row_bytes(o.dtype, o.dim);
        SutraItem item;
        assert_int_equal(sutra_embed_late(f->engine, f->model, &input, chunks, MOST, &o, rows,
                                          MOST * row_bytes, &item, &err),
                         SUTRA_OK);
        assert_int_equal(item.tokens_used, WORDS + 2);
        const SutraBatch form = {
            .dtype = o.dtype, .dim = o.dim, .normalize = turn % 2 ? SUTRA_BATCH_NORMALIZE : 0};
        for (int i = 0; i < MOST; i++) {
            float x[HIDDEN], steps[HIDDEN];
            SutraPooling how = o.pooling ? o.pooling : SUTRA_POOL_MEAN;
            pool(how, view.data, first[i], last[i], x);
            assert_true(su_output_row(&kernels, x, HIDDEN, &form, steps, expected));
            assert_memory_equal(rows + (size_t)i * row_bytes, expected, row_bytes);
        }
        sutra_result_free(result);
    }
}

static void check_error(TinyEngine *f, const char *text, SutraChunk chunk,
                        const SutraEmbedOptions *options, SutraStatus status, const char *message)
{
    SutraError err = {0};
    SutraInput input = text_input(text);
    float row[HIDDEN];
    assert_int_equal(sutra_embed_late(f->engine, f->model, &input, &chunk, 1, options, row,
                                      sizeof row, NULL, &err),
                     status);
    if (!strstr(err.message, message)) fail_msg("%s", err.message);
}

static void errors(void **state)
{
    TinyEngine *f = *state;
    SutraEmbedOptions o = {.struct_size = sizeof o, .max_tokens = 6};
    SutraChunk all = {.begin = 0, .end = 3};
    check_error(f, "a b c d e f", all, &o, SUTRA_E_LIMIT, "the text has 8 tokens, more than 6");
    check_error(f, "a  b", (SutraChunk){.begin = 1, .end = 3}, &o, SUTRA_E_ARGUMENT,
                "chunk 0 has no tokens");
    check_error(f, "a", all, &o, SUTRA_E_ARGUMENT, "chunk 0 is no part of a text of 1 bytes");
    check_error(f, "a b", (SutraChunk){.begin = 2, .end = 2}, &o, SUTRA_E_ARGUMENT,
                "chunk 0 is no part");
    check_error(f, "a\xff", all, &o, SUTRA_E_ARGUMENT, "not valid UTF-8");
    o.pooling = SUTRA_POOL_CLS;
    check_error(f, "a b", all, &o, SUTRA_E_ARGUMENT, "not the first: give a pooling");
    o.pooling = SUTRA_POOL_MODEL;
    o.output = SUTRA_OUT_TOKENS;
    check_error(f, "a b", all, &o, SUTRA_E_ARGUMENT, "late chunks are pooled vectors");
    SutraError err = {0};
    float row[HIDDEN];
    SutraInput ids = {.token_ids = (int32_t[]){2, 3}, .num_token_ids = 2};
    assert_int_equal(
        sutra_embed_late(f->engine, f->model, &ids, &all, 1, NULL, row, sizeof row, NULL, &err),
        SUTRA_E_ARGUMENT);
    SutraInput input = text_input("a b");
    assert_int_equal(
        sutra_embed_late(f->engine, f->model, &input, &all, 1, NULL, row, 8, NULL, &err),
        SUTRA_E_ARGUMENT);
    assert_non_null(strstr(err.message, "out has 8 bytes, 1 vectors need 256 each"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(vectors_are_those_of_slices),
                                       cmocka_unit_test(errors)};
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
