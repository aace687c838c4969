/* sutra_distill: options that do not go together, and every STEPth allocation failing in turn.
 *
 * usage: test_distill [STEP]; without it each. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/file_map.h"
#include "base/folder_tree.h"
#include "base/memory.h"
#include "container/bundle_fixture.h"
#include "sutra_train.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TEXTS = 9, MOST_ALLOCATIONS = 20000 };

static long step = 1;

static const char *const texts[TEXTS] = {"a b c d", "e f g", "a c e b d", "h i j k l m n o", "c",
                                         "d e",     "f g h", "k l",       "a b c d"};

static SutraInput *inputs(void)
{
    static SutraInput list[TEXTS];
    for (int i = 0; i < TEXTS; i++)
        list[i] = (SutraInput){.text = texts[i], .text_size = strlen(texts[i])};
    return list;
}

static SutraDistillOptions small(void)
{
    return (SutraDistillOptions){.struct_size = sizeof(SutraDistillOptions),
                                 .dim = 4,
                                 .inputs = inputs(),
                                 .num_inputs = TEXTS,
                                 .num_threads = 1,
                                 .epochs = 2};
}

static char *student_path(const BundleFixture *f)
{
    static char path[512];
    snprintf(path, sizeof path, "%s/student", f->folder);
    return path;
}

static void refused(const BundleFixture *f, const SutraDistillOptions *options, SutraStatus wanted,
                    const char *word)
{
    SutraError err = {0};
    char partial[600];
    snprintf(partial, sizeof partial, "%s.partial", student_path(f));
    assert_int_equal(sutra_distill(f->model, student_path(f), options, NULL, &err), wanted);
    if (!strstr(err.message, word)) fail_msg("%s is not in: %s", word, err.message);
    assert_false(su_path_exists(student_path(f)));
    assert_false(su_path_exists(partial));
}

static void test_options(void **state)
{
    BundleFixture *f = *state;
    SutraDistillOptions options = small();
    refused(f, NULL, SUTRA_E_ARGUMENT, "options is NULL");
    options.struct_size = sizeof options + 8;
    refused(f, &options, SUTRA_E_ABI, "struct_size");
    options = small();
    options.method = (SutraDistillMethod)7;
    refused(f, &options, SUTRA_E_ARGUMENT, "unknown method 7");
    options = small();
    options.batch = 2;
    refused(f, &options, SUTRA_E_ARGUMENT, "a batch of 2 texts");
    options = small();
    options.learning_rate = -1;
    refused(f, &options, SUTRA_E_ARGUMENT, "a learning rate of -1");
    options.learning_rate = NAN;
    refused(f, &options, SUTRA_E_ARGUMENT, "a learning rate of");
    options = small();
    options.temperature = INFINITY;
    refused(f, &options, SUTRA_E_ARGUMENT, "a temperature of inf");
    options = small();
    options.cosine_weight = -0.5;
    refused(f, &options, SUTRA_E_ARGUMENT, "a weight of -0.5");
    options = small();
    options.num_inputs = 0;
    refused(f, &options, SUTRA_E_ARGUMENT, "no texts");
    options.num_inputs = 7;
    refused(f, &options, SUTRA_E_ARGUMENT, "8 different texts or more, and there are 7");
    options = small();
    options.method = SUTRA_DISTILL_STATIC;
    refused(f, &options, SUTRA_E_UNSUPPORTED, "it has no tokenizer.json");
    options = small();
    options.dim = 1000;
    refused(f, &options, SUTRA_E_ARGUMENT, "no smaller than");
    static const float rows[TEXTS] = {0};
    options = small();
    options.vectors = rows;
    options.vector_rows = TEXTS;
    options.vector_columns = 1;
    refused(f, &options, SUTRA_E_ARGUMENT, "vectors of 9 x 1");
}

static SutraStatus attempt(const BundleFixture *f, SutraDistillMethod method, SutraError *err)
{
    /* a static student needs a tokenizer.json */
    static const char golden[] = SU_SOURCE_DIR "/tests/data/golden/models/base";
    const char *teacher = method == SUTRA_DISTILL_STATIC ? golden : f->model;
    SutraBenchReport *report = NULL;
    SutraDistillOptions options = small();
    options.method = method;
    options.resume = 1; /* what is done without is a part of it */
    SutraStatus status = sutra_distill(teacher, student_path(f), &options, &report, err);
    sutra_bench_report_free(report);
    return status;
}

static void fail_allocations(const BundleFixture *f, SutraDistillMethod method)
{
    int64_t n = 0;
    uint64_t reached, failed;
    SutraStatus status;
    char partial[600];
    snprintf(partial, sizeof partial, "%s.partial", student_path(f));
    do {
        SutraError err = {0};
        uint64_t before = su_memory_allocations();
        su_memory_fail_after(n, false);
        status = attempt(f, method, &err);
        su_memory_fail_after(-1, false);
        reached = su_memory_allocations() - before;
        if (status != SUTRA_OK && status != SUTRA_E_MEMORY) fail_msg("%s", err.message);
        if (status == SUTRA_OK) assert_true(su_path_exists(student_path(f)));
        assert_int_equal(su_tree_remove(student_path(f), NULL), SUTRA_OK);
        assert_int_equal(su_tree_remove(partial, NULL), SUTRA_OK);
        assert_true(n < MOST_ALLOCATIONS);
        failed = (uint64_t)n;
        n += step;
    } while (reached > failed);
    assert_int_equal(status, SUTRA_OK);
    assert_true(n > 100);
}

static void test_failing_allocations(void **state)
{
    fail_allocations(*state, SUTRA_DISTILL_PROJECTION);
}

static void test_failing_allocations_static(void **state)
{
    fail_allocations(*state, SUTRA_DISTILL_STATIC);
}

int main(int argc, char **argv)
{
    if (argc > 1) step = strtol(argv[1], NULL, 10);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_options, bundle_set_up, bundle_tear_down),
        cmocka_unit_test_setup_teardown(test_failing_allocations, bundle_set_up, bundle_tear_down),
        cmocka_unit_test_setup_teardown(test_failing_allocations_static, bundle_set_up,
                                        bundle_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
