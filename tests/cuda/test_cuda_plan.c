/* What the CUDA backend does before there is a device: where weights go, tables of positions, batches
 * as they are copied. The processor's encoder says what is right. */
#include "cuda_plan.h"

#include "batch/row_bytes.h"
#include "encoder/random_encoder.h"
#include "support/tiny_model.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const uint32_t windows[] = {0, 5, 2};
static const float bases[] = {10000, 160000, 10000};

/* Of each kind one; sizes are small and unlike. */
static const SutraSpec specs[] = {
    {.num_layers = 3,
     .hidden_size = 24,
     .num_heads = 3,
     .head_size = 8,
     .ffn_size = 40,
     .max_positions = 50,
     .position = SUTRA_POSITION_LEARNED},
    {.num_layers = 2,
     .hidden_size = 24,
     .num_heads = 2,
     .head_size = 16,
     .ffn_size = 40,
     .max_positions = 40,
     .position = SUTRA_POSITION_LEARNED,
     .position_offset = 2,
     .relative_buckets = 32,
     .relative_distance = 128},
    {.num_layers = 3,
     .hidden_size = 32,
     .num_heads = 2,
     .head_size = 16,
     .ffn_size = 24,
     .max_positions = 70,
     .position = SUTRA_POSITION_ROPE,
     .norm = SUTRA_NORM_PRE,
     .gated = 1,
     .bare_start = 1,
     .without_bias = SUTRA_BIAS_ALL,
     .window = windows,
     .rope_base = bases,
     .rope_divisor = 1},
    {.num_layers = 3,
     .hidden_size = 48,
     .num_heads = 6,
     .head_size = 8,
     .ffn_size = 40,
     .max_positions = 60,
     .position = SUTRA_POSITION_ALIBI,
     .gated = 1,
     .without_bias = SUTRA_BIAS_FFN_UP},
};
enum { NUM_SPECS = sizeof specs / sizeof *specs };

typedef struct Case {
    RandomEncoder random;
    SuCudaPlan plan;
    float *memory; /* [plan.bytes / 4] what the copies leave there, of fp32 */
} Case;

/* As the device does it, element by element; nothing is written twice. */
static void copy_all(Case *c)
{
    size_t count = c->plan.bytes / sizeof(float);
    c->memory = malloc(c->plan.bytes);
    for (size_t i = 0; i < count; i++) c->memory[i] = NAN;
    for (size_t i = 0; i < c->plan.num_copies; i++) {
        const SuCudaCopy *copy = &c->plan.copies[i];
        assert_int_equal(copy->type, SU_CUDA_F32);
        assert_int_equal(copy->offset % SU_CUDA_ALIGNMENT, 0);
        for (uint64_t e = 0; e < copy->rows * copy->columns; e++) {
            uint64_t row = copy->first + e / copy->columns * copy->step;
            size_t at = copy->offset / 4 + row * copy->columns + e % copy->columns;
            assert_true(at < count);
            assert_true(isnan(c->memory[at]));
            su_cuda_widen(copy->from, e, 1, c->memory + at);
        }
    }
}

static void make_case(Case *c, uint32_t i)
{
    SutraError err = {0};
    random_encoder_fill(&c->random, &specs[i], i + 1);
    if (su_cuda_plan_make(&c->plan, &c->random.spec, c->random.tensors, c->random.num_tensors,
                          SUTRA_COMPUTE_FP32, &err) != SUTRA_OK)
        fail_msg("%s", err.message);
    copy_all(c);
}

static void drop_case(Case *c)
{
    free(c->memory);
    su_cuda_plan_free(&c->plan);
    random_encoder_free(&c->random);
}

static const float *stored(const Case *c, SutraRole role, uint32_t layer)
{
    const float *found = random_encoder_find(&c->random, role, layer);
    if (!found) fail_msg("no role %d", (int)role);
    return found;
}

