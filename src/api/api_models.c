/* sutra_models.h: models by name.
 *
 *   closed ──► opening ──► open ──► closed     idle, or the room is needed
 *      ▲          └── failed
 *      └──────────────┘
 *
 * Replacing happens beside it: the model before is there until the other one takes its place.
 *
 * One lock guards all of it; it is not held while a model is opened, nor while one is freed. The
 * reference of an entry is its own: that nobody else has one can only change under the lock, by
 * sutra_models_get. */
#include "api/json_print.h"
#include "base/deadline.h"
#include "base/file_map.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/process.h"
#include "base/status.h"
#include "base/thread_start.h"
#include "model/model.h"
#include "pipeline/engine.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

enum { TICKS = 8 /* looks at the clock an idle time */ };

typedef struct Entry {
    char *name, *path, *cache_dir;
    SutraModelOptions options;
    SutraModel *model; /* NULL: closed */
    bool opening, replacing;
    uint64_t used_ns; /* when it was last seen in use */
    uint64_t opened, closed;
    struct Entry *next; /* of the list, or of those that are being closed */
} Entry;

struct SutraModels {
    pthread_mutex_t lock;
    pthread_cond_t changed; /* a model is open, or could not be opened */
    pthread_cond_t stopped;
    Entry *first; /* as they were added */
    uint64_t idle_ns, budget;
    void (*log)(void *user, int level, const char *line);
    void *log_user;
    bool stop, watched;
    pthread_t watcher; /* closes those that are idle */
    int64_t process;
};

static void free_entry(Entry *entry)
{
    if (!entry) return;
    sutra_model_free(entry->model);
    su_free(entry->name);
    su_free(entry->path);
    su_free(entry->cache_dir);
    su_free(entry);
}

/* ---- the lock is held in all of these ---- */

static Entry *find(const SutraModels *models, const char *name)
{
    Entry *entry = models->first;
    while (entry && strcmp(entry->name, name) != 0) entry = entry->next;
    return entry;
}

static bool in_use(Entry *entry, uint64_t now)
{
    bool used = entry->opening || (entry->model && su_model_is_shared(entry->model));
    if (used) entry->used_ns = now;
    return used;
}

/* The lock is given up while the model goes: another thread may open it again meanwhile. */
static void close_model(SutraModels *models, Entry *entry, const char *why)
{
    SutraModel *model = entry->model;
    entry->model = NULL;
    entry->closed++;
    su_log(models->log, models->log_user, SU_LOG_INFO, "%s: closed, %s", entry->name, why);
    pthread_mutex_unlock(&models->lock);
    sutra_model_free(model);
    pthread_mutex_lock(&models->lock);
}

/* Closes one that nobody uses, the one that was used longest ago, before `until`. */
static bool close_oldest(SutraModels *models, uint64_t until, const char *why)
{
    Entry *oldest = NULL;
    uint64_t now = su_clock_ns();
    for (Entry *entry = models->first; entry; entry = entry->next) {
        if (!entry->model || in_use(entry, now) || entry->used_ns > until) continue;
        if (!oldest || entry->used_ns < oldest->used_ns) oldest = entry;
    }
    if (!oldest) return false;
    close_model(models, oldest, why);
    return true;
}

static uint64_t open_bytes(const SutraModels *models)
{
    uint64_t bytes = 0;
    for (const Entry *entry = models->first; entry; entry = entry->next)
        if (entry->model) bytes += entry->model->weight_bytes;
    return bytes;
}

/* "a, b": names of those that are open, or of all. */
static void list_names(const SutraModels *models, bool open, char *text, size_t capacity)
{
    size_t used = 0;
    *text = '\0';
    for (const Entry *entry = models->first; entry && used < capacity; entry = entry->next)
        if (!open || entry->model)
            used += (size_t)snprintf(text + used, capacity - used, "%s%s", used ? ", " : "",
                                     entry->name);
}

/* Room for a model that was just opened. Errors: LIMIT. */
static SutraStatus make_room(SutraModels *models, const char *name, uint64_t bytes, SutraError *err)
{
    if (!models->budget) return SUTRA_OK;
    bool fits = bytes <= models->budget;
    while (fits && open_bytes(models) + bytes > models->budget)
        if (!close_oldest(models, UINT64_MAX, "another model needs its room")) fits = false;
    if (fits) return SUTRA_OK;
    char others[256];
    list_names(models, true, others, sizeof others);
    SU_RAISE(err, SUTRA_E_LIMIT,
             "%s: its weights take %" PRIu64 " bytes, of %" PRIu64
             " that models may take together; in use are %" PRIu64 "%s%s",
             name, bytes, models->budget, open_bytes(models), *others ? ": " : "", others);
}

