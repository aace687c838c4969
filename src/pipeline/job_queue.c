/* Asynchronous jobs: requests that are copied, bounded in number, and told when they are over.
 *
 *   submitted ──► listed (scheduler.c) ──► finished ──► callback, on the notifier ──► done
 *                                              ├── quick callback, there and then ───►
 *                                              └── without a callback ────────────────►
 *
 * A job has two owners, the queue and the user's handle; the one that lets go last frees it. The
 * queue in turn is owned by its engine, its jobs and streams, so that a job can be waited for when
 * the engine is gone: all jobs are done by then. Callbacks come one at a time, from a thread of
 * their own: a slow one holds up no encoder. */
#include "pipeline/job_queue.h"

#include "base/deadline.h"
#include "base/status.h"
#include "base/thread_start.h"
#include "pipeline/scheduler.h"

#include <string.h>

struct SutraJob {
    SuRequest request;  /* first */
    SuEmbedPlan plan;   /* of it */
    SutraInput *inputs; /* [n], with their text, in this block of memory */
    float *ranges;      /* [2, dim] or NULL, in it too */
    size_t cost;        /* bytes of text / 4, an estimate of its tokens */
    SutraDone callback;
    void *user;
    SutraJob *next; /* of the notifier's; of those that wait for room */
    SuJobQueue *queue;
    bool quick; /* the callback is not the notifier's */
    bool ended; /* guarded by the queue's lock */
    _Atomic int owners;
    pthread_mutex_t lock; /* guards what is below */
    pthread_cond_t changed;
    bool done;
    SutraStatus status;
    SutraError error;
    SutraResult *result;
};

struct SuJobQueue {
    SutraEngine *engine; /* not to be used once no job is outstanding and stop is set */
    _Atomic size_t owners;
    pthread_mutex_t lock;
    pthread_cond_t room, finished; /* for submitters; for the notifier, and the end of the engine */
    SutraJob *first, *last;        /* finished, their callbacks to be called */
    SutraJob *line;                /* that wait for room, by `next`: the first one goes first */
    uint64_t max_cost, cost;
    size_t outstanding; /* jobs that are not over, calls that cancel one, who entered */
    bool stop, notifying;
    pthread_t notifier;
};

SuJobQueue *su_job_queue_retain(SuJobQueue *queue)
{
    atomic_fetch_add(&queue->owners, 1);
    return queue;
}

void su_job_queue_release(SuJobQueue *queue)
{
    if (atomic_fetch_sub(&queue->owners, 1) != 1) return;
    pthread_cond_destroy(&queue->room);
    pthread_cond_destroy(&queue->finished);
    pthread_mutex_destroy(&queue->lock);
    su_free(queue);
}

static void release_job(SutraJob *job)
{
    if (atomic_fetch_sub(&job->owners, 1) != 1) return;
    su_model_free((SutraModel *)job->request.model);
    su_result_free(job->result);
    su_job_queue_release(job->queue);
    su_request_destroy(&job->request);
    pthread_cond_destroy(&job->changed);
    pthread_mutex_destroy(&job->lock);
    su_free(job);
}

SutraStatus su_job_queue_enter(SuJobQueue *queue, SutraEngine **engine, SutraError *err)
{
    *engine = NULL;
    pthread_mutex_lock(&queue->lock);
    bool stop = queue->stop;
    if (!stop) queue->outstanding++;
    pthread_mutex_unlock(&queue->lock);
    if (stop) SU_RAISE(err, SUTRA_E_CANCELLED, "the engine is being freed");
    *engine = queue->engine;
    return SUTRA_OK;
}

void su_job_queue_leave(SuJobQueue *queue)
{
    pthread_mutex_lock(&queue->lock);
    queue->outstanding--;
    if (queue->stop) pthread_cond_broadcast(&queue->finished);
    pthread_mutex_unlock(&queue->lock);
}

/* A job that is over holds none; its callback may count on that. */
static void release_model(SutraJob *job)
{
    su_model_free((SutraModel *)job->request.model);
    job->request.model = NULL;
}

/* The job is done: whoever waits for it comes first, as the engine may go when all are. */
static void end_job(SutraJob *job)
{
    SuJobQueue *queue = job->queue;
    release_model(job);
    pthread_mutex_lock(&job->lock);
    job->done = true;
    pthread_cond_broadcast(&job->changed);
    pthread_mutex_unlock(&job->lock);
    pthread_mutex_lock(&queue->lock);
    job->ended = true;
    pthread_mutex_unlock(&queue->lock);
    su_job_queue_leave(queue);
    release_job(job);
}

