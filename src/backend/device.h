/* device.h - one device of a backend, and the threads that call it: its lanes.
 *
 *   SuDevice
 *   └── lanes[in-flight limit]   a thread each, with one call of the backend at a time
 *       ├── batch                a copy of what it runs: a call reads no memory of its caller's
 *       └── contexts             one a model
 *
 *   free ──► taken ──► running ──► taken ──► free      a caller takes a lane, and waits for it
 *                         └──► abandoned ──► free      too late: nobody waits any more; the call
 *                                                      may come back, and finds nothing to write to
 * The pool's keeper takes lanes too, to load models and to ask whether a device is well.
 *
 * Weights are not the device's: the model that it is given loads them, once a backend and device.
 * A lane whose call hangs keeps its model, and the lock that all devices of a pool share. */
#ifndef SU_DEVICE_H
#define SU_DEVICE_H

#include "backend/device_name.h"
#include "base/memory.h"

#include <pthread.h>
#include <stdatomic.h>

/* A model as devices see it. Its functions may be called from any thread. */
typedef struct SuDeviceModel {
    uint64_t serial; /* tells the models of an engine apart; never 0 */
    void *owner;
    SutraStatus (*supports)(void *owner, const SutraBackend *backend, uint32_t device,
                            SutraOutput output, SutraError *reason);
    /* The handle stays as long as the owner is held. */
    SutraStatus (*load)(void *owner, const SutraBackend *backend, uint32_t device, void **handle,
                        SutraError *reason);
    void (*retain)(void *owner); /* somebody holds it at the time */
    void (*release)(void *owner);
    uint32_t max_tokens; /* of a text; lanes 0 are made ready for it. Guarded by the pool's lock */
} SuDeviceModel;

/* What all devices of a pool share; the last of the pool and its threads frees it. */
typedef struct SuDeviceShared {
    pthread_mutex_t lock;
    pthread_cond_t changed;   /* a lane is free, or a device in another state; of su_clock_ns */
    pthread_cond_t attention; /* the keeper has something to see to; of su_clock_ns */
    uint32_t references;
} SuDeviceShared;

typedef enum SuDeviceState {
    SU_DEVICE_READY = 0,
    SU_DEVICE_QUARANTINED, /* until retry_ns */
    SU_DEVICE_RECOVERING,  /* it answers again: the next batch is its trial */
    SU_DEVICE_TRIAL,       /* a batch or the keeper is there to see whether it is well again */
    SU_DEVICE_LEAVING
} SuDeviceState;

typedef enum SuLaneState {
    SU_LANE_FREE = 0,
    SU_LANE_TAKEN,
    SU_LANE_RUNNING,
    SU_LANE_ABANDONED
} SuLaneState;

typedef struct SuLaneContext SuLaneContext;
typedef struct SuDevice SuDevice;

typedef struct SuLane {
    SuDevice *device;
    pthread_t thread;
    pthread_cond_t wake, done;
    _Atomic uint32_t begun, ended; /* tasks, to be looked at without the lock before one sleeps */
    SuLaneState state;
    bool started, stop, prepares; /* prepares: taken to make a model ready, by who waits for it */
    bool kept;                    /* taken by the keeper, with a reference to `own` */
    uint64_t until_ns;            /* of a kept one */
    SuLaneContext *contexts;

    /* The task, set by who has taken the lane. */
    const SuDeviceModel *model; /* while it waits */
    SuDeviceModel own;          /* a copy, of the call */
    bool probes;                /* asks for the device's facts, and does nothing else */
    SutraBatch batch;           /* of no texts: none is run */
    uint32_t tokens;            /* of the context */
    uint32_t least_tokens;      /* it has at least room for */
    size_t row_bytes;

    /* What came of it. */
    SutraStatus status;
    bool refuses; /* UNSUPPORTED is of the model and the output, not of a run alone */
    SutraError reason;
    SutraResultView view;
    uint64_t run_ns;

    unsigned char *memory; /* of the batch */
    uint32_t capacity;     /* tokens */
    int32_t *token_ids, *type_ids;
    uint32_t *cu_seqlens, *prompt_len;
    uint8_t *numeric_error;
    float *ranges;
    size_t num_ranges;
} SuLane;

