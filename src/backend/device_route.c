#include "backend/device_route.h"

#include "backend/device_choice.h"
#include "backend/device_health.h"
#include "base/deadline.h"
#include "base/status.h"

#include <stdio.h>
#include <string.h>

enum { ROUNDS = 2 /* how often a batch may come to a device that failed with it */ };

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

/* Devices that may take a text, as it is now. */
typedef struct Candidates {
    SuDevice *serving[SU_POOL_DEVICES]; /* the model is on it */
    SuDevice *lacking[SU_POOL_DEVICES]; /* it would have to be loaded first */
    uint32_t num_serving, num_lacking;
    bool hope; /* the keeper is at one, or a batch */
} Candidates;

static Candidates look_around(const Journey *j, uint32_t tokens)
{
    Candidates c = {0};
    uint64_t now = su_clock_ns();
    for (uint32_t d = 0; d < j->pool->num_devices; d++) {
        SuDevice *device = j->pool->devices[d];
        if (was_tried(j, device) || refuses(j, device)) continue;
        c.hope |= device->state == SU_DEVICE_TRIAL || su_device_is_due(device, now);
        if (device->state != SU_DEVICE_READY && device->state != SU_DEVICE_RECOVERING) continue;
        if (su_device_serves(device, j->run->model, j->run->batch->output, tokens))
            c.serving[c.num_serving++] = device;
        else
            c.lacking[c.num_lacking++] = device;
    }
    return c;
}

static SuLane *take_lane(const Journey *j, SuDevice *device, uint32_t tokens)
{
    return su_device_take_lane(device, j->run->model->serial, j->run->batch->output, tokens);
}

/* One that answers again gets the next batch, to see; else as the policy says. */
static SuDevice *choose_of(const Journey *j, SuDevice *const *devices, uint32_t count,
                           uint32_t tokens)
{
    SuDevice *ready[SU_POOL_DEVICES];
    uint32_t num_ready = 0;
    for (uint32_t d = 0; d < count; d++) {
        bool recovers = devices[d]->state == SU_DEVICE_RECOVERING;
        if (!recovers) ready[num_ready++] = devices[d];
        if (!recovers || !su_device_has_room(devices[d], tokens)) continue;
        devices[d]->state = SU_DEVICE_TRIAL;
        return devices[d];
    }
    return su_device_by_policy(j->pool, ready, num_ready, tokens);
}

/* A taken lane, after a wait for one if need be; NULL: no device is left for it. A device that
 * lacks the model gets the text only if no other is there. */
static SuLane *choose(Journey *j, uint32_t tokens)
{
    SuDevicePool *pool = j->pool;
    const SuDeviceRun *run = j->run;
    for (;;) {
        const Candidates c = look_around(j, tokens);
        SuDevice *device;
        if (c.num_serving) {
            for (uint32_t d = 0; d < c.num_lacking; d++)
                su_device_load_behind(pool, c.lacking[d], run->model, run->batch->output, tokens);
            for (uint32_t d = 0; d < c.num_serving; d++)
                su_device_load_behind(pool, c.serving[d], run->model, run->batch->output, tokens);
            device = choose_of(j, c.serving, c.num_serving, tokens);
        } else if (c.num_lacking) {
            device = choose_of(j, c.lacking, c.num_lacking, tokens);
        } else if (c.hope) {
            device = NULL;
        } else {
            return NULL;
        }
        if (device) return take_lane(j, device, tokens);
        pool->tokens_waiting += tokens;
        su_deadline_wait(&pool->shared->changed, &pool->shared->lock, NULL);
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

static void take_failure(Journey *j, SuLane *lane)
{
    note_failure(j, lane->device, lane->status, lane->reason.message);
    su_device_judge(j->pool, lane);
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

/* A lane's task was good. True: its rows were delivered. NaN of one device is another's to
 * confirm. */
static bool take_result(Journey *j, SuLane *lane, uint32_t first)
{
    SuDevice *device = lane->device;
    uint32_t count = lane->batch.num_seqs;
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

/* Waits for the lane's task. False: it is late, and the lane gone. */
static bool wait_for(Journey *j, SuLane *lane, uint64_t limit_ns, const char *task)
{
    SuDevice *device = lane->device;
    char message[100];
    if (su_lane_wait(lane, su_clock_ns() + limit_ns)) return true;
    snprintf(message, sizeof message, "%s has not come back after %.1f s", task,
             (double)limit_ns * 1e-9);
    note_failure(j, device, SUTRA_E_DEVICE, message);
    device->late_runs++;
    su_device_blame(j->pool, device, true, message);
    return false;
}

/* The model is ready on a lane, for a text of so many tokens: if not, now. False: the lane is gone;
 * else lane->status says what came of it. */
static bool make_ready(Journey *j, SuLane *lane, uint32_t tokens)
{
    const SuDeviceRun *run = j->run;
    lane->status = SUTRA_OK;
    if (su_lane_has(lane, run->model->serial, run->batch->output, tokens)) return true;
    lane->status = su_lane_set_load(lane, run->model, run->batch->output, tokens, &lane->reason);
    if (lane->status != SUTRA_OK) return true;
    su_lane_start(lane);
    return wait_for(j, lane, su_device_load_ns(j->pool), "loading a model");
}

/* Texts first … first + count - 1 on a lane that has the model; as there. */
static bool run_piece(Journey *j, SuLane *lane, uint32_t first, uint32_t count, bool *done)
{
    SuDevicePool *pool = j->pool;
    lane->model = j->run->model;
    lane->row_bytes = j->run->row_bytes;
    lane->refuses = false;
    pthread_mutex_unlock(&pool->shared->lock);
    lane->status = su_lane_set_batch(lane, j->run->batch, first, count, &lane->reason);
    pthread_mutex_lock(&pool->shared->lock);
    if (lane->status != SUTRA_OK) return true;
    su_lane_start(lane);
    if (!wait_for(j, lane, pool->timeout_ns, "a run")) return false;
    if (lane->status == SUTRA_OK) *done = take_result(j, lane, first);
    return true;
}

/* A piece on one device. True: done; *count: the texts that it was. */
static bool ride(Journey *j, SuLane *lane, uint32_t first, uint32_t *count)
{
    SuDevice *device = lane->device;
    const uint32_t *cu = j->run->batch->cu_seqlens;
    bool done = false;
    *count = piece_of(device, j->run->batch, first);
    uint32_t tokens = cu[first + *count] - cu[first];
    device->tokens_out += tokens;
    bool ours = make_ready(j, lane, cu[first + 1] - cu[first]);
    if (*count > 1 && tokens > device->preferred_tokens) { /* its memory held less */
        device->tokens_out -= tokens;
        *count = piece_of(device, j->run->batch, first);
        tokens = cu[first + *count] - cu[first];
        device->tokens_out += tokens;
    }
    if (ours && lane->status == SUTRA_OK) ours = run_piece(j, lane, first, *count, &done);
    su_device_say_memory(j->pool, device);
    if (ours && lane->status != SUTRA_OK) take_failure(j, lane);
    device->tokens_out -= tokens;
    if (!done) device->retried_texts += *count;
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
            if (!ride(&journey, lane, first, &count)) {
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