static void assert_rows(const Case *c, size_t offset, size_t first, size_t step, size_t rows,
                        size_t columns, const float *expected)
{
    assert_int_not_equal(offset, SU_CUDA_NONE);
    for (size_t r = 0; r < rows; r++)
        assert_memory_equal(c->memory + offset / 4 + (first + r * step) * columns,
                            expected + r * columns, columns * sizeof(float));
}

static void assert_linear(const Case *c, const SuCudaLinearPlan *linear, SutraRole weight,
                          uint32_t layer, size_t first, size_t step, size_t rows, uint32_t bias_bit)
{
    assert_rows(c, linear->weight, first, step, rows, linear->in, stored(c, weight, layer));
    if (c->random.spec.without_bias & bias_bit)
        assert_int_equal(linear->bias, SU_CUDA_NONE);
    else
        assert_rows(c, linear->bias, first, step, rows, 1,
                    stored(c, (SutraRole)(weight + 1), layer));
}

static void assert_norm(const Case *c, const SuCudaNormPlan *norm, SutraRole weight, uint32_t layer)
{
    assert_rows(c, norm->gamma, 0, 1, c->random.spec.hidden_size, 1, stored(c, weight, layer));
    if (c->random.spec.without_bias & SUTRA_BIAS_NORM)
        assert_int_equal(norm->beta, SU_CUDA_NONE);
    else
        assert_rows(c, norm->beta, 0, 1, c->random.spec.hidden_size, 1,
                    stored(c, (SutraRole)(weight + 1), layer));
}

static void assert_layer(const Case *c, uint32_t i)
{
    const SutraSpec *spec = &c->random.spec;
    const SuCudaLayerPlan *layer = &c->plan.layers[i];
    size_t width = (size_t)spec->num_heads * spec->head_size;
    assert_int_equal(layer->qkv.out, 3 * width);
    assert_linear(c, &layer->qkv, SUTRA_ROLE_QUERY_WEIGHT, i, 0, 1, width, SUTRA_BIAS_QKV);
    assert_linear(c, &layer->qkv, SUTRA_ROLE_KEY_WEIGHT, i, width, 1, width, SUTRA_BIAS_QKV);
    assert_linear(c, &layer->qkv, SUTRA_ROLE_VALUE_WEIGHT, i, 2 * width, 1, width, SUTRA_BIAS_QKV);
    assert_linear(c, &layer->attention_out, SUTRA_ROLE_ATTENTION_OUT_WEIGHT, i, 0, 1,
                  spec->hidden_size, SUTRA_BIAS_ATTENTION_OUT);
    assert_linear(c, &layer->up, SUTRA_ROLE_FFN_UP_WEIGHT, i, spec->gated, spec->gated + 1,
                  spec->ffn_size, SUTRA_BIAS_FFN_UP);
    if (spec->gated)
        assert_linear(c, &layer->up, SUTRA_ROLE_FFN_GATE_WEIGHT, i, 0, 2, spec->ffn_size,
                      SUTRA_BIAS_FFN_UP);
    assert_linear(c, &layer->down, SUTRA_ROLE_FFN_DOWN_WEIGHT, i, 0, 1, spec->hidden_size,
                  SUTRA_BIAS_FFN_DOWN);
    if (i == 0 && spec->bare_start)
        assert_int_equal(layer->attention_norm.gamma, SU_CUDA_NONE);
    else
        assert_norm(c, &layer->attention_norm, SUTRA_ROLE_ATTENTION_NORM_WEIGHT, i);
    assert_norm(c, &layer->ffn_norm, SUTRA_ROLE_FFN_NORM_WEIGHT, i);
    int32_t window = spec->window && spec->window[i] ? (int32_t)spec->window[i] : INT32_MAX;
    assert_int_equal(layer->before, window);
    assert_int_equal(layer->after, window);
    if (spec->rope_base) assert_true(c->plan.rope_base[layer->rope] == spec->rope_base[i]);
}

