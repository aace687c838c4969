/* Element types of output vectors through sutra.h: their values, ranges, and what they refuse. */
#include "support/tiny_engine.h"

#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { HIDDEN = 64 };

static int set_up(void **state)
{
    static TinyEngine tiny;
    const SutraEngineOptions options = {.struct_size = sizeof options, .num_threads = 2};
    tiny_engine_open(&(TinyModel){HIDDEN, 2, 2, 128, 256, NULL, 5}, &options, &tiny);
    *state = &tiny;
    return 0;
}

static int tear_down(void **state)
{
    tiny_engine_close(*state);
    return 0;
}

static double half_value(uint16_t bits)
{
    int exponent = bits >> 10 & 31, fraction = bits & 1023;
    double size = exponent ? ldexp(1024 + fraction, exponent - 25) : ldexp(fraction, -24);
    return bits >> 15 ? -size : size;
}

/* Neither neighbour is closer, nor as close and even. */
static bool is_nearest_half(uint16_t bits, double x)
{
    double distance = fabs(half_value(bits) - x);
    double above = fabs(half_value((uint16_t)(bits + 1)) - x);
    double below = bits & 0x7fff ? fabs(half_value((uint16_t)(bits - 1)) - x) : INFINITY;
    double closest = above < below ? above : below;
    return distance < closest || (distance == closest && bits % 2 == 0);
}

static void test_dtypes(void **state)
{
    TinyEngine *f = *state;
    SutraError err = {0};
    SutraResult *result, *other;
    SutraInput input = text_input("quick brown fox");
    SutraEmbedOptions options = {
        .struct_size = sizeof options, .normalize = SUTRA_NORMALIZE_YES, .dim = 32};
    SutraResultView view = tiny_embed(f, &input, 1, &options, SUTRA_OK, &result, &err);
    const float *x = view.data;
    float norm = 0;
    for (int i = 0; i < 32; i++) norm += x[i] * x[i];
    assert_true(fabsf(norm - 1) < 1e-6f);

    options.dtype = SUTRA_I8;
    SutraResultView as_int8 = tiny_embed(f, &input, 1, &options, SUTRA_OK, &other, &err);
    for (int i = 0; i < 32; i++)
        assert_int_equal(((const int8_t *)as_int8.data)[i], (int)rintf(127 * x[i]));
    sutra_result_free(other);
    options.dtype = SUTRA_UBINARY;
    SutraResultView binary = tiny_embed(f, &input, 1, &options, SUTRA_OK, &other, &err);
    assert_int_equal(binary.row_bytes, 4);
    for (int i = 0; i < 32; i++)
        assert_int_equal(((const uint8_t *)binary.data)[i / 8] >> (7 - i % 8) & 1, x[i] > 0);
    sutra_result_free(other);
    options.dtype = SUTRA_F16;
    SutraResultView half = tiny_embed(f, &input, 1, &options, SUTRA_OK, &other, &err);
    float cosine;
    assert_int_equal(sutra_similarity(SUTRA_F16, 32, half.data, 1, half.data, 1, &cosine, &err),
                     SUTRA_OK);
    assert_true(fabsf(cosine - 1) < 1e-6f);
    for (int i = 0; i < 32; i++)
        assert_true(is_nearest_half(((const uint16_t *)half.data)[i], (double)x[i]));
    sutra_result_free(other);
    sutra_result_free(result);
}

