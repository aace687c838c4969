#include "sqlite_extension.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define DEFAULT_MODEL "all-MiniLM-L6-v2"

struct SqlModels {
    SqlModel *first;
    const SqlModel *chosen; /* NULL: none by sutra_model */
};

/* Of the process; the lock is for its fields, not for what they point to. */
static struct {
    pthread_mutex_t lock;
    unsigned connections;
    SutraModels *models; /* by path */
    SutraEngine *engine;
} process = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void before_fork(void) { pthread_mutex_lock(&process.lock); }

static void after_fork(void) { pthread_mutex_unlock(&process.lock); }

/* Threads of the engine stayed behind, and maybe one that opens a model. */
static void after_fork_in_child(void)
{
    process.engine = NULL;
    process.models = NULL;
    pthread_mutex_unlock(&process.lock);
}

static void watch_forks(void) { pthread_atfork(before_fork, after_fork, after_fork_in_child); }

SutraStatus sql_models_open(SqlModels **models, SutraError *err)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, watch_forks);
    *models = sqlite3_malloc64(sizeof **models);
    if (!*models) return sql_raise(err, SUTRA_E_MEMORY, "out of memory for a connection");
    **models = (SqlModels){0};
    pthread_mutex_lock(&process.lock);
    process.connections++;
    pthread_mutex_unlock(&process.lock);
    return SUTRA_OK;
}

static void drop_first(SqlModels *models)
{
    SqlModel *model = models->first;
    models->first = model->next;
    sutra_model_free(model->model);
    sqlite3_free(model);
}

void sql_models_close(SqlModels *models)
{
    SutraEngine *engine = NULL;
    SutraModels *opened = NULL;
    if (!models) return;
    while (models->first) drop_first(models);
    sqlite3_free(models);
    pthread_mutex_lock(&process.lock);
    if (--process.connections == 0) {
        engine = process.engine;
        opened = process.models;
        process.engine = NULL;
        process.models = NULL;
    }
    pthread_mutex_unlock(&process.lock);
    sutra_engine_free(engine);
    sutra_models_free(opened);
}

static SutraStatus thread_count(uint32_t *count, SutraError *err)
{
    const char *text = getenv("SUTRA_THREADS");
    if (!text || !*text) return SUTRA_OK;
    char *end;
    unsigned long number = strtoul(text, &end, 10);
    if (*end || number < 1 || number > 1024)
        return sql_raise(err, SUTRA_E_ARGUMENT,
                         "SUTRA_THREADS=%s is not a whole number from 1 to 1024", text);
    *count = (uint32_t)number;
    return SUTRA_OK;
}

SutraStatus sql_engine(SutraEngine **engine, SutraError *err)
{
    SutraEngineOptions options = {.struct_size = sizeof options};
    SutraStatus status = SUTRA_OK;
    pthread_mutex_lock(&process.lock);
    if (!process.engine) {
        status = thread_count(&options.num_threads, err);
        if (status == SUTRA_OK) status = sutra_engine_create(&options, &process.engine, err);
    }
    *engine = process.engine;
    pthread_mutex_unlock(&process.lock);
    return status;
}

static SutraStatus shared_models(SutraModels **models, SutraError *err)
{
    SutraStatus status = SUTRA_OK;
    pthread_mutex_lock(&process.lock);
    if (!process.models) status = sutra_models_create(NULL, &process.models, err);
    *models = process.models;
    pthread_mutex_unlock(&process.lock);
    return status;
}

/* Where packed copies of models are kept, as the program has it; false: nowhere. */
static bool packed_folder(char *path, size_t capacity)
{
    const char *own = getenv("SUTRA_CACHE"), *base = getenv("XDG_CACHE_HOME"), *below = "/sutra";
    if (own) {
        base = own;
        below = "";
    } else if (!base || base[0] != '/') {
        base = getenv("HOME");
        below = "/.cache/sutra";
    }
    if (!base || !*base) return false;
    return (size_t)snprintf(path, capacity, "%s%s", base, below) < capacity;
}

/* A model of the process, opened if it is not. */
static SutraStatus open_path(const char *path, SutraModel **model, SutraError *err)
{
    char packed[PATH_MAX];
    SutraModelOptions options = {.struct_size = sizeof options};
    SutraModels *models;
    if (packed_folder(packed, sizeof packed)) options.cache_dir = packed;
    SutraStatus status = shared_models(&models, err);
    if (status == SUTRA_OK) status = sutra_models_get(models, path, model, err);
    if (status != SUTRA_E_ARGUMENT) return status;
    status = sutra_models_add(models, path, path, &options, err);
    if (status != SUTRA_OK && status != SUTRA_E_ARGUMENT) return status;
    return sutra_models_get(models, path, model, err);
}

