/* sutra_distill: options that do not go together, runs that meet, and every STEPth allocation
 * failing in turn.
 *
 * usage: test_distill [STEP]; without it each. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/file_map.h"
#include "base/file_write.h"
#include "base/folder_tree.h"
#include "base/memory.h"
#include "container/bundle_fixture.h"
#include "sutra_train.h"
#include "train/partial_folder.h"
#include "train/train_state.h"

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

static char *partial_path(const BundleFixture *f)
{
    static char path[600];
    snprintf(path, sizeof path, "%s.partial", student_path(f));
    return path;
}

static void refused(const BundleFixture *f, const SutraDistillOptions *options, SutraStatus wanted,
                    const char *word)
{
    SutraError err = {0};
    assert_int_equal(sutra_distill(f->model, student_path(f), options, NULL, &err), wanted);
    if (!strstr(err.message, word)) fail_msg("%s is not in: %s", word, err.message);
    assert_false(su_path_exists(student_path(f)));
    assert_false(su_path_exists(partial_path(f)));
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

/* ---- two runs, and what appears meanwhile ---- */

typedef struct Meanwhile {
    const BundleFixture *fixture;
    uint32_t resume;
} Meanwhile;

static void run_another(void *user)
{
    const Meanwhile *meanwhile = user;
    SutraError err = {0};
    SutraDistillOptions options = small();
    options.resume = meanwhile->resume;
    assert_int_equal(sutra_distill(meanwhile->fixture->model, student_path(meanwhile->fixture),
                                   &options, NULL, &err),
                     meanwhile->resume ? SUTRA_E_ARGUMENT : SUTRA_OK);
    if (meanwhile->resume) assert_non_null(strstr(err.message, "another run is at work"));
}

/* The one that comes first writes its student, the other touches nothing. */
static void test_two_runs(void **state)
{
    BundleFixture *f = *state;
    for (uint32_t resume = 0; resume < 2; resume++) {
        Meanwhile meanwhile = {f, resume};
        SutraError err = {0};
        SutraDistillOptions options = small();
        options.resume = resume;
        options.writing = run_another;
        options.user = &meanwhile;
        SutraStatus status = sutra_distill(f->model, student_path(f), &options, NULL, &err);
        assert_int_equal(status, resume ? SUTRA_OK : SUTRA_E_ARGUMENT);
        if (!resume) assert_non_null(strstr(err.message, "student: it exists"));
        SutraModel *model;
        const SutraModelOptions plain = {.struct_size = sizeof plain};
        assert_int_equal(sutra_model_open(student_path(f), &plain, &model, NULL), SUTRA_OK);
        sutra_model_free(model);
        assert_false(su_path_exists(partial_path(f)));
        assert_int_equal(su_tree_remove(student_path(f), NULL), SUTRA_OK);
    }
}

static void make_partial(void *user)
{
    assert_int_equal(su_directory_create(partial_path(user), NULL), SUTRA_OK);
}

/* A folder that another run made is not taken, nor removed. */
static void test_partial_of_another(void **state)
{
    BundleFixture *f = *state;
    SutraError err = {0};
    SutraDistillOptions options = small();
    options.writing = make_partial;
    options.user = f;
    assert_int_equal(sutra_distill(f->model, student_path(f), &options, NULL, &err),
                     SUTRA_E_ARGUMENT);
    assert_non_null(strstr(err.message, "another run has made it"));
    assert_true(su_path_exists(partial_path(f)));
    assert_false(su_path_exists(student_path(f)));
    assert_int_equal(su_tree_remove(partial_path(f), NULL), SUTRA_OK);
}

/* Of a state that cannot be written nothing stays, in memory neither. */
static void test_state_without_folder(void **state)
{
    BundleFixture *f = *state;
    SuTrainState training = {.n = 0};
    assert_int_equal(su_train_state_allocate(&training, 3, NULL), SUTRA_OK);
    assert_int_equal(su_train_state_write(partial_path(f), &training, NULL), SUTRA_E_IO);
    su_train_state_free(&training);
    assert_false(su_path_exists(partial_path(f)));
}

static void make_output(void *user)
{
    assert_int_equal(su_directory_create(student_path(user), NULL), SUTRA_OK);
}

/* What is there when the student is to be put in place is not taken for the student. */
static void test_output_appears(void **state)
{
    BundleFixture *f = *state;
    SutraDistillOptions options = small();
    options.resume = 1;
    options.writing = make_output;
    options.user = f;
    for (int run = 0; run < 2; run++) {
        SutraError err = {0};
        assert_int_equal(sutra_distill(f->model, student_path(f), &options, NULL, &err),
                         SUTRA_E_ARGUMENT);
        assert_non_null(strstr(err.message, "student: it exists"));
        assert_true(su_path_exists(partial_path(f)));
    }
    assert_int_equal(su_tree_remove(student_path(f), NULL), SUTRA_OK);
    options.writing = NULL;
    assert_int_equal(sutra_distill(f->model, student_path(f), &options, NULL, NULL), SUTRA_OK);
    assert_false(su_path_exists(partial_path(f)));
    assert_int_equal(su_tree_remove(student_path(f), NULL), SUTRA_OK);
}

static void touch(const char *folder, const char *name)
{
    char path[700];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fclose(file), 0);
}

/* A removal that is not finished leaves the state. */
static void test_removal(void **state)
{
    BundleFixture *f = *state;
    char deep[700];
    snprintf(deep, sizeof deep, "%s/vectors/1/2/3/4/5/6/7/8/9", partial_path(f));
    assert_int_equal(su_directory_create(deep, NULL), SUTRA_OK);
    touch(partial_path(f), "state");
    touch(partial_path(f), "x");
    assert_int_equal(su_partial_remove(partial_path(f), NULL), SUTRA_E_LIMIT);
    snprintf(deep, sizeof deep, "%s/state", partial_path(f));
    assert_true(su_file_exists(deep));
    snprintf(deep, sizeof deep, "%s/vectors/1/2", partial_path(f));
    assert_int_equal(su_tree_remove(deep, NULL), SUTRA_OK);
    assert_int_equal(su_partial_remove(partial_path(f), NULL), SUTRA_OK);
    assert_false(su_path_exists(partial_path(f)));
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
        assert_int_equal(su_tree_remove(partial_path(f), NULL), SUTRA_OK);
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
        cmocka_unit_test_setup_teardown(test_two_runs, bundle_set_up, bundle_tear_down),
        cmocka_unit_test_setup_teardown(test_partial_of_another, bundle_set_up, bundle_tear_down),
        cmocka_unit_test_setup_teardown(test_state_without_folder, bundle_set_up, bundle_tear_down),
        cmocka_unit_test_setup_teardown(test_output_appears, bundle_set_up, bundle_tear_down),
        cmocka_unit_test_setup_teardown(test_removal, bundle_set_up, bundle_tear_down),
        cmocka_unit_test_setup_teardown(test_failing_allocations, bundle_set_up, bundle_tear_down),
        cmocka_unit_test_setup_teardown(test_failing_allocations_static, bundle_set_up,
                                        bundle_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
