#include "backend/device_load.h"

#include "backend/device_health.h"
#include "base/deadline.h"
#include "base/status.h"

#include <stdio.h>

enum {
    PATIENCE = 2,
    LOAD_RUNS = 4 /* loading a model may take as long as so many runs */
};

static const uint64_t SHORTEST_PATIENCE = 1000000000;

uint64_t su_device_load_ns(const SuDevicePool *pool) { return LOAD_RUNS * pool->timeout_ns; }

/* ---- behind what batches do ---- */

/* A running lane is the keeper's from now on. */
static void leave_to_keeper(SuLane *lane, uint64_t until_ns)
{
    lane->own.retain(lane->own.owner);
    lane->prepares = false;
    lane->kept = true;
    lane->until_ns = until_ns;
    pthread_cond_signal(&lane->device->shared->attention);
}

bool su_device_serves(const SuDevice *device, const SuDeviceModel *model, SutraOutput output,
                      uint32_t tokens)
{
    uint32_t lanes = tokens > device->preferred_tokens ? 1 : device->num_lanes;
    for (uint32_t i = 0; i < lanes; i++) {
        const SuLane *lane = &device->lanes[i];
        bool runs = lane->state == SU_LANE_RUNNING || lane->state == SU_LANE_TAKEN;
        if (runs && !lane->kept && !lane->prepares) return true;
        if (lane->state == SU_LANE_FREE && su_lane_has(lane, model->serial, output, tokens))
            return true;
    }
    return false;
}

void su_device_load_behind(SuDevicePool *pool, SuDevice *device, const SuDeviceModel *model,
                           SutraOutput output, uint32_t tokens)
{
    for (uint32_t i = 0; i < device->num_lanes; i++) {
        SuLane *lane = &device->lanes[i];
        uint32_t most = tokens > device->preferred_tokens && i > 0 ? 0 : tokens;
        if (lane->state != SU_LANE_FREE || su_lane_has(lane, model->serial, output, most)) continue;
        uint64_t now = su_clock_ns();
        if (now < device->load_after_ns) return;
        lane->state = SU_LANE_TAKEN;
        lane->status = su_lane_set_load(lane, model, output, 0, &lane->reason);
        if (lane->status != SUTRA_OK) {
            su_device_load_failed(pool, lane);
            su_lane_give_back(lane);
            return;
        }
        su_lane_start(lane);
        leave_to_keeper(lane, now + su_device_load_ns(pool));
    }
}

/* ---- when a model is first used ---- */

/* Why it could be loaded on none. */
typedef struct Reason {
    SutraStatus status; /* OK: none yet */
    char message[600];
} Reason;

static void note_failure(Reason *reason, const SuDevice *device, SutraStatus status,
                         const char *message)
{
    if (reason->status != SUTRA_OK) return;
    reason->status = status;
    snprintf(reason->message, sizeof reason->message, "device %s: %s", device->name.text, message);
}

/* Starts the lanes of a device that are free, for a model alone. True: there are some, and it stays
 * until the last of them is given back. */
static bool start_preparing(SuDevice *device, const SuDeviceModel *model, SutraOutput output)
{
    bool any = false;
    for (uint32_t i = 0; i < device->num_lanes; i++) {
        SuLane *lane = &device->lanes[i];
        if (lane->state != SU_LANE_FREE) continue;
        any = true;
        lane->state = SU_LANE_TAKEN;
        lane->prepares = true;
        lane->status = su_lane_set_load(lane, model, output, 0, &lane->reason);
        if (lane->status == SUTRA_OK) su_lane_start(lane);
    }
    return any;
}

static bool may_load(const SuDevice *device)
{
    return device->state == SU_DEVICE_READY || device->state == SU_DEVICE_RECOVERING;
}

/* Devices [SU_POOL_DEVICES] that have begun. When the keeper has all lanes, once it gives some
 * back. */
static uint32_t start_all(SuDevicePool *pool, const SuDeviceModel *model, SutraOutput output,
                          SuDevice **started)
{
    for (;;) {
        uint32_t count = 0;
        bool kept = false;
        for (uint32_t d = 0; d < pool->num_devices; d++) {
            SuDevice *device = pool->devices[d];
            bool may = may_load(device);
            if (may && start_preparing(device, model, output)) started[count++] = device;
            for (uint32_t i = 0; i < device->num_lanes; i++) kept |= device->lanes[i].kept;
        }
        if (count || !kept) return count;
        su_deadline_wait(&pool->shared->changed, &pool->shared->lock, NULL);
    }
}