static void test_weights_are_where_the_plan_says(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < NUM_SPECS; i++) {
        Case c;
        make_case(&c, i);
        const SutraSpec *spec = &c.random.spec;
        assert_rows(&c, c.plan.token, 0, 1, spec->vocab_size, spec->hidden_size,
                    stored(&c, SUTRA_ROLE_TOKEN_EMBEDDING, 0));
        if (spec->position == SUTRA_POSITION_LEARNED)
            assert_rows(&c, c.plan.position, 0, 1, spec->max_positions, spec->hidden_size,
                        stored(&c, SUTRA_ROLE_POSITION_EMBEDDING, 0));
        else
            assert_int_equal(c.plan.position, SU_CUDA_NONE);
        assert_norm(&c, &c.plan.embedding_norm, SUTRA_ROLE_EMBEDDING_NORM_WEIGHT, 0);
        if (spec->norm == SUTRA_NORM_PRE)
            assert_norm(&c, &c.plan.final_norm, SUTRA_ROLE_FINAL_NORM_WEIGHT, 0);
        for (uint32_t layer = 0; layer < spec->num_layers; layer++) assert_layer(&c, layer);
        drop_case(&c);
    }
}

static void test_positions_are_those_of_the_processor(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < NUM_SPECS; i++) {
        Case c;
        make_case(&c, i);
        const SutraSpec *spec = &c.random.spec;
        assert_int_equal(c.plan.bias != SU_CUDA_NONE, su_spec_has_bias(spec));
        if (su_spec_has_bias(spec)) {
            size_t count = c.plan.spec.num_heads * c.plan.bias_row;
            float *ours = malloc(count * sizeof *ours), *theirs = malloc(count * sizeof *theirs);
            bool relative = spec->relative_buckets > 0;
            const float *buckets = relative ? stored(&c, SUTRA_ROLE_RELATIVE_BIAS, 0) : NULL;
            assert_int_equal(c.plan.bias_row, su_relative_bias_row(spec));
            su_cuda_spread_bias(&c.plan, buckets, ours);
            if (relative)
                su_relative_bias_spread(spec, buckets, theirs);
            else
                su_alibi_spread(spec, theirs);
            assert_memory_equal(ours, theirs, count * sizeof *ours);
            free(ours);
            free(theirs);
        }
        for (uint32_t rope = 0; rope < c.plan.num_ropes; rope++) {
            float frequencies[SU_CUDA_MAX_HEAD / 2], *turns;
            uint32_t half = spec->head_size / 2;
            turns = malloc((size_t)spec->max_positions * spec->head_size * sizeof *turns);
            su_rope_frequencies(spec, c.plan.rope_base[rope], frequencies);
            su_cuda_fill_turns(&c.plan, c.plan.rope_base[rope], spec->max_positions, turns);
            for (uint32_t p = 0; p < spec->max_positions; p++)
                for (uint32_t e = 0; e < half; e++) {
                    double angle = (double)((float)p * frequencies[e]);
                    assert_true(turns[p * 2 * half + e] == (float)cos(angle));
                    assert_true(turns[p * 2 * half + half + e] == (float)sin(angle));
                }
            free(turns);
        }
        drop_case(&c);
    }
}

static void test_stored_numbers_are_widened_exactly(void **state)
{
    (void)state;
    SuKernels kernels;
    su_kernels_init(&kernels, SU_ISA_SCALAR);
    for (uint32_t bits = 0; bits < 65536; bits++) {
        uint16_t half = (uint16_t)bits;
        for (uint32_t dtype = SUTRA_TENSOR_F16; dtype <= SUTRA_TENSOR_BF16; dtype++) {
            SutraTensor tensor = {.dtype = dtype, .data = &half, .size = 2};
            float ours, theirs;
            su_cuda_widen(&tensor, 0, 1, &ours);
            if (dtype == SUTRA_TENSOR_F16)
                kernels.widen_f16(&half, 1, &theirs);
            else
                kernels.widen_bf16(&half, 1, &theirs);
            if (!isnan(theirs) || !isnan(ours)) assert_memory_equal(&ours, &theirs, 4);
        }
    }
}

