#include "backend/device_pool.h"

#include "backend/plugin.h"
#include "base/clock.h"
#include "base/status.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum {
    MOST_DEVICES = 32,
    FAULTS = 3,     /* in a row */
    ROUNDS = 2,     /* how often a batch may come to a device that failed with it */
    LOAD_RUNS = 20, /* loading a model may take as long as so many runs */
    LOG_WARNING = 1,
    LOG_INFO = 2
};

static const uint64_t MILLISECOND = 1000000, DEFAULT_TIMEOUT = 30000 * MILLISECOND,
                      FIRST_BACKOFF = 100 * MILLISECOND, LONGEST_BACKOFF = 30000 * MILLISECOND;

struct SuDevicePool {
    SuDeviceShared *shared;
    SuDevice *devices[MOST_DEVICES];
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
};

/* What it tells is short, and its listener may not call the library: the lock is held. */
__attribute__((format(printf, 3, 4))) static void tell(const SuDevicePool *pool, int level,
                                                       const char *format, ...)
{
    char line[512];
    if (!pool->log) return;
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    pool->log(pool->log_user, level, line);
}

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
    if (backend) return su_device_open(pool->shared, name, backend, pool->cores, device, err);
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
    if (pool->num_devices == MOST_DEVICES)
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
    SuDeviceShared *shared = su_calloc(1, sizeof *shared);
    if (!pool || !shared) {
        su_free(pool);
        su_free(shared);
        SU_RAISE(err, SUTRA_E_MEMORY, "out of memory");
    }
    pthread_mutex_init(&shared->lock, NULL);
    pthread_cond_init(&shared->changed, NULL);
    shared->references = 1;
    *pool =
        (SuDevicePool){.shared = shared,
                       .policy = options->policy,
                       .cores = options->cores,
                       .allow_mixed = options->allow_mixed,
                       .timeout_ns = options->timeout_ns ? options->timeout_ns : DEFAULT_TIMEOUT,
                       .random = su_clock_ns() | 1,
                       .log = options->log,
                       .log_user = options->log_user,
                       .listener = {.log = options->log, .user = options->log_user}};
    su_plugins_listen(&pool->listener);
    SutraStatus status = su_plugins_open(options->plugins, err);
    if (status == SUTRA_OK) status = open_all(pool, options->devices, err);
    if (status != SUTRA_OK) {
        su_device_pool_free(pool);
        return status;
    }
    *out = pool;
    return SUTRA_OK;
}

void su_device_pool_free(SuDevicePool *pool)
{
    if (!pool) return;
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
    static const char *const states[] = {"ready", "quarantined", "trial", "leaving"};
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
                                   .ns_per_token = device->ns_per_token};
        snprintf(report->name, sizeof report->name, "%s", device->name.text);
        snprintf(report->device, sizeof report->device, "%s", device->info.name);
        snprintf(report->last_error, sizeof report->last_error, "%s", device->last_error);
        for (uint32_t i = 0; i < device->num_lanes; i++)
            report->busy += device->lanes[i].state == SU_LANE_RUNNING;
    }
    pthread_mutex_unlock(&pool->shared->lock);
    return count;
}

/* ---- health; the lock is held from here on, unless said otherwise ---- */

static void quarantine(SuDevicePool *pool, SuDevice *device)
{
    uint64_t longer = device->backoff_ns * 2;
    device->backoff_ns = !longer                    ? FIRST_BACKOFF
                         : longer > LONGEST_BACKOFF ? LONGEST_BACKOFF
                                                    : longer;
    device->retry_ns = su_clock_ns() + device->backoff_ns;
    if (device->state != SU_DEVICE_LEAVING) device->state = SU_DEVICE_QUARANTINED;
    device->failures = 0;
    pthread_cond_broadcast(&pool->shared->changed);
    tell(pool, LOG_WARNING, "device %s is left alone for %.1f s: %s", device->name.text,
         (double)device->backoff_ns * 1e-9, device->last_error);
}