/* Whether calls are under way, and whether one was good. */
static bool is_preparing(const SuDevice *device, bool *ready)
{
    bool under_way = false;
    for (uint32_t i = 0; i < device->num_lanes; i++) {
        const SuLane *lane = &device->lanes[i];
        if (!lane->prepares) continue;
        if (lane->state == SU_LANE_RUNNING)
            under_way = true;
        else if (lane->status == SUTRA_OK)
            *ready = true;
    }
    return under_way;
}

/* Until all devices have the model, or time is up: when one has it, the others get PATIENCE
 * times as long as that took, and nothing if the model was in use before. */
static void wait_for_loads(SuDevicePool *pool, SuDevice *const *devices, uint32_t count,
                           uint64_t start, bool in_use)
{
    uint64_t until = start + su_device_load_ns(pool);
    bool served = false;
    for (;;) {
        bool under_way = false, ready = false;
        for (uint32_t d = 0; d < count; d++) under_way |= is_preparing(devices[d], &ready);
        uint64_t now = su_clock_ns();
        if (ready && !served) {
            uint64_t more = PATIENCE * (now - start);
            if (more < SHORTEST_PATIENCE) more = SHORTEST_PATIENCE;
            if (in_use) more = 0;
            if (now + more < until) until = now + more;
            served = true;
        }
        if (!under_way || now >= until) return;
        const struct timespec end = su_deadline_at(until);
        su_deadline_wait(&pool->shared->changed, &pool->shared->lock, &end);
    }
}

/* Gives its lanes back; those that are not done go to the keeper, which waits until so late, if
 * another device has the model. True: the model is on it. */
static bool end_preparing(SuDevicePool *pool, SuDevice *device, bool served, uint64_t until_ns,
                          Reason *reason)
{
    static const char late[] = "loading a model has not come back";
    bool ready = false;
    for (uint32_t i = 0; i < device->num_lanes; i++) {
        SuLane *lane = &device->lanes[i];
        if (!lane->prepares) continue;
        if (lane->state == SU_LANE_RUNNING && served) {
            leave_to_keeper(lane, until_ns);
            continue;
        }
        lane->prepares = false;
        if (lane->state == SU_LANE_RUNNING && !su_lane_wait(lane, 0)) {
            note_failure(reason, device, SUTRA_E_DEVICE, late);
            su_device_blame(pool, device, true, late);
            continue;
        }
        su_device_say_memory(pool, device);
        if (lane->status == SUTRA_OK) {
            ready = true;
        } else {
            note_failure(reason, device, lane->status, lane->reason.message);
            su_device_judge(pool, lane);
        }
        su_lane_give_back(lane);
    }
    return ready;
}

SutraStatus su_device_prepare(SuDevicePool *pool, SuDeviceModel *model, SutraOutput output,
                              uint32_t max_tokens, SutraError *err)
{
    Reason reason = {0};
    SuDevice *started[SU_POOL_DEVICES]; /* the pool's list changes meanwhile */
    bool served = false, ready = false;
    pthread_mutex_lock(&pool->shared->lock);
    bool in_use = model->max_tokens > 0;
    if (max_tokens > model->max_tokens) model->max_tokens = max_tokens;
    uint32_t num_started = start_all(pool, model, output, started);
    uint64_t now = su_clock_ns(), until = now + su_device_load_ns(pool);
    wait_for_loads(pool, started, num_started, now, in_use);
    for (uint32_t d = 0; d < num_started; d++) is_preparing(started[d], &served);
    for (uint32_t d = 0; d < num_started; d++)
        ready |= end_preparing(pool, started[d], served, until, &reason);
    pthread_mutex_unlock(&pool->shared->lock);
    if (ready) return SUTRA_OK;
    if (reason.message[0]) SU_RAISE(err, reason.status, "%s", reason.message);
    SU_RAISE(err, SUTRA_E_DEVICE, "no device is well");
}
