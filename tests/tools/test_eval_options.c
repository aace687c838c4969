/* The options of embedding as sutra_eval_sts takes them: of older callers, of newer ones, ranges. */
#include "support/tiny_model.h"
#include "sutra_tools.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { HIDDEN = 32 };

typedef struct Fixture {
    char *folder, path[512];
    SutraModel *model;
    SutraEngine *engine;
} Fixture;

static int set_up(void **state)
{
    Fixture *f = calloc(1, sizeof *f);
    SutraError err = {0};
    SutraEngineOptions options = {.struct_size = sizeof options, .num_threads = 1};
    f->folder = tiny_model_write(&(TinyModel){HIDDEN, 2, 1, 64, 64, NULL, 3});
    assert_int_equal(sutra_model_open(f->folder, NULL, &f->model, &err), SUTRA_OK);
    assert_int_equal(sutra_engine_create(&options, &f->engine, &err), SUTRA_OK);
    snprintf(f->path, sizeof f->path, "%s.tsv", f->folder);
    FILE *file = fopen(f->path, "w");
    assert_non_null(file);
    fputs("1\ta b c\ta b d\n2\tx y\tthe fox\n3\tquick\tslow one\n5\tq r s\tq r s\n", file);
    assert_int_equal(fclose(file), 0);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    Fixture *f = *state;
    remove(f->path);
    sutra_engine_free(f->engine);
    sutra_model_free(f->model);
    tiny_model_remove(f->folder);
    free(f);
    return 0;
}

static SutraStatus eval(const Fixture *f, const SutraEmbedOptions *embed, double *score)
{
    SutraError err = {0};
    SutraEvalOptions options = {.struct_size = sizeof options, .embed = embed};
    SutraEvalResult result = {.struct_size = sizeof result};
    SutraStatus status = sutra_eval_sts(f->engine, f->model, f->path, &options, &result, &err);
    *score = result.score;
    return status;
}

/* Nothing past an older caller's struct is read: its memory ends there. */
static void options_may_be_older(void **state)
{
    Fixture *f = *state;
    double whole_score, old_score;
    SutraEmbedOptions whole = {.struct_size = sizeof whole, .dtype = SUTRA_I8};
    size_t size = offsetof(SutraEmbedOptions, ranges);
    void *old = malloc(size);
    assert_non_null(old);
    assert_int_equal(eval(f, &whole, &whole_score), SUTRA_OK);
    whole.struct_size = (uint32_t)size;
    memcpy(old, &whole, size);
    assert_int_equal(eval(f, old, &old_score), SUTRA_OK);
    assert_true(whole_score == old_score);
    free(old);
}

static void sizes_that_fit_no_version_are_refused(void **state)
{
    Fixture *f = *state;
    double score;
    SutraEmbedOptions options = {.struct_size = 0};
    assert_int_equal(eval(f, &options, &score), SUTRA_E_ABI);
    options.struct_size = sizeof options + 8;
    assert_int_equal(eval(f, &options, &score), SUTRA_E_ABI);
}

static void ranges_reach_the_engine(void **state)
{
    Fixture *f = *state;
    double score;
    float ranges[2 * HIDDEN];
    for (int i = 0; i < HIDDEN; i++) ranges[i] = -1.0f, ranges[HIDDEN + i] = 1.0f;
    SutraEmbedOptions options = {
        .struct_size = sizeof options, .dtype = SUTRA_U8, .ranges = ranges};
    assert_int_equal(eval(f, &options, &score), SUTRA_OK);
    ranges[5] = NAN;
    assert_int_equal(eval(f, &options, &score), SUTRA_E_ARGUMENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_may_be_older),
        cmocka_unit_test(sizes_that_fit_no_version_are_refused),
        cmocka_unit_test(ranges_reach_the_engine),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
