#include "support/fault_plugin.h"

#include "backend/cpu_backend.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static FaultDevice devices[FAULT_DEVICES];
static const SutraHost *host;

typedef struct FaultModel {
    uint32_t device;
    void *model;
    _Atomic int contexts;
} FaultModel;

typedef struct FaultContext {
    uint32_t device;
    FaultModel *model;
    void *context;
    float *rows; /* in place of those computed */
    uint32_t max_tokens;
} FaultContext;

FaultDevice *fault_device(uint32_t device) { return &devices[device]; }

static void rest(long us)
{
    nanosleep(&(struct timespec){us / 1000000, us % 1000000 * 1000}, NULL);
}

static void hang_while(FaultDevice *device, int mode)
{
    device->hanging++;
    while (device->mode == mode) rest(200);
    device->hanging--;
}

static SutraStatus fail(uint32_t device, const char *what, SutraError *err)
{
    snprintf(err->message, sizeof err->message, "fault:%u %s, h\xc3\xa9las", device, what);
    return SUTRA_E_DEVICE;
}

static SutraStatus device_count(uint32_t *count, SutraError *err)
{
    if (devices[0].mode == FAULT_COUNT_HANG) hang_while(&devices[0], FAULT_COUNT_HANG);
    if (devices[0].mode == FAULT_COUNT_FAILS) return fail(0, "has no driver", err);
    *count = devices[0].mode == FAULT_NO_DEVICES ? 0 : FAULT_DEVICES;
    return SUTRA_OK;
}

static SutraStatus device_info(uint32_t device, SutraDeviceInfo *info, SutraError *err)
{
    devices[device].infos++;
    if (devices[device].mode == FAULT_INFO_HANG) hang_while(&devices[device], FAULT_INFO_HANG);
    if (devices[device].mode == FAULT_GONE) return fail(device, "is gone", err);
    snprintf(info->name, sizeof info->name, FAULT_NAME);
    info->max_in_flight = devices[device].lanes ? devices[device].lanes : 2;
    info->preferred_tokens =
        devices[device].preferred_tokens ? devices[device].preferred_tokens : 64;
    return SUTRA_OK;
}

static SutraStatus supports(uint32_t device, const SutraSpec *spec, SutraCompute compute,
                            SutraOutput output, SutraError *err)
{
    if (devices[device].mode == FAULT_GONE) return fail(device, "is gone", err);
    if (devices[device].mode == FAULT_REFUSES || devices[device].refused_outputs >> output & 1) {
        snprintf(err->message, sizeof err->message, "fault:%u does not like it", device);
        return SUTRA_E_UNSUPPORTED;
    }
    return su_cpu_backend()->supports(0, spec, compute, output, err);
}

static SutraStatus load(uint32_t device, const SutraSpec *spec, const SutraTensor *tensors,
                        size_t n, SutraCompute compute, void **model, SutraError *err)
{
    if (devices[device].mode == FAULT_GONE) return fail(device, "is gone", err);
    if (devices[device].mode == FAULT_LOAD_HANG) hang_while(&devices[device], FAULT_LOAD_HANG);
    if (devices[device].mode == FAULT_LOAD_SLOW) rest(devices[device].slow_us);
    FaultModel *made = calloc(1, sizeof *made);
    if (!made) return fail(device, "has no memory", err);
    made->device = device;
    SutraStatus status = su_cpu_backend()->load(0, spec, tensors, n, compute, &made->model, err);
    if (status == SUTRA_OK) {
        devices[device].loads++;
        *model = made;
    } else {
        free(made);
    }
    return status;
}

static void unload(void *model)
{
    FaultModel *made = model;
    devices[made->device].unloads++;
    if (made->contexts) {
        devices[made->device].early_unloads++;
        return; /* what would come of it is not to be seen */
    }
    su_cpu_backend()->unload(made->model);
    free(made);
}

static SutraStatus context_create(void *model, uint32_t max_tokens, uint32_t max_seqs,
                                  uint32_t max_team, void **context, SutraError *err)
{
    FaultModel *made = model;
    *context = NULL;
    if (devices[made->device].mode == FAULT_EMPTY) return SUTRA_OK;
    if (devices[made->device].mode == FAULT_GONE) return fail(made->device, "is gone", err);
    uint32_t room = devices[made->device].memory_tokens;
    if (room && max_tokens > room) {
        snprintf(err->message, sizeof err->message, "no memory for %u tokens", max_tokens);
        return SUTRA_E_MEMORY;
    }
    if (max_tokens > devices[made->device].largest_context)
        devices[made->device].largest_context = max_tokens;
    FaultContext *created = calloc(1, sizeof *created);
    if (!created) return fail(made->device, "has no memory", err);
    created->device = made->device;
    created->model = made;
    created->max_tokens = max_tokens;
    SutraStatus status = su_cpu_backend()->context_create(made->model, max_tokens, max_seqs,
                                                          max_team, &created->context, err);
    if (status == SUTRA_OK) {
        devices[made->device].contexts++;
        made->contexts++;
        *context = created;
    } else {
        free(created);
    }
    return status;
}

