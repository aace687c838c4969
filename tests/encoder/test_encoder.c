/* The encoder below the engine: windows and causal masks against a reference in double, the rows that
 * cls and last pooling read against all rows, and texts of thousands of tokens. */
#include "base/thread_pool.h"
#include "random_encoder.h"
#include "support/tiny_model.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_SEQS = 16 };

/* Where loops over levels begin: threads do the same on all of them, some of which take minutes under
 * ThreadSanitizer. */
static int first_level(void)
{
#ifdef __SANITIZE_THREAD__
    return (int)su_isa_detect();
#else
    return SU_ISA_SCALAR;
#endif
}

/* One run: ragged texts, and where their results lie. */
typedef struct Run {
    SutraBatch batch;
    int32_t *ids;
    uint32_t cu_seqlens[MAX_SEQS + 1], prompt_len[MAX_SEQS];
    uint8_t numeric_error[MAX_SEQS];
} Run;

static void make_run(Run *run, const uint32_t *lengths, uint32_t n, uint32_t dim, uint32_t seed)
{
    uint32_t random = seed + 1;
    *run = (Run){0};
    uint32_t longest = 0;
    for (uint32_t i = 0; i < n; i++) {
        run->cu_seqlens[i + 1] = run->cu_seqlens[i] + lengths[i];
        if (lengths[i] > longest) longest = lengths[i];
    }
    run->ids = malloc(run->cu_seqlens[n] * sizeof *run->ids);
    for (uint32_t t = 0; t < run->cu_seqlens[n]; t++)
        run->ids[t] = (int32_t)(tiny_random(&random) % RANDOM_VOCAB);
    run->batch = (SutraBatch){.struct_size = sizeof run->batch,
                              .num_seqs = n,
                              .num_tokens = run->cu_seqlens[n],
                              .max_seqlen = longest,
                              .token_ids = run->ids,
                              .cu_seqlens = run->cu_seqlens,
                              .prompt_len = run->prompt_len,
                              .output = SUTRA_OUT_TOKENS,
                              .dtype = SUTRA_F32,
                              .dim = dim,
                              .pooling = SUTRA_POOL_MEAN,
                              .numeric_error = run->numeric_error};
}

static SuEncoder *make_encoder_of(const RandomEncoder *random, SuIsa isa,
                                  const SuLinearRecipe *recipes)
{
    SuEncoder *encoder = NULL;
    SutraError err = {0};
    SutraStatus status = su_encoder_create(&random->spec, random->tensors, random->num_tensors, isa,
                                           recipes, &encoder, &err);
    if (status != SUTRA_OK) print_error("%s\n", err.message);
    assert_int_equal(status, SUTRA_OK);
    return encoder;
}

static SuEncoder *make_encoder(const RandomEncoder *random, SuIsa isa)
{
    return make_encoder_of(random, isa, NULL);
}

/* The rows that the run gives; freed by the caller. */
static float *run_encoder(const SuEncoder *encoder, const SutraBatch *batch)
{
    SuEncoderContext *context = NULL;
    uint32_t team = batch->team ? batch->team->size : 1;
    size_t rows = batch->output == SUTRA_OUT_TOKENS ? batch->num_tokens : batch->num_seqs;
    size_t bytes = rows * batch->dim * sizeof(float);
    assert_int_equal(su_encoder_context_create(encoder, batch->num_tokens, batch->num_seqs, team,
                                               &context, NULL),
                     SUTRA_OK);
    su_encoder_run(context, batch);
    float *out = malloc(bytes);
    memcpy(out, context->qkv, bytes);
    su_encoder_context_free(context);
    return out;
}

/* Largest difference of a row, relative to the length of the row. */
static double largest_error(const float *x, const double *expected, size_t rows, size_t n)
{
    double largest = 0;
    for (size_t i = 0; i < rows; i++, x += n, expected += n) {
        double difference = 0, length = 0;
        for (size_t j = 0; j < n; j++) {
            double d = (double)x[j] - expected[j];
            difference += d * d;
            length += expected[j] * expected[j];
        }
        if (!(sqrt(difference / length) <= largest)) largest = sqrt(difference / length);
    }
    return largest;
}

