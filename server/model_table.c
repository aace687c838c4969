#include "model_table.h"

#include "base/clock.h"
#include "base/memory.h"

#include <string.h>

SutraStatus su_model_table_open(SuModelTable *table, SuLoop *loop, SuWorker *worker,
                                const SutraModelsOptions *options, SutraError *err)
{
    *table = (SuModelTable){.loop = loop, .worker = worker};
    return sutra_models_create(options, &table->models, err);
}

void su_model_table_close(SuModelTable *table)
{
    for (size_t i = 0; i < table->num_entries; i++) {
        if (table->entries[i]->end) event_free(table->entries[i]->end);
        sutra_model_free(table->entries[i]->model);
        sutra_model_free(table->entries[i]->found);
        su_free(table->entries[i]->id);
        su_free(table->entries[i]);
    }
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

SutraStatus su_model_table_add(SuModelTable *table, const char *id, const char *path,
                               const SutraModelOptions *options, SutraError *err)
{
    SuModelEntry **grown =
        su_realloc(table->entries, table->num_entries + 1, sizeof *table->entries);
    if (!grown) SU_RAISE(err, SUTRA_E_MEMORY, "out of memory for model %s", id);
    table->entries = grown;
    SuModelEntry *entry = su_calloc(1, sizeof *entry);
    char *copy = su_strdup(id);
    SutraStatus status = SUTRA_OK;
    if (!entry || !copy)
        status = su_error_set(err, SUTRA_E_MEMORY, "out of memory for model %s", id);
    else if (find_alias(table, (SuText){id, strlen(id)}))
        status = su_error_set(err, SUTRA_E_ARGUMENT, "model %s: the name is an alias already", id);
    if (status == SUTRA_OK) status = sutra_models_add(table->models, id, path, options, err);
    if (status != SUTRA_OK) {
        su_free(entry);
        su_free(copy);
        return status;
    }
    *entry = (SuModelEntry){.id = copy,
                            .table = table,
                            .info.struct_size = sizeof entry->info,
                            .keep_ns = SU_KEEP_ALIVE_EVER,
                            .work.run = open_on_worker,
                            .close_work.run = close_on_worker,
                            .post.run = tell_waiters};
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

/* Only who uses a model holds a reference to it besides the table. */
static void close_on_worker(SuWork *work)
{
    SuModelEntry *entry =
        (SuModelEntry *)(void *)((char *)work - offsetof(SuModelEntry, close_work));
    sutra_models_close_idle(entry->table->models);
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

void su_model_entry_use(SuModelEntry *entry)
{
    entry->num_users++;
    entry->end_ns = 0;
    if (entry->end) event_del(entry->end);
}

void su_model_entry_done(SuModelEntry *entry, uint64_t keep_ns)
{
    entry->keep_ns = keep_ns;
    if (--entry->num_users > 0 || keep_ns == SU_KEEP_ALIVE_EVER || !entry->model) return;
    if (!entry->end) entry->end = evtimer_new(entry->table->loop->base, on_end, entry);
    entry->end_ns = su_clock_ns() + keep_ns;
    uint64_t milliseconds = keep_ns / 1000000 + (keep_ns % 1000000 > 0);
    if (keep_ns == 0 || !entry->end || !su_loop_after(entry->end, milliseconds)) close_entry(entry);
}
