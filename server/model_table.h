/* model_table.h - the models that requests may name, under their ids and other names.
 *
 * The table is complete before the first request. Names are compared with what it holds and with
 * nothing else: no part of a request becomes a path. Models are opened on demand, on the worker,
 * and stay open unless a request says for how long: once nobody uses such a one it is closed after
 * that time, on the worker too. All else is on the loop's thread.
 *
 * A model is reloaded beside the one that is open. Then another entry takes the place of its entry,
 * which goes, with its model, when the last one who uses it is done:
 *
 *   id ──► entry (opened again)        retired entry ◄── requests that began before
 */
#ifndef SU_MODEL_TABLE_H
#define SU_MODEL_TABLE_H

#include "event_loop.h"
#include "http_head.h"
#include "keep_alive.h"
#include "worker.h"

/* Waits for a model to be open; lies in what wants it. */
typedef struct SuModelWaiter {
    struct SuModelWaiter *next;
    void (*opened)(struct SuModelWaiter *waiter); /* on the loop's thread */
} SuModelWaiter;

typedef struct SuModelEntry {
    char *id;
    SutraModel *model;   /* NULL: not open */
    SutraModelInfo info; /* while it is open */
    SutraError err;      /* of the last try */
    bool is_opening;
    SuModelWaiter *waiters;
    struct SuModelTable *table;
    SuWork work;
    SuPost post;
    SutraModel *found; /* by the worker */
    size_t num_users;  /* a model in use is not closed */
    uint64_t keep_ns;  /* how long it stays open without use, as the last user said */
    uint64_t end_ns;   /* clock when it is to be closed; 0: it is not */
    struct event *end; /* NULL: none was needed so far */
    SuWork close_work;
    /* Of a reload, which is at the worker while is_reloading; again: another one is to follow. */
    SuWork reload_work;
    SuPost reload_post;
    SutraModel *fresh; /* NULL: it could not be opened, or was not open before */
    SutraError reload_err;
    bool was_open, is_reloading, reloads_again;
    bool is_retired; /* another entry has its place */
} SuModelEntry;

typedef struct SuModelAlias {
    char *name; /* "*": any that is not known otherwise */
    SuModelEntry *entry;
} SuModelAlias;

/* What a reload asks others for; on the worker. */
typedef struct SuModelReload {
    /* Where the files are now; NULL: where they were. */
    SutraStatus (*locate)(void *user, const char *id, char *path, size_t capacity, SutraError *err);
    /* Makes a model ready for requests. */
    SutraStatus (*prepare)(void *user, SutraModel *model, SutraError *err);
    void (*log)(void *user, int level, const char *line);
    void *locate_user, *prepare_user, *log_user;
} SuModelReload;

typedef struct SuModelTable {
    SutraModels *models;
    SuModelEntry **entries; /* [num_entries]; the first is what a request without a name gets */
    SuModelAlias *aliases;  /* [num_aliases] */
    size_t num_entries, num_aliases;
    SuLoop *loop;
    SuWorker *worker;
    SuModelReload reload;
    uint64_t num_reloads, num_failed_reloads;
} SuModelTable;

SutraStatus su_model_table_open(SuModelTable *table, SuLoop *loop, SuWorker *worker,
                                const SutraModelsOptions *options, SutraError *err);
void su_model_table_close(SuModelTable *table);

/* Errors: ARGUMENT (the name is empty or taken), MEMORY. */
SutraStatus su_model_table_add(SuModelTable *table, const char *id, const char *path,
                               const SutraModelOptions *options, SutraError *err);
/* Errors: ARGUMENT (no such id, the name is taken), MEMORY. */
SutraStatus su_model_table_alias(SuModelTable *table, const char *name, const char *id,
                                 SutraError *err);

/* data NULL: the first one. NULL: not known. */
SuModelEntry *su_model_table_find(const SuModelTable *table, SuText name);

/* The first reranker that is open, else the first model that may be one; NULL: all are others. */
SuModelEntry *su_model_table_reranker(const SuModelTable *table);

/* Opens it on this thread, before there are requests. */
SutraStatus su_model_entry_open(SuModelEntry *entry, SutraError *err);
/* Has it opened; the waiter is called when entry->model is set, or entry->err says why not. */
void su_model_entry_want(SuModelEntry *entry, SuModelWaiter *waiter);

/* Has the files of all open models opened anew; those that are not open come from where they are now
 * when they are wanted. What cannot be opened stays as it was, and is logged. */
void su_model_table_reload(SuModelTable *table);

/* The id of a model that is being opened; "": none is. */
const char *su_model_table_at_work(const SuModelTable *table);

/* Between the two an open model stays open; a waiter that is called may begin at once. keep_ns: how
 * long it stays so after the last use; SU_KEEP_ALIVE_EVER: for good. */
void su_model_entry_use(SuModelEntry *entry);
void su_model_entry_done(SuModelEntry *entry, uint64_t keep_ns);

#endif