static void check_against_naive(const SutraSpec *spec, uint32_t seed)
{
    static const uint32_t lengths[] = {1, 2, 63, 64, 65, 130, 200, 7};
    enum { N = sizeof lengths / sizeof *lengths };
    RandomEncoder random;
    Run run;
    random_encoder_fill(&random, spec, seed);
    make_run(&run, lengths, N, spec->hidden_size, seed);
    double *expected = malloc((size_t)run.batch.num_tokens * spec->hidden_size * sizeof *expected);
    for (size_t i = 0; i < N; i++)
        naive_encoder_run(&random, run.ids + run.cu_seqlens[i], lengths[i],
                          expected + (size_t)run.cu_seqlens[i] * spec->hidden_size);
    for (int isa = first_level(); isa < SU_ISA_COUNT; isa++) {
        if (!su_isa_available((SuIsa)isa)) continue;
        SuEncoder *encoder = make_encoder(&random, (SuIsa)isa);
        float *out = run_encoder(encoder, &run.batch);
        double error = largest_error(out, expected, run.batch.num_tokens, spec->hidden_size);
        if (!(error < 4e-6))
            print_error("seed %u: error %g on %s\n", seed, error, su_isa_name((SuIsa)isa));
        assert_true(error < 4e-6);
        free(out);
        su_encoder_free(encoder);
    }
    free(expected);
    free(run.ids);
    random_encoder_free(&random);
}

static void test_windows(void **state)
{
    (void)state;
    static const uint32_t windows[][3] = {{0, 0, 0}, {3, 0, 64}, {1, 127, 5}};
    SutraSpec spec = {.num_layers = 3,
                      .hidden_size = 64,
                      .num_heads = 2,
                      .head_size = 32,
                      .ffn_size = 96,
                      .max_positions = 200};
    check_against_naive(&spec, 1);
    for (size_t i = 0; i < 3; i++) {
        spec.window = windows[i];
        for (spec.causal = 0; spec.causal < 2; spec.causal++)
            check_against_naive(&spec, 2 + (uint32_t)i);
    }
}

/* Positions that begin late and leave out tokens of padding; a bias by distance; both in windows. */
static void test_positions(void **state)
{
    (void)state;
    static const uint32_t windows[] = {0, 70};
    SutraSpec spec = {.num_layers = 2,
                      .hidden_size = 64,
                      .num_heads = 2,
                      .head_size = 32,
                      .ffn_size = 96,
                      .position_offset = 2,
                      .max_positions = 202};
    check_against_naive(&spec, 41);
    spec.relative_buckets = 32;
    spec.relative_distance = 128;
    check_against_naive(&spec, 42);
    spec.window = windows;
    check_against_naive(&spec, 43);
}

/* Pre-norm without a first norm, RoPE of two bases with windows, gated, without biases (ModernBERT);
 * post-norm with RoPE and SiLU, some biases (Nomic, GTE); ALiBi (Jina). */
static void test_parts(void **state)
{
    (void)state;
    static const uint32_t windows[] = {0, 64, 3};
    static const float bases[] = {160000.0f, 10000.0f, 10000.0f};
    SutraSpec spec = {.num_layers = 3,
                      .hidden_size = 64,
                      .num_heads = 2,
                      .head_size = 32,
                      .ffn_size = 76,
                      .gated = 1,
                      .position = SUTRA_POSITION_ROPE,
                      .rope_base = bases,
                      .rope_divisor = 1,
                      .window = windows,
                      .max_positions = 200};
    check_against_naive(&spec, 61);
    spec.activation = SUTRA_ACT_SILU;
    spec.without_bias = SUTRA_BIAS_QKV | SUTRA_BIAS_FFN_UP;
    spec.rope_divisor = 1.75f;
    check_against_naive(&spec, 62);
    spec.activation = 0;
    spec.norm = SUTRA_NORM_PRE;
    check_against_naive(&spec, 63);
    spec.bare_start = 1;
    spec.without_bias = SUTRA_BIAS_ALL;
    check_against_naive(&spec, 64);
    spec.gated = 0;
    spec.num_heads = 5; /* heads wider than the hidden size, and halves that fill no vector */
    spec.head_size = 24;
    check_against_naive(&spec, 65);
    spec.position = SUTRA_POSITION_ALIBI;
    spec.num_heads = 6;
    spec.norm = SUTRA_NORM_POST;
    spec.bare_start = 0;
    check_against_naive(&spec, 66);
}

/* ---- rows that are read ---- */

static void run_pool(void *self, void (*body)(void *arg, uint32_t rank), void *arg)
{
    su_thread_pool_run(self, su_thread_pool_size(self), body, arg);
}

