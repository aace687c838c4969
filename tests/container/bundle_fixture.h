/* bundle_fixture.h - a tiny model, an empty folder for bundles of it, and the vectors that each of them
 * must give: set up before and torn down after every test. */
#ifndef SU_BUNDLE_FIXTURE_H
#define SU_BUNDLE_FIXTURE_H

#include "support/tiny_model.h"

#include "bundle_support.h"

#include <stdbool.h>

typedef struct BundleFixture {
    char *model;  /* folder of the tiny model */
    char *folder; /* empty */
    char *bundle; /* a path in it, at which there is no file yet */
    float expected[BUNDLE_TEXTS * BUNDLE_HIDDEN];
} BundleFixture;

int bundle_set_up(void **state);
int bundle_tear_down(void **state);

/* True if the model of that path opens and its vectors are the folder's. options may be NULL. */
bool bundle_gives_expected(const BundleFixture *f, const char *path,
                           const SutraModelOptions *options);

#endif
