#include "backend/device.h"

#include "backend/backend_call.h"
#include "backend/device_facts.h"
#include "base/cpu_relax.h"
#include "base/deadline.h"
#include "base/status.h"
#include "base/thread_cores.h"
#include "base/thread_start.h"

#include <string.h>

enum {
    PREFERRED_TOKENS = 256, /* of a backend that does not say */
    MOST_PREFERRED = 65536,
    LEAST_TOKENS = 64, /* of a context */
    IN_FLIGHT = 2,
    MOST_IN_FLIGHT = 64,
    /* A run of so few tokens may take no longer than to put a thread to sleep and wake it: around
     * one, a lane and who waits for it look out for each other first. Not on the processor, which
     * has better to do. */
    BRIEF_TOKENS = 512,
    LANE_LOOKS_US = 50,
    CALLER_LOOKS_US = 500
};

struct SuLaneContext {
    uint64_t serial;
    void *context;
    uint32_t max_tokens, outputs;
    SuLaneContext *next;
};

/* ---- what a lane's thread does; the lock is not held ---- */

static SutraStatus backend_failed(SuLane *lane, const char *function, SutraStatus status)
{
    return su_backend_reason(lane->device->backend, function, status, &lane->reason);
}

static SutraStatus probe(SuLane *lane)
{
    const SuDevice *device = lane->device;
    SutraDeviceInfo info = {.struct_size = sizeof info};
    SutraStatus status = device->backend->device_info(device->name.index, &info, &lane->reason);
    return status == SUTRA_OK ? SUTRA_OK : backend_failed(lane, "device_info", status);
}

/* The entry of the lane's model, a new one if it has none; NULL: no memory. Those of other models
 * may go at any time. */
static SuLaneContext *context_of(SuLane *lane)
{
    pthread_mutex_t *lock = &lane->device->shared->lock;
    pthread_mutex_lock(lock);
    SuLaneContext *entry = lane->contexts;
    while (entry && entry->serial != lane->own.serial) entry = entry->next;
    if (!entry) entry = su_calloc(1, sizeof *entry);
    if (entry && !entry->serial) {
        *entry = (SuLaneContext){.serial = lane->own.serial, .next = lane->contexts};
        lane->contexts = entry;
    }
    pthread_mutex_unlock(lock);
    return entry;
}

static void prefer_no_more(SuDevice *device, uint32_t tokens)
{
    pthread_mutex_lock(&device->shared->lock);
    if (tokens < device->preferred_tokens) device->preferred_tokens = tokens;
    pthread_mutex_unlock(&device->shared->lock);
}

/* Where the device's memory does not hold a context for what it prefers, one for half of that, and
 * so on down to what the task needs. Larger batches then come in pieces. */
static SutraStatus make_context(SuLane *lane, void *handle, SuLaneContext *entry)
{
    SuDevice *device = lane->device;
    uint32_t tokens = lane->tokens;
    for (;;) {
        SutraStatus status = device->backend->context_create(handle, tokens, tokens, 1,
                                                             &entry->context, &lane->reason);
        if (status == SUTRA_OK && !entry->context) status = SUTRA_E_DEVICE;
        if (status == SUTRA_OK) {
            entry->max_tokens = tokens;
            if (tokens < lane->tokens) prefer_no_more(device, tokens);
            return SUTRA_OK;
        }
        entry->context = NULL;
        if (status != SUTRA_E_MEMORY || tokens <= lane->least_tokens)
            return backend_failed(lane, "context_create", status);
        tokens = tokens / 2 > lane->least_tokens ? tokens / 2 : lane->least_tokens;
        lane->reason = (SutraError){0};
    }
}

/* A context of the lane's model that is large enough. */
static SutraStatus make_ready(SuLane *lane, SuLaneContext **out)
{
    const SuDevice *device = lane->device;
    const SuDeviceModel *model = &lane->own;
    void *handle = NULL;
    SuLaneContext *entry = context_of(lane);
    *out = entry;
    if (!entry) SU_RAISE(&lane->reason, SUTRA_E_MEMORY, "out of memory");
    if (!(entry->outputs >> lane->batch.output & 1)) {
        SU_TRY(model->supports(model->owner, device->backend, device->name.index,
                               lane->batch.output, &lane->reason));
        entry->outputs |= 1u << lane->batch.output;
    }
    if (!entry->context || entry->max_tokens < lane->tokens) {
        SU_TRY(
            model->load(model->owner, device->backend, device->name.index, &handle, &lane->reason));
        if (entry->context) device->backend->context_free(entry->context);
        entry->context = NULL;
        SU_TRY(make_context(lane, handle, entry));
    }
    return SUTRA_OK;
}