static void check_read_rows(const SuEncoder *encoder, Run *run, const float *tokens,
                            const SutraTeam *team)
{
    static const SutraPooling poolings[] = {SUTRA_POOL_CLS, SUTRA_POOL_LAST};
    size_t hidden = encoder->spec.hidden_size;
    for (size_t p = 0; p < 2; p++)
        for (uint32_t prompt = 0; prompt < 4; prompt += 3) {
            SutraBatch batch = run->batch;
            batch.output = SUTRA_OUT_POOLED;
            batch.pooling = poolings[p];
            batch.team = team;
            for (uint32_t i = 0; i < batch.num_seqs; i++) run->prompt_len[i] = prompt;
            float *out = run_encoder(encoder, &batch);
            for (uint32_t i = 0; i < batch.num_seqs; i++) {
                uint32_t begin = run->cu_seqlens[i], n = run->cu_seqlens[i + 1] - begin;
                uint32_t first = prompt < n ? prompt : n - 1;
                size_t row = begin + (poolings[p] == SUTRA_POOL_CLS ? first : n - 1);
                assert_memory_equal(out + i * hidden, tokens + row * hidden, hidden * sizeof *out);
            }
            free(out);
        }
}

static void check_reading(const SutraSpec *spec, uint32_t seed)
{
    static const uint32_t lengths[] = {40, 1, 2, 3, 129, 64, 1, 17};
    RandomEncoder random;
    Run run;
    SuThreadPool *pool;
    assert_int_equal(su_thread_pool_create(3, &pool, NULL), SUTRA_OK);
    SutraTeam team = {.size = 3, .run = run_pool, .self = pool};
    random_encoder_fill(&random, spec, seed);
    make_run(&run, lengths, 8, spec->hidden_size, seed);
    for (int isa = first_level(); isa < SU_ISA_COUNT; isa++) {
        if (!su_isa_available((SuIsa)isa)) continue;
        SuEncoder *encoder = make_encoder(&random, (SuIsa)isa);
        float *tokens = run_encoder(encoder, &run.batch);
        check_read_rows(encoder, &run, tokens, NULL);
        check_read_rows(encoder, &run, tokens, &team);
        free(tokens);
        su_encoder_free(encoder);
    }
    free(run.ids);
    random_encoder_free(&random);
    su_thread_pool_free(pool);
}

static void test_read_rows(void **state)
{
    (void)state;
    static const float bases[] = {10000, 500};
    static const uint32_t sides[] = {0, 3};
    const SutraSpec modern = {.num_layers = 2,
                              .hidden_size = 64,
                              .num_heads = 2,
                              .head_size = 32,
                              .ffn_size = 88,
                              .gated = 1,
                              .norm = SUTRA_NORM_PRE,
                              .bare_start = 1,
                              .without_bias = SUTRA_BIAS_ALL,
                              .position = SUTRA_POSITION_ROPE,
                              .rope_base = bases,
                              .rope_divisor = 1,
                              .window = sides,
                              .max_positions = 200};
    static const uint32_t windows[] = {0, 2};
    SutraSpec spec = {.num_layers = 2,
                      .hidden_size = 64,
                      .num_heads = 2,
                      .head_size = 32,
                      .ffn_size = 160,
                      .max_positions = 200};
    check_reading(&spec, 5);
    spec.window = windows;
    check_reading(&spec, 6);
    spec.causal = 1;
    check_reading(&spec, 7);
    spec.num_heads = 8; /* heads that fill no panel */
    spec.head_size = 8;
    check_reading(&spec, 8);
    spec.num_heads = 3; /* q that ends inside a panel */
    spec.head_size = 24;
    check_reading(&spec, 9);
    spec.position_offset = 1;
    spec.max_positions = 201;
    spec.relative_buckets = 32;
    spec.relative_distance = 128;
    check_reading(&spec, 10);
    spec = modern;
    check_reading(&spec, 11);
    spec.window = NULL;
    spec.norm = SUTRA_NORM_POST;
    spec.bare_start = 0;
    check_reading(&spec, 12);
}

/* ---- formats ---- */

enum { MAX_LINEARS = 4 * SU_LAYER_LINEARS };

