/* model_open.h - opening a folder by way of its bundle in a cache. */
#ifndef SU_MODEL_OPEN_H
#define SU_MODEL_OPEN_H

#include "sutra.h"

/* path is a folder and options->cache_dir is set. Opens the cached bundle where it is current; else
 * the folder, writing the bundle for the next time. */
SutraStatus su_open_through_cache(const char *path, const SutraModelOptions *options,
                                  SutraModel **model, SutraError *err);

#endif
