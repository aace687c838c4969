/* Equal bytes for equal texts: whatever else is in the batch, in any order, on any number of
 * threads, with any batch size, as a wide or a team request, and in fp32 and fp16 on every ISA. Lengths
 * cross every tile and block edge of the kernels. */
#include "base/cpu_features.h"
#include "support/tiny_model.h"
#include "sutra.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { NUM_TEXTS = 60, MAX_LENGTH = 300 };

/* Under a sanitizer the numbers of threads and batch sizes that differ most; under ThreadSanitizer,
 * which sees nothing in how a kernel computes, the precisions whose loops over threads differ. */
#if defined __SANITIZE_THREAD__
static const uint32_t thread_counts[] = {3};
static const uint64_t batch_sizes[] = {64, 1000};
static const SutraCompute computes[] = {SUTRA_COMPUTE_FP32, SUTRA_COMPUTE_INT8};
#else
#if defined __SANITIZE_ADDRESS__
static const uint32_t thread_counts[] = {1, 5};
static const uint64_t batch_sizes[] = {64, 1000};
#else
static const uint32_t thread_counts[] = {1, 2, 3, 5};
static const uint64_t batch_sizes[] = {64, 256, 1000};
#endif
static const SutraCompute computes[] = {SUTRA_COMPUTE_FP32, SUTRA_COMPUTE_BF16, SUTRA_COMPUTE_FP16,
                                        SUTRA_COMPUTE_INT8};
#endif

static const uint32_t lengths[] = {1,   2,   5,   6,   7,   8,   11,  12,  13,  15,  16,
                                   17,  23,  24,  25,  31,  32,  33,  47,  48,  49,  60,
                                   63,  64,  65,  66,  95,  96,  97,  127, 128, 129, 130,
                                   191, 192, 193, 255, 256, 257, 288, 299, 300};

typedef struct Corpus {
    int32_t ids[NUM_TEXTS][MAX_LENGTH];
    SutraInput inputs[NUM_TEXTS];
} Corpus;

static Corpus *make_corpus(uint32_t seed)
{
    Corpus *corpus = calloc(1, sizeof *corpus);
    uint32_t random = seed * 7919 + 1;
    for (int i = 0; i < NUM_TEXTS; i++) {
        uint32_t n = lengths[i % (int)(sizeof lengths / sizeof *lengths)];
        for (uint32_t t = 0; t < n; t++)
            corpus->ids[i][t] = (int32_t)(tiny_random(&random) % TINY_VOCAB_SIZE);
        corpus->inputs[i].token_ids = corpus->ids[i];
        corpus->inputs[i].num_token_ids = n;
    }
    return corpus;
}

static SutraEngine *make_engine(uint32_t threads, uint64_t batch_tokens)
{
    SutraEngineOptions options = {
        .struct_size = sizeof options, .num_threads = threads, .max_batch_tokens = batch_tokens};
    SutraEngine *engine;
    SutraError err;
    assert_int_equal(sutra_engine_create(&options, &engine, &err), SUTRA_OK);
    return engine;
}

static void embed(SutraEngine *engine, const SutraModel *model, const SutraInput *inputs, size_t n,
                  float *out)
{
    SutraModelInfo info = {.struct_size = sizeof info};
    SutraError err = {0};
    assert_int_equal(sutra_model_info(model, &info, &err), SUTRA_OK);
    SutraStatus status = sutra_embed_into(engine, model, inputs, n, NULL, out,
                                          n * info.hidden_size * sizeof *out, NULL, &err);
    if (status != SUTRA_OK) print_error("%s\n", err.message);
    assert_int_equal(status, SUTRA_OK);
}

/* Each text alone on one thread: what every other way must equal. */
static float *embed_alone(const SutraModel *model, const Corpus *corpus, uint32_t hidden)
{
    float *out = calloc((size_t)NUM_TEXTS * hidden, sizeof *out);
    SutraEngine *engine = make_engine(1, 0);
    for (int i = 0; i < NUM_TEXTS; i++)
        embed(engine, model, &corpus->inputs[i], 1, out + (size_t)i * hidden);
    sutra_engine_free(engine);
    return out;
}