/* Dimensions that fill no whole byte, and what compares them. */
static void test_padded_bits(void **state)
{
    TinyEngine *f = *state;
    SutraError err = {0};
    SutraResult *result, *other;
    SutraInput inputs[] = {text_input("quick brown fox"), text_input("a b c d")};
    for (uint32_t dim = 1; dim <= 17; dim++) {
        SutraEmbedOptions options = {.struct_size = sizeof options, .dim = dim};
        SutraResultView view = tiny_embed(f, inputs, 2, &options, SUTRA_OK, &result, &err);
        const float *x = view.data;
        for (int is_signed = 0; is_signed < 2; is_signed++) {
            options.dtype = is_signed ? SUTRA_BINARY : SUTRA_UBINARY;
            SutraResultView binary = tiny_embed(f, inputs, 2, &options, SUTRA_OK, &other, &err);
            const uint8_t *bytes = binary.data;
            assert_int_equal(binary.row_bytes, (dim + 7) / 8);
            assert_int_equal(sutra_row_bytes(options.dtype, dim), (dim + 7) / 8);
            uint32_t differ = 0;
            for (uint32_t r = 0; r < 2; r++)
                for (uint32_t i = 0; i < 8 * binary.row_bytes; i++) {
                    unsigned byte = bytes[r * binary.row_bytes + i / 8] ^ (is_signed ? 0x80u : 0);
                    bool bit = byte >> (7 - i % 8) & 1;
                    assert_int_equal(bit, i < dim && x[r * dim + i] > 0);
                }
            for (uint32_t i = 0; i < dim; i++) differ += (x[i] > 0) != (x[dim + i] > 0);
            float similarity;
            assert_int_equal(sutra_similarity(options.dtype, dim, bytes, 1,
                                              bytes + binary.row_bytes, 1, &similarity, &err),
                             SUTRA_OK);
            assert_true(fabsf(similarity - (1 - 2 * (float)differ / (float)dim)) < 1e-6f);
            sutra_result_free(other);
        }
        sutra_result_free(result);
    }
}

static uint8_t code_of(float x, float least, float most)
{
    float step = (most - least) / 255, q = floorf((x - least) / (step > 0 ? step : 1));
    return (uint8_t)fminf(fmaxf(q, 0), 255);
}

/* Codes with ranges, of blocking calls and of jobs, which copy the ranges. */
static void test_ranges(void **state)
{
    enum { DIM = 20 };
    TinyEngine *f = *state;
    SutraError err = {0};
    SutraResult *result, *other;
    SutraInput inputs[] = {text_input("quick brown fox"), text_input("a b c d"), text_input("x")};
    SutraEmbedOptions options = {.struct_size = sizeof options, .dim = DIM};
    SutraResultView view = tiny_embed(f, inputs, 3, &options, SUTRA_OK, &result, &err);
    const float *x = view.data;
    float ranges[2 * DIM];
    assert_int_equal(sutra_ranges(x, 2, DIM, ranges, &err), SUTRA_OK);
    ranges[3] = ranges[DIM + 3] = x[3] - 2.5f; /* a step of 1 */
    options.ranges = ranges;
    for (int is_signed = 0; is_signed < 2; is_signed++) {
        options.dtype = is_signed ? SUTRA_I8 : SUTRA_U8;
        SutraResultView codes = tiny_embed(f, inputs, 3, &options, SUTRA_OK, &other, &err);
        assert_int_equal(codes.row_bytes, DIM);
        for (int i = 0; i < 3 * DIM; i++) {
            int code = code_of(x[i], ranges[i % DIM], ranges[DIM + i % DIM]);
            int got = is_signed ? ((const int8_t *)codes.data)[i] + 128
                                : ((const uint8_t *)codes.data)[i];
            assert_int_equal(got, code);
        }
        SutraJob *job;
        SutraResult *late;
        SutraResultView of_job = {.struct_size = sizeof of_job};
        float *own = malloc(sizeof ranges);
        memcpy(own, ranges, sizeof ranges);
        options.ranges = own;
        assert_int_equal(
            sutra_submit(f->engine, f->model, inputs, 3, &options, NULL, NULL, &job, &err),
            SUTRA_OK);
        memset(own, 0xff, sizeof ranges); /* NaN, then gone */
        free(own);
        options.ranges = ranges;
        assert_int_equal(sutra_job_wait(job, UINT64_MAX, &late, &err), SUTRA_OK);
        assert_int_equal(sutra_result_view(late, &of_job, &err), SUTRA_OK);
        assert_memory_equal(of_job.data, codes.data, (size_t)3 * DIM);
        sutra_result_free(late);
        sutra_job_free(job);
        sutra_result_free(other);
    }
    /* A caller of before there were ranges: what lies past its struct is not read. */
    options.struct_size = offsetof(SutraEmbedOptions, ranges);
    SutraResultView fixed = tiny_embed(f, inputs, 3, &options, SUTRA_OK, &other, &err);
    for (int i = 0; i < 3 * DIM; i++)
        assert_int_equal(((const int8_t *)fixed.data)[i],
                         (int)fminf(fmaxf(rintf(127 * x[i]), -127), 127));
    sutra_result_free(other);
    sutra_result_free(result);
}

