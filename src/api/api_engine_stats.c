/* sutra.h: an engine's counts, and its devices. */
#include "api/json_print.h"
#include "base/memory.h"
#include "base/process.h"
#include "base/status.h"
#include "pipeline/scheduler.h"

#include <inttypes.h>

enum { MOST_REPORTS = 32 };

static void print_report(SuJsonPart *part, const SuDeviceReport *report)
{
    su_json_add(part, "%s{\"name\": \"%s\", \"device\": ", part->size ? ", " : "", report->name);
    su_json_add_string(part, report->device);
    su_json_add(part,
                ", \"state\": \"%s\", \"lanes\": %u, \"busy\": %u, \"hung\": %u, \"loading\": %u"
                ", \"probes\": %" PRIu64 ", \"failed_probes\": %" PRIu64 ", \"runs\": %" PRIu64
                ", \"texts\": %" PRIu64 ", \"tokens\": %" PRIu64 ", \"failed_runs\": %" PRIu64
                ", \"late_runs\": %" PRIu64 ", \"retried_texts\": %" PRIu64
                ", \"ns_per_token\": %.1f, \"last_error\": ",
                report->state, report->lanes, report->busy, report->hung, report->loading,
                report->probes, report->failed_probes, report->runs, report->texts, report->tokens,
                report->failed_runs, report->late_runs, report->retried_texts,
                report->ns_per_token);
    su_json_add_string(part, report->last_error);
    su_json_add(part, "}");
}

/* The list of devices; of an engine that has the processor alone, empty. Freed by su_free; NULL: no
 * memory. */
static char *print_devices(const SutraEngine *engine)
{
    SuJsonPart part = {0};
    SuDeviceReport *reports = su_calloc(MOST_REPORTS, sizeof *reports);
    uint32_t count = 0;
    if (reports && engine->devices)
        count = su_device_pool_report(engine->devices, reports, MOST_REPORTS);
    su_json_add(&part, "%s", "");
    for (uint32_t d = 0; d < count; d++) print_report(&part, &reports[d]);
    if (!reports || part.failed) {
        su_free(part.text);
        part.text = NULL;
    }
    su_free(reports);
    return part.text;
}

SutraStatus sutra_engine_stats(const SutraEngine *engine, char *json, size_t capacity, size_t *size,
                               SutraError *err)
{
    if (!engine) SU_RAISE(err, SUTRA_E_ARGUMENT, "engine is NULL");
    SuWaiting waiting = su_scheduler_waiting(engine->scheduler);
    SuCacheCounts cache = {0};
    if (engine->cache) cache = su_vector_cache_counts(engine->cache);
    char *devices = print_devices(engine);
    if (!devices) SU_RAISE(err, SUTRA_E_MEMORY, "out of memory");
    SutraStatus status = su_json_print(
        json, capacity, size, err,
        "{\"threads\": %u, \"requests\": %" PRIu64 ", \"texts\": %" PRIu64 ", \"tokens\": %" PRIu64
        ", \"failed\": %" PRIu64 ", \"wide\": {\"runs\": %" PRIu64 ", \"tokens\": %" PRIu64
        "}, \"team\": {\"runs\": %" PRIu64 ", \"tokens\": %" PRIu64
        "}, \"waiting\": {\"requests\": %" PRIu64 ", \"texts\": %" PRIu64 ", \"tokens\": %" PRIu64
        "}, \"cache\": {\"bytes\": %" PRIu64 ", \"hits\": %" PRIu64 ", \"misses\": %" PRIu64
        "}, \"devices\": [%s]}",
        engine->num_threads, atomic_load(&engine->requests), atomic_load(&engine->texts),
        atomic_load(&engine->tokens), atomic_load(&engine->failed), atomic_load(&engine->wide.runs),
        atomic_load(&engine->wide.tokens), atomic_load(&engine->team.runs),
        atomic_load(&engine->team.tokens), waiting.requests, waiting.texts, waiting.tokens,
        cache.bytes, cache.hits, cache.misses, devices);
    su_free(devices);
    return status;
}

SutraStatus sutra_engine_clear_cache(SutraEngine *engine, SutraError *err)
{
    if (!engine) SU_RAISE(err, SUTRA_E_ARGUMENT, "engine is NULL");
    if (engine->process != su_process_id())
        SU_RAISE(err, SUTRA_E_ARGUMENT, "the engine is that of the process before fork()");
    if (engine->cache) su_vector_cache_clear(engine->cache);
    return SUTRA_OK;
}

static SutraStatus check_devices(const SutraEngine *engine, const char *device, SutraError *err)
{
    if (!engine) SU_RAISE(err, SUTRA_E_ARGUMENT, "engine is NULL");
    if (!device) SU_RAISE(err, SUTRA_E_ARGUMENT, "device is NULL");
    if (engine->process != su_process_id())
        SU_RAISE(err, SUTRA_E_ARGUMENT,
                 "the engine was made before fork(): a child needs one of its own");
    if (!engine->devices)
        SU_RAISE(err, SUTRA_E_UNSUPPORTED,
                 "the engine was made for the processor alone; name its devices when it is made");
    return SUTRA_OK;
}

SutraStatus sutra_engine_add_device(SutraEngine *engine, const char *device, SutraError *err)
{
    SU_TRY(check_devices(engine, device, err));
    SU_TRY(su_device_pool_add(engine->devices, device, err));
    uint32_t preferred = su_device_pool_tokens(engine->devices), now = engine->batch_tokens;
    while (!engine->fixed_batches && preferred > now &&
           !atomic_compare_exchange_weak(&engine->batch_tokens, &now, preferred))
        continue;
    return SUTRA_OK;
}

SutraStatus sutra_engine_remove_device(SutraEngine *engine, const char *device, SutraError *err)
{
    SU_TRY(check_devices(engine, device, err));
    return su_device_pool_remove(engine->devices, device, err);
}
