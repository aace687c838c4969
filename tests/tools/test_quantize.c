/* Quantisation: scales and smoothing factors by their definitions, the bundles that sutra_quantize writes, hostile ones,
 * options that do not go together, and every allocation failing in turn. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/memory.h"
#include "container/bundle_fixture.h"
#include "container/container.h"
#include "tools/quantize.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { VALUES = 40000, TEXTS = 6, MOST_ALLOCATIONS = 5000 };

static const char *const texts[TEXTS] = {"a b c d",   "e f g",           "!",
                                         "a c e b d", "h i j k l m n o", "c"};

static SutraInput *inputs(void)
{
    static SutraInput list[TEXTS];
    for (int i = 0; i < TEXTS; i++)
        list[i] = (SutraInput){.text = texts[i], .text_size = strlen(texts[i])};
    return list;
}

static SutraQuantizeOptions int8_options(void)
{
    return (SutraQuantizeOptions){.struct_size = sizeof(SutraQuantizeOptions),
                                  .compute = SUTRA_COMPUTE_INT8,
                                  .inputs = inputs(),
                                  .num_inputs = TEXTS,
                                  .num_threads = 1};
}

/* ---- scales ---- */

/* Nearly all in -1 … 1, one value far out. */
static SuHistogram outlier_histogram(float outlier)
{
    static float x[VALUES];
    uint32_t random = 7;
    SuHistogram histogram = {.low = -1.0f, .high = outlier};
    for (int i = 0; i < VALUES; i++) x[i] = (float)(tiny_random(&random) >> 8) / 8388608.0f - 1.0f;
    x[5] = outlier;
    su_histogram_add(&histogram, x, NULL, VALUES / 4, 4);
    return histogram;
}

static void test_ranges(void **state)
{
    (void)state;
    SuRowScale row = su_scale_of_range(-1.0f, 3.0f);
    assert_float_equal(row.scale, 4.0f / 255, 1e-7);
    assert_int_equal(row.zero, 64);
    assert_int_equal(su_scale_of_range(0.5f, 3.0f).zero, 0); /* 0 is always a level */
    assert_int_equal(su_scale_of_range(-2.0f, -1.0f).zero, 255);
    assert_float_equal(su_scale_of_range(0, 0).scale, 1.0f, 0);
    assert_float_equal(su_scale_of_range(0, 1e-44f).scale, 1.0f, 0);
    assert_float_equal(su_scale_of_range(-3e38f, 3e38f).scale, 1.0f, 0);
}

static void test_histogram(void **state)
{
    (void)state;
    SuHistogram histogram = {.low = -1.0f, .high = 1.0f};
    const float x[] = {-1.0f, 0.0f, 1.0f, -5.0f, 5.0f, 0.5f}, factor[] = {1.0f, 2.0f};
    su_histogram_add(&histogram, x, factor, 3, 2);
    assert_float_equal(histogram.total, 6, 0);
    assert_float_equal(histogram.counts[0], 2, 0); /* -1 and, twice -5, what lies below */
    assert_float_equal(histogram.counts[SU_HISTOGRAM_BINS - 1], 3, 0);
    assert_float_equal(histogram.counts[SU_HISTOGRAM_BINS / 2], 1, 0);
}

static double error_of(const SuHistogram *histogram, SuRowScale row)
{
    double sum = 0, width = ((double)histogram->high - histogram->low) / SU_HISTOGRAM_BINS;
    for (int i = 0; i < SU_HISTOGRAM_BINS; i++) {
        double x = histogram->low + (i + 0.5) * width, q = rint(x / row.scale) + row.zero;
        double y = (fmin(fmax(q, 0), 255) - row.zero) * row.scale;
        sum += histogram->counts[i] * (y - x) * (y - x);
    }
    return sum;
}

static void test_methods(void **state)
{
    (void)state;
    SuHistogram near = outlier_histogram(1.0f), far = outlier_histogram(20.0f);
    SuRowScale whole = su_scale_choose(SUTRA_SCALES_MIN_MAX, &far);
    SuRowScale most = su_scale_choose(SUTRA_SCALES_PERCENTILE, &far);
    SuRowScale least = su_scale_choose(SUTRA_SCALES_MSE, &far);
    SuRowScale entropy = su_scale_choose(SUTRA_SCALES_ENTROPY, &far);
    assert_float_equal(whole.scale, 21.0f / 255, 1e-6);
    assert_float_equal(most.scale, 2.0f / 255, 2e-4);
    assert_true(error_of(&far, least) <= error_of(&far, whole));
    assert_true(error_of(&far, least) <= error_of(&far, most));
    assert_true(entropy.scale < whole.scale / 2);
    for (int i = SUTRA_SCALES_MIN_MAX; i <= SUTRA_SCALES_ENTROPY; i++) {
        SuRowScale row = su_scale_choose((SutraScales)i, &near);
        assert_true(row.scale > 1.7f / 255 && row.scale <= 2.01f / 255);
        SuHistogram empty = {.low = 0};
        assert_float_equal(su_scale_choose((SutraScales)i, &empty).scale, 1.0f, 0);
    }
}

