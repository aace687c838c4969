/* Opening a model while each allocation of the engine in turn fails: MEMORY every time, and nothing
 * leaks (the sanitizer build tells). The JSON parser's own allocations do not take part: jansson
 * asserts on some failures and does not notice others. */
#include "base/memory.h"
#include "model/model.h"
#include "model/model_folder.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Opens `path` with allocation n failing. */
static SutraStatus open_failing(const char *path, int64_t n, bool persistent, SutraError *err)
{
    SutraModel *model;
    *err = (SutraError){0};
    su_memory_fail_after(n, persistent);
    SutraStatus status = su_model_open(path, NULL, &model, err);
    su_memory_fail_after(-1, false);
    assert_int_equal(status, err->status);
    if (status == SUTRA_OK)
        su_model_destroy(model);
    else
        assert_null(model);
    return status;
}

static int64_t count_allocations(const char *path)
{
    SutraError err;
    su_memory_fail_after(-1, false); /* counting begins */
    uint64_t before = su_memory_allocations();
    assert_int_equal(open_failing(path, -1, false, &err), SUTRA_OK);
    return (int64_t)(su_memory_allocations() - before);
}

static void fail_each_allocation(const char *path, bool persistent)
{
    int64_t count = count_allocations(path);
    assert_true(count > 30);
    for (int64_t n = 0; n < count; n++) {
        SutraError err;
        SutraStatus status = open_failing(path, n, persistent, &err);
        if (status != SUTRA_E_MEMORY)
            fail_msg("allocation %lld: %s: %s", (long long)n, sutra_status_name(status),
                     err.message);
        assert_true(strlen(err.message) > 10);
    }
}

static void every_failing_allocation_is_reported(const char *group, const char *variant)
{
    json_t *expected;
    char *folder = folder_scratch();
    folder_assemble(group, variant, folder, &expected);
    json_decref(expected);
    fail_each_allocation(folder, false);
    fail_each_allocation(folder, true);
    folder_remove(folder);
    free(folder);
}

static void a_model_of_one_file(void **state)
{
    (void)state;
    every_failing_allocation_is_reported("variants", "default-prompt");
}

static void a_model_of_shards(void **state)
{
    (void)state;
    every_failing_allocation_is_reported("variants", "sharded-f16");
}

static void a_model_with_vocab_txt(void **state)
{
    (void)state;
    every_failing_allocation_is_reported("variants", "vocab-cased");
}

static void a_model_with_a_sentencepiece_model(void **state)
{
    (void)state;
    every_failing_allocation_is_reported("variants", "llama-pieces");
    every_failing_allocation_is_reported("variants", "generic-pieces");
}

static void a_model_whose_normalizer_is_replaced(void **state)
{
    (void)state;
    every_failing_allocation_is_reported("variants", "lowercase-first");
}

static void a_reranker(void **state)
{
    (void)state;
    every_failing_allocation_is_reported("rerankers", "bert-saved");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_model_of_one_file),
        cmocka_unit_test(a_model_of_shards),
        cmocka_unit_test(a_model_with_vocab_txt),
        cmocka_unit_test(a_model_with_a_sentencepiece_model),
        cmocka_unit_test(a_model_whose_normalizer_is_replaced),
        cmocka_unit_test(a_reranker),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
