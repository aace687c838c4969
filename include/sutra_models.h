/* sutra_models.h - models by name; comes with sutra.h.
 *
 * For a process that serves several: each is opened when it is first wanted, and closed when nobody
 * has used it for idle_ms, or when another one needs its room in memory_budget; the one that was
 * used longest ago goes first. A model is in use as long as anybody but SutraModels holds a
 * reference: from sutra_models_get until sutra_model_free, and while calls and jobs run. One in use
 * is never closed; it may be replaced. Any thread. */
#ifndef SUTRA_MODELS_H
#define SUTRA_MODELS_H

#include "sutra.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct SutraModels SutraModels;

typedef struct SutraModelsOptions {
    uint32_t struct_size;
    uint32_t idle_ms;       /* at least this long without use; 0: none is closed for that */
    uint64_t memory_budget; /* bytes that weights of open models may take together; 0: any */
    /* As SutraEngineOptions.log: told what is opened and closed (level 2). */
    void (*log)(void *user, int level, const char *line);
    void *log_user;
} SutraModelsOptions;

SUTRA_API SutraStatus sutra_models_create(const SutraModelsOptions *options, SutraModels **models,
                                          SutraError *err);

/* Forgets all names, and gives back its references: models in use stay until their users free them.
 * No other thread is in a call on it. */
SUTRA_API void sutra_models_free(SutraModels *models);

/* Says what a name stands for; opens nothing. The options are copied, and its cache_dir too.
 * Errors: ARGUMENT (the name is empty, or taken), MEMORY, ABI. */
SUTRA_API SutraStatus sutra_models_add(SutraModels *models, const char *name, const char *path,
                                       const SutraModelOptions *options, SutraError *err);

/* Forgets a name; its model stays for those who use it. Errors: ARGUMENT (not known; it is just
 * being opened). */
SUTRA_API SutraStatus sutra_models_remove(SutraModels *models, const char *name, SutraError *err);

/* The model of a name, opened if it is not; a reference, given back by sutra_model_free. Threads
 * that want one that is being opened wait for it. Errors: ARGUMENT (not known; lists the names),
 * LIMIT (it does not fit into the budget beside those in use, which it names), and those of
 * sutra_model_open; after a failure the next call tries again. */
SUTRA_API SutraStatus sutra_models_get(SutraModels *models, const char *name, SutraModel **model,
                                       SutraError *err);

/* What a name stands for from now on: the model at `path`, by the options of its sutra_models_add.
 * path NULL: the same place, whose files may be others. It is opened, and *model is a reference as
 * of sutra_models_get; model NULL: the next sutra_models_get opens it. The model before stays for
 * those who use it, and is what others get until the new one is open. Errors: as sutra_models_get;
 * then all is as it was. */
SUTRA_API SutraStatus sutra_models_replace(SutraModels *models, const char *name, const char *path,
                                           SutraModel **model, SutraError *err);

/* Closes all that are not in use, whatever idle_ms says. */
SUTRA_API void sutra_models_close_idle(SutraModels *models);

/* JSON, written as by sutra_system_describe: of each name its path, whether it is open and in use,
 * its bytes, and how often it was opened and closed. */
SUTRA_API SutraStatus sutra_models_describe(SutraModels *models, char *json, size_t capacity,
                                            size_t *size, SutraError *err);

#ifdef __cplusplus
}
#endif
#endif
