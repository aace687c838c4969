/* Locks: the scheduler's comes before a request's and before that of the models' links. Requests
 * are finished with none of them held. */
#include "pipeline/scheduler.h"

#include "base/clock.h"
#include "base/cpu_relax.h"
#include "base/deadline.h"
#include "base/status.h"
#include "base/thread_start.h"
#include "pipeline/batch_run.h"
#include "pipeline/request_list.h"

#include <limits.h>

enum {
    SMALLEST_BATCH = 32, /* tokens */
    DEVICE_SHARE = 4,    /* of its full batch, which a device gets if there is as much */
    MANY_TEXTS = 32,     /* and two a thread: balanced well enough without a team's barriers */
    ENOUGH_TOKENS = 256, /* for a team: what has as many does not wait for requests behind it */
    SPINS = 2000         /* some 25 µs: between two small requests of one caller */
};

typedef enum Phase { IDLE, ALONE, WIDE } Phase;

struct SuScheduler {
    SutraEngine *engine;
    pthread_mutex_t lock;
    SuRequestList list;
    Phase phase;
    bool led;         /* WIDE: rank 0 is somebody's */
    bool preparing;   /* ALONE: sessions change */
    bool opened;      /* a run of the pool is to be closed */
    uint32_t busy;    /* WIDE: threads with claimed texts, or about to claim */
    uint32_t waiting; /* WIDE: threads that wait for texts */
    /* With devices: threads whose batch is at one; that wait with a batch, for a device or for more
     * texts; how many of those may go. */
    uint32_t running, open, permits;
    uint32_t turn; /* grows when a wide phase ends */
    uint32_t opened_turn;
    _Atomic uint32_t news; /* grows when a thread that waits has something to look at */
    pthread_cond_t work;
    pthread_cond_t host_work;
    bool hosting, stop;
    pthread_t host;
};

/* ---- requests that fail ---- */

/* It was taken out of the list. What other threads claimed of it is theirs to end. */
static void fail_unclaimed(SuRequest *request, SutraStatus status, const SutraError *err)
{
    size_t begin = request->next_item, n = request->n;
    if (begin == 0) {
        su_request_fail(request, status, err);
        return;
    }
    for (size_t i = begin; i < n; i++) su_request_fail_item(request, i, status, err->message);
    su_request_items_done(request, n - begin);
}

/* They were taken out of the list, or never in it. */
static void fail_chain(SuRequest *chain, SutraStatus status, const char *message)
{
    SutraError err = {0};
    su_error_set(&err, status, "%s", message);
    for (SuRequest *next; chain; chain = next) {
        next = chain->next;
        fail_unclaimed(chain, status, &err);
    }
}

static void fail_late(SuRequest *late)
{
    fail_chain(late, SUTRA_E_TIMEOUT, "the job waited longer than its timeout");
}

static void fail_cancelled(SuRequest *cancelled)
{
    fail_chain(cancelled, SUTRA_E_CANCELLED, "the job was cancelled");
}

/* ---- the list; lock is held from here on ---- */

/* None is known while one is being made. What has no items waits for its turn to be prepared. */
static void find_session(SuScheduler *s, SuRequest *request)
{
    request->session = NULL;
    if (request->n && !s->preparing)
        request->session = su_session_ready(s->engine, request->model, request->plan->output,
                                            request->plan->max_tokens);
}

/* Tokens after which a thread runs its batch. Fewer as the end of a large request nears, so that
 * all threads finish together. */
static size_t batch_goal(const SuScheduler *s)
{
    size_t goal = s->list.tokens / (3 * (size_t)s->engine->num_lanes);
    size_t most = s->engine->batch_tokens, least = SMALLEST_BATCH;
    if (s->engine->devices && most / DEVICE_SHARE > least) least = most / DEVICE_SHARE;
    if (goal > most) return most;
    return goal < least ? least : goal;
}

/* ---- turns; lock is held at their start and end ---- */

/* Whether there are texts to begin a batch with: not those that a batch waits for. */
static bool has_texts(const SuScheduler *s)
{
    if (!su_request_list_claimable(&s->list)) return false;
    if (!s->open) return true;
    SuBatchKind kind = su_batch_kind(s->list.first);
    for (uint32_t i = 0; i < s->engine->num_threads; i++) {
        const SuWorker *worker = &s->engine->workers[i];
        if (worker->has_room && su_batch_kind_equal(&kind, &worker->kind)) return false;
    }
    return true;
}

