#include "backend/device_route.h"

#include "backend/device_choice.h"
#include "backend/device_health.h"
#include "base/deadline.h"
#include "base/status.h"

#include <stdio.h>
#include <string.h>

enum {
    ROUNDS = 2, /* how often a batch may come to a device that failed with it */
    PATIENCE = 2,
    LOAD_RUNS = 4 /* loading a model may take as long as so many runs */
};

static const uint64_t SHORTEST_PATIENCE = 1000000000;

/* A batch on its way through the pool. */
typedef struct Journey {
    SuDevicePool *pool;
    const SuDeviceRun *run;
    SuDevice *tried[SU_POOL_DEVICES];
    uint32_t num_tried, rounds;
    uint32_t asked;    /* texts of the smallest piece that a device did not do; 0: none was asked */
    SuDevice *doubted; /* it gave NaN for a text, and may be asked again */
    uint32_t doubted_text; /* the first of those */
    bool believes;         /* NaN is the model's */
    SutraStatus status;    /* of the first failure */
    char message[600];
} Journey;

static bool was_tried(const Journey *j, const SuDevice *device)
{
    for (uint32_t i = 0; i < j->num_tried; i++)
        if (j->tried[i] == device) return true;
    return false;
}

static bool refuses(const Journey *j, const SuDevice *device)
{
    return su_device_refuses(device, j->run->model->serial, j->run->batch->output);
}

/* Until a lane is free, or a device in another state, or due. due_ns: UINT64_MAX: none will be. */
static void wait_for_change(SuDevicePool *pool, uint64_t due_ns)
{
    const struct timespec due = su_deadline_at(due_ns);
    su_deadline_wait(&pool->shared->changed, &pool->shared->lock,
                     due_ns == UINT64_MAX ? NULL : &due);
}

/* A taken lane, after a wait for one if need be; NULL: no device is left for it. */
static SuLane *choose(Journey *j, uint32_t tokens)
{
    SuDevicePool *pool = j->pool;
    for (;;) {
        SuDevice *devices[SU_POOL_DEVICES];
        uint32_t count = 0, on_trial = 0;
        uint64_t now = su_clock_ns(), due_ns = UINT64_MAX;
        for (uint32_t d = 0; d < pool->num_devices; d++) {
            SuDevice *device = pool->devices[d];
            if (was_tried(j, device) || refuses(j, device)) continue;
            if (su_device_is_due(device, now) && su_device_has_room(device, tokens)) {
                device->state = SU_DEVICE_TRIAL;
                return su_device_take_lane(device, tokens);
            }
            if (device->state == SU_DEVICE_READY) devices[count++] = device;
            on_trial += device->state == SU_DEVICE_TRIAL;
            bool rests = device->state == SU_DEVICE_QUARANTINED && !device->hung;
            if (rests && device->retry_ns > now && device->retry_ns < due_ns)
                due_ns = device->retry_ns;
        }
        if (count == 0 && on_trial == 0) return NULL;
        SuDevice *device = su_device_by_policy(pool, devices, count, tokens);
        if (device) return su_device_take_lane(device, tokens);
        pool->tokens_waiting += tokens;
        wait_for_change(pool, due_ns);
        pool->tokens_waiting -= tokens;
    }
}

static void note_failure(Journey *j, const SuDevice *device, SutraStatus status,
                         const char *message)
{
    if (j->message[0]) return;
    j->status = status;
    snprintf(j->message, sizeof j->message, "device %s: %s", device->name.text, message);
}

/* It did not do a piece of so many texts. */
static void note_tried(Journey *j, SuDevice *device, uint32_t count)
{
    if (j->num_tried < SU_POOL_DEVICES) j->tried[j->num_tried++] = device;
    if (!j->asked || count < j->asked) j->asked = count;
}