/* Formats of the linears: below SU_FORMAT_COUNT all alike, else mixed so that each follows each. */
static void make_recipes(SuLinearRecipe recipes[MAX_LINEARS], int kind, const float *factor)
{
    static const int mixed[] = {0, 1, 2, 1, 3, 0, 1, 3, 1, 2, 3, 2, 2, 0, 0, 3};
    for (size_t i = 0; i < MAX_LINEARS; i++) {
        recipes[i] =
            (SuLinearRecipe){.format = (SuFormat)(kind < SU_FORMAT_COUNT ? kind : mixed[i % 16])};
        if (kind == SU_FORMAT_COUNT + 1) /* int8 with factors */
            recipes[i] = (SuLinearRecipe){.format = SU_FORMAT_INT8, .factor = factor};
    }
}

/* The same rows on every level, but for what linears of bf16 read and attention in bf16; alone or beside others, by one
 * thread or three; packed again where they lie; and near the vectors of fp32. */
static void check_formats(const SutraSpec *spec, int kind, uint32_t seed, const SutraTeam *team)
{
    static const uint32_t lengths[] = {40, 1, 2, 130, 64, 17};
    RandomEncoder random;
    Run run;
    SuLinearRecipe recipes[MAX_LINEARS];
    float factor[512];
    for (size_t i = 0; i < 512; i++) factor[i] = 0.5f + 0.01f * (float)(i % 100);
    make_recipes(recipes, kind, factor);
    random_encoder_fill(&random, spec, seed);
    make_run(&run, lengths, 6, spec->hidden_size, seed);
    SuEncoder *exact = make_encoder(&random, su_isa_detect());
    float *reference = run_encoder(exact, &run.batch);
    size_t count = (size_t)run.batch.num_tokens * spec->hidden_size;
    double *wanted = malloc(count * sizeof *wanted);
    float *firsts[10] = {NULL}; /* of levels that give the same bits */
    for (size_t i = 0; i < count; i++) wanted[i] = (double)reference[i];
    for (int isa = first_level(); isa < SU_ISA_COUNT; isa++) {
        if (!su_isa_available((SuIsa)isa)) continue;
        SuEncoder *encoder = make_encoder_of(&random, (SuIsa)isa, recipes), *attached = NULL;
        bool has_bf16 = kind == SU_FORMAT_BF16 || kind == SU_FORMAT_COUNT;
        float **first =
            &firsts[(has_bf16 ? encoder->kernels.gemm_bf16.a_size : 0) +
                    (encoder->kernels.attention_bf16.run && kind != SU_FORMAT_F16 ? 5 : 0)];
        float *out = run_encoder(encoder, &run.batch);
        double error = largest_error(out, wanted, run.batch.num_tokens, spec->hidden_size);
        if (!(error < 0.1)) print_error("kind %d: error %g\n", kind, error);
        assert_true(error < (kind == SU_FORMAT_F16 ? 0.004 : 0.1) &&
                    (error > 1e-5 || kind == SU_FORMAT_F32));
        if (!*first) *first = out;
        assert_memory_equal(out, *first, count * sizeof *out);
        SutraBatch batch = run.batch;
        batch.team = team;
        float *shared = run_encoder(encoder, &batch);
        assert_memory_equal(out, shared, count * sizeof *out);
        assert_int_equal(su_encoder_attach(&random.spec, random.tensors, random.num_tensors,
                                           (SuIsa)isa, encoder->packed, encoder->packed_size,
                                           &attached, NULL),
                         SUTRA_OK);
        float *again = run_encoder(attached, &run.batch);
        assert_memory_equal(out, again, count * sizeof *out);
        check_read_rows(encoder, &run, out, team);
        for (uint32_t i = 0; i < run.batch.num_seqs; i++) {
            Run alone;
            uint32_t begin = run.cu_seqlens[i];
            make_run(&alone, &lengths[i], 1, spec->hidden_size, seed);
            memcpy(alone.ids, run.ids + begin, lengths[i] * sizeof *alone.ids);
            float *one = run_encoder(encoder, &alone.batch);
            assert_memory_equal(one, out + (size_t)begin * spec->hidden_size,
                                lengths[i] * spec->hidden_size * sizeof *one);
            free(one), free(alone.ids);
        }
        free(shared), free(again);
        if (out != *first) free(out);
        su_encoder_free(attached);
        su_encoder_free(encoder);
    }
    for (int i = 0; i < 10; i++) free(firsts[i]);
    free(reference), free(wanted), free(run.ids);
    su_encoder_free(exact);
    random_encoder_free(&random);
}