static void test_smoothing(void **state)
{
    (void)state;
    const float rows[] = {100.0f, 1.0f, 0.0f, 1e30f, 4.0f},
                weights[] = {1.0f, 1.0f, 3.0f, 1.0f, 0.25f};
    float factor[5];
    su_smooth_factors(rows, weights, 5, 0.5, factor);
    assert_float_equal(factor[0], 0.1f, 1e-6);
    assert_float_equal(factor[1], 1.0f, 0);
    assert_float_equal(factor[2], 1.0f, 0); /* nothing to balance */
    assert_float_equal(factor[3], 1e-4f, 1e-9);
    assert_float_equal(factor[4], 0.25f, 1e-6);
    /* both sides meet, and the product stays */
    for (int i = 0; i < 2; i++)
        assert_float_equal(rows[i] * factor[i], weights[i] / factor[i], 1e-4);
    for (int i = 0; i < 5; i++) {
        double product = (double)(rows[i] * factor[i]) * (double)(weights[i] / factor[i]);
        assert_true(fabs(product - (double)rows[i] * weights[i]) <= 1e-6 * rows[i] * weights[i]);
    }
    su_smooth_factors(rows, weights, 1, 1.0, factor);
    assert_float_equal(factor[0], 0.01f, 1e-8);
}

static void test_rows(void **state)
{
    (void)state;
    const float x[] = {-2.0f, 1.0f, 0.0f, 1.999f}, zeros[4] = {0}, tiny[4] = {0, 1e-37f};
    int8_t q[4];
    float scale;
    su_quantize_row_s8(x, 4, q, &scale);
    assert_float_equal(scale, 2.0f / 127, 1e-8);
    assert_int_equal(q[0], -127);
    assert_int_equal(q[1], 64);
    assert_int_equal(q[2], 0);
    assert_int_equal(q[3], 127);
    su_quantize_row_s8(zeros, 4, q, &scale);
    assert_true(scale == 0.0f && q[0] == 0);
    su_quantize_row_s8(tiny, 4, q, &scale);
    assert_true(scale == 0.0f && q[0] == 0 && q[1] == 0);
}

/* ---- bundles ---- */

static void embed_from(const char *path, SutraCompute compute, float *vectors)
{
    const SutraModelOptions options = {.struct_size = sizeof options, .compute = compute};
    SutraModel *model;
    SutraError err = {0};
    if (sutra_model_open(path, &options, &model, &err) != SUTRA_OK) fail_msg("%s", err.message);
    assert_int_equal(embed_texts(model, vectors, &err), SUTRA_OK);
    sutra_model_free(model);
}

static void quantize(const BundleFixture *f, const SutraQuantizeOptions *options)
{
    SutraError err = {0};
    if (sutra_quantize(f->model, f->bundle, options, NULL, &err) != SUTRA_OK)
        fail_msg("%s", err.message);
    assert_int_equal(sutra_model_verify(f->bundle, &err), SUTRA_OK);
}

static void test_same_bits_as_the_folder(void **state)
{
    BundleFixture *f = *state;
    static const SutraCompute computes[] = {SUTRA_COMPUTE_INT8, SUTRA_COMPUTE_BF16,
                                            SUTRA_COMPUTE_FP16};
    float folder[BUNDLE_TEXTS * BUNDLE_HIDDEN] = {0}, bundle[BUNDLE_TEXTS * BUNDLE_HIDDEN] = {0};
    for (int i = 0; i < 3; i++) {
        SutraQuantizeOptions options = {.struct_size = sizeof options,
                                        .compute = computes[i],
                                        .embeddings = SUTRA_EMBEDDINGS_STORED};
        quantize(f, &options);
        embed_from(f->model, computes[i], folder);
        embed_from(f->bundle, SUTRA_COMPUTE_DEFAULT, bundle);
        assert_memory_equal(folder, bundle, sizeof folder);
    }
}

static double cosine_to_fp32(const BundleFixture *f, const float *vectors)
{
    double sum = 0;
    for (size_t i = 0; i < BUNDLE_TEXTS * BUNDLE_HIDDEN; i++)
        sum += (double)vectors[i] * f->expected[i];
    return sum / BUNDLE_TEXTS;
}