/* Texts from `first` on that go to a device together: what it prefers, at least one. */
static uint32_t piece_of(const SuDevice *device, const SutraBatch *batch, uint32_t first)
{
    const uint32_t *cu = batch->cu_seqlens;
    uint32_t count = 1;
    while (first + count < batch->num_seqs &&
           cu[first + count + 1] - cu[first] <= device->preferred_tokens)
        count++;
    return count;
}

/* The first text of a lane's batch that has NaN; its number of texts if none has. */
static uint32_t find_nan(const SuLane *lane)
{
    uint32_t s = 0;
    while (s < lane->batch.num_seqs && !lane->numeric_error[s]) s++;
    return s;
}

/* Of vectors of floats, what a device did not see itself. */
static void look_for_nan(SuLane *lane)
{
    const SutraBatch *batch = &lane->batch;
    if (batch->output == SUTRA_OUT_TOKENS || batch->dtype != SUTRA_F32) return;
    const float *rows = lane->view.data;
    for (uint32_t s = 0; s < batch->num_seqs; s++) {
        float sum = 0; /* of x - x: 0, or NaN */
        for (uint32_t i = 0; i < batch->dim; i++) {
            float x = rows[(size_t)s * batch->dim + i];
            sum += x - x;
        }
        if (sum != 0) lane->numeric_error[s] = 1;
    }
}

/* A batch that is too large, or not valid, says nothing of the device. */
static void take_failure(Journey *j, SuLane *lane)
{
    SuDevice *device = lane->device;
    SutraStatus status = lane->status;
    bool innocent = status == SUTRA_E_MEMORY || status == SUTRA_E_LIMIT ||
                    status == SUTRA_E_ARGUMENT || status == SUTRA_E_UNSUPPORTED;
    note_failure(j, device, status, lane->reason.message);
    if (lane->refuses) su_device_refuse(device, lane->own.serial, lane->batch.output);
    if (!innocent || device->state == SU_DEVICE_TRIAL)
        su_device_blame(j->pool, device, false, lane->reason.message);
}

/* Whether another device might do what this one did. */
static bool has_other(const Journey *j, const SuDevice *device)
{
    for (uint32_t d = 0; d < j->pool->num_devices; d++) {
        const SuDevice *other = j->pool->devices[d];
        if (other != device && other->state == SU_DEVICE_READY && !was_tried(j, other) &&
            !refuses(j, other))
            return true;
    }
    return false;
}

/* It gave NaN where another device gave numbers; it may have been removed since. */
static void blame_doubted(Journey *j)
{
    for (uint32_t d = 0; d < j->pool->num_devices; d++)
        if (j->pool->devices[d] == j->doubted)
            su_device_blame(j->pool, j->doubted, true,
                            "it gave NaN or infinity where another gave numbers");
}

/* A lane's task ran in time. True: its rows were delivered. NaN of one device is another's to
 * confirm. */
static bool take_result(Journey *j, SuLane *lane, uint32_t first)
{
    SuDevice *device = lane->device;
    uint32_t count = lane->batch.num_seqs;
    if (lane->status != SUTRA_OK) {
        take_failure(j, lane);
        return false;
    }
    bool believes = j->believes || j->doubted || !has_other(j, device);
    pthread_mutex_unlock(&j->pool->shared->lock);
    look_for_nan(lane);
    uint32_t nan_at = find_nan(lane);
    bool nan = nan_at < count;
    if (!nan || believes)
        j->run->deliver(j->run->user, first, count, &lane->view, lane->numeric_error, lane->run_ns);
    pthread_mutex_lock(&j->pool->shared->lock);
    if (nan && !believes) {
        j->doubted = device;
        j->doubted_text = first + nan_at;
        note_failure(j, device, SUTRA_E_NUMERIC, "it gave NaN or infinity");
        if (device->state == SU_DEVICE_TRIAL)
            su_device_blame(j->pool, device, true, "it gave NaN or infinity");
        return false;
    }
    bool same_text = j->doubted && j->doubted_text < first + count;
    if (!nan && same_text && j->doubted != device) blame_doubted(j);
    su_device_praise(j->pool, device, count, lane->batch.num_tokens, lane->run_ns);
    return true;
}

