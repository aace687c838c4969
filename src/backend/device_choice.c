#include "backend/device_choice.h"

#include "backend/device_health.h"
#include "base/clock.h"

bool su_device_has_room(const SuDevice *device, uint32_t tokens)
{
    if (tokens > device->preferred_tokens) return device->lanes[0].state == SU_LANE_FREE;
    for (uint32_t i = 0; i < device->num_lanes; i++)
        if (device->lanes[i].state == SU_LANE_FREE) return true;
    return false;
}

/* When it would have done a batch: behind what it has, and what waits if it has no free lane. */
static double finish_ns(const SuDevicePool *pool, const SuDevice *device, uint32_t tokens,
                        uint64_t now)
{
    double pace = device->ns_per_token, own, all;
    bool known = su_device_pace_is_fresh(device, now);
    for (uint32_t d = 0; !known && d < pool->num_devices; d++) {
        const SuDevice *other = pool->devices[d];
        known = su_device_pace_is_fresh(other, now);
        if (known) pace = other->ns_per_token; /* as fast as another, until it is known */
    }
    if (pace <= 0) pace = 1;
    uint64_t ahead =
        device->tokens_out + (su_device_has_room(device, tokens) ? 0 : pool->tokens_waiting);
    own = tokens * pace;
    all = (double)(ahead + tokens) * pace / device->num_lanes;
    return own > all ? own : all;
}

/* The first of them behind the one that was last. */
static SuDevice *next_in_turn(SuDevicePool *pool, SuDevice *const *devices, uint32_t count)
{
    for (uint32_t i = 1; i <= pool->num_devices; i++) {
        uint32_t at = (pool->turn + i) % pool->num_devices;
        for (uint32_t d = 0; d < count; d++) {
            if (devices[d] != pool->devices[at]) continue;
            pool->turn = at;
            return devices[d];
        }
    }
    return NULL;
}

SuDevice *su_device_by_policy(SuDevicePool *pool, SuDevice *const *devices, uint32_t count,
                              uint32_t tokens)
{
    SuDevice *with_room[SU_POOL_DEVICES], *best = NULL;
    uint32_t num = 0;
    double least = 0;
    uint64_t now = su_clock_ns();
    for (uint32_t i = 0; i < count; i++)
        if (su_device_has_room(devices[i], tokens)) with_room[num++] = devices[i];
    if (pool->policy == SUTRA_POLICY_ROUND_ROBIN) return next_in_turn(pool, with_room, num);
    if (pool->policy == SUTRA_POLICY_RANDOM) {
        pool->random ^= pool->random << 13;
        pool->random ^= pool->random >> 7;
        pool->random ^= pool->random << 17;
        return num ? with_room[pool->random % num] : NULL;
    }
    bool fastest = pool->policy == SUTRA_POLICY_FASTEST;
    SuDevice *const *from = fastest ? devices : with_room;
    for (uint32_t i = 0; i < (fastest ? count : num); i++) {
        double load = fastest ? finish_ns(pool, from[i], tokens, now) : (double)from[i]->tokens_out;
        if (!best || load < least) {
            best = from[i];
            least = load;
        }
    }
    return best && su_device_has_room(best, tokens) ? best : NULL;
}