static void test_row_bytes(void **state)
{
    (void)state;
    for (uint32_t dim = 1; dim < 70; dim++)
        for (int dtype = SUTRA_F32; dtype <= SUTRA_UBINARY; dtype++)
            assert_int_equal(su_cuda_row_bytes((SutraDtype)dtype, dim),
                             su_row_bytes((SutraDtype)dtype, dim));
}

/* ---- what cannot be run ---- */

static void test_what_cannot_be_run_is_named(void **state)
{
    (void)state;
    static const uint32_t tiny_window[] = {0};
    const SutraSpec good = {.num_layers = 1,
                            .hidden_size = 16,
                            .num_heads = 2,
                            .num_kv_heads = 2,
                            .head_size = 8,
                            .ffn_size = 16,
                            .vocab_size = 9,
                            .max_positions = 9,
                            .activation = SUTRA_ACT_GELU_ERF,
                            .window = tiny_window};
    static const struct {
        size_t field;
        uint32_t value;
        const char *named;
    } rows[] = {
        {offsetof(SutraSpec, num_layers), 0, "static"},
        {offsetof(SutraSpec, position), SUTRA_POSITION_RELATIVE, "position scheme"},
        {offsetof(SutraSpec, position), SUTRA_POSITION_ROPE, "RoPE"},
        {offsetof(SutraSpec, position_offset), 9, "first position"},
        {offsetof(SutraSpec, relative_buckets), 6, "relative bias"},
        {offsetof(SutraSpec, norm_kind), SUTRA_NORM_RMS, "norms"},
        {offsetof(SutraSpec, bare_start), 1, "norms"},
        {offsetof(SutraSpec, without_bias), 1u << 9, "biases"},
        {offsetof(SutraSpec, gated), 2, "gated"},
        {offsetof(SutraSpec, num_experts), 2, "experts"},
        {offsetof(SutraSpec, num_kv_heads), 1, "key and value heads"},
        {offsetof(SutraSpec, head_size), 12, "head size 12"},
        {offsetof(SutraSpec, head_size), 264, "head size 264"},
        {offsetof(SutraSpec, hidden_size), 20, "hidden sizes"},
        {offsetof(SutraSpec, hidden_size), 16384, "hidden sizes"},
        {offsetof(SutraSpec, num_heads), 0, "heads"},
        {offsetof(SutraSpec, ffn_size), 12, "feed-forward"},
        {offsetof(SutraSpec, ffn_size), 1u << 31, "feed-forward"},
        {offsetof(SutraSpec, activation), SUTRA_ACT_SIGMOID, "activation"},
    };
    SutraError err = {0};
    assert_int_equal(su_cuda_check_spec(&good, SUTRA_COMPUTE_FP16, &err), SUTRA_OK);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        SutraSpec spec = good;
        memcpy((char *)&spec + rows[i].field, &rows[i].value, sizeof rows[i].value);
        err = (SutraError){0};
        assert_int_equal(su_cuda_check_spec(&spec, SUTRA_COMPUTE_FP16, &err), SUTRA_E_UNSUPPORTED);
        assert_int_equal(err.status, SUTRA_E_UNSUPPORTED);
        if (!strstr(err.message, rows[i].named))
            fail_msg("\"%s\" does not name \"%s\"", err.message, rows[i].named);
    }
    SutraSpec wide = good; /* 2^32 features: 0 in 32 bits */
    wide.num_heads = wide.num_kv_heads = 1u << 29;
    assert_int_equal(su_cuda_check_spec(&wide, SUTRA_COMPUTE_FP16, &err), SUTRA_E_UNSUPPORTED);
    assert_non_null(strstr(err.message, "536870912 of 8"));
    assert_int_equal(su_cuda_check_spec(&good, SUTRA_COMPUTE_INT8, &err), SUTRA_E_UNSUPPORTED);
    assert_int_equal(su_cuda_check_output(&good, SUTRA_OUT_SCORES, &err), SUTRA_E_UNSUPPORTED);
    assert_int_equal(su_cuda_check_output(&good, SUTRA_OUT_TOKENS, &err), SUTRA_OK);
}