/* Vectors of tokens have ranges as pooled ones do. */
static void test_ranges_of_tokens(void **state)
{
    enum { DIM = 20 };
    TinyEngine *f = *state;
    SutraError err = {0};
    SutraResult *result, *other;
    SutraInput inputs[] = {text_input("quick brown fox"), text_input("a b c d")};
    SutraEmbedOptions options = {
        .struct_size = sizeof options, .output = SUTRA_OUT_TOKENS, .dim = DIM};
    SutraResultView view = tiny_embed(f, inputs, 2, &options, SUTRA_OK, &result, &err);
    const float *x = view.data;
    size_t rows = view.offsets[2];
    float ranges[2 * DIM];
    assert_int_equal(sutra_ranges(x, rows / 2, DIM, ranges, &err), SUTRA_OK);
    options.ranges = ranges;
    options.dtype = SUTRA_U8;
    SutraResultView codes = tiny_embed(f, inputs, 2, &options, SUTRA_OK, &other, &err);
    assert_int_equal(codes.offsets[2], rows);
    assert_int_equal(codes.row_bytes, DIM);
    for (size_t i = 0; i < rows * DIM; i++)
        assert_int_equal(((const uint8_t *)codes.data)[i],
                         code_of(x[i], ranges[i % DIM], ranges[DIM + i % DIM]));
    sutra_result_free(other);
    sutra_result_free(result);
}

/* The first weight of the token "a" becomes NaN. */
static void spoil_token_a(const char *folder)
{
    enum { TOKEN_A = 37 }; /* after 5 special ones and '!' to '@' */
    char path[600];
    uint64_t header;
    const float nan = NAN;
    snprintf(path, sizeof path, "%s/model.safetensors", folder);
    FILE *file = fopen(path, "r+b");
    assert_non_null(file);
    assert_int_equal(fread(&header, sizeof header, 1, file), 1);
    assert_int_equal(fseek(file, (long)(8 + header + TOKEN_A * HIDDEN * sizeof nan), SEEK_SET), 0);
    assert_int_equal(fwrite(&nan, sizeof nan, 1, file), 1);
    assert_int_equal(fclose(file), 0);
}