/* A piece on one device. True: done. */
static bool ride(Journey *j, SuLane *lane, uint32_t first, uint32_t count)
{
    SuDevicePool *pool = j->pool;
    SuDevice *device = lane->device;
    uint32_t tokens = j->run->batch->cu_seqlens[first + count] - j->run->batch->cu_seqlens[first];
    device->tokens_out += tokens;
    lane->model = j->run->model;
    lane->probes = device->state == SU_DEVICE_TRIAL;
    lane->row_bytes = j->run->row_bytes;
    pthread_mutex_unlock(&pool->shared->lock);
    lane->refuses = false;
    lane->status = su_lane_set_batch(lane, j->run->batch, first, count, &lane->reason);
    pthread_mutex_lock(&pool->shared->lock);
    bool done = false, ours = true;
    if (lane->status != SUTRA_OK) {
        take_failure(j, lane);
    } else {
        su_lane_start(lane);
        ours = su_lane_wait(lane, su_clock_ns() + pool->timeout_ns);
        if (ours) {
            done = take_result(j, lane, first);
        } else {
            char message[100];
            snprintf(message, sizeof message, "a run has not come back after %.1f s",
                     (double)pool->timeout_ns * 1e-9);
            note_failure(j, device, SUTRA_E_DEVICE, message);
            device->late_runs++;
            su_device_blame(pool, device, true, message);
        }
    }
    device->tokens_out -= tokens;
    if (!done) device->retried_texts += count;
    if (ours) su_lane_give_back(lane);
    return done;
}

/* A lane for the next piece. When all devices were tried, once more those that are well. */
static SuLane *next_lane(Journey *j, uint32_t tokens)
{
    SuLane *lane = choose(j, tokens);
    while (!lane && j->rounds < ROUNDS && j->num_tried) {
        j->rounds++;
        j->num_tried = 0;
        j->believes = true;
        lane = choose(j, tokens);
    }
    return lane;
}

static bool all_refuse(const Journey *j)
{
    for (uint32_t d = 0; d < j->pool->num_devices; d++)
        if (!refuses(j, j->pool->devices[d])) return false;
    return true;
}

/* Texts that no device did: those that all were asked for, or all that are left if none was. */
static uint32_t give_up(Journey *j, uint32_t first)
{
    uint32_t left = j->run->batch->num_seqs - first;
    uint32_t count = j->asked ? j->asked : left;
    if (!j->message[0]) {
        bool unsupported = all_refuse(j);
        j->status = unsupported ? SUTRA_E_UNSUPPORTED : SUTRA_E_DEVICE;
        snprintf(j->message, sizeof j->message, "%s",
                 unsupported ? "no device supports this model and output" : "no device is well");
    }
    pthread_mutex_unlock(&j->pool->shared->lock);
    j->run->fail(j->run->user, first, count, j->status, j->message);
    pthread_mutex_lock(&j->pool->shared->lock);
    return count;
}

void su_device_route(SuDevicePool *pool, const SuDeviceRun *run)
{
    const SutraBatch *batch = run->batch;
    Journey journey = {.pool = pool, .run = run};
    uint32_t first = 0;
    pthread_mutex_lock(&pool->shared->lock);
    while (first < batch->num_seqs) {
        uint32_t count, tokens = batch->cu_seqlens[first + 1] - batch->cu_seqlens[first];
        SuLane *lane = next_lane(&journey, tokens);
        if (lane) {
            SuDevice *device = lane->device;
            count = piece_of(device, batch, first);
            if (!ride(&journey, lane, first, count)) {
                note_tried(&journey, device, count);
                continue;
            }
        } else {
            count = give_up(&journey, first);
        }
        first += count;
        journey = (Journey){.pool = pool, .run = run};
    }
    pthread_mutex_unlock(&pool->shared->lock);
}

/* ---- models ---- */