static SutraStatus perform(SuLane *lane)
{
    SuLaneContext *ready = NULL;
    lane->reason = (SutraError){0};
    lane->run_ns = 0;
    lane->refuses = false;
    if (lane->probes) return probe(lane);
    SutraStatus made = make_ready(lane, &ready);
    lane->refuses = made == SUTRA_E_UNSUPPORTED;
    if (made != SUTRA_OK) return made;
    if (lane->batch.num_seqs == 0) return SUTRA_OK;
    lane->view = (SutraResultView){.struct_size = sizeof lane->view, .output = lane->batch.output};
    memset(lane->numeric_error, 0, lane->batch.num_seqs);
    uint64_t start = su_clock_ns();
    SutraStatus status = su_backend_run(lane->device->backend, ready->context, &lane->batch,
                                        lane->row_bytes, &lane->view, &lane->reason);
    lane->run_ns = su_clock_ns() - start;
    return status;
}

/* ---- contexts ---- */

/* serial 0: of all models. That of a call that hangs stays. The lock is held. */
static void drop_context(SuLane *lane, uint64_t serial)
{
    for (SuLaneContext **at = &lane->contexts; *at;) {
        SuLaneContext *entry = *at;
        bool hangs = lane->state == SU_LANE_ABANDONED && lane->own.serial == entry->serial;
        if (hangs || (serial && entry->serial != serial)) {
            at = &entry->next;
            continue;
        }
        *at = entry->next;
        if (entry->context) lane->device->backend->context_free(entry->context);
        su_free(entry);
    }
}

void su_device_drop(SuDevice *device, uint64_t serial)
{
    for (uint32_t i = 0; i < device->num_lanes; i++) drop_context(&device->lanes[i], serial);
}

/* ---- what devices share ---- */

SuDeviceShared *su_device_shared_create(void)
{
    SuDeviceShared *shared = su_calloc(1, sizeof *shared);
    if (!shared) return NULL;
    pthread_mutex_init(&shared->lock, NULL);
    su_deadline_condition(&shared->changed);
    su_deadline_condition(&shared->attention);
    shared->references = 1;
    return shared;
}

void su_device_shared_release(SuDeviceShared *shared)
{
    bool last = --shared->references == 0;
    pthread_mutex_unlock(&shared->lock);
    if (!last) return;
    pthread_cond_destroy(&shared->changed);
    pthread_cond_destroy(&shared->attention);
    pthread_mutex_destroy(&shared->lock);
    su_free(shared);
}

/* ---- the end ---- */

static void free_device(SuDevice *device)
{
    for (uint32_t i = 0; i < device->num_lanes; i++) {
        pthread_cond_destroy(&device->lanes[i].wake);
        pthread_cond_destroy(&device->lanes[i].done);
        su_free_aligned(device->lanes[i].memory);
        su_free(device->lanes[i].ranges);
    }
    su_free(device->lanes);
    su_free(device);
}

/* A lane that was abandoned when its device was closed ends. The lock is given up. */
static void leave_closed(SuLane *lane)
{
    SuDevice *device = lane->device;
    SuDeviceShared *shared = device->shared;
    bool last = ++device->gone_lanes == device->num_lanes;
    if (last) free_device(device);
    su_device_shared_release(shared);
}

/* ---- a lane's thread ---- */

/* Nobody waits for what it gave. What it held of the model goes. */
static void come_back(SuLane *lane)
{
    SuDevice *device = lane->device;
    SuDeviceModel held = lane->own;
    lane->own = (SuDeviceModel){0};
    if (held.serial) {
        drop_context(lane, held.serial);
        pthread_mutex_unlock(&device->shared->lock);
        held.release(held.owner);
        pthread_mutex_lock(&device->shared->lock);
    }
    lane->state = SU_LANE_FREE;
    device->hung--;
    pthread_cond_broadcast(&device->shared->changed);
    pthread_cond_signal(&device->shared->attention);
}

static bool is_brief(const SuLane *lane)
{
    return lane->batch.num_seqs > 0 && lane->batch.num_tokens <= BRIEF_TOKENS &&
           !lane->device->info.one_run_a_core;
}

