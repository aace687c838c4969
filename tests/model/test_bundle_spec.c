/* A bundle keeps the whole spec: every number, the arrays of layers, the heads; what it cannot hold
 * and what is damaged are errors. */
#include "base/memory.h"
#include "model/bundle.h"
#include "model/bundle_parts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum { LAYERS = 3 };
static const uint32_t windows[LAYERS] = {64, 0, 7};
static const float rope_bases[LAYERS] = {10000, 160000, 10000.5f};
static const SutraHead heads[2] = {{SUTRA_HEAD_POOLING, 96, 96, SUTRA_POOL_CLS},
                                   {SUTRA_HEAD_NORMALIZE, 96, 96, 0}};
static const SutraHead score_heads[3] = {{SUTRA_HEAD_POOLING, 96, 96, SUTRA_POOL_CLS},
                                         {SUTRA_HEAD_DENSE, 96, 96, SUTRA_ACT_TANH},
                                         {SUTRA_HEAD_SCORE, 96, 1, SUTRA_ACT_SIGMOID}};

/* No two numbers alike, but for the small enumerations. */
static SutraSpec full_spec(void)
{
    return (SutraSpec){.struct_size = sizeof(SutraSpec),
                       .num_layers = LAYERS,
                       .hidden_size = 96,
                       .num_heads = 5,
                       .num_kv_heads = 4,
                       .head_size = 16,
                       .ffn_size = 200,
                       .vocab_size = 300,
                       .max_positions = 77,
                       .num_types = 2,
                       .position = SUTRA_POSITION_ROPE,
                       .norm = SUTRA_NORM_PRE,
                       .norm_kind = SUTRA_NORM_RMS,
                       .activation = SUTRA_ACT_SILU,
                       .gated = 1,
                       .causal = 1,
                       .num_experts = 8,
                       .without_bias = SUTRA_BIAS_QKV | SUTRA_BIAS_NORM,
                       .bare_start = 1,
                       .position_offset = 9,
                       .relative_buckets = 32,
                       .relative_distance = 128,
                       .window = windows,
                       .rope_base = rope_bases,
                       .rope_divisor = 1.5f,
                       .norm_eps = 1e-7f,
                       .heads = heads,
                       .num_heads_out = 2,
                       .head_norm_eps = 1e-5f};
}

static SutraStatus read_back(const unsigned char *data, size_t size, SutraModel *model,
                             SutraError *err)
{
    *model = (SutraModel){0};
    return su_bundle_read_spec(model, (SuByteReader){.at = data, .end = data + size}, "a.sutra",
                               err);
}

static void forget(SutraModel *model)
{
    su_free(model->window);
    su_free(model->rope_base);
}

static void check_round_trip(const SutraSpec *spec)
{
    SuByteWriter bytes = {0};
    SutraModel model;
    SutraError err;
    assert_int_equal(su_bundle_write_spec(spec, "a.sutra", &bytes, &err), SUTRA_OK);
    assert_int_equal(read_back(bytes.data, bytes.size, &model, &err), SUTRA_OK);
    const SutraSpec found = model.spec;
    assert_int_equal(found.window != NULL, spec->window != NULL);
    assert_int_equal(found.rope_base != NULL, spec->rope_base != NULL);
    if (found.window) assert_memory_equal(found.window, windows, sizeof windows);
    if (found.rope_base) assert_memory_equal(found.rope_base, rope_bases, sizeof rope_bases);
    assert_memory_equal(found.heads, spec->heads, spec->num_heads_out * sizeof *heads);
    assert_memory_equal(&found, spec, offsetof(SutraSpec, window));
    assert_memory_equal(&found.norm_eps, &spec->norm_eps, sizeof spec->norm_eps);
    assert_memory_equal(&found.rope_divisor, &spec->rope_divisor, sizeof spec->rope_divisor);
    assert_int_equal(found.num_heads_out, spec->num_heads_out);
    assert_memory_equal(&found.head_norm_eps, &spec->head_norm_eps, sizeof spec->head_norm_eps);
    forget(&model);
    su_byte_writer_free(&bytes);
}

static void keeps_everything(void **state)
{
    (void)state;
    SutraSpec spec = full_spec();
    check_round_trip(&spec);
    spec.window = NULL;
    check_round_trip(&spec);
    spec.rope_base = NULL;
    spec.num_heads_out = 1;
    check_round_trip(&spec);
    spec.heads = score_heads;
    spec.num_heads_out = 3;
    check_round_trip(&spec);
}

/* A model without layers has a version of its own, and two more fields; half of the fields of layers
 * is no model. */
