/* model_table.h - the models that requests may name, under their ids and other names.
 *
 * The table is complete before the first request. Names are compared with what it holds and with
 * nothing else: no part of a request becomes a path. Models are opened on demand, on the worker,
 * and stay open. All but what su_model_entry_open does on the worker is on the loop's thread. */
#ifndef SU_MODEL_TABLE_H
#define SU_MODEL_TABLE_H

#include "event_loop.h"
#include "http_head.h"
#include "worker.h"

/* Waits for a model to be open; lies in what wants it. */
typedef struct SuModelWaiter {
    struct SuModelWaiter *next;
    void (*opened)(struct SuModelWaiter *waiter); /* on the loop's thread */
} SuModelWaiter;

typedef struct SuModelEntry {
    char *id;
    SutraModel *model;   /* NULL: not open yet */
    SutraModelInfo info; /* once it is open */
    SutraError err;      /* of the last try */
    bool is_opening;
    SuModelWaiter *waiters;
    struct SuModelTable *table;
    SuWork work;
    SuPost post;
    SutraModel *found; /* by the worker */
} SuModelEntry;

typedef struct SuModelAlias {
    char *name; /* "*": any that is not known otherwise */
    SuModelEntry *entry;
} SuModelAlias;

typedef struct SuModelTable {
    SutraModels *models;
    SuModelEntry **entries; /* [num_entries]; the first is what a request without a name gets */
    SuModelAlias *aliases;  /* [num_aliases] */
    size_t num_entries, num_aliases;
    SuLoop *loop;
    SuWorker *worker;
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

/* Opens it on this thread, before there are requests. */
SutraStatus su_model_entry_open(SuModelEntry *entry, SutraError *err);
/* Has it opened; the waiter is called when entry->model is set, or entry->err says why not. */
void su_model_entry_want(SuModelEntry *entry, SuModelWaiter *waiter);

#endif