static void call_back(SutraJob *job)
{
    SutraResult *result = job->result;
    job->result = NULL;
    release_model(job);
    job->callback(job->user, result, &job->error);
}

/* By the thread that finished the request. */
static void on_finished(SuRequest *request)
{
    SutraJob *job = (SutraJob *)request;
    SuJobQueue *queue = job->queue;
    job->error = (SutraError){0};
    job->status = su_request_status(request, &job->error);
    job->result = su_result_of(job->result, job->status);
    pthread_mutex_lock(&queue->lock);
    queue->cost -= job->cost; /* before the callback, which may submit as much */
    pthread_cond_broadcast(&queue->room);
    bool notified = job->callback && !job->quick;
    if (notified) {
        *(queue->last ? &queue->last->next : &queue->first) = job;
        queue->last = job;
        pthread_cond_broadcast(&queue->finished);
    }
    pthread_mutex_unlock(&queue->lock);
    if (notified) return;
    if (job->callback) call_back(job);
    end_job(job);
}

static void *notify(void *argument)
{
    SuJobQueue *queue = argument;
    pthread_mutex_lock(&queue->lock);
    for (;;) {
        while (!queue->first && !(queue->stop && queue->outstanding == 0))
            pthread_cond_wait(&queue->finished, &queue->lock);
        SutraJob *job = queue->first;
        if (!job) break;
        queue->first = job->next;
        if (!queue->first) queue->last = NULL;
        pthread_mutex_unlock(&queue->lock);
        call_back(job);
        end_job(job);
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
    su_deadline_condition(&queue->room);
    su_deadline_condition(&queue->finished);
    return SUTRA_OK;
}

void su_job_queue_free(SuJobQueue *queue)
{
    if (!queue) return;
    pthread_mutex_lock(&queue->lock);
    queue->stop = true;
    pthread_cond_broadcast(&queue->room);
    pthread_cond_broadcast(&queue->finished);
    while (queue->outstanding) pthread_cond_wait(&queue->finished, &queue->lock);
    pthread_cond_broadcast(&queue->finished);
    pthread_mutex_unlock(&queue->lock);
    if (queue->notifying) pthread_join(queue->notifier, NULL);
    su_job_queue_release(queue);
}

/* ---- copies ---- */

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
    *job = (SutraJob){.inputs = own, .ranges = ranges, .cost = cost, .owners = 2};
    return job;
}

/* ---- room; lock is held ---- */

static bool has_room(const SuJobQueue *queue, const SutraJob *job)
{
    return !queue->cost || queue->cost + job->cost <= queue->max_cost;
}

/* Small jobs do not keep a large one waiting for ever. */
static SutraStatus wait_in_line(SuJobQueue *queue, SutraJob *job, uint64_t timeout_ns,
                                SutraError *err)
{
    struct timespec end = su_deadline_after(timeout_ns);
    bool in_time = true;
    SutraJob **place = &queue->line;
    while (*place) place = &(*place)->next;
    *place = job;
    while (in_time && !queue->stop && (queue->line != job || !has_room(queue, job)))
        in_time = su_deadline_wait(&queue->room, &queue->lock, timeout_ns ? &end : NULL);
    for (place = &queue->line; *place != job;) place = &(*place)->next;
    *place = job->next;
    job->next = NULL;
    pthread_cond_broadcast(&queue->room);
    if (!in_time)
        SU_RAISE(err, SUTRA_E_TIMEOUT,
                 "the queue, full with %llu tokens, had no room within the job's timeout",
                 (unsigned long long)queue->cost);
    return SUTRA_OK;
}

/* Waits for room, or fails. The notifier, in a callback, never waits: the engine's end waits for
 * it. */
static SutraStatus admit(SuJobQueue *queue, SutraJob *job, const SutraEmbedOptions *options,
                         SutraError *err)
{
    bool may_wait = options->when_full != SUTRA_WHEN_FULL_FAIL &&
                    !(queue->notifying && pthread_equal(pthread_self(), queue->notifier));
    if (!may_wait && !queue->stop && !has_room(queue, job))
        SU_RAISE(err, SUTRA_E_BUSY, "the queue holds %llu tokens, its limit is %llu",
                 (unsigned long long)queue->cost, (unsigned long long)queue->max_cost);
    if (may_wait && !queue->stop && (queue->line || !has_room(queue, job)))
        SU_TRY(wait_in_line(queue, job, options->timeout_ns, err));
    if (queue->stop) SU_RAISE(err, SUTRA_E_CANCELLED, "the engine is being freed");
    if (job->callback && !job->quick && !queue->notifying) {
        if (!su_thread_start(&queue->notifier, notify, queue))
            SU_RAISE(err, SUTRA_E_LIMIT, "could not start the thread of the callbacks");
        queue->notifying = true;
    }
    queue->cost += job->cost;
    queue->outstanding++;
    return SUTRA_OK;
}

