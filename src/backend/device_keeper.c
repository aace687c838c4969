#include "backend/device_keeper.h"

#include "backend/device_health.h"
#include "backend/device_pool_parts.h"
#include "base/deadline.h"
#include "base/status.h"
#include "base/thread_start.h"

#include <stdio.h>

static const uint64_t FAREWELL = 2000000000; /* for what is under way at the end */

/* What a lane's task came to. The lock is given up for a moment when it had a model. */
static void collect(SuDevicePool *pool, SuLane *lane)
{
    const SuDeviceModel held = lane->own;
    SuDevice *device = lane->device;
    if (device->state != SU_DEVICE_LEAVING) {
        if (lane->probes)
            su_device_probed(pool, device, lane->status, lane->reason.message);
        else if (lane->status != SUTRA_OK)
            su_device_load_failed(pool, lane);
    }
    lane->kept = false;
    lane->own = (SuDeviceModel){0};
    if (held.serial) {
        pthread_mutex_unlock(&pool->shared->lock);
        held.release(held.owner);
        pthread_mutex_lock(&pool->shared->lock);
    }
    su_lane_give_back(lane);
}

/* The lane's thread has the model from now on. */
static void give_up(SuDevicePool *pool, SuLane *lane)
{
    SuDevice *device = lane->device;
    const char *task = lane->probes ? "device_info" : "loading a model";
    char message[100];
    su_lane_abandon(lane);
    pthread_cond_broadcast(&pool->shared->changed);
    if (pool->keeper_stops || device->state == SU_DEVICE_LEAVING) return;
    snprintf(message, sizeof message, "%s has not come back", task);
    if (lane->probes)
        su_device_probed(pool, device, SUTRA_E_DEVICE, message);
    else
        su_device_blame(pool, device, true, message);
}

static void sooner(uint64_t *next_ns, uint64_t at_ns)
{
    if (at_ns < *next_ns) *next_ns = at_ns;
}

/* True: the lock was given up, and the pool's list may have changed. */
static bool see_to_lanes(SuDevicePool *pool, SuDevice *device, uint64_t now, uint64_t *next_ns)
{
    for (uint32_t i = 0; i < device->num_lanes; i++) {
        SuLane *lane = &device->lanes[i];
        if (!lane->kept) continue;
        if (lane->state == SU_LANE_TAKEN) {
            collect(pool, lane);
            return true;
        }
        if (now >= lane->until_ns)
            give_up(pool, lane);
        else
            sooner(next_ns, lane->until_ns);
    }
    return false;
}

/* Asks a device whose quarantine is over for its facts. */
static void see_to_health(SuDevicePool *pool, SuDevice *device, uint64_t now, uint64_t *next_ns)
{
    if (device->state != SU_DEVICE_QUARANTINED || device->hung || pool->keeper_stops) return;
    if (now < device->retry_ns) {
        sooner(next_ns, device->retry_ns);
        return;
    }
    SuLane *lane = su_device_take_lane(device, 0, SUTRA_OUT_POOLED, 0);
    if (!lane) return; /* who gives one back says so */
    device->state = SU_DEVICE_TRIAL;
    su_lane_start_probe(lane);
    lane->kept = true;
    lane->until_ns = now + pool->timeout_ns;
    sooner(next_ns, lane->until_ns);
}

static void *keep(void *arg)
{
    SuDevicePool *pool = arg;
    pthread_mutex_lock(&pool->shared->lock);
    for (;;) {
        uint64_t next_ns = UINT64_MAX, now = su_clock_ns();
        bool again = false;
        for (uint32_t d = 0; d < pool->num_devices && !again; d++) {
            again = see_to_lanes(pool, pool->devices[d], now, &next_ns);
            if (!again) see_to_health(pool, pool->devices[d], now, &next_ns);
        }
        if (again) continue;
        if (pool->keeper_stops && next_ns == UINT64_MAX) break;
        const struct timespec until = su_deadline_at(next_ns);
        su_deadline_wait(&pool->shared->attention, &pool->shared->lock,
                         next_ns == UINT64_MAX ? NULL : &until);
    }
    pthread_mutex_unlock(&pool->shared->lock);
    return NULL;
}

SutraStatus su_device_keeper_start(SuDevicePool *pool, SutraError *err)
{
    if (!su_thread_start(&pool->keeper, keep, pool))
        SU_RAISE(err, SUTRA_E_LIMIT, "the thread that looks after devices could not be started");
    pool->keeper_runs = true;
    return SUTRA_OK;
}

void su_device_keeper_hurry(SuDevicePool *pool, SuDevice *device)
{
    uint64_t until = su_clock_ns() + FAREWELL;
    for (uint32_t i = 0; i < device->num_lanes; i++)
        if (device->lanes[i].until_ns > until) device->lanes[i].until_ns = until;
    pthread_cond_signal(&pool->shared->attention);
}

void su_device_keeper_stop(SuDevicePool *pool)
{
    if (!pool->keeper_runs) return;
    pthread_mutex_lock(&pool->shared->lock);
    pool->keeper_stops = true;
    for (uint32_t d = 0; d < pool->num_devices; d++) su_device_keeper_hurry(pool, pool->devices[d]);
    pthread_cond_signal(&pool->shared->attention);
    pthread_mutex_unlock(&pool->shared->lock);
    pthread_join(pool->keeper, NULL);
    pool->keeper_runs = false;
}
