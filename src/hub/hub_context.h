/* hub_context.h - what one pull or import carries along: its options with the defaults filled in,
 * the repository, progress, and the caller's wish to stop. */
#ifndef SU_HUB_CONTEXT_H
#define SU_HUB_CONTEXT_H

#include "hub/cache.h"
#include "hub/model_files.h"

typedef struct SuHubContext {
    SutraHubOptions options;         /* complete: no default left to fill in */
    const SutraRegistryModel *entry; /* NULL: not in the registry */
    const char *name;                /* as the user gave it */
    char repo[SU_REPO_MAX];
    SutraHubProgress progress;
    uint64_t reported_ns; /* clock of the last progress call */
} SuHubContext;

/* Checks and completes the options; resolves the name; checks the struct_size of result, which may
 * be NULL. */
SutraStatus su_hub_begin(SuHubContext *hub, const char *name, const SutraHubOptions *options,
                         const SutraHubResult *result, SutraError *err);

/* Tells the user of a new phase; `note` may be NULL. */
void su_hub_phase(SuHubContext *hub, SutraHubPhase phase, const char *note);

/* Counts bytes of the current file and tells the user now and then. */
void su_hub_advance(SuHubContext *hub, int64_t bytes);

bool su_hub_is_cancelled(const SuHubContext *hub);
SutraStatus su_hub_check_cancelled(const SuHubContext *hub, SutraError *err);

/* Sleeps, but not past a wish to stop. */
SutraStatus su_hub_pause(const SuHubContext *hub, uint32_t milliseconds, SutraError *err);

/* One file of the model on its way into the cache. */
typedef struct SuHubFile {
    char *name; /* contained; below the snapshot folder */
    uint64_t size;
    char etag[65];      /* name in blobs/: SHA-256 if expected, else the git blob id */
    char expected[65];  /* SHA-256 that the file must have; "" if only the blob id is known */
    const char *pinned; /* who says so: "registry", "hub", "folder" */
    char blob_id[41];   /* SHA-1 of "blob <size>\0" and the bytes, when expected is "" */
    char sha256[65];    /* of the verified file */
} SuHubFile;

/* The files in the order in which they are fetched and linked: weights last, so that an unfinished
 * snapshot never looks complete. */
typedef struct SuHubPlan {
    SuHubFile *files; /* [count] */
    size_t count, capacity;
    uint64_t size;
    SuFileRoles roles; /* of all files of the repository */
    char commit[SU_COMMIT_MAX];
    char licence[64];
} SuHubPlan;

/* *file is zeroed but for its name; it stays valid until the next call. */
SutraStatus su_plan_add(SuHubPlan *plan, const char *name, SuHubFile **file, SutraError *err);
/* Sorts, adds up, and holds the weights against the registry's digest. */
SutraStatus su_plan_finish(SuHubPlan *plan, const SuHubContext *hub, SutraError *err);
void su_plan_free(SuHubPlan *plan);

/* Fills *result as far as its struct_size goes. */
void su_hub_result(const SuHubContext *hub, const SuHubPlan *plan, const char *path,
                   uint64_t received, SutraHubResult *result);

#endif
