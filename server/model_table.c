#include "model_table.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"

#include <limits.h>
#include <string.h>

SutraStatus su_model_table_open(SuModelTable *table, SuLoop *loop, SuWorker *worker,
                                const SutraModelsOptions *options, SutraError *err)
{
    *table = (SuModelTable){.loop = loop, .worker = worker};
    return sutra_models_create(options, &table->models, err);
}

static void free_entry(SuModelEntry *entry)
{
    if (entry->end) event_free(entry->end);
    sutra_model_free(entry->model);
    sutra_model_free(entry->found);
    su_free(entry->id);
    su_free(entry);
}

void su_model_table_close(SuModelTable *table)
{
    for (size_t i = 0; i < table->num_entries; i++) free_entry(table->entries[i]);
    for (size_t i = 0; i < table->num_aliases; i++) su_free(table->aliases[i].name);
    su_free(table->entries);
    su_free(table->aliases);
    sutra_models_free(table->models);
    *table = (SuModelTable){0};
}

static SuModelEntry *find_entry(const SuModelTable *table, SuText id)
{
    for (size_t i = 0; i < table->num_entries; i++)
        if (su_text_is(id, table->entries[i]->id)) return table->entries[i];
    return NULL;
}

static SuModelEntry *find_alias(const SuModelTable *table, SuText name)
{
    for (size_t i = 0; i < table->num_aliases; i++)
        if (su_text_is(name, table->aliases[i].name)) return table->aliases[i].entry;
    return NULL;
}

SuModelEntry *su_model_table_find(const SuModelTable *table, SuText name)
{
    if (!name.data) return table->entries[0];
    SuModelEntry *entry = find_entry(table, name);
    if (!entry && !su_text_is(name, "*")) entry = find_alias(table, name);
    return entry ? entry : find_alias(table, (SuText){"*", 1});
}

static void open_on_worker(SuWork *work);
static void close_on_worker(SuWork *work);
static void tell_waiters(SuPost *post);
static void reload(SuModelEntry *entry);
static void reload_on_worker(SuWork *work);
static void on_reloaded(SuPost *post);

/* NULL: out of memory. */
static SuModelEntry *create_entry(SuModelTable *table, const char *id)
{
    SuModelEntry *entry = su_calloc(1, sizeof *entry);
    char *copy = su_strdup(id);
    if (!entry || !copy) {
        su_free(entry);
        su_free(copy);
        return NULL;
    }
    *entry = (SuModelEntry){.id = copy,
                            .table = table,
                            .info.struct_size = sizeof entry->info,
                            .keep_ns = SU_KEEP_ALIVE_EVER,
                            .work.run = open_on_worker,
                            .close_work.run = close_on_worker,
                            .post.run = tell_waiters,
                            .reload_work.run = reload_on_worker,
                            .reload_post.run = on_reloaded};
    return entry;
}

SutraStatus su_model_table_add(SuModelTable *table, const char *id, const char *path,
                               const SutraModelOptions *options, SutraError *err)
{
    SuModelEntry **grown =
        su_realloc(table->entries, table->num_entries + 1, sizeof *table->entries);
    if (!grown) SU_RAISE(err, SUTRA_E_MEMORY, "out of memory for model %s", id);
    table->entries = grown;
    SuModelEntry *entry = create_entry(table, id);
    SutraStatus status = SUTRA_OK;
    if (!entry)
        status = su_error_set(err, SUTRA_E_MEMORY, "out of memory for model %s", id);
    else if (find_alias(table, (SuText){id, strlen(id)}))
        status = su_error_set(err, SUTRA_E_ARGUMENT, "model %s: the name is an alias already", id);
    if (status == SUTRA_OK) status = sutra_models_add(table->models, id, path, options, err);
    if (status != SUTRA_OK) {
        if (entry) free_entry(entry);
        return status;
    }
    table->entries[table->num_entries++] = entry;
    return SUTRA_OK;
}

SutraStatus su_model_table_alias(SuModelTable *table, const char *name, const char *id,
                                 SutraError *err)
{
    SuText view = {name, strlen(name)};
    SuModelEntry *entry = find_entry(table, (SuText){id, strlen(id)});
    if (!entry) SU_RAISE(err, SUTRA_E_ARGUMENT, "alias %s: there is no model %s", name, id);
    if (!*name || find_entry(table, view) || find_alias(table, view))
        SU_RAISE(err, SUTRA_E_ARGUMENT, "alias %s: the name is %s", name,
                 *name ? "taken" : "empty");
    SuModelAlias *grown =
        su_realloc(table->aliases, table->num_aliases + 1, sizeof *table->aliases);
    if (grown) table->aliases = grown;
    char *copy = grown ? su_strdup(name) : NULL;
    if (!copy) SU_RAISE(err, SUTRA_E_MEMORY, "out of memory for alias %s", name);
    table->aliases[table->num_aliases++] = (SuModelAlias){copy, entry};
    return SUTRA_OK;
}