static void tell_threads(SuScheduler *s)
{
    atomic_fetch_add_explicit(&s->news, 1, memory_order_release);
    pthread_cond_broadcast(&s->work);
}

/* Makes sure that somebody comes for what is in the list. */
static void call_leader(SuScheduler *s)
{
    SuRequest *r = s->list.first;
    bool free = s->phase == IDLE || (s->phase == WIDE && !s->led && has_texts(s));
    if (!r || !free) return;
    if (r->whole) r = r->whole; /* whose thread waits for its windows */
    if (r->on_finished) {
        atomic_fetch_add_explicit(&s->news, 1, memory_order_release);
        pthread_cond_signal(&s->host_work);
        return;
    }
    pthread_mutex_lock(&r->lock);
    r->called = true;
    pthread_cond_signal(&r->changed);
    pthread_mutex_unlock(&r->lock);
}

/* The pool's threads of an earlier wide phase are on their way out. What is in the list may change
 * meanwhile, but nobody else leads. */
static void close_pool(SuScheduler *s)
{
    if (!s->opened) return;
    s->opened = false;
    s->phase = ALONE;
    pthread_mutex_unlock(&s->lock);
    su_thread_pool_close(s->engine->pool);
    pthread_mutex_lock(&s->lock);
    s->phase = IDLE;
}

static void end_wide_if_over(SuScheduler *s)
{
    if (s->phase != WIDE || s->busy || s->led || su_request_list_claimable(&s->list)) return;
    s->phase = IDLE;
    s->turn++;
    tell_threads(s);
    call_leader(s);
}

/* Texts that came while threads wait for some. A lone one is its own thread's if that can lead. */
static void share_out(SuScheduler *s)
{
    const SuRequest *first = s->list.first;
    if (s->phase != WIDE || !s->waiting || !first || !su_request_list_claimable(&s->list)) return;
    bool lone = !s->led && s->list.items == 1 && !first->on_finished && has_texts(s);
    if (!lone) tell_threads(s);
}

/* To be called when another request may have become the first: threads that wait are told, or their
 * phase, which may have had nothing else to claim, is over. */
static void first_changed(SuScheduler *s)
{
    share_out(s);
    end_wide_if_over(s);
}

static void expire(SuScheduler *s)
{
    SuRequest *late = su_request_list_take_late(&s->list);
    if (!late) return;
    first_changed(s);
    pthread_mutex_unlock(&s->lock);
    fail_late(late);
    pthread_mutex_lock(&s->lock);
}

/* Lists the windows of texts that a worker has just tokenised. */
static void list_windows(SuScheduler *s, SuWorker *worker)
{
    SuRequest *cancelled = NULL;
    if (!worker->windows) return;
    for (SuRequest *r = worker->windows, *next; r; r = next) {
        next = r->next;
        if (r->whole->cancelled) {
            r->next = cancelled;
            cancelled = r;
            continue;
        }
        find_session(s, r);
        su_request_list_add(&s->list, r);
    }
    worker->windows = NULL;
    first_changed(s);
    call_leader(s);
    if (!cancelled) return;
    pthread_mutex_unlock(&s->lock);
    fail_cancelled(cancelled);
    pthread_mutex_lock(&s->lock);
}

/* Whether there is more to claim of a request, its windows included. */
static bool has_more(const SuRequest *request) { return request->listed || request->windows; }

/* False: the phase is over. */
static bool wait_for_texts(SuScheduler *s)
{
    uint32_t turn = s->turn;
    s->busy--;
    end_wide_if_over(s);
    while (s->turn == turn && !has_texts(s)) {
        uint32_t seen = atomic_load_explicit(&s->news, memory_order_acquire);
        s->waiting++;
        pthread_mutex_unlock(&s->lock);
        for (int i = 0; i < SPINS; i++) {
            if (atomic_load_explicit(&s->news, memory_order_acquire) != seen) break;
            su_cpu_relax();
        }
        pthread_mutex_lock(&s->lock);
        if (atomic_load_explicit(&s->news, memory_order_acquire) == seen)
            pthread_cond_wait(&s->work, &s->lock);
        s->waiting--;
    }
    if (s->turn != turn) return false;
    s->busy++;
    return true;
}

