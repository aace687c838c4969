#include "hub/hub_context.h"

#include "base/clock.h"
#include "base/memory.h"
#include "hub/model_files.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define REPORT_INTERVAL_NS 100000000u
#define NAP_MS 50u

static SutraStatus complete_options(SutraHubOptions *options, SutraError *err)
{
    if (!options->cache_dir || !options->cache_dir[0])
        SU_RAISE(err, SUTRA_E_ARGUMENT, "options.cache_dir: must be given");
    if (!options->endpoint) options->endpoint = SUTRA_HUB_ENDPOINT;
    if (!options->revision) options->revision = "main";
    if (!options->proxy) options->proxy = "";
    if (!options->no_proxy) options->no_proxy = "";
    if (!options->attempts) options->attempts = 5;
    if (!options->backoff_ms) options->backoff_ms = 500;
    if (!options->max_backoff_ms) options->max_backoff_ms = 30000;
    if (!options->stall_timeout_s) options->stall_timeout_s = 60;
    if (!su_revision_is_valid(options->revision))
        SU_RAISE(err, SUTRA_E_ARGUMENT, "revision %.60s: not a branch, tag or commit",
                 options->revision);
    /* A token ends up in a header line. */
    for (const char *c = options->token ? options->token : ""; *c; c++)
        if (*c <= ' ' || *c > '~')
            SU_RAISE(err, SUTRA_E_ARGUMENT, "options.token: holds a space or control character");
    return SUTRA_OK;
}

SutraStatus su_hub_begin(SuHubContext *hub, const char *name, const SutraHubOptions *options,
                         const SutraHubResult *result, SutraError *err)
{
    uint32_t size = options ? options->struct_size : 0;
    uint32_t result_size = result ? result->struct_size : (uint32_t)sizeof *result;
    if (result_size < sizeof result_size || result_size > sizeof *result)
        SU_RAISE(err, SUTRA_E_ABI, "result: struct_size %u, this library knows up to %zu",
                 result_size, sizeof *result);
    if (size < sizeof size || size > sizeof hub->options)
        SU_RAISE(err, SUTRA_E_ABI, "options: struct_size %u, this library knows up to %zu", size,
                 sizeof hub->options);
    *hub = (SuHubContext){.name = name, .progress = {.struct_size = sizeof hub->progress}};
    memcpy(&hub->options, options, size);
    hub->progress.file = "";
    SU_TRY(complete_options(&hub->options, err));
    SU_TRY(sutra_registry_resolve(name, hub->repo, sizeof hub->repo, err));
    hub->entry = sutra_registry_find(name);
    return SUTRA_OK;
}

static void report(SuHubContext *hub)
{
    hub->reported_ns = su_clock_ns();
    if (hub->options.progress) hub->options.progress(hub->options.user, &hub->progress);
}

void su_hub_phase(SuHubContext *hub, SutraHubPhase phase, const char *note)
{
    hub->progress.phase = phase;
    hub->progress.note = note;
    report(hub);
    hub->progress.note = NULL;
}

void su_hub_advance(SuHubContext *hub, int64_t bytes)
{
    hub->progress.file_done += (uint64_t)bytes;
    hub->progress.total_done += (uint64_t)bytes;
    if (su_clock_ns() - hub->reported_ns >= REPORT_INTERVAL_NS) report(hub);
}

bool su_hub_is_cancelled(const SuHubContext *hub)
{
    return hub->options.cancel && *hub->options.cancel;
}

SutraStatus su_hub_check_cancelled(const SuHubContext *hub, SutraError *err)
{
    if (!su_hub_is_cancelled(hub)) return SUTRA_OK;
    SU_RAISE(err, SUTRA_E_CANCELLED, "%s: stopped; the same command goes on where it ended",
             hub->repo);
}

SutraStatus su_hub_pause(const SuHubContext *hub, uint32_t milliseconds, SutraError *err)
{
    while (milliseconds > 0) {
        uint32_t nap = milliseconds < NAP_MS ? milliseconds : NAP_MS;
        struct timespec time = {.tv_nsec = (long)nap * 1000000};
        SU_TRY(su_hub_check_cancelled(hub, err));
        nanosleep(&time, NULL);
        milliseconds -= nap;
    }
    return su_hub_check_cancelled(hub, err);
}

SutraStatus su_plan_add(SuHubPlan *plan, const char *name, SuHubFile **file, SutraError *err)
{
    if (plan->count == plan->capacity) {
        size_t capacity = plan->capacity ? 2 * plan->capacity : 16;
        SuHubFile *files = su_realloc(plan->files, capacity, sizeof *files);
        if (!files) SU_RAISE(err, SUTRA_E_MEMORY, "%s: out of memory", name);
        plan->files = files, plan->capacity = capacity;
    }
    *file = &plan->files[plan->count];
    **file = (SuHubFile){.name = su_strdup(name)};
    if (!(*file)->name) SU_RAISE(err, SUTRA_E_MEMORY, "%s: out of memory", name);
    plan->count++;
    return SUTRA_OK;
}

