/* device_pool.h - any number of devices, of any backends: which of them runs what, and which are
 * well.
 *
 *   ready ──► quarantined    after FAULTS failures in a row, at once when a call hangs or another
 *     ▲           │          device gives numbers where it gave NaN
 *     │           ▼ some time later, twice as long after each relapse
 *     │         trial        its facts are asked for (device_keeper.h), batches or none
 *     │           ▼
 *     │         recovering   it answers
 *     │           ▼
 *     └──────── trial        it gets one batch
 *
 * Batches find their way through it in device_route.h. */
#ifndef SU_DEVICE_POOL_H
#define SU_DEVICE_POOL_H

#include "backend/device.h"

typedef struct SuDevicePool SuDevicePool;

typedef struct SuDevicePoolOptions {
    const char *devices; /* names, with commas between them */
    const char *plugins; /* a folder, or NULL */
    uint32_t policy;     /* SUTRA_POLICY_… */
    bool allow_mixed;
    uint32_t cores;      /* of a "cpu" without cores of its own */
    uint64_t timeout_ns; /* of a run, or of a device asked for its facts; 0: the default */
    void (*log)(void *user, int level, const char *line);
    void *log_user;
} SuDevicePoolOptions;

/* Errors: ARGUMENT (a name is not valid, or of no device), UNSUPPORTED (a backend is not known;
 * devices are unlike), and as su_device_open. */
SutraStatus su_device_pool_create(const SuDevicePoolOptions *options, SuDevicePool **pool,
                                  SutraError *err);
/* No call is in it. Stop waits a little for models that are being loaded, and comes before those
 * are dropped; free does it too. */
void su_device_pool_stop(SuDevicePool *pool);
void su_device_pool_free(SuDevicePool *pool);

/* Errors: as above; ARGUMENT (there is one of this name), LIMIT (32 devices). */
SutraStatus su_device_pool_add(SuDevicePool *pool, const char *name, SutraError *err);
/* Waits for what the device is at. Errors: ARGUMENT (there is none of this name; it is the last
 * one). */
SutraStatus su_device_pool_remove(SuDevicePool *pool, const char *name, SutraError *err);

/* Runs at a time of all devices, and the most tokens that one of them prefers for a run. */
uint32_t su_device_pool_lanes(SuDevicePool *pool);
uint32_t su_device_pool_tokens(SuDevicePool *pool);

/* Frees what the devices made of a model. */
void su_device_pool_drop(SuDevicePool *pool, uint64_t serial);

/* What a device did; a copy. */
typedef struct SuDeviceReport {
    char name[SU_DEVICE_NAME_SIZE], device[64], last_error[200];
    const char *state; /* "ready", "quarantined", "recovering", "trial", "leaving" */
    uint32_t lanes, busy, hung, loading;
    uint64_t runs, texts, tokens, failed_runs, late_runs, retried_texts, probes, failed_probes;
    double ns_per_token;
} SuDeviceReport;

/* Returns the number of devices; fills up to `capacity`. */
uint32_t su_device_pool_report(SuDevicePool *pool, SuDeviceReport *reports, uint32_t capacity);

#endif
