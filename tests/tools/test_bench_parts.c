/* The counts of bench_costs.h against loops that count, the shims against known calls, generated
 * texts, and which measurements are trusted. */
#include "base/memory.h"
#include "bench/bench_costs.h"
#include "bench/bench_sampler.h"
#include "bench/bench_shims.h"
#include "bench/bench_texts.h"
#include "model/model.h"
#include "sutra_tools.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define MODEL SU_SOURCE_DIR "/tests/data/golden/models/base"

/* Every multiply-add of the textbook's loops adds 2. */
static double count_matmul(size_t m, size_t n, size_t k)
{
    double flops = 0;
    for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j < n; j++)
            for (size_t p = 0; p < k; p++) flops += 2;
    return flops;
}

static void test_gemm(void **state)
{
    (void)state;
    size_t sizes[][3] = {{1, 1, 1}, {11, 48, 16}, {7, 33, 5}};
    for (size_t i = 0; i < 3; i++) {
        size_t m = sizes[i][0], n = sizes[i][1], k = sizes[i][2];
        SuBenchCost cost = su_bench_cost_gemm(m, n, k, false, 4);
        assert_true(cost.flops == count_matmul(m, n, k));
        assert_true(cost.read == 4.0 * (double)(m * k) + 4.0 * (double)(n * k) + 4.0 * (double)n);
        assert_true(cost.written == 4.0 * (double)(m * n));
        assert_true(su_bench_cost_gemm(m, n, k, true, 4).read - cost.read == 4.0 * (double)(m * n));
        SuBenchCost halves = su_bench_cost_gemm(m, n, k, false, 2);
        assert_true(cost.read - halves.read == 2.0 * (double)(n * k));
    }
}

static void test_attention(void **state)
{
    (void)state;
    SuBenchCost cost = su_bench_cost_attention(5, 70, 8);
    assert_true(cost.flops == count_matmul(5, 70, 8) + count_matmul(5, 8, 70));
    /* q, k, v; out */
    assert_true(cost.read == 4.0 * (5 * 8 + 70 * 8 + 70 * 8));
    assert_true(cost.written == 4.0 * 5 * 8);
}

static void test_rows(void **state)
{
    (void)state;
    SuBenchCost norm = su_bench_cost_layer_norm(3, 10);
    double flops = 0;
    for (int row = 0; row < 3; row++) {
        for (int i = 0; i < 10; i++) flops += 1;         /* sum */
        for (int i = 0; i < 10; i++) flops += 1 + 2;     /* x - mean, fma */
        for (int i = 0; i < 10; i++) flops += 1 + 1 + 2; /* x - mean, rstd, fma */
    }
    assert_true(norm.flops == flops);
    assert_true(norm.read == 4.0 * 50 && norm.written == 4.0 * 30);
    SuBenchCost embed = su_bench_cost_embed_norm(3, 10, true, true);
    assert_true(embed.flops == flops + 60 && embed.read == norm.read + 4.0 * 10 + 4.0 * 30);
    assert_true(su_bench_cost_embed_norm(3, 10, false, false).flops == flops);
    assert_true(su_bench_cost_activate(SUTRA_ACT_RELU, 9).flops == 0);
    assert_true(su_bench_cost_activate(SUTRA_ACT_GELU_ERF, 9).flops == 9 * (1 + 14 + 1 + 13 + 3));
    assert_true(su_bench_cost_dot(6).read == 48 && su_bench_cost_dot(6).flops == 12);
    assert_true(su_bench_cost_widen(6).read == 12 && su_bench_cost_widen(6).written == 24);
}

static void test_text(void **state)
{
    (void)state;
    SutraSpec spec = {
        .num_layers = 2, .hidden_size = 16, .num_heads = 2, .head_size = 8, .ffn_size = 24};
    double layer = 4 * count_matmul(5, 16, 16) + count_matmul(5, 24, 16) + count_matmul(5, 16, 24) +
                   2 * (count_matmul(5, 5, 8) + count_matmul(5, 8, 5));
    assert_true(su_bench_flops_of_text(&spec, 5) == 2 * layer);
}

/* ---- shims ---- */

static void stub_gemm(const SuGemmArgs *args) { (void)args; }
static void stub_attention(const SuAttentionF32Args *args) { (void)args; }
static void stub_norm(const SuNormF32 *norm, const float *x, float *y)
{
    (void)norm;
    (void)x;
    (void)y;
}