/* ---- opening ---- */

/* A link to a folder may come to lead to another one at any time: all files are of one. */
static SutraStatus open_folder(const char *path, const SutraModelOptions *options,
                               SutraModel **model, SutraError *err)
{
    char *resolved = su_directory_exists(path) ? su_path_resolve(path) : NULL;
    SutraStatus status = sutra_model_open(resolved ? resolved : path, options, model, err);
    su_free(resolved);
    return status;
}

static SutraStatus open_entry(SutraModels *models, Entry *entry, SutraError *err)
{
    SutraModel *model = NULL;
    uint64_t start = su_clock_ns();
    entry->opening = true;
    pthread_mutex_unlock(&models->lock);
    SutraStatus status = open_folder(entry->path, &entry->options, &model, err);
    pthread_mutex_lock(&models->lock);
    if (status == SUTRA_OK) status = make_room(models, entry->name, model->weight_bytes, err);
    if (status == SUTRA_OK) {
        entry->model = model;
        entry->opened++;
        su_log(models->log, models->log_user, SU_LOG_INFO, "%s: open after %.1f ms", entry->name,
               (double)(su_clock_ns() - start) * 1e-6);
    }
    entry->opening = false;
    pthread_cond_broadcast(&models->changed);
    if (status == SUTRA_OK || !model) return status;
    pthread_mutex_unlock(&models->lock);
    sutra_model_free(model);
    pthread_mutex_lock(&models->lock);
    return status;
}

static SutraStatus no_such(const SutraModels *models, const char *name, SutraError *err)
{
    char names[256];
    list_names(models, false, names, sizeof names);
    SU_RAISE(err, SUTRA_E_ARGUMENT, "there is no model \"%s\"%s%s", name,
             *names ? "; there are " : "", names);
}

static SutraStatus get(SutraModels *models, const char *name, SutraModel **model, SutraError *err)
{
    Entry *entry;
    while ((entry = find(models, name)) && entry->opening)
        pthread_cond_wait(&models->changed, &models->lock);
    if (!entry) return no_such(models, name, err);
    if (!entry->model) SU_TRY(open_entry(models, entry, err));
    entry->used_ns = su_clock_ns();
    *model = su_model_retain(entry->model);
    return SUTRA_OK;
}

static SutraStatus check(const SutraModels *models, const char *name, SutraError *err)
{
    if (!models) SU_RAISE(err, SUTRA_E_ARGUMENT, "models is NULL");
    if (models->process != su_process_id())
        SU_RAISE(err, SUTRA_E_ARGUMENT,
                 "the models were made before fork(): a child needs some of its own");
    if (!name || !*name) SU_RAISE(err, SUTRA_E_ARGUMENT, "name is NULL or empty");
    return SUTRA_OK;
}

SutraStatus sutra_models_get(SutraModels *models, const char *name, SutraModel **model,
                             SutraError *err)
{
    if (!model) SU_RAISE(err, SUTRA_E_ARGUMENT, "model is NULL");
    *model = NULL;
    SU_TRY(check(models, name, err));
    pthread_mutex_lock(&models->lock);
    SutraStatus status = get(models, name, model, err);
    pthread_mutex_unlock(&models->lock);
    return status;
}

/* ---- replacing ---- */

/* The lock is given up while the model is opened; the entry stays, since it is being replaced. */
static SutraStatus open_other(SutraModels *models, Entry *entry, const char *path,
                              SutraModel **model, SutraError *err)
{
    pthread_mutex_unlock(&models->lock);
    SutraStatus status = open_folder(path, &entry->options, model, err);
    pthread_mutex_lock(&models->lock);
    if (status == SUTRA_OK) status = make_room(models, entry->name, (*model)->weight_bytes, err);
    while (entry->opening) pthread_cond_wait(&models->changed, &models->lock);
    return status;
}