static void context_free(void *context)
{
    FaultContext *created = context;
    devices[created->device].context_frees++;
    created->model->contexts--;
    su_cpu_backend()->context_free(created->context);
    free(created->rows);
    free(created);
}

static SutraStatus give_nan(FaultContext *context, const SutraBatch *batch, SutraResultView *view)
{
    size_t count = (size_t)batch->num_tokens * batch->dim;
    float *rows = realloc(context->rows, count * sizeof *rows);
    if (!rows) return SUTRA_E_MEMORY;
    context->rows = rows;
    for (size_t i = 0; i < count; i++) rows[i] = NAN;
    view->data = rows;
    return SUTRA_OK;
}

/* Pooled vectors and scores. */
static SutraStatus give_at_once(FaultContext *context, const SutraBatch *batch,
                                SutraResultView *view)
{
    size_t count = (size_t)batch->num_seqs * batch->dim;
    float *rows = realloc(context->rows, count * sizeof *rows);
    if (!rows) return SUTRA_E_MEMORY;
    context->rows = rows;
    for (size_t i = 0; i < count; i++) rows[i] = 0.5f;
    view->data = rows;
    view->num_items = batch->num_seqs;
    view->row_bytes = sutra_row_bytes(batch->dtype, batch->dim);
    return SUTRA_OK;
}

/* What the device has against a batch. */
static SutraStatus refuse(const FaultDevice *device, const SutraBatch *batch, SutraError *err)
{
    if (device->refuses_ranges && batch->ranges) {
        snprintf(err->message, sizeof err->message, "it has no ranges");
        return SUTRA_E_UNSUPPORTED;
    }
    if (device->most_tokens && batch->max_seqlen > device->most_tokens) {
        snprintf(err->message, sizeof err->message, "%u tokens are too many", batch->max_seqlen);
        return SUTRA_E_LIMIT;
    }
    return SUTRA_OK;
}

static void spoil_texts(const FaultDevice *device, const SutraBatch *batch)
{
    for (uint32_t s = 0; device->nan_tokens && s < batch->num_seqs; s++)
        if (batch->cu_seqlens[s + 1] - batch->cu_seqlens[s] == device->nan_tokens)
            batch->numeric_error[s] = 1;
}

static SutraStatus run(void *opaque, const SutraBatch *batch, SutraResultView *view,
                       SutraError *err)
{
    FaultContext *context = opaque;
    FaultDevice *device = &devices[context->device];
    int mode = device->mode;
    device->runs++;
    uint32_t largest = device->largest_run;
    while (batch->num_tokens > largest &&
           !atomic_compare_exchange_weak(&device->largest_run, &largest, batch->num_tokens))
        continue;
    if (device->speaks) host->log(host->user, 1, "fault: runs");
    if (mode == FAULT_GONE) return fail(context->device, "is gone", err);
    if (mode == FAULT_ERROR) return fail(context->device, "fails", err);
    if (mode == FAULT_HANG) hang_while(device, FAULT_HANG);
    if (mode == FAULT_SLOW) rest(device->slow_us);
    SutraStatus status = refuse(device, batch, err);
    if (status == SUTRA_OK && mode == FAULT_FAST) return give_at_once(context, batch, view);
    if (status == SUTRA_OK) status = su_cpu_backend()->run(context->context, batch, view, err);
    if (status == SUTRA_OK) spoil_texts(device, batch);
    if (status == SUTRA_OK && mode == FAULT_NAN) status = give_nan(context, batch, view);
    if (mode == FAULT_ROWS) view->row_bytes *= 2;
    return status;
}

/* As the environment says, for a program that a test runs. */
static void set_switches(void)
{
    static const struct {
        const char *word;
        FaultMode mode;
    } modes[] = {{"error", FAULT_ERROR},
                 {"slow", FAULT_SLOW},
                 {"gone", FAULT_GONE},
                 {"refuses", FAULT_REFUSES},
                 {"no-driver", FAULT_COUNT_FAILS},
                 {"no-devices", FAULT_NO_DEVICES},
                 {"fast", FAULT_FAST}};
    const char *word = getenv("FAULT_MODE"), *slow_us = getenv("FAULT_SLOW_US");
    for (size_t i = 0; word && i < sizeof modes / sizeof *modes; i++)
        for (uint32_t d = 0; d < FAULT_DEVICES && strcmp(word, modes[i].word) == 0; d++)
            devices[d].mode = modes[i].mode;
    for (uint32_t d = 0; d < FAULT_DEVICES && slow_us; d++) devices[d].slow_us = atoi(slow_us);
}

const SutraBackend *sutra_backend_entry(const SutraHost *given)
{
    static const SutraBackend backend = {
        .struct_size = sizeof backend,
        .abi = SUTRA_BACKEND_ABI,
        .name = "fault",
        .device_count = device_count,
        .device_info = device_info,
        .supports = supports,
        .load = load,
        .unload = unload,
        .context_create = context_create,
        .run = run,
        .context_free = context_free,
    };
    if (given->abi != SUTRA_BACKEND_ABI) return NULL;
    host = given;
    set_switches();
    host->log(host->user, 2, "fault: hello");
    return &backend;
}
