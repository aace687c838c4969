/* sqlite_models.h - the engine and the models of the process.
 *
 * There is one engine, made when it is first wanted, and each model is opened once, whatever the
 * connections are; with the last connection all goes. The child of a fork makes an engine of its
 * own. Models are found in the cache and never downloaded.
 *
 * A path is opened for sutra_model and SUTRA_MODEL alone: elsewhere a name may come from a schema,
 * that is, from whoever made the database file. */
#ifndef SQLITE_MODELS_H
#define SQLITE_MODELS_H

#include "sutra.h"
#include "sutra_hub.h"

#include <stdbool.h>

/* What one connection uses. Not for two threads at once. */
typedef struct SqlModels SqlModels;

typedef struct SqlModel {
    struct SqlModel *next;
    SutraModel *model;
    SutraModelInfo info;
    const SutraRegistryModel *known; /* NULL: not in the registry */
    char name[];                     /* as it was asked for */
} SqlModel;

/* Errors: MEMORY. */
SutraStatus sql_models_open(SqlModels **models, SutraError *err);
void sql_models_close(SqlModels *models);

/* The model of a name in the cache, or one that sql_models_choose has opened by this name; NULL:
 * the default one. Borrowed until sql_models_close. Errors: as sutra_cache_find and
 * sutra_model_open; ARGUMENT (a path). */
SutraStatus sql_models_get(SqlModels *models, const char *name, const SqlModel **model,
                           SutraError *err);

/* Opens a name or a path as `sutra -m` does, and makes it the connection's default. */
SutraStatus sql_models_choose(SqlModels *models, const char *name, SutraError *err);

/* The default: chosen, else SUTRA_MODEL of the environment, else all-MiniLM-L6-v2. */
const char *sql_models_default(const SqlModels *models);

/* The engine, borrowed until sql_models_close or a fork. Errors: ARGUMENT (SUTRA_THREADS), those of
 * sutra_engine_create. */
SutraStatus sql_engine(SutraEngine **engine, SutraError *err);

#endif