/* A warp has a row of a norm in steps of eight; linears of heads are of any size. */
static void test_heads_of_odd_sizes(void **state)
{
    (void)state;
    SutraHead heads[] = {{SUTRA_HEAD_POOLING, 24, 24, SUTRA_POOL_MEAN},
                         {SUTRA_HEAD_DENSE, 24, 30, SUTRA_ACT_NONE},
                         {SUTRA_HEAD_NORM, 30, 30, 0}};
    SutraSpec spec = specs[0];
    SutraError err = {0};
    spec.num_kv_heads = spec.num_heads;
    spec.heads = heads;
    spec.num_heads_out = 2;
    assert_int_equal(su_cuda_check_spec(&spec, SUTRA_COMPUTE_FP32, &err), SUTRA_OK);
    spec.num_heads_out = 3;
    assert_int_equal(su_cuda_check_spec(&spec, SUTRA_COMPUTE_FP32, &err), SUTRA_E_UNSUPPORTED);
    assert_non_null(strstr(err.message, "from 30 to 30 features"));
    heads[1].out = heads[2].in = heads[2].out = 32;
    assert_int_equal(su_cuda_check_spec(&spec, SUTRA_COMPUTE_FP32, &err), SUTRA_OK);
}

static void test_missing_and_packed_weights(void **state)
{
    (void)state;
    RandomEncoder random;
    SuCudaPlan plan;
    random_encoder_fill(&random, &specs[2], 1);
    for (size_t i = 0; i < random.num_tensors; i++) {
        SutraError err = {0};
        SutraTensor kept = random.tensors[i];
        random.tensors[i].role = SUTRA_ROLE_COUNT;
        assert_int_equal(su_cuda_plan_make(&plan, &random.spec, random.tensors, random.num_tensors,
                                           SUTRA_COMPUTE_FP16, &err),
                         SUTRA_E_FORMAT);
        su_cuda_plan_free(&plan);
        random.tensors[i] = kept;
        random.tensors[i].shape[0]++;
        assert_int_equal(su_cuda_plan_make(&plan, &random.spec, random.tensors, random.num_tensors,
                                           SUTRA_COMPUTE_FP16, &err),
                         SUTRA_E_FORMAT);
        su_cuda_plan_free(&plan);
        random.tensors[i] = kept;
        random.tensors[i].role = SUTRA_ROLE_PACKED_CPU;
        assert_int_equal(su_cuda_plan_make(&plan, &random.spec, random.tensors, random.num_tensors,
                                           SUTRA_COMPUTE_FP16, &err),
                         SUTRA_E_UNSUPPORTED);
        assert_non_null(strstr(err.message, "folder"));
        su_cuda_plan_free(&plan);
        random.tensors[i] = kept;
    }
    random_encoder_free(&random);
}

/* ---- batches ---- */

enum { MOST_SEQS = 28, MOST_TOKENS = 2000 };

typedef struct Texts {
    SutraBatch batch;
    int32_t ids[MOST_TOKENS], types[MOST_TOKENS];
    uint32_t cu_seqlens[MOST_SEQS + 1], prompts[MOST_SEQS];
    float ranges[2 * 7];
} Texts;

