#include "backend/device_pool_parts.h"

#include "backend/device_facts.h"
#include "backend/device_keeper.h"
#include "base/clock.h"
#include "base/status.h"

#include <stdio.h>
#include <string.h>

/* ---- devices ---- */

static uint32_t find_device(const SuDevicePool *pool, const char *name)
{
    uint32_t i = 0;
    while (i < pool->num_devices && strcmp(pool->devices[i]->name.text, name) != 0) i++;
    return i;
}

/* Equal bytes come from equal backends on equal devices. */
static bool is_like(const SuDevice *a, const SuDevice *b)
{
    return a->backend == b->backend && strcmp(a->info.name, b->info.name) == 0;
}

static SutraStatus open_device(SuDevicePool *pool, const SuDeviceName *name, SuDevice **device,
                               SutraError *err)
{
    const SutraBackend *backend = su_backend_find(name->backend);
    if (backend)
        return su_device_open(pool->shared, name, backend, pool->cores, pool->timeout_ns, device,
                              err);
    char known[256] = "";
    size_t used = 0;
    const char *other;
    for (uint32_t i = 0; (other = su_backend_name(i)) && used < sizeof known; i++)
        used += (size_t)snprintf(known + used, sizeof known - used, "%s%s", i ? ", " : "", other);
    SU_RAISE(err, SUTRA_E_UNSUPPORTED, "device \"%s\" is of no known backend: %s", name->text,
             known);
}

/* The lock is held. */
static SutraStatus list_device(SuDevicePool *pool, SuDevice *device, SutraError *err)
{
    const char *name = device->name.text;
    if (find_device(pool, name) < pool->num_devices)
        SU_RAISE(err, SUTRA_E_ARGUMENT, "device \"%s\" is there already", name);
    if (pool->num_devices == SU_POOL_DEVICES)
        SU_RAISE(err, SUTRA_E_LIMIT, "device \"%s\" would be the 33rd", name);
    if (pool->num_devices && !pool->allow_mixed && !is_like(device, pool->devices[0]))
        SU_RAISE(err, SUTRA_E_UNSUPPORTED,
                 "devices \"%s\" (%s) and \"%s\" (%s) are unlike: a text's vector would differ in "
                 "rounding from one to the other; allow_mixed permits that",
                 pool->devices[0]->name.text, pool->devices[0]->info.name, name, device->info.name);
    pool->devices[pool->num_devices++] = device;
    pthread_cond_broadcast(&pool->shared->changed);
    return SUTRA_OK;
}

SutraStatus su_device_pool_add(SuDevicePool *pool, const char *text, SutraError *err)
{
    SuDeviceName name;
    SuDevice *device;
    SU_TRY(su_device_name_parse(text, strlen(text), &name, err));
    SU_TRY(open_device(pool, &name, &device, err));
    pthread_mutex_lock(&pool->shared->lock);
    SutraStatus status = list_device(pool, device, err);
    if (status != SUTRA_OK) su_device_close(device);
    pthread_mutex_unlock(&pool->shared->lock);
    return status;
}

static bool is_at_work(const SuDevice *device)
{
    for (uint32_t i = 0; i < device->num_lanes; i++)
        if (device->lanes[i].state == SU_LANE_TAKEN || device->lanes[i].state == SU_LANE_RUNNING)
            return true;
    return false;
}

SutraStatus su_device_pool_remove(SuDevicePool *pool, const char *name, SutraError *err)
{
    SutraStatus status = SUTRA_OK;
    pthread_mutex_lock(&pool->shared->lock);
    uint32_t staying = 0, i = find_device(pool, name);
    for (uint32_t d = 0; d < pool->num_devices; d++)
        staying += pool->devices[d]->state != SU_DEVICE_LEAVING;
    SuDevice *device = i < pool->num_devices ? pool->devices[i] : NULL;
    if (!device || device->state == SU_DEVICE_LEAVING) {
        status = su_error_set(err, SUTRA_E_ARGUMENT, "there is no device \"%s\"", name);
    } else if (staying == 1) {
        status = su_error_set(err, SUTRA_E_ARGUMENT, "device \"%s\" is the only one", name);
    } else {
        device->state = SU_DEVICE_LEAVING;
        pthread_cond_broadcast(&pool->shared->changed);
        su_device_keeper_hurry(pool, device);
        while (is_at_work(device)) pthread_cond_wait(&pool->shared->changed, &pool->shared->lock);
        i = find_device(pool, name);
        memmove(&pool->devices[i], &pool->devices[i + 1],
                (pool->num_devices - i - 1) * sizeof *pool->devices);
        pool->num_devices--;
        su_device_close(device);
    }
    pthread_mutex_unlock(&pool->shared->lock);
    return status;
}

/* ---- its own life ---- */

static SutraStatus open_all(SuDevicePool *pool, const char *devices, SutraError *err)
{
    const char *text;
    size_t size;
    while (su_device_list_next(&devices, &text, &size)) {
        SuDeviceName name;
        SU_TRY(su_device_name_parse(text, size, &name, err));
        SU_TRY(su_device_pool_add(pool, name.text, err));
    }
    if (!pool->num_devices) SU_RAISE(err, SUTRA_E_ARGUMENT, "no device is named");
    return SUTRA_OK;
}