static void test_every_plan_is_close(void **state)
{
    BundleFixture *f = *state;
    float vectors[BUNDLE_TEXTS * BUNDLE_HIDDEN] = {0};
    for (int scales = SUTRA_SCALES_DYNAMIC; scales <= SUTRA_SCALES_ENTROPY; scales++)
        for (int smooth = 0; smooth < 2; smooth++) {
            SutraQuantizeOptions options = int8_options();
            options.scales = (SutraScales)scales;
            options.smooth = 0.5 * smooth;
            quantize(f, &options);
            embed_from(f->bundle, SUTRA_COMPUTE_DEFAULT, vectors);
            assert_true(cosine_to_fp32(f, vectors) > 0.9);
        }
}

/* A text alone, and among others. */
static void test_batches_change_nothing(void **state)
{
    BundleFixture *f = *state;
    SutraQuantizeOptions options = int8_options();
    SutraEngineOptions engine_options = {.struct_size = sizeof engine_options, .num_threads = 2};
    SutraModel *model;
    SutraEngine *engine;
    SutraError err;
    float all[TEXTS * BUNDLE_HIDDEN], one[BUNDLE_HIDDEN];
    options.scales = SUTRA_SCALES_MIN_MAX;
    options.smooth = 0.5;
    quantize(f, &options);
    assert_int_equal(sutra_model_open(f->bundle, NULL, &model, &err), SUTRA_OK);
    assert_int_equal(sutra_engine_create(&engine_options, &engine, &err), SUTRA_OK);
    assert_int_equal(
        sutra_embed_into(engine, model, inputs(), TEXTS, NULL, all, sizeof all, NULL, &err),
        SUTRA_OK);
    for (int i = 0; i < TEXTS; i++) {
        assert_int_equal(
            sutra_embed_into(engine, model, inputs() + i, 1, NULL, one, sizeof one, NULL, &err),
            SUTRA_OK);
        assert_memory_equal(one, all + (size_t)i * BUNDLE_HIDDEN, sizeof one);
    }
    sutra_engine_free(engine);
    sutra_model_free(model);
}

/* Scales of the embedding table that a writer does not write. tensor.4 is the token scales. */
static void test_hostile_scales(void **state)
{
    BundleFixture *f = *state;
    static const float hostile[] = {NAN, INFINITY, -1.0f};
    SutraQuantizeOptions options = int8_options();
    SuContainer container;
    SutraError err = {0};
    size_t size;
    quantize(f, &options);
    unsigned char *bytes = read_bytes(f->bundle, &size);
    assert_int_equal(su_container_open(f->bundle, &container, &err), SUTRA_OK);
    const SuSection *scales = su_container_find(&container, "tensor.4");
    assert_int_equal(scales->size, TINY_VOCAB_SIZE * sizeof(float));
    size_t place = (size_t)scales->offset;
    su_container_close(&container);
    for (int i = 0; i < 3; i++) {
        SutraModel *model;
        float vectors[BUNDLE_TEXTS * BUNDLE_HIDDEN];
        memcpy(bytes + place + 40, &hostile[i], sizeof hostile[i]);
        reseal(bytes, size);
        write_bytes(f->bundle, bytes, size);
        assert_int_equal(sutra_model_open(f->bundle, NULL, &model, &err), SUTRA_OK);
        assert_int_equal(embed_texts(model, vectors, &err), SUTRA_E_FORMAT);
        assert_non_null(strstr(err.message, "row 10 of an embedding table"));
        sutra_model_free(model);
    }
    free(bytes);
}

static void expect(const BundleFixture *f, const SutraQuantizeOptions *options, SutraStatus status,
                   const char *words)
{
    SutraError err = {0};
    SutraBenchReport *report = (SutraBenchReport *)f; /* to be overwritten */
    assert_int_equal(sutra_quantize(f->model, f->bundle, options, &report, &err), status);
    if (!strstr(err.message, words)) fail_msg("%s", err.message);
    assert_null(report);
}