static void check_subsets(SutraEngine *engine, const SutraModel *model, const Corpus *corpus,
                          const float *expected, uint32_t hidden, uint32_t *random)
{
    SutraInput inputs[NUM_TEXTS];
    int index[NUM_TEXTS];
    float *out = calloc((size_t)NUM_TEXTS * hidden, sizeof *out);
    for (int round = 0; round < 6; round++) {
        size_t n = round == 0 ? NUM_TEXTS : 1 + tiny_random(random) % (round < 3 ? 4 : NUM_TEXTS);
        for (size_t i = 0; i < n; i++) {
            index[i] = (int)(tiny_random(random) % NUM_TEXTS);
            inputs[i] = corpus->inputs[index[i]];
        }
        embed(engine, model, inputs, n, out);
        for (size_t i = 0; i < n; i++) {
            bool equal = memcmp(out + i * hidden, expected + (size_t)index[i] * hidden,
                                hidden * sizeof *out) == 0;
            if (!equal) print_error("text %d at place %zu of %zu differs\n", index[i], i, n);
            assert_true(equal);
        }
    }
    free(out);
}

static void check_model(const TinyModel *shape, SutraCompute compute)
{
    char *path = tiny_model_write(shape);
    SutraError err = {0};
    SutraModel *model;
    SutraModelOptions options = {.struct_size = sizeof options, .compute = compute};
    SutraStatus status = sutra_model_open(path, &options, &model, &err);
    if (status != SUTRA_OK) print_error("%s\n", err.message);
    assert_int_equal(status, SUTRA_OK);
    Corpus *corpus = make_corpus(shape->seed);
    float *expected = embed_alone(model, corpus, shape->hidden_size);
    uint32_t random = 12345 + shape->seed;
    for (size_t t = 0; t < sizeof thread_counts / sizeof *thread_counts; t++) {
        for (size_t b = 0; b < sizeof batch_sizes / sizeof *batch_sizes; b++) {
            SutraEngine *engine = make_engine(thread_counts[t], batch_sizes[b]);
            check_subsets(engine, model, corpus, expected, shape->hidden_size, &random);
            sutra_engine_free(engine);
        }
    }
    free(expected);
    free(corpus);
    sutra_model_free(model);
    tiny_model_remove(path);
}

static void test_batch_composition(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof computes / sizeof *computes; i++) {
        check_model(&(TinyModel){64, 2, 2, 160, 512, NULL, 1}, computes[i]);
        /* head size 8, widths that fill no panel */
        check_model(&(TinyModel){48, 6, 1, 72, 300, "relu", 2}, computes[i]);
        check_model(&(TinyModel){72, 1, 1, 100, 300, "gelu_new", 3},
                    computes[i]); /* head size 72 */
    }
}

#ifndef __SANITIZE_THREAD__ /* on one thread */
static void check_isa(SutraCompute compute)
{
    SutraModelOptions options = {.struct_size = sizeof options, .compute = compute};
    TinyModel shape = {96, 3, 2, 200, 300, NULL, 4};
    char *path = tiny_model_write(&shape);
    Corpus *corpus = make_corpus(4);
    float *expected = NULL;
    for (int isa = SU_ISA_SCALAR; isa < SU_ISA_COUNT; isa++) {
        if (!su_isa_available((SuIsa)isa)) continue;
        assert_int_equal(setenv("SUTRA_ISA", su_isa_name((SuIsa)isa), 1), 0);
        SutraModel *model;
        assert_int_equal(sutra_model_open(path, &options, &model, NULL), SUTRA_OK);
        float *out = embed_alone(model, corpus, shape.hidden_size);
        if (!expected)
            expected = out;
        else
            assert_memory_equal(out, expected, NUM_TEXTS * shape.hidden_size * sizeof *out);
        if (out != expected) free(out);
        sutra_model_free(model);
    }
    unsetenv("SUTRA_ISA");
    free(expected);
    free(corpus);
    tiny_model_remove(path);
}

static void test_isa(void **state)
{
    (void)state;
    check_isa(SUTRA_COMPUTE_FP32);
    check_isa(SUTRA_COMPUTE_FP16);
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_batch_composition),
#ifndef __SANITIZE_THREAD__
        cmocka_unit_test(test_isa),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