/* Every type says so, and gives zeros; the other rows are what they are without it. */
static void test_vectors_with_nan(void **state)
{
    (void)state;
    TinyEngine tiny;
    SutraError err = {0};
    const SutraEngineOptions one = {.struct_size = sizeof one, .num_threads = 2};
    float ranges[2 * HIDDEN];
    for (int i = 0; i < HIDDEN; i++) ranges[i] = -0.5f, ranges[HIDDEN + i] = 0.5f;
    tiny_engine_open(&(TinyModel){HIDDEN, 2, 1, 64, 64, NULL, 5}, &one, &tiny);
    sutra_model_free(tiny.model);
    spoil_token_a(tiny.path);
    assert_int_equal(sutra_model_open(tiny.path, NULL, &tiny.model, &err), SUTRA_OK);
    SutraInput inputs[] = {text_input("b c"), text_input("a"), text_input("d")};
    for (int c = 0; c < 8; c++) {
        SutraEmbedOptions options = {.struct_size = sizeof options,
                                     .dtype = c == 6   ? SUTRA_I8
                                              : c == 7 ? SUTRA_U8
                                                       : (SutraDtype)c,
                                     .normalize =
                                         c % 2 ? SUTRA_NORMALIZE_YES : SUTRA_NORMALIZE_MODEL,
                                     .ranges = c >= 6 ? ranges : NULL};
        SutraResult *result, *alone;
        SutraResultView view =
            tiny_embed(&tiny, inputs, 3, &options, SUTRA_E_NUMERIC, &result, &err);
        assert_string_equal(err.message + err.reason, "the vector holds NaN or infinity");
        assert_int_equal(err.item, 1);
        assert_int_equal(view.items[1].status, SUTRA_E_NUMERIC);
        const unsigned char *rows = view.data;
        for (size_t i = 0; i < view.row_bytes; i++) assert_int_equal(rows[view.row_bytes + i], 0);
        for (size_t i = 0; i < 3; i += 2) {
            SutraResultView own =
                tiny_embed(&tiny, &inputs[i], 1, &options, SUTRA_OK, &alone, &err);
            assert_int_equal(view.items[i].status, SUTRA_OK);
            assert_memory_equal(rows + i * view.row_bytes, own.data, own.row_bytes);
            sutra_result_free(alone);
        }
        sutra_result_free(result);
    }
    tiny_engine_close(&tiny);
}

typedef struct Caller {
    TinyEngine *tiny;
    const float *ranges;
    uint8_t codes[2 * HIDDEN];
    SutraStatus status;
} Caller;

static void *embed_often(void *arg)
{
    Caller *caller = arg;
    SutraInput inputs[] = {text_input("the quick brown fox"), text_input("a b c")};
    const SutraEmbedOptions options = {
        .struct_size = sizeof options, .dtype = SUTRA_U8, .ranges = caller->ranges};
    for (int i = 0; i < 20 && caller->status == SUTRA_OK; i++)
        caller->status =
            sutra_embed_into(caller->tiny->engine, caller->tiny->model, inputs, 2, &options,
                             caller->codes, sizeof caller->codes, NULL, NULL);
    return NULL;
}

/* Threads may share ranges: they are only read. */
static void test_ranges_of_concurrent_callers(void **state)
{
    enum { CALLERS = 3 };
    Caller callers[CALLERS];
    pthread_t threads[CALLERS];
    float ranges[2 * HIDDEN];
    for (int i = 0; i < HIDDEN; i++) ranges[i] = -0.5f, ranges[HIDDEN + i] = 0.5f;
    for (int i = 0; i < CALLERS; i++) callers[i] = (Caller){.tiny = *state, .ranges = ranges};
    embed_often(&callers[0]);
    for (int i = 1; i < CALLERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, embed_often, &callers[i]), 0);
    for (int i = 1; i < CALLERS; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(callers[i].status, SUTRA_OK);
        assert_memory_equal(callers[i].codes, callers[0].codes, sizeof callers[0].codes);
    }
}