/* Texts that this thread leaves, to those that have no batch. */
static void leave_texts(SuScheduler *s)
{
    if (!s->engine->devices || !has_texts(s)) return;
    if (s->waiting > s->open) tell_threads(s);
    call_leader(s);
}

/* A batch for which no device is free stays open for texts that come meanwhile; so does a small one
 * while devices are at work, until so late. False: it is to be run. */
static bool keep_open(SuScheduler *s, SuWorker *worker, bool small, uint64_t until_ns)
{
    if (!s->engine->devices) return false;
    bool full = s->running + s->permits >= s->engine->num_lanes;
    if (!full && (!small || !s->running || su_clock_ns() >= until_ns)) return false;
    const struct timespec until = su_deadline_at(until_ns);
    s->waiting++;
    s->open++;
    worker->has_room = small;
    leave_texts(s);
    su_deadline_wait(&s->work, &s->lock, full ? NULL : &until);
    worker->has_room = false;
    s->open--;
    s->waiting--;
    if (!s->permits) return true;
    s->permits--;
    return false;
}

static void run_batch(SuScheduler *s, SuWorker *worker)
{
    leave_texts(s);
    s->running++;
    pthread_mutex_unlock(&s->lock);
    su_batch_run(worker, NULL);
    pthread_mutex_lock(&s->lock);
    s->running--;
    if (s->open > s->permits && s->running + s->permits < s->engine->num_lanes) {
        s->permits++;
        tell_threads(s);
    }
}

/* Work of one thread in a wide phase. own: the request of the thread that leads, which goes when
 * all of it is claimed and its own texts are done; NULL: as long as there is something. */
static void work(SuScheduler *s, uint32_t rank, const SuRequest *own)
{
    SuWorker *worker = &s->engine->workers[rank];
    bool leave = false;
    uint64_t until_ns = 0;
    s->busy++;
    while (!leave) {
        SuShare share;
        expire(s);
        /* A text of a static model may have no tokens: then it is held all the same. */
        const SuRaggedBatch *batch = &worker->batch;
        uint32_t held = batch->num_tokens ? batch->num_tokens : batch->num_seqs;
        size_t goal = batch_goal(s);
        bool wants = held ? held < goal : (!own || has_more(own)) && has_texts(s);
        if (wants &&
            su_request_list_claim(&s->list, held ? &worker->kind : NULL, goal - held, &share)) {
            if (!held) {
                SuBatchKind kind = su_batch_kind(share.request);
                su_batch_start(worker, &kind, rank);
                until_ns = su_clock_ns() - share.queue_ns + s->engine->max_wait_ns;
            }
            pthread_mutex_unlock(&s->lock);
            su_batch_add(worker, share.request, share.begin, share.end, share.queue_ns, NULL);
            pthread_mutex_lock(&s->lock);
            list_windows(s, worker);
        } else if (held) {
            if (!keep_open(s, worker, held < goal, until_ns)) run_batch(s, worker);
        } else if (rank == 0) {
            s->busy--;
            leave = true;
        } else {
            leave = !wait_for_texts(s);
        }
    }
}

static void help(void *arg, uint32_t rank)
{
    SuScheduler *s = arg;
    pthread_mutex_lock(&s->lock);
    if (s->phase == WIDE && s->turn == s->opened_turn) work(s, rank, NULL);
    pthread_mutex_unlock(&s->lock);
}

static void lead_wide(SuScheduler *s, const SuRequest *own)
{
    bool begins = s->phase == IDLE;
    s->phase = WIDE;
    s->led = true;
    if (begins) {
        s->opened = true;
        s->opened_turn = s->turn;
        su_thread_pool_open(s->engine->pool, s->engine->num_threads, help, s);
    }
    work(s, 0, own);
    s->led = false;
    end_wide_if_over(s);
}

static bool is_small(const SuScheduler *s)
{
    size_t threads = s->engine->num_threads;
    if (s->engine->devices || threads == 1) return false;
    bool many = s->list.items >= MANY_TEXTS && s->list.items >= 2 * threads;
    return s->list.items < threads || (!many && s->list.tokens < SU_TEAM_TOKENS * threads);
}

static void run_team(void *self, void (*body)(void *arg, uint32_t rank), void *arg)
{
    SutraEngine *engine = self;
    su_thread_pool_run_available(engine->pool, engine->num_threads, body, arg);
}

