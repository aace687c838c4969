/* The parts of sutra.h that programs compiled against an older header rely on. */
#include "sutra.h"
#include "sutra_backend.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* Structs that are passed in arrays have this size for ever. */
static void array_structs_do_not_grow(void **state)
{
    (void)state;
    assert_int_equal(sizeof(SutraError), 512);
    assert_int_equal(offsetof(SutraError, message), 4);
    assert_int_equal(offsetof(SutraError, has_item), 504);
    assert_int_equal(offsetof(SutraError, item), 508);
    assert_int_equal(_Alignof(SutraError), 4); /* programs have them where older headers put them */
    assert_int_equal(sizeof(SutraInput), 72);
    assert_int_equal(sizeof(SutraItem), 56);
    assert_int_equal(offsetof(SutraItem, windows), 40);
    assert_int_equal(sizeof(SutraChunk), 24);
    assert_int_equal(sizeof(SutraTensor), 64);
    assert_int_equal(sizeof(SutraHead), 16);
}

#define ASSERT_STARTS_WITH_SIZE(type)                           \
    do {                                                        \
        assert_int_equal(offsetof(type, struct_size), 0);       \
        assert_int_equal(sizeof(((type *)0)->struct_size), 4u); \
    } while (0)

static void growing_structs_start_with_their_size(void **state)
{
    (void)state;
    ASSERT_STARTS_WITH_SIZE(SutraModelOptions);
    ASSERT_STARTS_WITH_SIZE(SutraModelInfo);
    ASSERT_STARTS_WITH_SIZE(SutraEngineOptions);
    ASSERT_STARTS_WITH_SIZE(SutraEmbedOptions);
    ASSERT_STARTS_WITH_SIZE(SutraChunkOptions);
    ASSERT_STARTS_WITH_SIZE(SutraStreamOptions);
    ASSERT_STARTS_WITH_SIZE(SutraStreamChunk);
    ASSERT_STARTS_WITH_SIZE(SutraStreamStats);
    ASSERT_STARTS_WITH_SIZE(SutraResultView);
    ASSERT_STARTS_WITH_SIZE(SutraTokensView);
    ASSERT_STARTS_WITH_SIZE(SutraSpec);
    ASSERT_STARTS_WITH_SIZE(SutraBatch);
    ASSERT_STARTS_WITH_SIZE(SutraHost);
    ASSERT_STARTS_WITH_SIZE(SutraDeviceInfo);
    ASSERT_STARTS_WITH_SIZE(SutraBackend);
}

/* Fields that came later lie behind those that were there. */
static void options_grow_at_their_end(void **state)
{
    (void)state;
    assert_int_equal(offsetof(SutraEmbedOptions, pooling), 32);
    assert_int_equal(offsetof(SutraEmbedOptions, ranges), 40);
    assert_int_equal(offsetof(SutraEmbedOptions, window_overlap), 48);
    assert_int_equal(offsetof(SutraEmbedOptions, aggregate), 52);
    assert_int_equal(offsetof(SutraEmbedOptions, raw_scores), 56);
    assert_true(offsetof(SutraModelInfo, score_activation) > offsetof(SutraModelInfo, dim));
    assert_true(offsetof(SutraModelInfo, tokenizer_class) >
                offsetof(SutraModelInfo, score_activation));
    assert_true(offsetof(SutraBatch, ranges) > offsetof(SutraBatch, numeric_error));
    assert_true(offsetof(SutraBatch, raw_scores) > offsetof(SutraBatch, ranges));
    assert_true(offsetof(SutraTokensView, special) > offsetof(SutraTokensView, tokens_seen));
}

/* Numbers are part of the ABI: new enumerators go to the end. */
static void enumerators_keep_their_numbers(void **state)
{
    (void)state;
    assert_int_equal(SUTRA_E_ARGUMENT, 1);
    assert_int_equal(SUTRA_E_ABI, 12);
    assert_int_equal(SUTRA_E_END, 13);
    assert_int_equal(SUTRA_COMPUTE_FP32, 1);
    assert_int_equal(SUTRA_COMPUTE_FP8, 6);
    assert_int_equal(SUTRA_UBINARY, 5);
    assert_int_equal(SUTRA_OUT_SCORES, 3);
    assert_int_equal(SUTRA_POOL_LAST, 6);
    assert_int_equal(SUTRA_TRUNCATE_WINDOW, 4);
    assert_int_equal(SUTRA_AGGREGATE_LAST, 4);
    assert_int_equal(SUTRA_CHUNK_PARAGRAPHS, 2);
    assert_int_equal(SUTRA_TENSOR_I8, 3);
    assert_int_equal(SUTRA_ROLE_FFN_NORM_BIAS, 20);
    assert_int_equal(SUTRA_ACT_SIGMOID, 6);
    assert_int_equal(SUTRA_HEAD_SCORE, 3);
}

static void version_matches_the_header(void **state)
{
    (void)state;
    char expected[32];
    snprintf(expected, sizeof expected, "%d.%d.%d", SUTRA_VERSION_MAJOR, SUTRA_VERSION_MINOR,
             SUTRA_VERSION_PATCH);
    assert_string_equal(sutra_version(), expected);
}

static void every_status_has_a_name(void **state)
{
    (void)state;
    assert_string_equal(sutra_status_name(SUTRA_OK), "SUTRA_OK");
    for (int status = SUTRA_OK; status <= SUTRA_E_END; status++) {
        const char *name = sutra_status_name((SutraStatus)status);
        assert_int_equal(strncmp(name, status ? "SUTRA_E_" : "SUTRA_OK", 8), 0);
        assert_string_not_equal(name, "SUTRA_E_UNKNOWN");
        for (int other = SUTRA_OK; other < status; other++)
            assert_string_not_equal(name, sutra_status_name((SutraStatus)other));
    }
    assert_string_equal(sutra_status_name((SutraStatus)(SUTRA_E_END + 1)), "SUTRA_E_UNKNOWN");
    assert_string_equal(sutra_status_name((SutraStatus)-1), "SUTRA_E_UNKNOWN");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(array_structs_do_not_grow),
        cmocka_unit_test(growing_structs_start_with_their_size),
        cmocka_unit_test(options_grow_at_their_end),
        cmocka_unit_test(enumerators_keep_their_numbers),
        cmocka_unit_test(version_matches_the_header),
        cmocka_unit_test(every_status_has_a_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