static void test_formats(void **state)
{
    (void)state;
    static const float bases[] = {10000, 500, 500, 10000};
    static const uint32_t windows[] = {0, 64, 3, 0};
    SutraSpec spec = {.num_layers = 4,
                      .hidden_size = 64,
                      .num_heads = 2,
                      .head_size = 32,
                      .ffn_size = 160,
                      .max_positions = 200};
    SuThreadPool *pool;
    assert_int_equal(su_thread_pool_create(3, &pool, NULL), SUTRA_OK);
    SutraTeam team = {.size = 3, .run = run_pool, .self = pool};
    for (int kind = 0; kind < SU_FORMAT_COUNT + 2; kind++)
        check_formats(&spec, kind, 20 + (uint32_t)kind, &team);
    spec.hidden_size = 72; /* rows, and heads, that fill nothing */
    spec.num_heads = 3;
    spec.head_size = 24;
    spec.ffn_size = 100;
    for (int kind = 1; kind < SU_FORMAT_COUNT + 2; kind++)
        check_formats(&spec, kind, 30 + (uint32_t)kind, &team);
    spec.relative_buckets = 32;
    spec.relative_distance = 128;
    for (int kind = 1; kind < SU_FORMAT_COUNT + 2; kind++)
        check_formats(&spec, kind, 50 + (uint32_t)kind, &team);
    spec.relative_buckets = 0;
    spec.norm = SUTRA_NORM_PRE; /* ModernBERT; heads for attention in bf16 */
    spec.bare_start = spec.gated = 1;
    spec.without_bias = SUTRA_BIAS_ALL;
    spec.position = SUTRA_POSITION_ROPE;
    spec.rope_base = bases;
    spec.rope_divisor = 1;
    spec.window = windows;
    spec.head_size = 32;
    for (int kind = 1; kind < SU_FORMAT_COUNT + 2; kind++)
        check_formats(&spec, kind, 70 + (uint32_t)kind, &team);
    su_thread_pool_free(pool);
}

/* A packed block whose table of linears is damaged is refused, whatever the damage. */
static void test_damaged_linears(void **state)
{
    (void)state;
    SutraSpec spec = {.num_layers = 1,
                      .hidden_size = 64,
                      .num_heads = 2,
                      .head_size = 32,
                      .ffn_size = 64,
                      .max_positions = 200};
    static const struct {
        size_t at;
        uint32_t value;
    } damages[] = {{0, 0},           {0, SU_LAYOUT_END}, {4, 2},    {8, 0x7fc00000u},
                   {8, 0xbf800000u}, {8, 0x7f800000u},   {12, 256}, {12, 0xffffffffu}};
    RandomEncoder random;
    SuLinearRecipe recipes[MAX_LINEARS];
    make_recipes(recipes, SU_FORMAT_INT8, NULL);
    random_encoder_fill(&random, &spec, 40);
    SuEncoder *encoder = make_encoder_of(&random, SU_ISA_SCALAR, recipes), *attached = NULL;
    unsigned char *block = su_alloc_aligned(encoder->packed_size);
    for (size_t i = 0; i < sizeof damages / sizeof *damages; i++)
        for (size_t linear = 0; linear < SU_LAYER_LINEARS; linear++) {
            memcpy(block, encoder->packed, encoder->packed_size);
            memcpy(block + 16 * linear + damages[i].at, &damages[i].value, sizeof(uint32_t));
            assert_int_equal(su_encoder_attach(&random.spec, random.tensors, random.num_tensors,
                                               SU_ISA_SCALAR, block, encoder->packed_size,
                                               &attached, NULL),
                             SUTRA_E_FORMAT);
        }
    assert_int_equal(su_encoder_attach(&random.spec, random.tensors, random.num_tensors,
                                       SU_ISA_SCALAR, encoder->packed, 63, &attached, NULL),
                     SUTRA_E_FORMAT);
    su_free_aligned(block);
    su_encoder_free(encoder);
    random_encoder_free(&random);
}