/* one_long: for the next text alone, on the long context. */
static void lead_team(SuScheduler *s, bool one_long)
{
    SutraEngine *engine = s->engine;
    SutraTeam team = {.size = engine->num_threads, .run = run_team, .self = engine};
    SuWorker *worker = &engine->workers[0];
    SuBatchKind kind = su_batch_kind(s->list.first);
    SuShare share;
    size_t goal = (size_t)SU_TEAM_TOKENS * engine->num_threads;
    s->phase = ALONE;
    if (one_long)
        su_batch_start_long(worker, &kind);
    else
        su_batch_start_team(worker, &kind);
    bool more = true;
    size_t left = s->list.tokens; /* what comes meanwhile is no part of it */
    if (one_long)
        su_request_list_claim_first(&s->list, &share);
    else
        more = su_request_list_claim(&s->list, &kind, goal, &share);
    size_t claimed = left - s->list.tokens;
    while (more) {
        pthread_mutex_unlock(&s->lock);
        su_batch_add(worker, share.request, share.begin, share.end, share.queue_ns, &team);
        pthread_mutex_lock(&s->lock);
        list_windows(s, worker);
        left = s->list.tokens;
        more = !one_long && claimed < goal && claimed < ENOUGH_TOKENS && is_small(s) &&
               su_request_list_claim(&s->list, &kind, goal - claimed, &share);
        claimed += left - s->list.tokens;
    }
    pthread_mutex_unlock(&s->lock);
    su_batch_run(worker, &team);
    pthread_mutex_lock(&s->lock);
    s->phase = IDLE;
}

static void prepare_first(SuScheduler *s)
{
    SuRequest *r = s->list.first;
    SutraError err = {0};
    s->phase = ALONE;
    s->preparing = r->preparing = true;
    pthread_mutex_unlock(&s->lock);
    SuSession *session = NULL;
    SutraStatus status = su_session_prepare(s->engine, r->model, r->plan->output,
                                            r->plan->max_tokens, &session, &err);
    pthread_mutex_lock(&s->lock);
    s->phase = IDLE;
    s->preparing = r->preparing = false;
    if (status == SUTRA_OK && r->cancelled)
        status = su_error_set(&err, SUTRA_E_CANCELLED, "the job was cancelled");
    if (status != SUTRA_OK || r->n == 0) su_request_list_remove(&s->list, r);
    /* A session that grows, or fails to, is another one for all. */
    for (SuRequest *listed = s->list.first; listed; listed = listed->next) find_session(s, listed);
    if (status == SUTRA_OK && r->n) return;
    pthread_mutex_unlock(&s->lock);
    if (status == SUTRA_OK)
        su_request_finish(r);
    else
        fail_unclaimed(r, status, &err);
    pthread_mutex_lock(&s->lock);
}

/* Does some of what is in the list, if nobody else leads. */
static bool lead(SuScheduler *s, const SuRequest *own)
{
    expire(s);
    if (s->phase == IDLE && s->list.first) close_pool(s);
    if (s->phase == IDLE && s->list.first) {
        if (!s->list.first->session)
            prepare_first(s);
        else if (su_request_list_long_next(&s->list))
            lead_team(s, true);
        else if (is_small(s))
            lead_team(s, false);
        else
            lead_wide(s, own);
        return true;
    }
    if (s->phase == WIDE && !s->led && has_texts(s)) {
        lead_wide(s, own);
        return true;
    }
    return false;
}

/* ---- requests of threads that wait ---- */

static void lead_own(SuScheduler *s, SuRequest *request)
{
    bool led = false;
    pthread_mutex_lock(&s->lock);
    while (has_more(request) && lead(s, request)) led = true;
    call_leader(s);
    bool claimed = !has_more(request);
    pthread_mutex_unlock(&s->lock);
    /* Other threads are at the last texts of a request that this one shared with them. */
    for (int i = 0; led && claimed && i < SPINS; i++) {
        if (atomic_load_explicit(&request->left, memory_order_acquire) == 0) break;
        su_cpu_relax();
    }
}