/* *before: what nobody has any more, or the entry has not; to be freed without the lock. */
static SutraStatus replace(SutraModels *models, const char *name, const char *path,
                           SutraModel **model, SutraModel **before, SutraError *err)
{
    Entry *entry;
    SutraModel *other = NULL;
    while ((entry = find(models, name)) && (entry->opening || entry->replacing))
        pthread_cond_wait(&models->changed, &models->lock);
    if (!entry) return no_such(models, name, err);
    char *place = path ? su_strdup(path) : NULL;
    if (path && !place) SU_RAISE(err, SUTRA_E_MEMORY, "out of memory for model \"%s\"", name);
    entry->replacing = true;
    SutraStatus status =
        model ? open_other(models, entry, place ? place : entry->path, &other, err) : SUTRA_OK;
    *before = other;
    if (status == SUTRA_OK) {
        *before = entry->model;
        entry->closed += entry->model != NULL;
        entry->opened += other != NULL;
        entry->model = other;
        entry->used_ns = su_clock_ns();
        if (model) *model = su_model_retain(other);
        if (place) {
            char *old = entry->path;
            entry->path = place;
            place = old;
        }
    }
    su_free(place);
    entry->replacing = false;
    pthread_cond_broadcast(&models->changed);
    return status;
}

SutraStatus sutra_models_replace(SutraModels *models, const char *name, const char *path,
                                 SutraModel **model, SutraError *err)
{
    SutraModel *before = NULL;
    if (model) *model = NULL;
    SU_TRY(check(models, name, err));
    pthread_mutex_lock(&models->lock);
    SutraStatus status = replace(models, name, path, model, &before, err);
    pthread_mutex_unlock(&models->lock);
    sutra_model_free(before);
    return status;
}

/* ---- names ---- */

static SutraStatus add(SutraModels *models, Entry *entry, SutraError *err)
{
    Entry **at = &models->first;
    for (; *at; at = &(*at)->next)
        if (strcmp((*at)->name, entry->name) == 0)
            SU_RAISE(err, SUTRA_E_ARGUMENT, "there is a model \"%s\" already", entry->name);
    *at = entry;
    return SUTRA_OK;
}

SutraStatus sutra_models_add(SutraModels *models, const char *name, const char *path,
                             const SutraModelOptions *options, SutraError *err)
{
    SutraModelOptions o;
    SU_TRY(check(models, name, err));
    if (!path || !*path) SU_RAISE(err, SUTRA_E_ARGUMENT, "path is NULL or empty");
    SU_TRY(su_options_read(&o, sizeof o, options, "SutraModelOptions", err));
    Entry *entry = su_calloc(1, sizeof *entry);
    if (!entry) SU_RAISE(err, SUTRA_E_MEMORY, "out of memory for model \"%s\"", name);
    *entry = (Entry){.name = su_strdup(name), .path = su_strdup(path), .options = o};
    if (o.cache_dir) entry->cache_dir = su_strdup(o.cache_dir);
    entry->options.struct_size = sizeof o;
    entry->options.cache_dir = entry->cache_dir;
    SutraStatus status = SUTRA_OK;
    if (!entry->name || !entry->path || (o.cache_dir && !entry->cache_dir))
        status = su_error_set(err, SUTRA_E_MEMORY, "out of memory for model \"%s\"", name);
    if (status == SUTRA_OK) {
        pthread_mutex_lock(&models->lock);
        status = add(models, entry, err);
        pthread_mutex_unlock(&models->lock);
    }
    if (status != SUTRA_OK) free_entry(entry);
    return status;
}

SutraStatus sutra_models_remove(SutraModels *models, const char *name, SutraError *err)
{
    SU_TRY(check(models, name, err));
    pthread_mutex_lock(&models->lock);
    Entry *entry = find(models, name);
    bool opening = entry && (entry->opening || entry->replacing);
    if (entry && !opening) {
        Entry **at = &models->first;
        while (*at != entry) at = &(*at)->next;
        *at = entry->next;
    }
    pthread_mutex_unlock(&models->lock);
    if (opening) SU_RAISE(err, SUTRA_E_ARGUMENT, "model \"%s\" is just being opened", name);
    if (!entry) SU_RAISE(err, SUTRA_E_ARGUMENT, "there is no model \"%s\"", name);
    free_entry(entry);
    return SUTRA_OK;
}

/* ---- idle ones ---- */