static SutraStatus open_found(SuModelEntry *entry, SutraError *err)
{
    return sutra_models_get(entry->table->models, entry->id, &entry->found, err);
}

static SutraStatus publish(SuModelEntry *entry, SutraError *err)
{
    if (!entry->found) return entry->err.status;
    SU_TRY(sutra_model_info(entry->found, &entry->info, err));
    entry->model = entry->found;
    entry->found = NULL;
    return SUTRA_OK;
}

SuModelEntry *su_model_table_reranker(const SuModelTable *table)
{
    SuModelEntry *closed = NULL;
    for (size_t i = 0; i < table->num_entries; i++) {
        SuModelEntry *entry = table->entries[i];
        if (entry->model && entry->info.outputs >> SUTRA_OUT_SCORES & 1) return entry;
        if (!entry->model && !closed) closed = entry;
    }
    return closed;
}

SutraStatus su_model_entry_open(SuModelEntry *entry, SutraError *err)
{
    SU_TRY(open_found(entry, err));
    return publish(entry, err);
}

static void open_on_worker(SuWork *work)
{
    SuModelEntry *entry = (SuModelEntry *)(void *)((char *)work - offsetof(SuModelEntry, work));
    open_found(entry, &entry->err);
    su_loop_post(entry->table->loop, &entry->post);
}

static void tell_waiters(SuPost *post)
{
    SuModelEntry *entry = (SuModelEntry *)(void *)((char *)post - offsetof(SuModelEntry, post));
    SuModelWaiter *waiter = entry->waiters;
    publish(entry, &entry->err);
    entry->is_opening = false;
    entry->waiters = NULL;
    su_model_entry_use(entry); /* until all have been told */
    while (waiter) {
        SuModelWaiter *next = waiter->next;
        waiter->opened(waiter);
        waiter = next;
    }
    if (entry->reloads_again && !entry->is_reloading) reload(entry);
    su_model_entry_done(entry, entry->keep_ns);
}

void su_model_entry_want(SuModelEntry *entry, SuModelWaiter *waiter)
{
    if (entry->model) {
        waiter->opened(waiter);
        return;
    }
    waiter->next = entry->waiters;
    entry->waiters = waiter;
    if (entry->is_opening) return;
    entry->is_opening = true;
    entry->err = (SutraError){0};
    su_worker_give(entry->table->worker, &entry->work);
}

/* ---- how long it stays open ---- */

/* It goes with whoever still holds it: a stream that has ended may have a chunk at the engine. */
static void close_on_worker(SuWork *work)
{
    SuModelEntry *entry =
        (SuModelEntry *)(void *)((char *)work - offsetof(SuModelEntry, close_work));
    sutra_models_replace(entry->table->models, entry->id, NULL, NULL, NULL);
}

/* A request that comes meanwhile has it opened again, on the worker after this. */
static void close_entry(SuModelEntry *entry)
{
    if (!entry->model || !entry->table->worker->has_thread) return;
    sutra_model_free(entry->model);
    entry->model = NULL;
    entry->end_ns = 0;
    su_worker_give(entry->table->worker, &entry->close_work);
}

static void on_end(evutil_socket_t fd, short what, void *user)
{
    SuModelEntry *entry = user;
    (void)fd;
    (void)what;
    if (entry->num_users == 0) close_entry(entry);
}

static void free_on_worker(SuWork *work)
{
    free_entry((SuModelEntry *)(void *)((char *)work - offsetof(SuModelEntry, reload_work)));
}

/* Of a retired one, once nobody has it any more: neither users nor, if it is being opened, those who
 * wait. Unmapping takes its time, and so does what the worker has of it. */
static void dispose(SuModelEntry *entry)
{
    if (entry->is_opening) return;
    if (entry->end) event_free(entry->end);
    entry->end = NULL;
    entry->reload_work.run = free_on_worker;
    if (entry->table->worker->has_thread)
        su_worker_give(entry->table->worker, &entry->reload_work);
    else
        free_entry(entry);
}

void su_model_entry_use(SuModelEntry *entry)
{
    entry->num_users++;
    entry->end_ns = 0;
    if (entry->end) event_del(entry->end);
}

/* What its users say of how long, if it is news, holds for its successor. */
static void leave_retired(SuModelEntry *entry, uint64_t keep_ns)
{
    if (keep_ns != entry->keep_ns) {
        SuModelEntry *next = find_entry(entry->table, (SuText){entry->id, strlen(entry->id)});
        su_model_entry_use(next);
        su_model_entry_done(next, keep_ns);
    }
    if (entry->num_users == 0) dispose(entry);
}

