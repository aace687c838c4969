#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "bundle_fixture.h"

#include <stdlib.h>
#include <string.h>

int bundle_set_up(void **state)
{
    BundleFixture *f = calloc(1, sizeof *f);
    SutraModel *model;
    SutraError err;
    f->model = tiny_model_write(&bundle_tiny);
    f->folder = make_folder();
    f->bundle = path_in(f->folder, "tiny.sutra");
    assert_int_equal(sutra_model_open(f->model, NULL, &model, &err), SUTRA_OK);
    assert_int_equal(embed_texts(model, f->expected, &err), SUTRA_OK);
    sutra_model_free(model);
    *state = f;
    return 0;
}

int bundle_tear_down(void **state)
{
    BundleFixture *f = *state;
    tiny_model_remove(f->model);
    remove_folder(f->folder);
    free(f->bundle);
    free(f);
    return 0;
}

bool bundle_gives_expected(const BundleFixture *f, const char *path,
                           const SutraModelOptions *options)
{
    SutraModel *model;
    SutraError err;
    float vectors[BUNDLE_TEXTS * BUNDLE_HIDDEN];
    if (sutra_model_open(path, options, &model, &err) != SUTRA_OK) return false;
    bool same = embed_texts(model, vectors, &err) == SUTRA_OK &&
                memcmp(vectors, f->expected, sizeof vectors) == 0;
    sutra_model_free(model);
    return same;
}