void sutra_models_close_idle(SutraModels *models)
{
    if (!models || models->process != su_process_id()) return;
    pthread_mutex_lock(&models->lock);
    while (close_oldest(models, UINT64_MAX, "as was asked")) continue;
    pthread_mutex_unlock(&models->lock);
}

static void *watch(void *arg)
{
    SutraModels *models = arg;
    pthread_mutex_lock(&models->lock);
    while (!models->stop) {
        uint64_t now = su_clock_ns(), tick = models->idle_ns / TICKS + 1;
        uint64_t until = now > models->idle_ns ? now - models->idle_ns : 0;
        while (!models->stop && close_oldest(models, until, "idle")) continue;
        if (models->stop) break;
        const struct timespec next = su_deadline_at(now + tick);
        su_deadline_wait(&models->stopped, &models->lock, &next);
    }
    pthread_mutex_unlock(&models->lock);
    return NULL;
}

/* ---- its own life ---- */

SutraStatus sutra_models_create(const SutraModelsOptions *options, SutraModels **out,
                                SutraError *err)
{
    SutraModelsOptions o;
    if (!out) SU_RAISE(err, SUTRA_E_ARGUMENT, "models is NULL");
    *out = NULL;
    SU_TRY(su_options_read(&o, sizeof o, options, "SutraModelsOptions", err));
    SutraModels *models = su_calloc(1, sizeof *models);
    if (!models) SU_RAISE(err, SUTRA_E_MEMORY, "out of memory");
    models->idle_ns = (uint64_t)o.idle_ms * 1000000u;
    models->budget = o.memory_budget;
    models->log = o.log;
    models->log_user = o.log_user;
    models->process = su_process_id();
    pthread_mutex_init(&models->lock, NULL);
    su_deadline_condition(&models->stopped);
    pthread_cond_init(&models->changed, NULL);
    if (models->idle_ns && !su_thread_start(&models->watcher, watch, models)) {
        sutra_models_free(models);
        SU_RAISE(err, SUTRA_E_LIMIT, "could not start the thread that closes idle models");
    }
    models->watched = models->idle_ns != 0;
    *out = models;
    return SUTRA_OK;
}

void sutra_models_free(SutraModels *models)
{
    if (!models || models->process != su_process_id()) return;
    pthread_mutex_lock(&models->lock);
    models->stop = true;
    pthread_cond_signal(&models->stopped);
    pthread_mutex_unlock(&models->lock);
    if (models->watched) pthread_join(models->watcher, NULL);
    while (models->first) {
        Entry *entry = models->first;
        models->first = entry->next;
        free_entry(entry);
    }
    pthread_cond_destroy(&models->changed);
    pthread_cond_destroy(&models->stopped);
    pthread_mutex_destroy(&models->lock);
    su_free(models);
}

/* ---- what there is ---- */

static void print_entry(SuJsonPart *part, Entry *entry)
{
    bool used = in_use(entry, su_clock_ns());
    su_json_add(part, "%s{\"name\": ", part->size ? ", " : "");
    su_json_add_string(part, entry->name);
    su_json_add(part, ", \"path\": ");
    su_json_add_string(part, entry->path);
    su_json_add(part,
                ", \"state\": \"%s\", \"in_use\": %s, \"weight_bytes\": %" PRIu64
                ", \"opened\": %" PRIu64 ", \"closed\": %" PRIu64 "}",
                entry->opening ? "opening"
                : entry->model ? "open"
                               : "closed",
                used && entry->model ? "true" : "false",
                entry->model ? entry->model->weight_bytes : 0, entry->opened, entry->closed);
}

SutraStatus sutra_models_describe(SutraModels *models, char *json, size_t capacity, size_t *size,
                                  SutraError *err)
{
    SuJsonPart part = {0};
    SU_TRY(check(models, "any", err));
    pthread_mutex_lock(&models->lock);
    for (Entry *entry = models->first; entry; entry = entry->next) print_entry(&part, entry);
    uint64_t bytes = open_bytes(models);
    pthread_mutex_unlock(&models->lock);
    SutraStatus status = part.failed
                             ? su_error_set(err, SUTRA_E_MEMORY, "out of memory")
                             : su_json_print(json, capacity, size, err,
                                             "{\"weight_bytes\": %" PRIu64
                                             ", \"memory_budget\": %" PRIu64 ", \"models\": [%s]}",
                                             bytes, models->budget, part.text ? part.text : "");
    su_free(part.text);
    return status;
}
