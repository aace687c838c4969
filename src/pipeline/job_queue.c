/* Asynchronous jobs: a priority queue with a bound on what waits, and one dispatcher thread.
 *
 *   submitted ──► queued ──► running ──► done
 *                    └── cancel, timeout ──► done (CANCELLED, TIMEOUT)
 *
 * A job has two owners, the queue and the user's handle; the one that lets go last frees it. The
 * queue in turn is owned by its engine and by its jobs, so that a job can be waited for when the
 * engine is gone: all jobs are done by then. Jobs of equal priority run in the order of
 * submission. */
#include "pipeline/job_queue.h"

#include "base/clock.h"
#include "base/status.h"

#include <errno.h>
#include <string.h>

typedef enum JobState { JOB_QUEUED, JOB_RUNNING, JOB_DONE } JobState;

struct SutraJob {
    SutraEngine *engine;
    const SutraModel *model; /* retained */
    SutraInput *inputs;      /* [n], with their text, in this block of memory */
    float *ranges;           /* [2, dim] or NULL, in it too */
    size_t n, cost;          /* cost: bytes of text / 4, an estimate of its tokens */
    SutraEmbedOptions options;
    SutraDone done;
    void *user;
    uint64_t submitted_ns;
    SutraJob *next;
    SuJobQueue *queue;
    _Atomic int owners;
    _Atomic bool cancelled;
    JobState state; /* guarded by queue->lock, like all below */
    SutraStatus status;
    SutraError error;
    SutraResult *result;
};

struct SuJobQueue {
    SutraEngine *engine; /* not to be used once stop is set and the dispatcher has ended */
    _Atomic size_t owners;
    pthread_mutex_t lock;
    pthread_cond_t changed; /* a job arrived, room became free, a job is done, stop */
    SutraJob *first;
    uint64_t max_cost, cost;
    bool stop, started;
    pthread_t dispatcher;
};

static void release_queue(SuJobQueue *queue)
{
    if (atomic_fetch_sub(&queue->owners, 1) != 1) return;
    pthread_cond_destroy(&queue->changed);
    pthread_mutex_destroy(&queue->lock);
    su_free(queue);
}

static void release_job(SutraJob *job)
{
    if (atomic_fetch_sub(&job->owners, 1) != 1) return;
    su_model_free((SutraModel *)job->model);
    su_result_free(job->result);
    release_queue(job->queue);
    su_free(job);
}

static void finish_job(SuJobQueue *queue, SutraJob *job, SutraStatus status, SutraResult *result,
                       const SutraError *err)
{
    pthread_mutex_lock(&queue->lock);
    queue->cost -= job->cost; /* before the callback, which may submit as much */
    pthread_cond_broadcast(&queue->changed);
    pthread_mutex_unlock(&queue->lock);
    if (job->done) {
        job->done(job->user, result, err);
        result = NULL;
    }
    pthread_mutex_lock(&queue->lock);
    job->state = JOB_DONE;
    job->status = status;
    job->error = *err;
    job->result = result;
    pthread_cond_broadcast(&queue->changed);
    pthread_mutex_unlock(&queue->lock);
    release_job(job);
}

static void run_job(SuJobQueue *queue, SutraJob *job)
{
    SutraError err = {0};
    SutraResult *result = NULL;
    SutraStatus status;
    uint64_t waited = su_clock_ns() - job->submitted_ns;
    if (atomic_load(&job->cancelled))
        status = su_error_set(&err, SUTRA_E_CANCELLED, "the job was cancelled");
    else if (job->options.timeout_ns && waited > job->options.timeout_ns)
        status = su_error_set(&err, SUTRA_E_TIMEOUT, "the job waited longer than its timeout");
    else
        status = su_embed_to_result(job->engine, job->model, job->inputs, job->n, &job->options,
                                    waited, &result, &err);
    finish_job(queue, job, status, result, &err);
}