/* Until a count of tasks changes, or for so long. The lock is given up meanwhile. */
static void look_out(SuLane *lane, _Atomic uint32_t *tasks, uint32_t microseconds)
{
    uint32_t seen = atomic_load_explicit(tasks, memory_order_relaxed);
    pthread_mutex_unlock(&lane->device->shared->lock);
    uint64_t until = su_clock_ns() + microseconds * UINT64_C(1000);
    do {
        for (int i = 0; i < 4; i++) su_cpu_relax();
    } while (atomic_load_explicit(tasks, memory_order_relaxed) == seen && su_clock_ns() < until);
    pthread_mutex_lock(&lane->device->shared->lock);
}

static void *serve(void *arg)
{
    SuLane *lane = arg;
    SuDeviceShared *shared = lane->device->shared;
    bool brief = false;
    pthread_mutex_lock(&shared->lock);
    for (;;) {
        if (brief && lane->state != SU_LANE_RUNNING && !lane->stop)
            look_out(lane, &lane->begun, LANE_LOOKS_US);
        while (lane->state != SU_LANE_RUNNING && !lane->stop)
            pthread_cond_wait(&lane->wake, &shared->lock);
        if (lane->state != SU_LANE_RUNNING) break;
        brief = is_brief(lane);
        pthread_mutex_unlock(&shared->lock);
        SutraStatus status = perform(lane);
        pthread_mutex_lock(&shared->lock);
        if (lane->state == SU_LANE_ABANDONED) {
            come_back(lane);
            if (!lane->stop) continue;
            leave_closed(lane);
            return NULL;
        }
        lane->status = status;
        lane->state = SU_LANE_TAKEN;
        atomic_fetch_add_explicit(&lane->ended, 1, memory_order_relaxed);
        pthread_cond_signal(&lane->done);
        if (lane->prepares) pthread_cond_broadcast(&shared->changed);
        if (lane->kept) pthread_cond_signal(&shared->attention);
    }
    pthread_mutex_unlock(&shared->lock);
    return NULL;
}

/* ---- opening and closing ---- */

static SutraStatus start_lane(SuDevice *device, SuLane *lane, SutraError *err)
{
    if (!su_thread_start(&lane->thread, serve, lane))
        SU_RAISE(err, SUTRA_E_LIMIT, "device \"%s\": its threads could not be started",
                 device->name.text);
    lane->started = true;
    if (device->name.num_cores &&
        !su_thread_set_cores(lane->thread, device->name.cores, sizeof device->name.cores))
        SU_RAISE(err, SUTRA_E_ARGUMENT, "device \"%s\": this process may not run on these cores",
                 device->name.text);
    return SUTRA_OK;
}

/* The processor takes one call a core. */
static uint32_t lanes_of(const SuDevice *device, uint32_t cores)
{
    uint32_t lanes = device->info.max_in_flight;
    if (device->name.num_cores)
        lanes = device->name.num_cores;
    else if (device->info.one_run_a_core)
        lanes = cores;
    if (lanes == 0) lanes = IN_FLIGHT;
    return lanes < MOST_IN_FLIGHT ? lanes : MOST_IN_FLIGHT;
}

SutraStatus su_device_open(SuDeviceShared *shared, const SuDeviceName *name,
                           const SutraBackend *backend, uint32_t cores, uint64_t timeout_ns,
                           SuDevice **out, SutraError *err)
{
    SutraDeviceInfo info;
    *out = NULL;
    SU_TRY(su_device_facts(name, backend, timeout_ns, &info, err));
    if (name->num_cores && !info.one_run_a_core)
        SU_RAISE(err, SUTRA_E_ARGUMENT, "device \"%s\": the %s backend's devices have no cores",
                 name->text, backend->name);
    SuDevice *device = su_calloc(1, sizeof *device);
    if (!device) SU_RAISE(err, SUTRA_E_MEMORY, "out of memory");
    *device = (SuDevice){.shared = shared, .name = *name, .backend = backend, .info = info};
    device->preferred_tokens = info.preferred_tokens ? info.preferred_tokens : PREFERRED_TOKENS;
    if (device->preferred_tokens > MOST_PREFERRED) device->preferred_tokens = MOST_PREFERRED;
    device->said_tokens = device->preferred_tokens;
    uint32_t lanes = lanes_of(device, cores);
    device->lanes = su_calloc(lanes, sizeof *device->lanes);
    SutraStatus status = SUTRA_OK;
    if (!device->lanes) status = su_error_set(err, SUTRA_E_MEMORY, "out of memory");
    for (uint32_t i = 0; i < lanes && status == SUTRA_OK; i++) {
        device->lanes[i].device = device;
        su_deadline_condition(&device->lanes[i].wake);
        su_deadline_condition(&device->lanes[i].done);
        device->num_lanes++;
        status = start_lane(device, &device->lanes[i], err);
    }
    pthread_mutex_lock(&shared->lock);
    if (status == SUTRA_OK)
        *out = device;
    else
        su_device_close(device);
    pthread_mutex_unlock(&shared->lock);
    return status;
}