static void keeps_static_models(void **state)
{
    (void)state;
    SutraSpec spec = {.struct_size = sizeof spec,
                      .hidden_size = 96,
                      .vocab_size = 300,
                      .position = SUTRA_POSITION_NONE,
                      .heads = heads,
                      .num_heads_out = 2,
                      .token_rows = 31,
                      .dropped_token = 7};
    SuByteWriter bytes = {0};
    SutraModel model;
    SutraError err;
    assert_int_equal(su_bundle_write_spec(&spec, "a.sutra", &bytes, &err), SUTRA_OK);
    assert_int_equal(bytes.data[0], SU_BUNDLE_STATIC_VERSION);
    assert_int_equal(read_back(bytes.data, bytes.size, &model, &err), SUTRA_OK);
    assert_memory_equal(&model.spec, &spec, offsetof(SutraSpec, window));
    assert_int_equal(model.spec.token_rows, 31);
    assert_int_equal(model.spec.dropped_token, 7);
    for (size_t size = 4; size < bytes.size; size++)
        assert_int_equal(read_back(bytes.data, size, &model, &err), SUTRA_E_FORMAT);
    bytes.data[0] = SU_BUNDLE_VERSION;
    assert_int_equal(read_back(bytes.data, bytes.size, &model, &err), SUTRA_E_FORMAT);
    su_byte_writer_free(&bytes);
    spec.num_layers = 1;
    assert_int_equal(su_bundle_write_spec(&spec, "a.sutra", &bytes, &err), SUTRA_E_UNSUPPORTED);
    su_byte_writer_free(&bytes);
}

/* Scores of several numbers, heads after the one of scores, activations and kinds that there are
 * not. */
static void refuses_chains_of_heads_that_are_none(void **state)
{
    (void)state;
    for (int fault = 0; fault < 4; fault++) {
        SutraHead chain[4] = {
            score_heads[0], score_heads[1], score_heads[2], {SUTRA_HEAD_NORMALIZE, 1, 1, 0}};
        SutraSpec spec = full_spec();
        SuByteWriter bytes = {0};
        SutraModel model;
        SutraError err;
        spec.heads = chain;
        spec.num_heads_out = fault == 1 ? 4 : 3;
        if (fault == 0) chain[2].out = 2;
        if (fault == 2) chain[2].activation = SUTRA_ACT_SIGMOID + 1;
        if (fault == 3) chain[2].kind = SUTRA_HEAD_SCORE + 1;
        assert_int_equal(su_bundle_write_spec(&spec, "a.sutra", &bytes, &err), SUTRA_OK);
        assert_int_equal(read_back(bytes.data, bytes.size, &model, &err), SUTRA_E_FORMAT);
        forget(&model);
        su_byte_writer_free(&bytes);
    }
}

static void refuses_what_it_cannot_hold(void **state)
{
    (void)state;
    SutraSpec spec = full_spec();
    SuByteWriter bytes = {0};
    SutraError err;
    spec.position = SUTRA_POSITION_NONE + 1;
    assert_int_equal(su_bundle_write_spec(&spec, "a.sutra", &bytes, &err), SUTRA_E_UNSUPPORTED);
    assert_string_equal(err.message, "a.sutra: a bundle cannot hold a model whose position is 5");
    su_byte_writer_free(&bytes);
}

/* Short by any number of bytes, and longer by one. */
static void notices_damage(void **state)
{
    (void)state;
    SutraSpec spec = full_spec();
    SuByteWriter bytes = {0};
    SutraModel model;
    SutraError err;
    assert_int_equal(su_bundle_write_spec(&spec, "a.sutra", &bytes, &err), SUTRA_OK);
    for (size_t size = 4; size < bytes.size; size++) {
        assert_int_equal(read_back(bytes.data, size, &model, &err), SUTRA_E_FORMAT);
        forget(&model);
    }
    assert_string_equal(err.message, "a.sutra: section model.spec is damaged");
    su_write_u32(&bytes, 0);
    assert_int_equal(read_back(bytes.data, bytes.size - 3, &model, &err), SUTRA_E_FORMAT);
    forget(&model);
    bytes.data[0] += 2; /* past that of static models */
    assert_int_equal(read_back(bytes.data, bytes.size, &model, &err), SUTRA_E_UNSUPPORTED);
    forget(&model);
    su_byte_writer_free(&bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_everything), cmocka_unit_test(keeps_static_models),
        cmocka_unit_test(refuses_what_it_cannot_hold),
        cmocka_unit_test(refuses_chains_of_heads_that_are_none), cmocka_unit_test(notices_damage)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