static void *dispatch(void *argument)
{
    SuJobQueue *queue = argument;
    pthread_mutex_lock(&queue->lock);
    for (;;) {
        while (!queue->first && !queue->stop) pthread_cond_wait(&queue->changed, &queue->lock);
        SutraJob *job = queue->first;
        if (!job) break;
        queue->first = job->next;
        job->state = JOB_RUNNING;
        pthread_mutex_unlock(&queue->lock);
        run_job(queue, job);
        pthread_mutex_lock(&queue->lock);
    }
    pthread_mutex_unlock(&queue->lock);
    return NULL;
}

SutraStatus su_job_queue_create(SutraEngine *engine, uint64_t max_queued_tokens, SuJobQueue **out,
                                SutraError *err)
{
    SuJobQueue *queue = su_calloc(1, sizeof *queue);
    *out = queue;
    if (!queue) SU_RAISE(err, SUTRA_E_MEMORY, "out of memory");
    queue->engine = engine;
    queue->owners = 1;
    queue->max_cost = max_queued_tokens ? max_queued_tokens : (uint64_t)4 << 20;
    pthread_mutex_init(&queue->lock, NULL);
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&queue->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    return SUTRA_OK;
}

void su_job_queue_free(SuJobQueue *queue)
{
    if (!queue) return;
    pthread_mutex_lock(&queue->lock);
    queue->stop = true;
    pthread_cond_broadcast(&queue->changed);
    pthread_mutex_unlock(&queue->lock);
    if (queue->started) pthread_join(queue->dispatcher, NULL);
    release_queue(queue);
}

/* ---- submission ---- */

static void *copy_bytes(SuArena *arena, const void *from, size_t size)
{
    if (!from) return NULL;
    void *to = su_arena_carve(arena, size ? size : 1);
    if (to) memcpy(to, from, size);
    return to;
}

/* Copies the job, its inputs and the plan's ranges; with arena->base NULL only measures. */
static SutraJob *copy_job(SuArena *arena, const SutraInput *inputs, size_t n,
                          const SuEmbedPlan *plan)
{
    SutraJob *job = su_arena_carve(arena, sizeof *job);
    SutraInput *own = su_arena_carve(arena, n * sizeof *own);
    float *ranges = copy_bytes(arena, plan->ranges, (size_t)plan->dim * 2 * sizeof *ranges);
    size_t cost = 0;
    for (size_t i = 0; i < n; i++) {
        const SutraInput *input = &inputs[i];
        SutraInput copy = *input;
        copy.text = copy_bytes(arena, input->text, input->text_size);
        copy.pair = copy_bytes(arena, input->pair, input->pair_size);
        copy.token_ids =
            copy_bytes(arena, input->token_ids, input->num_token_ids * sizeof *input->token_ids);
        copy.prompt_name = copy_bytes(arena, input->prompt_name,
                                      input->prompt_name ? strlen(input->prompt_name) + 1 : 0);
        if (own) own[i] = copy;
        cost += (input->text ? input->text_size / 4 : 0) +
                (input->pair ? input->pair_size / 4 : 0) +
                (input->token_ids ? input->num_token_ids : 0) + 2;
    }
    if (!job) return NULL;
    *job = (SutraJob){.inputs = own, .ranges = ranges, .n = n, .cost = cost, .owners = 2};
    return job;
}

static void insert(SuJobQueue *queue, SutraJob *job)
{
    SutraJob **at = &queue->first;
    while (*at && (*at)->options.priority >= job->options.priority) at = &(*at)->next;
    job->next = *at;
    *at = job;
}

/* Waits for room, or fails; starts the dispatcher. The dispatcher itself, in a callback, never
 * waits: nobody else makes room. lock is held. */