void su_model_entry_done(SuModelEntry *entry, uint64_t keep_ns)
{
    entry->num_users--;
    if (entry->is_retired) {
        leave_retired(entry, keep_ns);
        return;
    }
    entry->keep_ns = keep_ns;
    if (entry->num_users > 0 || keep_ns == SU_KEEP_ALIVE_EVER || !entry->model) return;
    if (!entry->end) entry->end = evtimer_new(entry->table->loop->base, on_end, entry);
    entry->end_ns = su_clock_ns() + keep_ns;
    uint64_t milliseconds = keep_ns / 1000000 + (keep_ns % 1000000 > 0);
    if (keep_ns == 0 || !entry->end || !su_loop_after(entry->end, milliseconds)) close_entry(entry);
}

/* ---- reloading ---- */

static SutraStatus reload_now(SuModelEntry *entry, SutraError *err)
{
    const SuModelReload *with = &entry->table->reload;
    char path[PATH_MAX];
    if (with->locate) SU_TRY(with->locate(with->locate_user, entry->id, path, sizeof path, err));
    SU_TRY(sutra_models_replace(entry->table->models, entry->id, with->locate ? path : NULL,
                                entry->was_open ? &entry->fresh : NULL, err));
    if (!entry->fresh || !with->prepare) return SUTRA_OK;
    return with->prepare(with->prepare_user, entry->fresh, err);
}

static void reload_on_worker(SuWork *work)
{
    SuModelEntry *entry =
        (SuModelEntry *)(void *)((char *)work - offsetof(SuModelEntry, reload_work));
    if (reload_now(entry, &entry->reload_err) != SUTRA_OK) {
        sutra_model_free(entry->fresh);
        entry->fresh = NULL;
    }
    su_loop_post(entry->table->loop, &entry->reload_post);
}

static void reload(SuModelEntry *entry)
{
    entry->reloads_again = entry->is_reloading || entry->is_opening;
    if (entry->reloads_again || !entry->table->worker->has_thread) return;
    entry->is_reloading = true;
    entry->was_open = entry->model != NULL;
    entry->reload_err = (SutraError){0};
    su_worker_give(entry->table->worker, &entry->reload_work);
}

void su_model_table_reload(SuModelTable *table)
{
    for (size_t i = 0; i < table->num_entries; i++) reload(table->entries[i]);
}

/* Another entry with the fresh model takes its place. */
static SutraStatus succeed(SuModelEntry *entry, SutraError *err)
{
    SuModelTable *table = entry->table;
    SuModelEntry *next = create_entry(table, entry->id);
    if (!next) SU_RAISE(err, SUTRA_E_MEMORY, "out of memory for model %s", entry->id);
    next->found = entry->fresh;
    SutraStatus status = publish(next, err);
    if (status != SUTRA_OK) {
        next->found = NULL;
        free_entry(next);
        return status;
    }
    for (size_t i = 0; i < table->num_entries; i++)
        if (table->entries[i] == entry) table->entries[i] = next;
    for (size_t i = 0; i < table->num_aliases; i++)
        if (table->aliases[i].entry == entry) table->aliases[i].entry = next;
    next->reloads_again = entry->reloads_again;
    entry->reloads_again = false;
    entry->fresh = NULL;
    entry->is_retired = true;
    su_model_entry_use(next);
    su_model_entry_done(next, entry->keep_ns);
    if (entry->num_users == 0) dispose(entry);
    if (next->reloads_again) reload(next);
    return SUTRA_OK;
}

static void on_reloaded(SuPost *post)
{
    SuModelEntry *entry =
        (SuModelEntry *)(void *)((char *)post - offsetof(SuModelEntry, reload_post));
    SuModelTable *table = entry->table;
    SutraError *err = &entry->reload_err;
    SutraError failure;
    entry->is_reloading = false;
    bool has_fresh = err->status == SUTRA_OK && entry->fresh;
    if (has_fresh && succeed(entry, &failure) == SUTRA_OK) {
        table->num_reloads++;
        return;
    }
    if (has_fresh) *err = failure;
    sutra_model_free(entry->fresh);
    entry->fresh = NULL;
    if (err->status != SUTRA_OK) {
        table->num_failed_reloads++;
        su_log(table->reload.log, table->reload.log_user, SU_LOG_WARNING,
               "model %s stays as it is, it cannot be opened anew: %s", entry->id, err->message);
    }
    if (entry->reloads_again) reload(entry);
}

const char *su_model_table_at_work(const SuModelTable *table)
{
    for (size_t i = 0; i < table->num_entries; i++)
        if (table->entries[i]->is_opening || table->entries[i]->is_reloading)
            return table->entries[i]->id;
    return "";
}