void su_device_close(SuDevice *device)
{
    SuDeviceShared *shared = device->shared;
    uint32_t ended = 0;
    su_device_drop(device, 0); /* models that go from now on don't find it */
    for (uint32_t i = 0; i < device->num_lanes; i++) {
        SuLane *lane = &device->lanes[i];
        lane->stop = true;
        if (lane->state == SU_LANE_ABANDONED) {
            pthread_detach(lane->thread);
            shared->references++;
            continue;
        }
        ended++;
        if (!lane->started) continue;
        pthread_cond_signal(&lane->wake);
        pthread_mutex_unlock(&shared->lock);
        pthread_join(lane->thread, NULL);
        pthread_mutex_lock(&shared->lock);
    }
    device->gone_lanes += ended;
    if (device->gone_lanes == device->num_lanes) free_device(device);
}

/* ---- tasks ---- */

bool su_lane_has(const SuLane *lane, uint64_t serial, SutraOutput output, uint32_t tokens)
{
    const SuLaneContext *entry = lane->contexts;
    while (entry && entry->serial != serial) entry = entry->next;
    return entry && entry->context && entry->max_tokens >= tokens && (entry->outputs >> output & 1);
}

SuLane *su_device_take_lane(SuDevice *device, uint64_t serial, SutraOutput output, uint32_t tokens)
{
    uint32_t lanes = tokens > device->preferred_tokens ? 1 : device->num_lanes;
    SuLane *taken = NULL;
    for (uint32_t i = lanes; i-- > 0;) {
        SuLane *lane = &device->lanes[i];
        if (lane->state != SU_LANE_FREE) continue;
        if (!taken) taken = lane;
        if (!su_lane_has(lane, serial, output, tokens)) continue;
        taken = lane;
        break;
    }
    if (taken) taken->state = SU_LANE_TAKEN;
    return taken;
}

/* Memory for a batch and, in the thread, a context of so many tokens or what the device prefers, at
 * least of `least`. */
static SutraStatus reserve(SuLane *lane, uint32_t tokens, uint32_t least, SutraError *reason)
{
    uint32_t preferred = lane->device->preferred_tokens;
    uint32_t useful = preferred < LEAST_TOKENS ? preferred : LEAST_TOKENS;
    if (tokens < preferred) tokens = preferred;
    lane->tokens = tokens;
    lane->least_tokens = least > useful ? least : useful;
    if (tokens <= lane->capacity) return SUTRA_OK;
    unsigned char *memory = NULL;
    for (int real = 0; real < 2; real++) {
        SuArena arena = {.base = memory, .size = SIZE_MAX};
        lane->token_ids = su_arena_carve(&arena, tokens * sizeof *lane->token_ids);
        lane->type_ids = su_arena_carve(&arena, tokens * sizeof *lane->type_ids);
        lane->cu_seqlens = su_arena_carve(&arena, (tokens + 1) * sizeof *lane->cu_seqlens);
        lane->prompt_len = su_arena_carve(&arena, tokens * sizeof *lane->prompt_len);
        lane->numeric_error = su_arena_carve(&arena, tokens);
        if (real) break;
        su_free_aligned(lane->memory);
        lane->capacity = 0;
        lane->memory = memory = su_alloc_aligned(arena.used);
        if (!memory)
            SU_RAISE(reason, SUTRA_E_MEMORY, "out of memory for a batch of %u tokens", tokens);
    }
    lane->capacity = tokens;
    return SUTRA_OK;
}