static SutraStatus admit(SuJobQueue *queue, const SutraJob *job, SutraError *err)
{
    if (queue->stop) SU_RAISE(err, SUTRA_E_CANCELLED, "the engine is being freed");
    bool may_wait = !queue->started || !pthread_equal(pthread_self(), queue->dispatcher);
    while (queue->cost && queue->cost + job->cost > queue->max_cost) {
        if (job->options.when_full == SUTRA_WHEN_FULL_FAIL || !may_wait)
            SU_RAISE(err, SUTRA_E_BUSY, "the queue holds %llu tokens, its limit is %llu",
                     (unsigned long long)queue->cost, (unsigned long long)queue->max_cost);
        pthread_cond_wait(&queue->changed, &queue->lock);
    }
    if (!queue->started) {
        if (pthread_create(&queue->dispatcher, NULL, dispatch, queue) != 0)
            SU_RAISE(err, SUTRA_E_LIMIT, "could not start the dispatcher thread");
        queue->started = true;
    }
    return SUTRA_OK;
}

SutraStatus su_job_submit(SuJobQueue *queue, const SutraModel *model, const SutraInput *inputs,
                          size_t n, const SutraEmbedOptions *options, const SuEmbedPlan *plan,
                          SutraDone done, void *user, SutraJob **out, SutraError *err)
{
    SuArena arena = {0};
    copy_job(&arena, inputs, n, plan);
    unsigned char *memory = su_alloc(arena.used, 1);
    if (!memory) SU_RAISE(err, SUTRA_E_MEMORY, "out of memory for a job of %zu texts", n);
    arena = (SuArena){.base = memory, .size = arena.used};
    SutraJob *job = copy_job(&arena, inputs, n, plan);
    job->options = *options;
    job->options.ranges = job->ranges;
    job->engine = queue->engine;
    job->queue = queue;
    atomic_fetch_add(&queue->owners, 1);
    job->model = su_model_retain((SutraModel *)model);
    job->done = done;
    job->user = user;
    job->submitted_ns = su_clock_ns();
    if (!out) job->owners = 1;

    pthread_mutex_lock(&queue->lock);
    SutraStatus status = admit(queue, job, err);
    if (status == SUTRA_OK) {
        queue->cost += job->cost;
        insert(queue, job);
        pthread_cond_broadcast(&queue->changed);
    }
    pthread_mutex_unlock(&queue->lock);
    if (status != SUTRA_OK) {
        job->owners = 1;
        release_job(job);
        return status;
    }
    if (out) *out = job;
    return SUTRA_OK;
}

/* ---- the user's handle ---- */

static struct timespec deadline_after(uint64_t timeout_ns)
{
    uint64_t now = su_clock_ns(), end = now + timeout_ns < now ? UINT64_MAX : now + timeout_ns;
    return (struct timespec){.tv_sec = (time_t)(end / 1000000000u),
                             .tv_nsec = (long)(end % 1000000000u)};
}

SutraStatus su_job_wait(SutraJob *job, uint64_t timeout_ns, SutraResult **result, SutraError *err)
{
    if (result) *result = NULL;
    if (!job) SU_RAISE(err, SUTRA_E_ARGUMENT, "job is NULL");
    SuJobQueue *queue = job->queue;
    struct timespec deadline = deadline_after(timeout_ns);
    int reason = 0;
    pthread_mutex_lock(&queue->lock);
    while (job->state != JOB_DONE && reason != ETIMEDOUT)
        reason = timeout_ns == UINT64_MAX
                     ? pthread_cond_wait(&queue->changed, &queue->lock)
                     : pthread_cond_timedwait(&queue->changed, &queue->lock, &deadline);
    bool finished = job->state == JOB_DONE;
    if (finished && result) {
        *result = job->result;
        job->result = NULL;
    }
    pthread_mutex_unlock(&queue->lock);
    if (!finished) SU_RAISE(err, SUTRA_E_TIMEOUT, "the job is not done yet");
    if (job->status != SUTRA_OK && err) *err = job->error;
    return job->status;
}

void su_job_cancel(SutraJob *job)
{
    if (job) atomic_store(&job->cancelled, true);
}

void su_job_free(SutraJob *job)
{
    if (job) release_job(job);
}