static void random_texts(Texts *texts, const SutraSpec *spec, uint32_t *random)
{
    uint32_t seqs = 1 + tiny_random(random) % MOST_SEQS, longest = 0;
    uint32_t limit = spec->max_positions - spec->position_offset;
    texts->cu_seqlens[0] = 0;
    for (uint32_t i = 0; i < seqs; i++) {
        uint32_t length = 1 + tiny_random(random) % limit;
        if (length > longest) longest = length;
        texts->cu_seqlens[i + 1] = texts->cu_seqlens[i] + length;
        texts->prompts[i] = tiny_random(random) % (2 * length);
    }
    uint32_t tokens = texts->cu_seqlens[seqs];
    assert_true(tokens <= MOST_TOKENS);
    for (uint32_t t = 0; t < tokens; t++) {
        texts->ids[t] = (int32_t)(tiny_random(random) % 5);
        texts->types[t] = (int32_t)(tiny_random(random) % 2);
    }
    for (int i = 0; i < 7; i++) {
        texts->ranges[i] = -1.0f - (float)i;
        texts->ranges[7 + i] = i == 3 ? texts->ranges[i] : 2.0f * (float)i;
    }
    texts->batch = (SutraBatch){.num_seqs = seqs,
                                .num_tokens = tokens,
                                .max_seqlen = longest,
                                .token_ids = texts->ids,
                                .type_ids = tiny_random(random) % 2 ? texts->types : NULL,
                                .cu_seqlens = texts->cu_seqlens,
                                .prompt_len = tiny_random(random) % 2 ? texts->prompts : NULL,
                                .dim = 7,
                                .ranges = tiny_random(random) % 2 ? texts->ranges : NULL};
}

/* Each query of each text is in one tile, and tiles begin where tiles of its text begin. */
static void assert_tiles(const SutraBatch *batch, const SuCudaInput *input, const uint32_t *words,
                         uint32_t rows)
{
    uint8_t seen[MOST_TOKENS] = {0};
    assert_int_equal(input->tiles % 2, 0);
    for (uint32_t i = 0; i < input->num_tiles; i++) {
        uint32_t seq = words[input->tiles + 2 * i], first = words[input->tiles + 2 * i + 1];
        assert_true(seq < batch->num_seqs);
        assert_int_equal(first % rows, 0);
        uint32_t begin = batch->cu_seqlens[seq], end = batch->cu_seqlens[seq + 1];
        assert_true(begin + first < end);
        assert_int_equal(i<input->num_long, end - begin> SU_CUDA_SHORT_TOKENS);
        for (uint32_t t = begin + first; t < begin + first + rows && t < end; t++)
            assert_int_equal(seen[t]++, 0);
    }
    for (uint32_t t = 0; t < batch->num_tokens; t++) assert_int_equal(seen[t], 1);
}

static void assert_input(const SutraSpec *spec, const SutraBatch *batch, uint32_t rows)
{
    SuCudaInput input = su_cuda_input_layout(batch, rows);
    uint32_t *words = malloc(input.words * sizeof *words);
    assert_true(input.words <=
                su_cuda_input_most(batch->num_tokens, batch->num_seqs, batch->dim, rows));
    su_cuda_input_fill(spec, batch, rows, &input, words);
    assert_memory_equal(words, batch->token_ids, 4 * batch->num_tokens);
    assert_memory_equal(words + input.cu_seqlens, batch->cu_seqlens, 4 * (batch->num_seqs + 1));
    bool learned = spec->position == SUTRA_POSITION_LEARNED;
    uint32_t offset = learned ? spec->position_offset : 0;
    for (uint32_t i = 0; i < batch->num_seqs; i++) {
        uint32_t begin = batch->cu_seqlens[i], length = batch->cu_seqlens[i + 1] - begin, pads = 0;
        for (uint32_t p = 0; p < length; p++) {
            uint32_t t = begin + p, position = words[input.positions + t];
            bool pad = offset && (uint32_t)batch->token_ids[t] == offset - 1;
            pads += pad;
            assert_int_equal(position, pad ? offset - 1 : offset + p - pads);
            assert_int_equal(words[input.type_ids + t], batch->type_ids ? batch->type_ids[t] : 0);
        }
        uint32_t skip = batch->prompt_len ? batch->prompt_len[i] : 0;
        assert_int_equal(words[input.skipped + i], skip < length ? skip : length - 1);
    }
    assert_tiles(batch, &input, words, rows);
    for (uint32_t i = 0; batch->ranges && i < batch->dim; i++) {
        float *least = (float *)(void *)(words + input.ranges), step = i == 3 ? 1.0f : 0;
        if (i != 3) step = (batch->ranges[7 + i] - batch->ranges[i]) / 255.0f;
        assert_true(least[i] == batch->ranges[i]);
        assert_true(least[batch->dim + i] == step);
    }
    free(words);
}