static bool looks_like_path(const char *name)
{
    const char *slash = strchr(name, '/'), *end = name + strlen(name);
    return strchr("/.~", name[0]) || (slash && strchr(slash + 1, '/')) ||
           (end - name > 6 && strcmp(end - 6, ".sutra") == 0);
}

/* A path where there is one and it may be one, else the folder of a name in the cache. */
static SutraStatus find_path(const char *name, bool may_be_path, char *path, SutraError *err)
{
    char cache[SUTRA_HUB_PATH_MAX];
    struct stat facts;
    if (!*name) return sql_raise(err, SUTRA_E_ARGUMENT, "the model's name is empty");
    if (may_be_path && stat(name, &facts) == 0) {
        if ((size_t)snprintf(path, PATH_MAX, "%s", name) < PATH_MAX) return SUTRA_OK;
        return sql_raise(err, SUTRA_E_LIMIT, "%.60s…: path too long", name);
    }
    if (looks_like_path(name)) {
        if (may_be_path) return sql_raise(err, SUTRA_E_IO, "%s: no such model folder", name);
        return sql_raise(err, SUTRA_E_ARGUMENT,
                         "%s is a path and not a name: open it first by sutra_model(path)", name);
    }
    SutraStatus status = sutra_cache_directory(getenv, cache, sizeof cache, err);
    if (status != SUTRA_OK) return status;
    return sutra_cache_find(cache, name, NULL, path, PATH_MAX, err);
}

/* By the one path without links and dots, so that each model is opened once. */
static SutraStatus find_real_path(const char *name, bool may_be_path, char *path, SutraError *err)
{
    char found[PATH_MAX];
    SutraStatus status = find_path(name, may_be_path, found, err);
    if (status != SUTRA_OK) return status;
    if (realpath(found, path)) return SUTRA_OK;
    return sql_raise(err, SUTRA_E_IO, "%.400s: %s", found, strerror(errno));
}

static const SqlModel *find_open(const SqlModels *models, const char *name)
{
    const SqlModel *model = models->first;
    while (model && strcmp(model->name, name) != 0) model = model->next;
    return model;
}

/* It becomes the first one. */
static SutraStatus open_model(SqlModels *models, const char *name, bool may_be_path,
                              SutraError *err)
{
    char path[PATH_MAX];
    SutraStatus status = find_real_path(name, may_be_path, path, err);
    if (status != SUTRA_OK) return status;
    size_t size = strlen(name) + 1;
    SqlModel *made = sqlite3_malloc64(sizeof *made + size);
    if (!made) return sql_raise(err, SUTRA_E_MEMORY, "out of memory for a model");
    *made = (SqlModel){.next = models->first, .info = {.struct_size = sizeof made->info}};
    memcpy(made->name, name, size);
    status = open_path(path, &made->model, err);
    if (status == SUTRA_OK) status = sutra_model_info(made->model, &made->info, err);
    if (status != SUTRA_OK) {
        sutra_model_free(made->model);
        sqlite3_free(made);
        return status;
    }
    made->known = sutra_registry_find(made->info.name);
    models->first = made;
    return SUTRA_OK;
}

const char *sql_models_default(const SqlModels *models)
{
    const char *name = getenv("SUTRA_MODEL");
    if (models->chosen) return models->chosen->name;
    return name && *name ? name : DEFAULT_MODEL;
}

SutraStatus sql_models_get(SqlModels *models, const char *name, const SqlModel **model,
                           SutraError *err)
{
    const char *given = getenv("SUTRA_MODEL");
    if (!name && models->chosen) {
        *model = models->chosen;
        return SUTRA_OK;
    }
    bool may_be_path = !name && given && *given;
    if (!name) name = sql_models_default(models);
    *model = find_open(models, name);
    if (*model) return SUTRA_OK;
    SutraStatus status = open_model(models, name, may_be_path, err);
    *model = models->first;
    return status;
}

SutraStatus sql_models_choose(SqlModels *models, const char *name, SutraError *err)
{
    const SqlModel *before = find_open(models, name);
    SutraStatus status = open_model(models, name, true, err);
    if (status != SUTRA_OK) return status;
    models->chosen = models->first;
    if (before && before->model == models->first->model) {
        models->chosen = before;
        drop_first(models);
    }
    return SUTRA_OK;
}