SutraStatus su_device_pool_create(const SuDevicePoolOptions *options, SuDevicePool **out,
                                  SutraError *err)
{
    *out = NULL;
    if (options->policy > SUTRA_POLICY_RANDOM)
        SU_RAISE(err, SUTRA_E_UNSUPPORTED, "policy %u is not known", options->policy);
    SuDevicePool *pool = su_calloc(1, sizeof *pool);
    SuDeviceShared *shared = pool ? su_device_shared_create() : NULL;
    if (!shared) {
        su_free(pool);
        SU_RAISE(err, SUTRA_E_MEMORY, "out of memory");
    }
    *pool = (SuDevicePool){.shared = shared,
                           .policy = options->policy,
                           .cores = options->cores,
                           .allow_mixed = options->allow_mixed,
                           .timeout_ns =
                               options->timeout_ns ? options->timeout_ns : SU_DEVICE_TIMEOUT_NS,
                           .random = su_clock_ns() | 1,
                           .log = options->log,
                           .log_user = options->log_user,
                           .listener = {.log = options->log, .user = options->log_user}};
    su_plugins_listen(&pool->listener);
    SutraStatus status = su_plugins_open(options->plugins, err);
    if (status == SUTRA_OK) status = open_all(pool, options->devices, err);
    if (status == SUTRA_OK) status = su_device_keeper_start(pool, err);
    if (status != SUTRA_OK) {
        su_device_pool_free(pool);
        return status;
    }
    *out = pool;
    return SUTRA_OK;
}

void su_device_pool_stop(SuDevicePool *pool)
{
    if (pool) su_device_keeper_stop(pool);
}

void su_device_pool_free(SuDevicePool *pool)
{
    if (!pool) return;
    su_device_keeper_stop(pool);
    pthread_mutex_lock(&pool->shared->lock);
    for (uint32_t d = 0; d < pool->num_devices; d++) su_device_close(pool->devices[d]);
    su_device_shared_release(pool->shared);
    su_plugins_unlisten(&pool->listener);
    su_free(pool);
}

uint32_t su_device_pool_lanes(SuDevicePool *pool)
{
    uint32_t lanes = 0;
    pthread_mutex_lock(&pool->shared->lock);
    for (uint32_t d = 0; d < pool->num_devices; d++) lanes += pool->devices[d]->num_lanes;
    pthread_mutex_unlock(&pool->shared->lock);
    return lanes;
}

uint32_t su_device_pool_tokens(SuDevicePool *pool)
{
    uint32_t most = 0;
    pthread_mutex_lock(&pool->shared->lock);
    for (uint32_t d = 0; d < pool->num_devices; d++)
        if (pool->devices[d]->preferred_tokens > most) most = pool->devices[d]->preferred_tokens;
    pthread_mutex_unlock(&pool->shared->lock);
    return most;
}

void su_device_pool_drop(SuDevicePool *pool, uint64_t serial)
{
    pthread_mutex_lock(&pool->shared->lock);
    for (uint32_t d = 0; d < pool->num_devices; d++) su_device_drop(pool->devices[d], serial);
    pthread_mutex_unlock(&pool->shared->lock);
}

uint32_t su_device_pool_report(SuDevicePool *pool, SuDeviceReport *reports, uint32_t capacity)
{
    static const char *const states[] = {"ready", "quarantined", "recovering", "trial", "leaving"};
    pthread_mutex_lock(&pool->shared->lock);
    uint32_t count = pool->num_devices;
    for (uint32_t d = 0; d < count && d < capacity; d++) {
        const SuDevice *device = pool->devices[d];
        SuDeviceReport *report = &reports[d];
        *report = (SuDeviceReport){.state = states[device->state],
                                   .lanes = device->num_lanes,
                                   .hung = device->hung,
                                   .runs = device->runs,
                                   .texts = device->texts,
                                   .tokens = device->tokens,
                                   .failed_runs = device->failed_runs,
                                   .late_runs = device->late_runs,
                                   .retried_texts = device->retried_texts,
                                   .probes = device->probes,
                                   .failed_probes = device->failed_probes,
                                   .ns_per_token = device->ns_per_token};
        snprintf(report->name, sizeof report->name, "%s", device->name.text);
        snprintf(report->device, sizeof report->device, "%s", device->info.name);
        snprintf(report->last_error, sizeof report->last_error, "%s", device->last_error);
        for (uint32_t i = 0; i < device->num_lanes; i++) {
            const SuLane *lane = &device->lanes[i];
            bool loads = lane->prepares || (lane->kept && !lane->probes);
            report->busy += lane->state == SU_LANE_RUNNING;
            report->loading += lane->state == SU_LANE_RUNNING && loads;
        }
    }
    pthread_mutex_unlock(&pool->shared->lock);
    return count;
}