/* Layout ids of linears, as they stand in files. */
static void test_layouts_are_told_apart(void **state)
{
    (void)state;
    SutraSpec spec = {.num_layers = 1,
                      .hidden_size = 64,
                      .num_heads = 2,
                      .head_size = 32,
                      .ffn_size = 64,
                      .max_positions = 200};
    static const uint32_t own[SU_FORMAT_COUNT] = {2, 4, 5, 6}; /* of plain C */
    RandomEncoder random;
    SuLinearRecipe recipes[MAX_LINEARS];
    random_encoder_fill(&random, &spec, 41);
    for (int kind = 0; kind < SU_FORMAT_COUNT; kind++) {
        SutraError err = {0};
        SuEncoder *attached = NULL;
        make_recipes(recipes, kind, NULL);
        SuEncoder *encoder = make_encoder_of(&random, SU_ISA_SCALAR, recipes);
        unsigned char *block = su_alloc_aligned(encoder->packed_size);
        for (uint32_t layout = 1; layout < SU_LAYOUT_END; layout++) {
            memcpy(block, encoder->packed, encoder->packed_size);
            for (size_t i = 0; i < SU_LAYER_LINEARS; i++) {
                assert_memory_equal(block + 16 * i, &own[kind], sizeof *own);
                memcpy(block + 16 * i, &layout, sizeof layout);
            }
            SutraStatus status =
                su_encoder_attach(&random.spec, random.tensors, random.num_tensors, SU_ISA_SCALAR,
                                  block, encoder->packed_size, &attached, &err);
            /* two of equal panels and bytes: the id alone says which it is */
            bool halves = (layout == SU_LAYOUT_F16_32 && kind == SU_FORMAT_BF16) ||
                          (layout == SU_LAYOUT_BF16_32 && kind == SU_FORMAT_F16);
            assert_int_equal(status == SUTRA_OK, halves || layout == own[kind]);
            if (status == SUTRA_OK)
                assert_int_equal(attached->layers[0].up.format, su_linear_format(layout));
            if (layout == SU_LAYOUT_F32_8 || layout == SU_LAYOUT_F32_32) {
                assert_int_equal(status, SUTRA_E_UNSUPPORTED);
                assert_string_equal(err.message, layout == SU_LAYOUT_F32_8 ? "f32_8, not f32_16"
                                                                           : "f32_32, not f32_16");
            }
            su_encoder_free(attached);
        }
        su_free_aligned(block);
        su_encoder_free(encoder);
    }
    random_encoder_free(&random);
}

/* ---- long texts ---- */

/* With windows in all layers a token depends on layers x window neighbours: far from the ends, a text
 * of 8,192 tokens and a part of it give the same bytes. */
static void test_long_text(void **state)
{
    (void)state;
    enum { LENGTH = 8192, FIRST = 4096, PART = 640, WINDOW = 64, LAYERS = 2, HIDDEN = 64 };
    static const uint32_t windows[LAYERS] = {WINDOW, WINDOW}, length = LENGTH, part = PART;
    SutraSpec spec = {.num_layers = LAYERS,
                      .hidden_size = HIDDEN,
                      .num_heads = 2,
                      .head_size = 32,
                      .ffn_size = 96,
                      .position = SUTRA_POSITION_NONE,
                      .window = windows};
    RandomEncoder random;
    Run whole, cut;
    random_encoder_fill(&random, &spec, 10);
    make_run(&whole, &length, 1, HIDDEN, 10);
    make_run(&cut, &part, 1, HIDDEN, 10);
    memcpy(cut.ids, whole.ids + FIRST, PART * sizeof *cut.ids);
    SuEncoder *encoder = make_encoder(&random, su_isa_detect());
    float *all = run_encoder(encoder, &whole.batch), *some = run_encoder(encoder, &cut.batch);
    size_t margin = (size_t)LAYERS * WINDOW, inner = (PART - 2 * margin) * HIDDEN;
    assert_memory_equal(all + (FIRST + margin) * HIDDEN, some + margin * HIDDEN,
                        inner * sizeof *all);
    assert_memory_not_equal(all + FIRST * (size_t)HIDDEN, some, HIDDEN * sizeof *all);
    free(all), free(some), free(whole.ids), free(cut.ids);
    su_encoder_free(encoder);
    random_encoder_free(&random);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_windows),
                                       cmocka_unit_test(test_positions),
                                       cmocka_unit_test(test_parts),
                                       cmocka_unit_test(test_read_rows),
                                       cmocka_unit_test(test_formats),
                                       cmocka_unit_test(test_damaged_linears),
                                       cmocka_unit_test(test_layouts_are_told_apart),
                                       cmocka_unit_test(test_long_text)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