/* ---- submission ---- */

static SutraStatus create_job(SuJobQueue *queue, const SutraModel *model, const SutraInput *inputs,
                              size_t n, const SuEmbedPlan *plan, SutraJob **out, SutraError *err)
{
    SuArena arena = {0};
    copy_job(&arena, inputs, n, plan);
    unsigned char *memory = su_alloc(arena.used, 1);
    if (!memory) SU_RAISE(err, SUTRA_E_MEMORY, "out of memory for a job of %zu texts", n);
    arena = (SuArena){.base = memory, .size = arena.used};
    SutraJob *job = copy_job(&arena, inputs, n, plan);
    job->plan = *plan;
    job->plan.ranges = job->ranges;
    SutraStatus status =
        su_result_create(queue->engine, model, job->inputs, n, &job->plan, &job->result, err);
    if (status != SUTRA_OK) {
        su_free(job);
        return status;
    }
    job->request = (SuRequest){.engine = queue->engine,
                               .model = su_model_retain((SutraModel *)model),
                               .inputs = job->inputs,
                               .n = n,
                               .plan = &job->plan,
                               .target = su_result_target(job->result),
                               .on_finished = on_finished};
    su_request_init(&job->request);
    pthread_mutex_init(&job->lock, NULL);
    su_deadline_condition(&job->changed);
    job->queue = su_job_queue_retain(queue);
    *out = job;
    return SUTRA_OK;
}

/* Takes back what admit gave. */
static void dismiss(SuJobQueue *queue, const SutraJob *job)
{
    pthread_mutex_lock(&queue->lock);
    queue->cost -= job->cost;
    queue->outstanding--;
    pthread_cond_broadcast(&queue->room);
    pthread_mutex_unlock(&queue->lock);
}

SutraStatus su_job_submit(SuJobQueue *queue, const SutraModel *model, const SutraInput *inputs,
                          size_t n, const SutraEmbedOptions *options, const SuEmbedPlan *plan,
                          SutraDone callback, void *user, SutraJob **out, SutraError *err)
{
    SutraJob *job = NULL;
    SU_TRY(create_job(queue, model, inputs, n, plan, &job, err));
    job->callback = callback;
    job->user = user;
    job->quick = options->quick_done == 1;
    job->request.priority = options->priority;
    job->request.timeout_ns = options->timeout_ns;
    job->request.submitted_ns = su_clock_ns();
    pthread_mutex_lock(&queue->lock);
    SutraStatus status = admit(queue, job, options, err);
    pthread_mutex_unlock(&queue->lock);
    if (status == SUTRA_OK) {
        if (!out) job->owners = 1;
        status = su_scheduler_submit(queue->engine->scheduler, &job->request, err);
        if (status != SUTRA_OK) dismiss(queue, job);
    }
    if (status != SUTRA_OK) {
        job->owners = 1;
        release_job(job);
        return status;
    }
    if (out) *out = job;
    return SUTRA_OK;
}

/* ---- the user's handle ---- */

SutraStatus su_job_wait(SutraJob *job, uint64_t timeout_ns, SutraResult **result, SutraError *err)
{
    if (result) *result = NULL;
    if (!job) SU_RAISE(err, SUTRA_E_ARGUMENT, "job is NULL");
    struct timespec end = su_deadline_after(timeout_ns);
    bool in_time = true;
    pthread_mutex_lock(&job->lock);
    while (!job->done && in_time)
        in_time =
            su_deadline_wait(&job->changed, &job->lock, timeout_ns == UINT64_MAX ? NULL : &end);
    bool done = job->done;
    if (done && result) {
        *result = job->result;
        job->result = NULL;
    }
    pthread_mutex_unlock(&job->lock);
    if (!done) SU_RAISE(err, SUTRA_E_TIMEOUT, "the job is not done yet");
    if (job->status != SUTRA_OK && err) *err = job->error;
    return job->status;
}

void su_job_cancel(SutraJob *job)
{
    if (!job) return;
    SuJobQueue *queue = job->queue;
    pthread_mutex_lock(&queue->lock);
    bool ended = job->ended;
    if (!ended) queue->outstanding++; /* the engine stays */
    pthread_mutex_unlock(&queue->lock);
    if (ended) return;
    su_scheduler_cancel(queue->engine->scheduler, &job->request);
    su_job_queue_leave(queue);
}

void su_job_free(SutraJob *job)
{
    if (job) release_job(job);
}