static void blame(SuDevicePool *pool, SuDevice *device, bool at_once, const char *message)
{
    snprintf(device->last_error, sizeof device->last_error, "%.*s",
             (int)sizeof device->last_error - 1, message);
    device->failed_runs++;
    device->failures++;
    if (at_once || device->failures >= FAULTS || device->state == SU_DEVICE_TRIAL)
        quarantine(pool, device);
}

static void praise(SuDevicePool *pool, SuDevice *device, uint32_t texts, uint32_t tokens,
                   uint64_t run_ns)
{
    device->failures = 0;
    device->runs++;
    device->texts += texts;
    device->tokens += tokens;
    double sample = tokens ? (double)run_ns / tokens : 0;
    device->ns_per_token =
        device->ns_per_token > 0 ? device->ns_per_token * 0.9 + sample * 0.1 : sample;
    if (device->state != SU_DEVICE_TRIAL) return;
    device->state = SU_DEVICE_READY;
    device->backoff_ns = 0;
    pthread_cond_broadcast(&pool->shared->changed);
    tell(pool, LOG_INFO, "device %s is back", device->name.text);
}

static bool refuses(const SuDevice *device, uint64_t serial)
{
    enum { REFUSED = sizeof device->refused / sizeof *device->refused };
    for (size_t i = 0; i < REFUSED; i++)
        if (device->refused[i] == serial) return true;
    return false;
}

static void refuse(SuDevice *device, uint64_t serial)
{
    enum { REFUSED = sizeof device->refused / sizeof *device->refused };
    if (!refuses(device, serial)) device->refused[device->num_refused++ % REFUSED] = serial;
}

/* ---- choice ---- */

/* A batch on its way through the pool. */
typedef struct Journey {
    SuDevicePool *pool;
    const SuDeviceRun *run;
    SuDevice *tried[MOST_DEVICES];
    uint32_t num_tried, rounds;
    SuDevice *doubted;  /* it gave NaN for a text, and may be asked again */
    bool believes;      /* NaN is the model's */
    SutraStatus status; /* of the first failure */
    char message[600];
} Journey;

static bool was_tried(const Journey *j, const SuDevice *device)
{
    for (uint32_t i = 0; i < j->num_tried; i++)
        if (j->tried[i] == device) return true;
    return false;
}

static bool is_due(const SuDevice *device, uint64_t now)
{
    return device->state == SU_DEVICE_QUARANTINED && !device->hung && now >= device->retry_ns;
}

static bool has_room(const SuDevice *device, uint32_t tokens)
{
    if (tokens > device->preferred_tokens) return device->lanes[0].state == SU_LANE_FREE;
    for (uint32_t i = 0; i < device->num_lanes; i++)
        if (device->lanes[i].state == SU_LANE_FREE) return true;
    return false;
}

/* When it would have done a batch: behind what it has, and what waits if it has no free lane. */
static double finish_ns(const SuDevicePool *pool, const SuDevice *device, uint32_t tokens)
{
    double pace = device->ns_per_token, own, all;
    for (uint32_t d = 0; pace <= 0 && d < pool->num_devices; d++)
        pace = pool->devices[d]->ns_per_token; /* as fast as another, until it is known */
    if (pace <= 0) pace = 1;
    uint64_t ahead = device->tokens_out + (has_room(device, tokens) ? 0 : pool->tokens_waiting);
    own = tokens * pace;
    all = (double)(ahead + tokens) * pace / device->num_lanes;
    return own > all ? own : all;
}

/* Of the devices that might take it, the one that the policy names: of those with a free lane, but
 * the fastest may be worth waiting for. NULL: of those there are none, or their lanes are taken. */