/* Every type, whole dimensions and cut ones: a text's bytes are those that it has alone. */
static void test_types_in_batches(void **state)
{
    enum { TEXTS = 40 };
    TinyEngine *f = *state;
    SutraError err = {0};
    SutraInput inputs[TEXTS];
    char texts[TEXTS][128];
    float ranges[2 * HIDDEN];
    for (int i = 0; i < HIDDEN; i++) ranges[i] = -0.5f, ranges[HIDDEN + i] = 0.5f;
    for (int i = 0; i < TEXTS; i++) {
        size_t used = 0;
        for (int word = 0; word <= i % 23; word++)
            used += (size_t)snprintf(texts[i] + used, sizeof texts[i] - used, "%c ",
                                     'a' + (i * 5 + word * 3) % 26);
        inputs[i] = text_input(texts[i]);
    }
    for (int c = 0; c < 16; c++) {
        uint32_t dim = c < 8 ? HIDDEN : 21;
        float own[2 * HIDDEN];
        memcpy(own, ranges, dim * sizeof *own);
        memcpy(own + dim, ranges + HIDDEN, dim * sizeof *own);
        SutraDtype dtype = c % 8 == 6 ? SUTRA_I8 : c % 8 == 7 ? SUTRA_U8 : (SutraDtype)(c % 8);
        SutraEmbedOptions options = {
            .struct_size = sizeof options, .dim = dim, .dtype = dtype, .ranges = NULL};
        if (c % 8 >= 6) options.ranges = own;
        SutraResult *result, *alone;
        SutraResultView all = tiny_embed(f, inputs, TEXTS, &options, SUTRA_OK, &result, &err);
        for (size_t i = 0; i < TEXTS; i++) {
            SutraResultView one = tiny_embed(f, &inputs[i], 1, &options, SUTRA_OK, &alone, &err);
            assert_memory_equal((const char *)all.data + i * all.row_bytes, one.data,
                                one.row_bytes);
            sutra_result_free(alone);
        }
        sutra_result_free(result);
    }
}

static void expect_bad_range(TinyEngine *f, SutraDtype dtype, float least, float most)
{
    SutraError err = {0};
    SutraResult *result;
    SutraInput input = text_input("a");
    float ranges[] = {0, 0, 0, least, 0, 1, 1, 1, most, 1};
    SutraEmbedOptions options = {
        .struct_size = sizeof options, .dim = 5, .dtype = dtype, .ranges = ranges};
    tiny_embed(f, &input, 1, &options, SUTRA_E_ARGUMENT, &result, &err);
    assert_non_null(strstr(err.message, dtype == SUTRA_U8 ? "element 3" : "int8 and uint8"));
    assert_null(result);
}

static void test_bad_ranges(void **state)
{
    TinyEngine *f = *state;
    SutraError err = {0};
    expect_bad_range(f, SUTRA_U8, NAN, 1);
    expect_bad_range(f, SUTRA_U8, 0, NAN);
    expect_bad_range(f, SUTRA_U8, -INFINITY, 1);
    expect_bad_range(f, SUTRA_U8, 0, INFINITY);
    expect_bad_range(f, SUTRA_U8, 1, 0.5f);
    expect_bad_range(f, SUTRA_U8, -3e38f, 3e38f); /* its width is no float */
    expect_bad_range(f, SUTRA_F32, 0, 1);
    expect_bad_range(f, SUTRA_UBINARY, 0, 1);
    float rows[] = {0, 1, 2, NAN}, ranges[4];
    assert_int_equal(sutra_ranges(rows, 1, 2, ranges, &err), SUTRA_OK);
    assert_int_equal(sutra_ranges(rows, 2, 2, ranges, &err), SUTRA_E_NUMERIC);
    assert_non_null(strstr(err.message, "element 1 of row 1"));
    assert_int_equal(sutra_ranges(rows, 0, 2, ranges, &err), SUTRA_E_ARGUMENT);
    assert_int_equal(sutra_ranges(rows, 1, 0, ranges, &err), SUTRA_E_ARGUMENT);
    assert_int_equal(sutra_ranges(NULL, 1, 2, ranges, &err), SUTRA_E_ARGUMENT);
    assert_int_equal(sutra_ranges(rows, 1, 2, NULL, &err), SUTRA_E_ARGUMENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dtypes),
        cmocka_unit_test(test_padded_bits),
        cmocka_unit_test(test_ranges),
        cmocka_unit_test(test_ranges_of_tokens),
        cmocka_unit_test(test_vectors_with_nan),
        cmocka_unit_test(test_ranges_of_concurrent_callers),
        cmocka_unit_test(test_types_in_batches),
        cmocka_unit_test(test_bad_ranges),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