static void test_batches_as_they_are_copied(void **state)
{
    (void)state;
    static Texts texts;
    uint32_t random = 7;
    for (int i = 0; i < 400; i++) {
        const SutraSpec *spec = &specs[i % NUM_SPECS];
        random_texts(&texts, spec, &random);
        assert_input(spec, &texts.batch, 16);
        assert_input(spec, &texts.batch, 64);
    }
}

static void test_batches_that_do_not_fit(void **state)
{
    (void)state;
    static Texts texts;
    uint32_t random = 3;
    SutraError err = {0};
    Case c;
    make_case(&c, 0);
    random_texts(&texts, &c.random.spec, &random);
    SutraBatch good = texts.batch, batch = good;
    uint32_t tokens = good.num_tokens, seqs = good.num_seqs;
    assert_int_equal(su_cuda_check_batch(&c.plan, tokens, seqs, &batch, &err), SUTRA_OK);
    assert_int_equal(su_cuda_check_batch(&c.plan, tokens - 1, seqs, &batch, &err), SUTRA_E_LIMIT);
    assert_int_equal(su_cuda_check_batch(&c.plan, tokens, seqs - 1, &batch, &err), SUTRA_E_LIMIT);
    batch.num_seqs = 0;
    assert_int_equal(su_cuda_check_batch(&c.plan, tokens, seqs, &batch, &err), SUTRA_E_ARGUMENT);
    batch = good;
    batch.num_tokens = 0;
    assert_int_equal(su_cuda_check_batch(&c.plan, tokens, seqs, &batch, &err), SUTRA_E_ARGUMENT);
    batch = good;
    batch.max_seqlen = c.plan.spec.max_positions + 1;
    assert_int_equal(su_cuda_check_batch(&c.plan, tokens, seqs, &batch, &err), SUTRA_E_LIMIT);
    batch = good;
    batch.dim = c.plan.spec.hidden_size + 1;
    assert_int_equal(su_cuda_check_batch(&c.plan, tokens, seqs, &batch, &err), SUTRA_E_ARGUMENT);
    batch = good;
    texts.ids[tokens - 1] = RANDOM_VOCAB;
    assert_int_equal(su_cuda_check_batch(&c.plan, tokens, seqs, &batch, &err), SUTRA_E_ARGUMENT);
    texts.ids[tokens - 1] = -1;
    assert_int_equal(su_cuda_check_batch(&c.plan, tokens, seqs, &batch, &err), SUTRA_E_ARGUMENT);
    texts.ids[tokens - 1] = 0;
    c.plan.spec.num_types = 2;
    batch.type_ids = texts.types;
    assert_int_equal(su_cuda_check_batch(&c.plan, tokens, seqs, &batch, &err), SUTRA_OK);
    texts.types[0] = 2;
    assert_int_equal(su_cuda_check_batch(&c.plan, tokens, seqs, &batch, &err), SUTRA_E_ARGUMENT);
    drop_case(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_weights_are_where_the_plan_says),
        cmocka_unit_test(test_positions_are_those_of_the_processor),
        cmocka_unit_test(test_stored_numbers_are_widened_exactly),
        cmocka_unit_test(test_row_bytes),
        cmocka_unit_test(test_what_cannot_be_run_is_named),
        cmocka_unit_test(test_heads_of_odd_sizes),
        cmocka_unit_test(test_missing_and_packed_weights),
        cmocka_unit_test(test_batches_as_they_are_copied),
        cmocka_unit_test(test_batches_that_do_not_fit),
    };
    return cmocka_run_group_tests_name("cuda_plan", tests, NULL, NULL);
}