static SuDevice *by_policy(SuDevicePool *pool, SuDevice *const *devices, uint32_t count,
                           uint32_t tokens)
{
    SuDevice *with_room[MOST_DEVICES], *best = NULL;
    uint32_t num = 0;
    double least = 0;
    for (uint32_t i = 0; i < count; i++)
        if (has_room(devices[i], tokens)) with_room[num++] = devices[i];
    if (pool->policy == SUTRA_POLICY_ROUND_ROBIN) return num ? with_room[pool->turn++ % num] : NULL;
    if (pool->policy == SUTRA_POLICY_RANDOM) {
        pool->random ^= pool->random << 13;
        pool->random ^= pool->random >> 7;
        pool->random ^= pool->random << 17;
        return num ? with_room[pool->random % num] : NULL;
    }
    bool fastest = pool->policy == SUTRA_POLICY_FASTEST;
    SuDevice *const *from = fastest ? devices : with_room;
    for (uint32_t i = 0; i < (fastest ? count : num); i++) {
        double load = fastest ? finish_ns(pool, from[i], tokens) : (double)from[i]->tokens_out;
        if (!best || load < least) {
            best = from[i];
            least = load;
        }
    }
    return best && has_room(best, tokens) ? best : NULL;
}

/* A taken lane, after a wait for one if need be; NULL: no device is left for it. */
static SuLane *choose(Journey *j, uint32_t tokens)
{
    SuDevicePool *pool = j->pool;
    for (;;) {
        SuDevice *devices[MOST_DEVICES];
        uint32_t count = 0, on_trial = 0;
        uint64_t now = su_clock_ns();
        for (uint32_t d = 0; d < pool->num_devices; d++) {
            SuDevice *device = pool->devices[d];
            if (was_tried(j, device) || refuses(device, j->run->model->serial)) continue;
            if (is_due(device, now) && has_room(device, tokens)) {
                device->state = SU_DEVICE_TRIAL;
                return su_device_take_lane(device, tokens);
            }
            if (device->state == SU_DEVICE_READY) devices[count++] = device;
            on_trial += device->state == SU_DEVICE_TRIAL;
        }
        if (count == 0 && on_trial == 0) return NULL;
        SuDevice *device = by_policy(pool, devices, count, tokens);
        if (device) return su_device_take_lane(device, tokens);
        pool->tokens_waiting += tokens;
        pthread_cond_wait(&pool->shared->changed, &pool->shared->lock);
        pool->tokens_waiting -= tokens;
    }
}

/* ---- a batch's way ---- */

