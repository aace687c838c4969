#include "backend/device_health.h"

#include "backend/device_pool_parts.h"
#include "base/clock.h"
#include "base/log.h"

#include <stdio.h>

enum {
    FAULTS = 3,      /* in a row */
    FRESH_RUNS = 100 /* a slow device is measured in one of so many, if others could do all */
};

static const uint64_t MILLISECOND = 1000000, FIRST_BACKOFF = 100 * MILLISECOND,
                      LONGEST_BACKOFF = 30000 * MILLISECOND, LOAD_PAUSE = 1000 * MILLISECOND;

static void set_error(SuDevice *device, const char *message)
{
    snprintf(device->last_error, sizeof device->last_error, "%.*s",
             (int)sizeof device->last_error - 1, message);
}

static void quarantine(SuDevicePool *pool, SuDevice *device)
{
    /* What it had when it fell ill, and comes to nothing, is the same outage. */
    if (device->state == SU_DEVICE_QUARANTINED) {
        device->retry_ns = su_clock_ns() + device->backoff_ns;
        return;
    }
    uint64_t longer = device->backoff_ns * 2;
    device->backoff_ns = !longer                    ? FIRST_BACKOFF
                         : longer > LONGEST_BACKOFF ? LONGEST_BACKOFF
                                                    : longer;
    device->retry_ns = su_clock_ns() + device->backoff_ns;
    if (device->state != SU_DEVICE_LEAVING) device->state = SU_DEVICE_QUARANTINED;
    device->failures = 0;
    pthread_cond_broadcast(&pool->shared->changed);
    pthread_cond_signal(&pool->shared->attention);
    su_log(pool->log, pool->log_user, SU_LOG_WARNING, "device %s is left alone for %.1f s: %s",
           device->name.text, (double)device->backoff_ns * 1e-9, device->last_error);
}

void su_device_blame(SuDevicePool *pool, SuDevice *device, bool at_once, const char *message)
{
    set_error(device, message);
    device->failed_runs++;
    device->failures++;
    if (at_once || device->failures >= FAULTS || device->state == SU_DEVICE_TRIAL)
        quarantine(pool, device);
}

void su_device_judge(SuDevicePool *pool, SuLane *lane)
{
    SuDevice *device = lane->device;
    SutraStatus status = lane->status;
    bool innocent = status == SUTRA_E_MEMORY || status == SUTRA_E_LIMIT ||
                    status == SUTRA_E_ARGUMENT || status == SUTRA_E_UNSUPPORTED;
    if (lane->refuses) su_device_refuse(device, lane->own.serial, lane->batch.output);
    if (!innocent || device->state == SU_DEVICE_TRIAL)
        su_device_blame(pool, device, false, lane->reason.message);
}

void su_device_load_failed(SuDevicePool *pool, SuLane *lane)
{
    lane->device->load_after_ns = su_clock_ns() + LOAD_PAUSE;
    su_device_judge(pool, lane);
}

void su_device_probed(SuDevicePool *pool, SuDevice *device, SutraStatus status, const char *message)
{
    device->probes++;
    if (device->state != SU_DEVICE_TRIAL) return;
    if (status == SUTRA_OK) {
        device->state = SU_DEVICE_RECOVERING;
        pthread_cond_broadcast(&pool->shared->changed);
        su_log(pool->log, pool->log_user, SU_LOG_INFO, "device %s answers again",
               device->name.text);
        return;
    }
    device->failed_probes++;
    set_error(device, message);
    quarantine(pool, device);
}

void su_device_say_memory(SuDevicePool *pool, SuDevice *device)
{
    uint32_t tokens = device->preferred_tokens;
    if (tokens == device->said_tokens) return;
    su_log(pool->log, pool->log_user, SU_LOG_WARNING,
           "device %s: its memory holds runs of %u tokens, not %u: larger batches come in pieces",
           device->name.text, tokens, device->said_tokens);
    device->said_tokens = tokens;
}

bool su_device_pace_is_fresh(const SuDevice *device, uint64_t now)
{
    return device->ns_per_token > 0 && now - device->measured_ns < device->fresh_ns;
}

void su_device_praise(SuDevicePool *pool, SuDevice *device, uint32_t texts, uint32_t tokens,
                      uint64_t run_ns)
{
    device->failures = 0;
    device->runs++;
    device->texts += texts;
    device->tokens += tokens;
    uint64_t now = su_clock_ns();
    double sample = tokens ? (double)run_ns / tokens : 0;
    device->ns_per_token =
        su_device_pace_is_fresh(device, now) ? device->ns_per_token * 0.9 + sample * 0.1 : sample;
    device->measured_ns = now;
    device->fresh_ns = run_ns * FRESH_RUNS;
    if (device->state != SU_DEVICE_TRIAL) return;
    device->state = SU_DEVICE_READY;
    device->backoff_ns = 0;
    pthread_cond_broadcast(&pool->shared->changed);
    su_log(pool->log, pool->log_user, SU_LOG_INFO, "device %s is back", device->name.text);
}

static uint64_t refusal_of(uint64_t serial, SutraOutput output) { return serial << 8 | output; }

bool su_device_refuses(const SuDevice *device, uint64_t serial, SutraOutput output)
{
    enum { REFUSED = sizeof device->refused / sizeof *device->refused };
    for (size_t i = 0; i < REFUSED; i++)
        if (device->refused[i] == refusal_of(serial, output)) return true;
    return false;
}

void su_device_refuse(SuDevice *device, uint64_t serial, SutraOutput output)
{
    enum { REFUSED = sizeof device->refused / sizeof *device->refused };
    if (!su_device_refuses(device, serial, output))
        device->refused[device->num_refused++ % REFUSED] = refusal_of(serial, output);
}

bool su_device_is_due(const SuDevice *device, uint64_t now)
{
    return device->state == SU_DEVICE_QUARANTINED && !device->hung && now >= device->retry_ns;
}
