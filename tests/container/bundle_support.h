/* bundle_support.h - what the tests of bundles share. */
#ifndef SU_BUNDLE_SUPPORT_H
#define SU_BUNDLE_SUPPORT_H

#include "sutra.h"

#define BUNDLE_TEXTS 4u
#define BUNDLE_HIDDEN 32u /* of bundle_tiny */

extern const TinyModel bundle_tiny;

/* A new folder below $TMPDIR, to be removed with everything in it by remove_folder. */
char *make_folder(void);
void remove_folder(char *path);

/* folder/name, in memory of malloc. */
char *path_in(const char *folder, const char *name);

unsigned char *read_bytes(const char *path, size_t *size);
void write_bytes(const char *path, const unsigned char *bytes, size_t size);

/* Digests of all sections and of the head, as the writer makes them: what a forger would do. */
void reseal(unsigned char *bytes, size_t size);

/* Vectors of BUNDLE_TEXTS texts, [BUNDLE_TEXTS * hidden_size of the model]; the status of the first failure. */
SutraStatus embed_texts(const SutraModel *model, float *vectors, SutraError *err);

#endif