static int compare_files(const void *a, const void *b)
{
    const char *first = ((const SuHubFile *)a)->name, *second = ((const SuHubFile *)b)->name;
    int order = (int)su_model_file_role(first) - (int)su_model_file_role(second);
    return order ? order : strcmp(first, second);
}

/* The registry's digest goes before the hub's: if they differ, nothing need be downloaded. */
static SutraStatus pin_weights(SuHubFile *file, const SuHubContext *hub, SutraError *err)
{
    const SutraRegistryModel *entry = hub->entry;
    if (!entry || !entry->weights_sha256 || strcmp(file->name, SU_WEIGHTS_NAME) != 0)
        return SUTRA_OK;
    if (file->expected[0] && strcmp(file->expected, entry->weights_sha256) != 0)
        SU_RAISE(err, SUTRA_E_FORMAT,
                 "%s: %s: the registry's SHA-256 is %s but the %s's is %s; nothing was changed",
                 hub->repo, file->name, entry->weights_sha256, file->pinned, file->expected);
    memcpy(file->expected, entry->weights_sha256, sizeof file->expected);
    file->pinned = "registry";
    return SUTRA_OK;
}

/* Pickled weights can run code when they are read: they are not. */
static SutraStatus raise_no_weights(const SuHubPlan *plan, const SuHubContext *hub, SutraError *err)
{
    if (!plan->roles.pickled)
        SU_RAISE(err, SUTRA_E_UNSUPPORTED, "%s: has no %s; other weights are not read", hub->repo,
                 SU_WEIGHTS_NAME);
    SU_RAISE(
        err, SUTRA_E_UNSUPPORTED,
        "%s: its weights are in pytorch_model.bin only, and only %s is read; convert them by "
        "sentence-transformers: SentenceTransformer(\"%s\").save_pretrained(\"DIR\"), then use "
        "DIR as the model",
        hub->repo, SU_WEIGHTS_NAME, hub->repo);
}

SutraStatus su_plan_finish(SuHubPlan *plan, const SuHubContext *hub, SutraError *err)
{
    bool config = false, weights = false;
    if (plan->count) qsort(plan->files, plan->count, sizeof *plan->files, compare_files);
    for (size_t i = 0; i < plan->count; i++) {
        SuHubFile *file = &plan->files[i];
        SuFileRole role = su_model_file_role(file->name);
        if (i > 0 && !strcmp(file->name, file[-1].name))
            SU_RAISE(err, SUTRA_E_FORMAT, "%s: %s: listed twice", hub->repo, file->name);
        SU_TRY(pin_weights(file, hub, err));
        memcpy(file->etag, file->expected, sizeof file->etag);
        if (!file->etag[0]) memcpy(file->etag, file->blob_id, sizeof file->blob_id);
        if (su_add_overflows(plan->size, file->size, &plan->size))
            SU_RAISE(err, SUTRA_E_FORMAT, "%s: %s: size is not valid", hub->repo, file->name);
        config |= su_model_file_is_config(file->name);
        weights |= role == SU_FILE_WEIGHTS || role == SU_FILE_SHARD;
    }
    if (!config)
        SU_RAISE(err, SUTRA_E_UNSUPPORTED,
                 "%s: has no config.json of an encoder; StaticEmbedding is not supported here: get "
                 "the files by other means and give their folder",
                 hub->repo);
    return weights ? SUTRA_OK : raise_no_weights(plan, hub, err);
}

void su_plan_free(SuHubPlan *plan)
{
    for (size_t i = 0; i < plan->count; i++) su_free(plan->files[i].name);
    su_free(plan->files);
    *plan = (SuHubPlan){0};
}

void su_hub_result(const SuHubContext *hub, const SuHubPlan *plan, const char *path,
                   uint64_t received, SutraHubResult *result)
{
    SutraHubResult full = {
        .num_files = (uint32_t)plan->count, .size = plan->size, .received = received};
    if (!result) return;
    uint32_t size = full.struct_size = result->struct_size;
    for (size_t i = 0; i < plan->count; i++) {
        const SuHubFile *file = &plan->files[i];
        if (su_model_file_role(file->name) != SU_FILE_WEIGHTS) continue;
        memcpy(full.weights_sha256, file->sha256, sizeof full.weights_sha256);
        full.pinned = hub->entry && hub->entry->weights_sha256 &&
                      !strcmp(file->sha256, hub->entry->weights_sha256);
    }
    snprintf(full.revision, sizeof full.revision, "%s", plan->commit);
    snprintf(full.licence, sizeof full.licence, "%s",
             hub->entry ? hub->entry->licence : plan->licence);
    snprintf(full.path, sizeof full.path, "%s", path);
    memcpy(result, &full, size);
}