struct SuDevice {
    SuDeviceShared *shared;
    SuDeviceName name;
    const SutraBackend *backend;
    SutraDeviceInfo info; /* when it was opened */
    /* Of a run; fewer once the device's memory did not hold a context for so many. */
    _Atomic uint32_t preferred_tokens;
    SuLane *lanes;
    uint32_t num_lanes, gone_lanes; /* gone: abandoned when the device was closed, or ended */

    /* Guarded by the lock. */
    SuDeviceState state;
    uint32_t hung;     /* lanes whose call has not come back */
    uint32_t failures; /* in a row */
    uint64_t retry_ns, backoff_ns;
    uint64_t load_after_ns;         /* after a load that failed, none before */
    uint32_t said_tokens;           /* preferred_tokens as the log has it */
    uint64_t tokens_out;            /* of batches that it has now */
    double ns_per_token;            /* of late; 0: not known */
    uint64_t measured_ns, fresh_ns; /* when that was, and for how long it tells something */
    uint64_t refused[8];            /* models and outputs that it does not support, in turn */
    uint32_t num_refused;
    uint64_t runs, texts, tokens, failed_runs, late_runs, retried_texts, probes, failed_probes;
    char last_error[200];
};

/* With one reference; NULL: no memory. */
SuDeviceShared *su_device_shared_create(void);

/* Asks for the device's facts and starts its threads. cores: of the process, where the name
 * does not say. Errors: what device_count and device_info say; DEVICE (they take longer than
 * timeout_ns), ARGUMENT (there is no such device), LIMIT (no thread), MEMORY. */
SutraStatus su_device_open(SuDeviceShared *shared, const SuDeviceName *name,
                           const SutraBackend *backend, uint32_t cores, uint64_t timeout_ns,
                           SuDevice **device, SutraError *err);

/* Ends its threads, but for those whose call has not come back, which end with it; the device goes
 * with the last. No lane is taken or running. The lock is held, but not all the time. */
void su_device_close(SuDevice *device);

/* ---- the lock is held in all of these ---- */

/* A free lane for a text of so many tokens, or NULL; one that has the model, if there is. What is
 * longer than most goes to lane 0. */
SuLane *su_device_take_lane(SuDevice *device, uint64_t serial, SutraOutput output, uint32_t tokens);

/* Whether a lane that is not running has a model ready, for an output and texts of so many. */
bool su_lane_has(const SuLane *lane, uint64_t serial, SutraOutput output, uint32_t tokens);

/* Copies texts first … first + count - 1 of a batch. The lock is not needed. Errors: MEMORY. */
SutraStatus su_lane_set_batch(SuLane *lane, const SutraBatch *batch, uint32_t first, uint32_t count,
                              SutraError *reason);

/* Of no texts: makes the model ready for an output, and for what the device prefers, on lane 0 for
 * the model's longest texts; where memory does not hold that, for fewer tokens, at least for
 * `least`. Errors: MEMORY. */
SutraStatus su_lane_set_load(SuLane *lane, const SuDeviceModel *model, SutraOutput output,
                             uint32_t least, SutraError *reason);

/* Starts the task; of a probe, which has no model. */
void su_lane_start(SuLane *lane);
void su_lane_start_probe(SuLane *lane);

/* Waits for it until so late; false: it is abandoned, and no longer the caller's. */
bool su_lane_wait(SuLane *lane, uint64_t deadline_ns);

/* Leaves a running task, and the reference to its model, to its lane. */
void su_lane_abandon(SuLane *lane);

void su_lane_give_back(SuLane *lane);

/* Frees what the device made of a model, or of all if serial is 0; its calls for it are over or
 * abandoned. */
void su_device_drop(SuDevice *device, uint64_t serial);

void su_device_shared_release(SuDeviceShared *shared); /* unlocks it */

#endif
