/* device_pool_parts.h - what a pool is, for its own parts: device_pool.c (who is in it),
 * device_health.c (who is well), device_keeper.c (what no batch waits for), device_load.c (who has
 * which model), device_choice.c (who is next), device_route.c (a batch's way). */
#ifndef SU_DEVICE_POOL_PARTS_H
#define SU_DEVICE_POOL_PARTS_H

#include "backend/device_pool.h"
#include "backend/plugin.h"

enum { SU_POOL_DEVICES = 32 };

struct SuDevicePool {
    SuDeviceShared *shared;
    SuDevice *devices[SU_POOL_DEVICES];
    uint32_t num_devices;
    uint32_t policy, cores;
    bool allow_mixed;
    uint64_t timeout_ns;
    uint64_t tokens_waiting; /* for a free lane */
    uint32_t turn;           /* of round robin */
    uint64_t random;         /* state of xorshift */
    void (*log)(void *user, int level, const char *line);
    void *log_user;
    SuPluginListener listener;
    pthread_t keeper;
    bool keeper_runs, keeper_stops;
};

#endif