/* Starts the lanes of a device that are free, for a model alone. True: there are some, and it stays
 * until the last of them is given back. */
static bool start_preparing(SuDevice *device, const SuDeviceModel *model, SutraOutput output,
                            uint32_t max_tokens)
{
    bool any = false;
    for (uint32_t i = 0; i < device->num_lanes; i++) {
        SuLane *lane = &device->lanes[i];
        if (lane->state != SU_LANE_FREE) continue;
        any = true;
        lane->state = SU_LANE_TAKEN;
        lane->model = model;
        lane->probes = false;
        lane->prepares = true;
        lane->refuses = false;
        lane->status = su_lane_set_output(lane, output, i == 0 ? max_tokens : 0, &lane->reason);
        if (lane->status == SUTRA_OK) su_lane_start(lane);
    }
    return any;
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
 * times as long as that took. */
static void wait_for_loads(SuDevicePool *pool, SuDevice *const *devices, uint32_t count,
                           uint64_t start)
{
    uint64_t until = start + LOAD_RUNS * pool->timeout_ns;
    bool served = false;
    for (;;) {
        bool under_way = false, ready = false;
        for (uint32_t d = 0; d < count; d++) under_way |= is_preparing(devices[d], &ready);
        uint64_t now = su_clock_ns();
        if (ready && !served) {
            uint64_t more = PATIENCE * (now - start);
            if (more < SHORTEST_PATIENCE) more = SHORTEST_PATIENCE;
            if (now + more < until) until = now + more;
            served = true;
        }
        if (!under_way || now >= until) return;
        const struct timespec end = su_deadline_at(until);
        su_deadline_wait(&pool->shared->changed, &pool->shared->lock, &end);
    }
}

/* Gives its lanes back, those that are not done at their own time. True: the model is on it. */
static bool end_preparing(Journey *j, SuDevice *device, bool served)
{
    static const char late[] = "loading a model has not come back";
    bool ready = false;
    for (uint32_t i = 0; i < device->num_lanes; i++) {
        SuLane *lane = &device->lanes[i];
        if (!lane->prepares) continue;
        lane->prepares = false;
        if (lane->state == SU_LANE_RUNNING && !su_lane_wait(lane, 0)) {
            note_failure(j, device, SUTRA_E_DEVICE, late);
            if (served)
                su_device_postpone(j->pool, device, late);
            else
                su_device_blame(j->pool, device, true, late);
            continue;
        }
        if (lane->status == SUTRA_OK)
            ready = true;
        else
            take_failure(j, lane);
        su_lane_give_back(lane);
    }
    return ready;
}

SutraStatus su_device_prepare(SuDevicePool *pool, const SuDeviceModel *model, SutraOutput output,
                              uint32_t max_tokens, SutraError *err)
{
    Journey journey = {.pool = pool};
    SuDevice *started[SU_POOL_DEVICES]; /* the pool's list changes meanwhile */
    uint32_t num_started = 0;
    bool served = false;
    pthread_mutex_lock(&pool->shared->lock);
    uint64_t now = su_clock_ns();
    for (uint32_t d = 0; d < pool->num_devices; d++) {
        SuDevice *device = pool->devices[d];
        bool may_run = device->state == SU_DEVICE_READY || su_device_is_due(device, now);
        if (may_run && start_preparing(device, model, output, max_tokens))
            started[num_started++] = device;
    }
    wait_for_loads(pool, started, num_started, now);
    for (uint32_t d = 0; d < num_started; d++) is_preparing(started[d], &served);
    bool ready = false;
    for (uint32_t d = 0; d < num_started; d++) ready |= end_preparing(&journey, started[d], served);
    pthread_mutex_unlock(&pool->shared->lock);
    if (ready) return SUTRA_OK;
    if (journey.message[0]) SU_RAISE(err, journey.status, "%s", journey.message);
    SU_RAISE(err, SUTRA_E_DEVICE, "no device is well");
}