/* Two layers' calls in no order, as a rank makes that claims parts of some stages only. */
static void test_shims(void **state)
{
    (void)state;
    enum { FFN = 40 };
    float weights[2][4], residual = 0;
    SuLayer layers[2];
    for (int i = 0; i < 2; i++)
        layers[i] = (SuLayer){.qkv.packed = &weights[i][0],
                              .attention_out.packed = &weights[i][1],
                              .up.packed = &weights[i][2],
                              .down.packed = &weights[i][3],
                              .attention_norm.n = 16,
                              .ffn_norm.n = 24};
    SuEncoder encoder = {.kernels = {.gemm_f32 = {.nr = 16, .run = stub_gemm},
                                     .attention_f32.run = stub_attention,
                                     .layer_norm_f32 = stub_norm},
                         .spec.num_layers = 2,
                         .layers = layers};
    const SuKernels *kernels = &encoder.kernels;
    SuGemmArgs qkv = {.m = 3, .n = 48, .k = 16, .panel_end = 3};
    SuGemmArgs out = {.m = 3, .n = 16, .k = 16, .panel_end = 1, .residual = &residual};
    SuGemmArgs up = {.m = 3, .n = FFN, .k = 16, .panel_begin = 1, .panel_end = 3};
    SuGemmArgs down = {.m = 5, .n = 16, .k = FFN, .panel_end = 1, .residual = &residual};
    SuBenchStageTime times[SU_BENCH_STAGES];
    su_bench_shims_install(&encoder);
    for (int i = 0; i < 2; i++) {
        qkv.b = &weights[i][0], out.b = &weights[i][1];
        up.b = &weights[i][2], down.b = &weights[i][3];
        kernels->layer_norm_f32(&layers[i].ffn_norm, NULL, NULL);
        kernels->gemm_f32.run(&down);
        kernels->layer_norm_f32(&layers[i].attention_norm, NULL, NULL);
        kernels->gemm_f32.run(&out);
        kernels->gemm_f32.run(&up);
        kernels->attention_f32.run(
            &(SuAttentionF32Args){.num_queries = 3, .num_keys = 3, .head_size = 8});
        kernels->gemm_f32.run(&qkv);
    }
    su_bench_shims_read(times);
    su_bench_shims_remove(&encoder);
    assert_true(kernels->gemm_f32.run == stub_gemm && kernels->layer_norm_f32 == stub_norm);
    static const SuBenchStage once[] = {
        SU_BENCH_QKV, SU_BENCH_ATTENTION, SU_BENCH_ATTENTION_OUT, SU_BENCH_ATTENTION_NORM,
        SU_BENCH_UP,  SU_BENCH_DOWN,      SU_BENCH_FFN_NORM};
    for (size_t i = 0; i < 7; i++) assert_int_equal(times[once[i]].calls, 2);
    assert_int_equal(times[SU_BENCH_EMBED].calls, 0);
    assert_int_equal(times[SU_BENCH_OUTPUT].calls, 0);
    assert_true(times[SU_BENCH_QKV].flops == 2 * count_matmul(3, 48, 16));
    assert_true(times[SU_BENCH_UP].flops == 2 * count_matmul(3, FFN - 16, 16));
    assert_true(times[SU_BENCH_DOWN].flops == 2 * count_matmul(5, 16, FFN));
    assert_true(times[SU_BENCH_ATTENTION_OUT].flops == 2 * count_matmul(3, 16, 16));
    assert_true(times[SU_BENCH_ATTENTION_NORM].flops == 2 * su_bench_cost_layer_norm(1, 16).flops);
    assert_true(times[SU_BENCH_FFN_NORM].flops == 2 * su_bench_cost_layer_norm(1, 24).flops);
    assert_true(times[SU_BENCH_ATTENTION].flops == 2 * 2 * count_matmul(3, 3, 8));
    su_bench_shims_reset();
    su_bench_shims_read(times);
    assert_int_equal(times[SU_BENCH_QKV].calls, 0);
}

/* ---- texts ---- */

static void test_texts(void **state)
{
    (void)state;
    SutraModel *model = NULL;
    SutraError err;
    SuTokenizerScratch *scratch = NULL;
    SuBenchTexts texts, again;
    uint32_t lengths[] = {2, 11, 40, 11, 17};
    assert_int_equal(sutra_model_open(MODEL, NULL, &model, &err), SUTRA_OK);
    assert_int_equal(su_bench_texts_create(model->tokenizer, lengths, 5, 3, &texts, &err),
                     SUTRA_OK);
    assert_int_equal(su_bench_texts_create(model->tokenizer, lengths, 5, 3, &again, &err),
                     SUTRA_OK);
    assert_int_equal(su_tokenizer_scratch_create(&scratch, &err), SUTRA_OK);
    for (size_t i = 0; i < 5; i++) {
        SuEncoding encoding;
        SuEncodeRequest request = {.text = texts.inputs[i].text,
                                   .text_size = texts.inputs[i].text_size};
        assert_int_equal(su_tokenizer_encode(model->tokenizer, scratch, &request, &encoding, &err),
                         SUTRA_OK);
        assert_int_equal(encoding.num_tokens, lengths[i]);
        assert_int_equal(texts.inputs[i].text_size, again.inputs[i].text_size);
        assert_memory_equal(texts.inputs[i].text, again.inputs[i].text, texts.inputs[i].text_size);
    }
    bool same = texts.inputs[1].text_size == texts.inputs[3].text_size &&
                memcmp(texts.inputs[1].text, texts.inputs[3].text, texts.inputs[1].text_size) == 0;
    assert_false(same);
    su_tokenizer_scratch_free(scratch);
    su_bench_texts_free(&texts);
    su_bench_texts_free(&again);
    sutra_model_free(model);
}

