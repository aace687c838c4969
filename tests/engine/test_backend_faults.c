/* What the engine makes of a backend that fails, with a message and without. */
#include "backend/cpu_backend.h"
#include "pipeline/engine.h"
#include "support/fake_backend.h"
#include "support/tiny_engine.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum { HIDDEN = 64 };

static TinyEngine tiny;

static int set_up(void **state)
{
    (void)state;
    const SutraEngineOptions options = {.struct_size = sizeof options, .num_threads = 2};
    fake = (FakeBackend){.status = SUTRA_E_DEVICE};
    tiny_engine_open(&(TinyModel){HIDDEN, 2, 1, 64, 128, NULL, 8}, &options, &tiny);
    tiny.engine->backend = fake_backend();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    tiny_engine_close(&tiny);
    return 0;
}

static SutraStatus embed(SutraError *err)
{
    const SutraInput input = {.text = "a b c", .text_size = 5};
    float vector[HIDDEN];
    memset(err, 'x', sizeof *err);
    err->message[sizeof err->message - 1] = '\0';
    return sutra_embed_into(tiny.engine, tiny.model, &input, 1, NULL, vector, sizeof vector, NULL,
                            err);
}

static void check_step(FakeStep step, const char *function)
{
    SutraError err;
    fake.fails = step;
    fake.message = NULL;
    assert_int_equal(embed(&err), SUTRA_E_DEVICE);
    assert_int_equal(err.status, SUTRA_E_DEVICE);
    if (!strstr(err.message, "fake") || !strstr(err.message, function))
        fail_msg("%s: \"%s\"", function, err.message);
    fake.message = "the fan stopped";
    assert_int_equal(embed(&err), SUTRA_E_DEVICE);
    if (!strstr(err.message, "the fan stopped")) fail_msg("%s: \"%s\"", function, err.message);
    fake.fails = FAKE_NONE;
    assert_int_equal(embed(&err), SUTRA_OK);
}

/* Asked before weights are loaded, and once an output. */
static void what_is_not_supported_is_not_loaded(void **state)
{
    (void)state;
    check_step(FAKE_SUPPORTS, "supports");
    assert_int_equal(fake.loads, 1); /* by the last attempt, which succeeded */
    assert_int_equal(fake.supports_calls, 3);
    SutraError err;
    assert_int_equal(embed(&err), SUTRA_OK);
    assert_int_equal(fake.supports_calls, 3);
    const SutraInput input = {.text = "a b c", .text_size = 5};
    const SutraEmbedOptions tokens = {.struct_size = sizeof tokens, .output = SUTRA_OUT_TOKENS};
    SutraResult *result = NULL;
    assert_int_equal(sutra_embed(tiny.engine, tiny.model, &input, 1, &tokens, &result, NULL),
                     SUTRA_OK);
    assert_int_equal(fake.supports_calls, 4);
    sutra_result_free(result);
}

static void refuses(SutraSpec spec, const char *expected)
{
    SutraError err = {0};
    SutraStatus status =
        su_cpu_backend()->supports(0, &spec, SUTRA_COMPUTE_FP32, SUTRA_OUT_POOLED, &err);
    if (status != SUTRA_E_UNSUPPORTED || !strstr(err.message, expected))
        fail_msg("%s: %s \"%s\"", expected, sutra_status_name(status), err.message);
}

#define REFUSES(field, value, expected)       \
    do {                                      \
        SutraSpec changed = tiny.model->spec; \
        changed.field = value;                \
        refuses(changed, expected);           \
    } while (0)

static void the_cpu_backend_names_what_it_cannot_run(void **state)
{
    (void)state;
    SutraError err = {0};
    const SutraHead wide = {.kind = SUTRA_HEAD_POOLING, .in = HIDDEN, .out = 2 * HIDDEN};
    const SutraHead unknown = {.kind = SUTRA_HEAD_NORMALIZE + 1, .in = HIDDEN, .out = HIDDEN};
    assert_int_equal(su_cpu_backend()->supports(0, &tiny.model->spec, SUTRA_COMPUTE_FP32,
                                                SUTRA_OUT_POOLED, &err),
                     SUTRA_OK);
    REFUSES(position, SUTRA_POSITION_ROPE, "RoPE");
    REFUSES(position, SUTRA_POSITION_RELATIVE, "position");
    REFUSES(position_offset, tiny.model->spec.max_positions, "position");
    REFUSES(norm, SUTRA_NORM_PRE + 1, "norms");
    REFUSES(bare_start, 1, "norms");
    REFUSES(without_bias, SUTRA_BIAS_ALL + 1, "biases");
    REFUSES(norm_kind, SUTRA_NORM_RMS, "RMS");
    REFUSES(gated, 2, "gated");
    REFUSES(num_experts, 8, "experts");
    REFUSES(num_kv_heads, 1, "key and value heads");
    REFUSES(head_size, 12, "head size 12");
    REFUSES(num_layers, 0, "layers");
    REFUSES(activation, SUTRA_ACT_TANH + 1, "activation");
    SutraSpec spec = tiny.model->spec;
    spec.num_heads_out = 1;
    spec.heads = &wide;
    refuses(spec, "head 0");
    spec.heads = &unknown;
    refuses(spec, "head 0");
    const SutraHead after[] = {{.kind = SUTRA_HEAD_POOLING, .in = HIDDEN, .out = HIDDEN},
                               {.kind = SUTRA_HEAD_SCORE, .in = HIDDEN, .out = 1},
                               {.kind = SUTRA_HEAD_NORMALIZE, .in = 1, .out = 1}};
    spec.heads = after;
    spec.num_heads_out = 2;
    refuses(spec, "this model gives scores only");
    spec.num_heads_out = 3;
    refuses(spec, "head 2");
}

static void a_failing_load_is_named(void **state)
{
    (void)state;
    check_step(FAKE_LOAD, "load");
}

static void a_failing_context_is_named(void **state)
{
    (void)state;
    check_step(FAKE_CONTEXT, "context_create");
}

static void a_failing_run_is_named(void **state)
{
    (void)state;
    check_step(FAKE_RUN, "run");
}

/* They would be copied past the caller's memory, or from past the backend's. */
static void other_rows_than_asked_for_are_refused(void **state)
{
    (void)state;
    SutraError err;
    fake.fails = FAKE_RUN_ROWS;
    assert_int_equal(embed(&err), SUTRA_E_DEVICE);
    assert_non_null(strstr(err.message, "512 bytes"));
    fake.fails = FAKE_RUN_ITEMS;
    assert_int_equal(embed(&err), SUTRA_E_DEVICE);
    assert_non_null(strstr(err.message, "0 texts"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_not_supported_is_not_loaded, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_cpu_backend_names_what_it_cannot_run, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_failing_load_is_named, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_failing_context_is_named, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_failing_run_is_named, set_up, tear_down),
        cmocka_unit_test_setup_teardown(other_rows_than_asked_for_are_refused, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