static void note_failure(Journey *j, const SuDevice *device, SutraStatus status,
                         const char *message)
{
    if (j->message[0]) return;
    j->status = status;
    snprintf(j->message, sizeof j->message, "device %s: %s", device->name.text, message);
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

static uint32_t count_nan(const SuLane *lane)
{
    uint32_t count = 0;
    for (uint32_t s = 0; s < lane->batch.num_seqs; s++) count += lane->numeric_error[s] != 0;
    return count;
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
    if (status == SUTRA_E_UNSUPPORTED) refuse(device, lane->own.serial);
    if (!innocent || device->state == SU_DEVICE_TRIAL)
        blame(j->pool, device, false, lane->reason.message);
}

/* Whether another device might do what this one did. */
static bool has_other(const Journey *j, const SuDevice *device)
{
    for (uint32_t d = 0; d < j->pool->num_devices; d++) {
        const SuDevice *other = j->pool->devices[d];
        if (other != device && other->state == SU_DEVICE_READY && !was_tried(j, other) &&
            !refuses(other, j->run->model->serial))
            return true;
    }
    return false;
}

/* It gave NaN where another device gave numbers; it may have been removed since. */
static void blame_doubted(Journey *j)
{
    for (uint32_t d = 0; d < j->pool->num_devices; d++)
        if (j->pool->devices[d] == j->doubted)
            blame(j->pool, j->doubted, true, "it gave NaN or infinity where another gave numbers");
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
    bool nan = count_nan(lane) > 0;
    if (!nan || believes)
        j->run->deliver(j->run->user, first, count, &lane->view, lane->numeric_error, lane->run_ns);
    pthread_mutex_lock(&j->pool->shared->lock);
    if (nan && !believes) {
        j->doubted = device;
        note_failure(j, device, SUTRA_E_NUMERIC, "it gave NaN or infinity");
        if (device->state == SU_DEVICE_TRIAL) blame(j->pool, device, true, j->message);
        return false;
    }
    if (!nan && j->doubted && j->doubted != device) blame_doubted(j);
    praise(j->pool, device, count, lane->batch.num_tokens, lane->run_ns);
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
            blame(pool, device, true, message);
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

void su_device_pool_run(SuDevicePool *pool, const SuDeviceRun *run)
{
    const SutraBatch *batch = run->batch;
    Journey journey = {.pool = pool, .run = run};
    uint32_t first = 0;
    pthread_mutex_lock(&pool->shared->lock);
    while (first < batch->num_seqs) {
        uint32_t tokens = batch->cu_seqlens[first + 1] - batch->cu_seqlens[first];
        SuLane *lane = next_lane(&journey, tokens);
        if (!lane) break;
        SuDevice *device = lane->device;
        uint32_t count = piece_of(device, batch, first);
        if (ride(&journey, lane, first, count)) {
            first += count;
            journey = (Journey){.pool = pool, .run = run};
        } else if (journey.num_tried < MOST_DEVICES) {
            journey.tried[journey.num_tried++] = device;
        }
    }
    pthread_mutex_unlock(&pool->shared->lock);
    if (first == batch->num_seqs) return;
    if (!journey.message[0]) {
        journey.status = SUTRA_E_DEVICE;
        snprintf(journey.message, sizeof journey.message, "no device is well");
    }
    run->fail(run->user, first, batch->num_seqs - first, journey.status, journey.message);
}

/* ---- models ---- */

/* Starts the lanes of a device that are free, for a model alone. */
static void start_preparing(SuDevice *device, const SuDeviceModel *model, SutraOutput output,
                            uint32_t max_tokens)
{
    for (uint32_t i = 0; i < device->num_lanes; i++) {
        SuLane *lane = &device->lanes[i];
        if (lane->state != SU_LANE_FREE) continue;
        lane->state = SU_LANE_TAKEN;
        lane->model = model;
        lane->probes = false;
        lane->prepares = true;
        lane->status = su_lane_set_output(lane, output, i == 0 ? max_tokens : 0, &lane->reason);
        if (lane->status == SUTRA_OK) su_lane_start(lane);
    }
}

/* True: the model is on the device. */
static bool end_preparing(Journey *j, SuDevice *device, uint64_t deadline_ns)
{
    bool ready = false;
    for (uint32_t i = 0; i < device->num_lanes; i++) {
        SuLane *lane = &device->lanes[i];
        if (!lane->prepares) continue;
        lane->prepares = false;
        if (lane->state == SU_LANE_RUNNING && !su_lane_wait(lane, deadline_ns)) {
            note_failure(j, device, SUTRA_E_DEVICE, "loading the model has not come back");
            blame(j->pool, device, true, "loading a model has not come back");
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

SutraStatus su_device_pool_prepare(SuDevicePool *pool, const SuDeviceModel *model,
                                   SutraOutput output, uint32_t max_tokens, SutraError *err)
{
    Journey journey = {.pool = pool};
    uint32_t ready = 0;
    pthread_mutex_lock(&pool->shared->lock);
    uint64_t now = su_clock_ns();
    for (uint32_t d = 0; d < pool->num_devices; d++) {
        SuDevice *device = pool->devices[d];
        if (device->state == SU_DEVICE_READY || is_due(device, now))
            start_preparing(device, model, output, max_tokens);
    }
    /* None of them is removed meanwhile: its lanes are taken. */
    for (uint32_t d = 0; d < pool->num_devices; d++)
        ready += end_preparing(&journey, pool->devices[d], now + LOAD_RUNS * pool->timeout_ns);
    pthread_mutex_unlock(&pool->shared->lock);
    if (ready) return SUTRA_OK;
    if (journey.message[0]) SU_RAISE(err, journey.status, "%s", journey.message);
    SU_RAISE(err, SUTRA_E_DEVICE, "no device is well");
}