static void test_options(void **state)
{
    BundleFixture *f = *state;
    SutraQuantizeOptions options = int8_options();
    SutraInput blank[] = {{.text = ""}, {.text = "  ", .text_size = 2}};
    expect(f, NULL, SUTRA_E_ARGUMENT, "options is NULL");
    options.struct_size = 2;
    expect(f, &options, SUTRA_E_ABI, "struct_size");
    options = int8_options();
    options.compute = SUTRA_COMPUTE_INT4W;
    expect(f, &options, SUTRA_E_UNSUPPORTED, "int4w");
    options = int8_options();
    options.keep = 101;
    expect(f, &options, SUTRA_E_ARGUMENT, "keep 101 is not in 0 to 100");
    options.keep = NAN;
    expect(f, &options, SUTRA_E_ARGUMENT, "is not in 0 to 100");
    options = int8_options();
    options.smooth = -0.5;
    expect(f, &options, SUTRA_E_ARGUMENT, "smooth -0.5 is not in 0 to 1");
    options.smooth = 0.5;
    options.num_inputs = 0;
    expect(f, &options, SUTRA_E_ARGUMENT, "need calibration texts");
    options = int8_options();
    options.inputs = NULL;
    expect(f, &options, SUTRA_E_ARGUMENT, "inputs is NULL");
    options = int8_options();
    options.num_inputs = 1;
    expect(f, &options, SUTRA_E_ARGUMENT, "one calibration text is not enough");
    options.inputs = blank;
    options.num_inputs = 2;
    expect(f, &options, SUTRA_E_ARGUMENT, "none of the 2 calibration texts has tokens");
    options = int8_options();
    options.compute = SUTRA_COMPUTE_BF16;
    options.scales = SUTRA_SCALES_MSE;
    expect(f, &options, SUTRA_E_ARGUMENT, "of int8 only");
    options.compute = SUTRA_COMPUTE_FP16;
    expect(f, &options, SUTRA_E_ARGUMENT, "of int8 only");
    options = int8_options();
    options.keep = 100;
    expect(f, &options, SUTRA_E_ARGUMENT, "cannot be kept");
}

/* ---- memory ---- */

static double kept_quality; /* that int8 alone does not have */

static double quality_in(const BundleFixture *f, SutraCompute compute)
{
    SutraBenchReport *report = NULL;
    SutraQuantizeOptions options = int8_options();
    SutraError err = {0};
    options.compute = compute;
    options.embeddings = SUTRA_EMBEDDINGS_INT8;
    assert_int_equal(sutra_quantize(f->model, f->bundle, &options, &report, &err), SUTRA_OK);
    SutraBenchTable totals = sutra_bench_table(report, 1);
    double quality = totals.cells[2 * totals.num_columns + 1].number;
    sutra_bench_report_free(report);
    return quality;
}

static SutraStatus attempt(const BundleFixture *f, SutraError *err)
{
    SutraBenchReport *report = NULL;
    SutraQuantizeOptions options = int8_options();
    options.keep = kept_quality;
    SutraStatus status = sutra_quantize(f->model, f->bundle, &options, &report, err);
    assert_int_equal(report != NULL, status == SUTRA_OK);
    if (report) {
        assert_int_equal(sutra_bench_num_tables(report), 2);
        assert_false(sutra_bench_table(report, 0).cells[4].is_text); /* linears were tried alone */
    }
    sutra_bench_report_free(report);
    return status;
}

static void test_failing_allocations(void **state)
{
    BundleFixture *f = *state;
    kept_quality = (quality_in(f, SUTRA_COMPUTE_INT8) + quality_in(f, SUTRA_COMPUTE_BF16)) / 2;
    for (int persistent = 0; persistent < 2; persistent++) {
        int64_t n = 0;
        uint64_t reached;
        SutraStatus status;
        do {
            SutraError err = {0};
            uint64_t before = su_memory_allocations();
            su_memory_fail_after(n, persistent != 0);
            status = attempt(f, &err);
            su_memory_fail_after(-1, false);
            reached = su_memory_allocations() - before;
            if (status != SUTRA_OK && status != SUTRA_E_MEMORY) fail_msg("%s", err.message);
            assert_true(n < MOST_ALLOCATIONS);
        } while (reached > (uint64_t)n++);
        assert_int_equal(status, SUTRA_OK);
        assert_true(n > 100);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ranges),
        cmocka_unit_test(test_histogram),
        cmocka_unit_test(test_methods),
        cmocka_unit_test(test_smoothing),
        cmocka_unit_test(test_rows),
        cmocka_unit_test_setup_teardown(test_same_bits_as_the_folder, bundle_set_up,
                                        bundle_tear_down),
        cmocka_unit_test_setup_teardown(test_every_plan_is_close, bundle_set_up, bundle_tear_down),
        cmocka_unit_test_setup_teardown(test_batches_change_nothing, bundle_set_up,
                                        bundle_tear_down),
        cmocka_unit_test_setup_teardown(test_hostile_scales, bundle_set_up, bundle_tear_down),
        cmocka_unit_test_setup_teardown(test_options, bundle_set_up, bundle_tear_down),
        cmocka_unit_test_setup_teardown(test_failing_allocations, bundle_set_up, bundle_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