static SutraStatus copy_ranges(SuLane *lane, const SutraBatch *batch, SutraError *reason)
{
    size_t count = (size_t)2 * batch->dim;
    if (!batch->ranges) return SUTRA_OK;
    if (count > lane->num_ranges) {
        float *ranges = su_realloc(lane->ranges, count, sizeof *ranges);
        if (!ranges) SU_RAISE(reason, SUTRA_E_MEMORY, "out of memory for ranges");
        lane->ranges = ranges;
        lane->num_ranges = count;
    }
    memcpy(lane->ranges, batch->ranges, count * sizeof *lane->ranges);
    lane->batch.ranges = lane->ranges;
    return SUTRA_OK;
}

SutraStatus su_lane_set_batch(SuLane *lane, const SutraBatch *batch, uint32_t first, uint32_t count,
                              SutraError *reason)
{
    const uint32_t *cu = batch->cu_seqlens;
    uint32_t tokens = cu[first + count] - cu[first];
    SU_TRY(reserve(lane, tokens, tokens, reason));
    lane->batch = *batch;
    lane->batch.num_seqs = count;
    lane->batch.num_tokens = tokens;
    lane->batch.max_seqlen = 0;
    lane->batch.team = NULL;
    lane->batch.numeric_error = lane->numeric_error;
    memcpy(lane->token_ids, batch->token_ids + cu[first], tokens * sizeof *lane->token_ids);
    lane->batch.token_ids = lane->token_ids;
    if (batch->type_ids) {
        memcpy(lane->type_ids, batch->type_ids + cu[first], tokens * sizeof *lane->type_ids);
        lane->batch.type_ids = lane->type_ids;
    }
    if (batch->prompt_len) {
        memcpy(lane->prompt_len, batch->prompt_len + first, count * sizeof *lane->prompt_len);
        lane->batch.prompt_len = lane->prompt_len;
    }
    for (uint32_t s = 0; s <= count; s++) lane->cu_seqlens[s] = cu[first + s] - cu[first];
    for (uint32_t s = 0; s < count; s++) {
        uint32_t length = lane->cu_seqlens[s + 1] - lane->cu_seqlens[s];
        if (length > lane->batch.max_seqlen) lane->batch.max_seqlen = length;
    }
    lane->batch.cu_seqlens = lane->cu_seqlens;
    return copy_ranges(lane, batch, reason);
}

SutraStatus su_lane_set_load(SuLane *lane, const SuDeviceModel *model, SutraOutput output,
                             uint32_t least, SutraError *reason)
{
    lane->model = model;
    lane->refuses = false;
    lane->batch = (SutraBatch){.struct_size = sizeof lane->batch, .output = output};
    uint32_t tokens = lane == lane->device->lanes ? model->max_tokens : 0;
    return reserve(lane, tokens > least ? tokens : least, least, reason);
}

static void start(SuLane *lane)
{
    lane->state = SU_LANE_RUNNING;
    atomic_fetch_add_explicit(&lane->begun, 1, memory_order_relaxed);
    pthread_cond_signal(&lane->wake);
}

void su_lane_start(SuLane *lane)
{
    lane->own = *lane->model;
    lane->probes = false;
    start(lane);
}

void su_lane_start_probe(SuLane *lane)
{
    lane->own = (SuDeviceModel){0};
    lane->probes = true;
    start(lane);
}

void su_lane_abandon(SuLane *lane)
{
    lane->state = SU_LANE_ABANDONED;
    lane->kept = lane->prepares = false;
    lane->device->hung++;
}

bool su_lane_wait(SuLane *lane, uint64_t deadline_ns)
{
    SuDevice *device = lane->device;
    const struct timespec until = su_deadline_at(deadline_ns);
    if (is_brief(lane) && lane->state == SU_LANE_RUNNING)
        look_out(lane, &lane->ended, CALLER_LOOKS_US);
    while (lane->state == SU_LANE_RUNNING && su_clock_ns() < deadline_ns)
        su_deadline_wait(&lane->done, &device->shared->lock, &until);
    if (lane->state == SU_LANE_TAKEN) return true;
    lane->own.retain(lane->own.owner);
    su_lane_abandon(lane);
    return false;
}

void su_lane_give_back(SuLane *lane)
{
    SuDeviceShared *shared = lane->device->shared;
    lane->state = SU_LANE_FREE;
    pthread_cond_broadcast(&shared->changed);
    if (lane->device->state == SU_DEVICE_QUARANTINED) pthread_cond_signal(&shared->attention);
}