void su_scheduler_run(SuScheduler *s, SuRequest *request)
{
    pthread_mutex_lock(&s->lock);
    find_session(s, request);
    su_request_list_add(&s->list, request);
    first_changed(s);
    pthread_mutex_unlock(&s->lock);
    bool lead_it = true;
    while (lead_it) {
        lead_own(s, request);
        pthread_mutex_lock(&request->lock);
        while (!request->finished && !request->called)
            pthread_cond_wait(&request->changed, &request->lock);
        request->called = false;
        lead_it = !request->finished;
        pthread_mutex_unlock(&request->lock);
    }
}

/* ---- requests of jobs ---- */

static void *host(void *arg)
{
    SuScheduler *s = arg;
    pthread_mutex_lock(&s->lock);
    for (;;) {
        uint32_t seen = atomic_load_explicit(&s->news, memory_order_acquire);
        if (lead(s, NULL)) continue;
        call_leader(s);
        if (s->stop) break;
        pthread_mutex_unlock(&s->lock);
        for (int i = 0; i < SPINS; i++) {
            if (atomic_load_explicit(&s->news, memory_order_acquire) != seen) break;
            su_cpu_relax();
        }
        pthread_mutex_lock(&s->lock);
        if (atomic_load_explicit(&s->news, memory_order_acquire) == seen && !s->stop)
            pthread_cond_wait(&s->host_work, &s->lock);
    }
    pthread_mutex_unlock(&s->lock);
    return NULL;
}

SutraStatus su_scheduler_submit(SuScheduler *s, SuRequest *request, SutraError *err)
{
    pthread_mutex_lock(&s->lock);
    if (!s->hosting && !su_thread_start(&s->host, host, s)) {
        pthread_mutex_unlock(&s->lock);
        SU_RAISE(err, SUTRA_E_LIMIT, "could not start the thread that runs jobs");
    }
    s->hosting = true;
    find_session(s, request);
    su_request_list_add(&s->list, request);
    first_changed(s);
    call_leader(s);
    pthread_mutex_unlock(&s->lock);
    return SUTRA_OK;
}

/* Takes a request, or windows of it, out of the list onto a chain; one that is prepared is told. */
static void take_cancelled(SuScheduler *s, SuRequest *request, SuRequest **chain)
{
    request->cancelled = true;
    if (!request->listed || request->preparing) return;
    su_request_list_remove(&s->list, request);
    request->next = *chain;
    *chain = request;
}

void su_scheduler_cancel(SuScheduler *s, SuRequest *request)
{
    SuRequest *cancelled = NULL;
    pthread_mutex_lock(&s->lock);
    take_cancelled(s, request, &cancelled);
    for (SuRequest *r = s->list.first, *next; r && request->windows; r = next) {
        next = r->next;
        if (r->whole == request) take_cancelled(s, r, &cancelled);
    }
    first_changed(s);
    call_leader(s);
    pthread_mutex_unlock(&s->lock);
    fail_cancelled(cancelled);
}

SuWaiting su_scheduler_waiting(SuScheduler *s)
{
    SuWaiting waiting = {0};
    pthread_mutex_lock(&s->lock);
    waiting.texts = s->list.items;
    waiting.tokens = s->list.tokens;
    for (const SuRequest *r = s->list.first; r; r = r->next) waiting.requests++;
    pthread_mutex_unlock(&s->lock);
    return waiting;
}

/* ---- its own life ---- */

SutraStatus su_scheduler_create(SutraEngine *engine, SuScheduler **out, SutraError *err)
{
    SuScheduler *s = su_calloc(1, sizeof *s);
    *out = s;
    if (!s) SU_RAISE(err, SUTRA_E_MEMORY, "out of memory");
    s->engine = engine;
    s->list.earliest = UINT64_MAX;
    pthread_mutex_init(&s->lock, NULL);
    su_deadline_condition(&s->work);
    pthread_cond_init(&s->host_work, NULL);
    return SUTRA_OK;
}

void su_scheduler_free(SuScheduler *s)
{
    if (!s) return;
    pthread_mutex_lock(&s->lock);
    s->stop = true;
    pthread_cond_signal(&s->host_work);
    pthread_mutex_unlock(&s->lock);
    if (s->hosting) pthread_join(s->host, NULL);
    if (s->opened) su_thread_pool_close(s->engine->pool);
    pthread_cond_destroy(&s->host_work);
    pthread_cond_destroy(&s->work);
    pthread_mutex_destroy(&s->lock);
    su_free(s);
}