/* ---- samples ---- */

static void count_call(void *arg, uint32_t rank) { ((size_t *)arg)[rank * 16]++; }

static void test_sampler(void **state)
{
    (void)state;
    SuBenchSampler sampler;
    SutraError err;
    size_t calls[32] = {0};
    assert_int_equal(su_bench_sampler_create(&sampler, su_isa_detect(), 2, true, 4096, &err),
                     SUTRA_OK);
    SuBenchSample sample = su_bench_sample(&sampler, count_call, calls, 7);
    assert_int_equal(calls[0], 7);
    assert_int_equal(calls[16], 7);
    assert_true(isfinite(sample.calls_per_s) && sample.calls_per_s > 0 && sample.ran > 0);
    su_bench_sample_peak(&sampler);
    double first = sampler.peak;
    su_bench_sample_peak(&sampler);
    assert_true(isfinite(first) && first > 0 && sampler.peak >= first);
    assert_int_equal(sampler.peak_samples, 2);
    SuBenchBandwidth bandwidth = su_bench_bandwidth(4000);
    assert_true(bandwidth.floats * sizeof(float) >= 4000 && bandwidth.floats % 256 == 0);
    su_bench_sample_read(&sampler, &bandwidth);
    su_bench_sample_copy(&sampler, &bandwidth);
    assert_true(isfinite(bandwidth.read) && bandwidth.read > 0);
    assert_true(isfinite(bandwidth.copy) && bandwidth.copy > 0);
    su_bench_sampler_free(&sampler);
}

static void test_notes(void **state)
{
    (void)state;
    assert_string_equal(su_bench_note(0.5, 1), "");
    assert_string_equal(su_bench_note(1.05, 0.95), "");
    assert_non_null(strstr(su_bench_note(1.06, 1), "above its ceiling"));
    assert_non_null(strstr(su_bench_note(0.5, 0.8), "at once"));
    assert_non_null(strstr(su_bench_note(INFINITY, 1), "no ceiling"));
    double x[] = {5, 1, 4, 2, 3};
    assert_true(su_bench_quantile(x, 5, 0.5) == 3);
    assert_true(su_bench_quantile(x, 5, 0.99) == 5);
}

static void test_options(void **state)
{
    (void)state;
    SutraError err;
    SutraBenchReport *report = NULL;
    SutraBenchOptions options = {.struct_size = 0};
    SutraStatus (*const all[])(const SutraBenchOptions *, SutraBenchReport **, SutraError *) = {
        sutra_bench_throughput, sutra_bench_kernels, sutra_bench_breakdown, sutra_bench_ablation};
    for (size_t i = 0; i < 4; i++) {
        options = (SutraBenchOptions){0};
        assert_int_equal(all[i](NULL, &report, &err), SUTRA_E_ARGUMENT);
        assert_int_equal(all[i](&options, &report, &err), SUTRA_E_ABI);
        options.struct_size = sizeof options + 8;
        assert_int_equal(all[i](&options, &report, &err), SUTRA_E_ABI);
        options.struct_size = sizeof options;
        options.num_inputs = 1;
        assert_int_equal(all[i](&options, &report, &err), SUTRA_E_ARGUMENT);
        options.num_inputs = 0;
        options.num_threads = 5000;
        assert_int_equal(all[i](&options, &report, &err), SUTRA_E_ARGUMENT);
        options.num_threads = 1;
        options.model = "missing";
        assert_int_equal(all[i](&options, &report, &err), SUTRA_E_IO);
        options.model = NULL;
        if (i != 1) assert_int_equal(all[i](&options, &report, &err), SUTRA_E_ARGUMENT);
        assert_null(report);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gemm),    cmocka_unit_test(test_attention),
        cmocka_unit_test(test_rows),    cmocka_unit_test(test_text),
        cmocka_unit_test(test_shims),   cmocka_unit_test(test_texts),
        cmocka_unit_test(test_sampler), cmocka_unit_test(test_notes),
        cmocka_unit_test(test_options),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
