/* Sessions: a model's weights packed for a device, and one context per thread. */
#include "backend/backend_call.h"
#include "backend/device_route.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/status.h"
#include "pipeline/engine.h"

#include <stdio.h>

enum {
    LONG_TOKENS = 1024 /* longer texts share one context, whose buffers are as long as they are */
};

static SutraStatus ask_support(const SutraModel *model, const SutraBackend *backend,
                               uint32_t device, SutraOutput output, SutraError *err)
{
    SutraError reason = {0};
    SutraStatus status = backend->supports(device, &model->spec, model->compute, output, &reason);
    if (status == SUTRA_OK) return SUTRA_OK;
    status = su_backend_reason(backend, "supports", status, &reason);
    SU_RAISE(err, status, "%s: %s", model->path, reason.message);
}

/* Asks the backend once an output; *outputs, a bit mask, remembers. */
static SutraStatus check_support(const SutraBackend *backend, const SutraModel *model,
                                 SutraOutput output, uint32_t *outputs, SutraError *err)
{
    if (*outputs >> output & 1) return SUTRA_OK;
    SU_TRY(ask_support(model, backend, 0, output, err));
    *outputs |= 1u << output;
    return SUTRA_OK;
}

/* ---- weights: loaded once a (model, backend, device, precision), and shared by all engines
 * ---- */

static SuResident *resident_of(const SutraModel *model, const SutraBackend *backend,
                               uint32_t device)
{
    SuResident *at = model->residents;
    while (at && (at->backend != backend || at->device != device || at->compute != model->compute))
        at = at->next;
    return at;
}

/* The lock is not held. */
static SutraStatus load_resident(const SutraModel *model, SuResident *resident, SutraError *err)
{
    SutraError reason = {0};
    const SutraBackend *backend = resident->backend;
    SutraStatus status =
        backend->load(resident->device, &model->spec, model->tensors, model->num_tensors,
                      model->compute, &resident->handle, &reason);
    if (status == SUTRA_OK) return SUTRA_OK;
    status = su_backend_reason(backend, "load", status, &reason);
    SU_RAISE(err, status, "%s: %s", model->path, reason.message);
}

/* The lock is held; *resident was loading. It goes when it can't be loaded. */
static SutraStatus add_resident(SutraModel *owner, SuResident *resident, SutraError *err)
{
    pthread_mutex_unlock(&owner->resident_lock);
    SutraStatus status = load_resident(owner, resident, err);
    pthread_mutex_lock(&owner->resident_lock);
    resident->loading = false;
    pthread_cond_broadcast(&owner->resident_loaded);
    if (status == SUTRA_OK) return status;
    SuResident **at = &owner->residents;
    while (*at != resident) at = &(*at)->next;
    *at = resident->next;
    su_free(resident);
    return status;
}

/* The model is held. Threads that want the same wait for the first. */
static SutraStatus find_resident(const SutraModel *model, const SutraBackend *backend,
                                 uint32_t device, void **handle, SutraError *err)
{
    SutraModel *owner = (SutraModel *)model; /* residents change, under their lock */
    SutraStatus status = SUTRA_OK;
    pthread_mutex_lock(&owner->resident_lock);
    SuResident *resident;
    while ((resident = resident_of(owner, backend, device)) && resident->loading)
        pthread_cond_wait(&owner->resident_loaded, &owner->resident_lock);
    if (!resident) {
        resident = su_calloc(1, sizeof *resident);
        if (resident) {
            *resident = (SuResident){.backend = backend,
                                     .device = device,
                                     .compute = model->compute,
                                     .loading = true,
                                     .next = owner->residents};
            owner->residents = resident;
            status = add_resident(owner, resident, err);
        } else {
            status = su_error_set(err, SUTRA_E_MEMORY, "out of memory");
        }
    }
    *handle = status == SUTRA_OK ? resident->handle : NULL;
    pthread_mutex_unlock(&owner->resident_lock);
    return status;
}

/* ---- a model as devices see it: the owner is the model ---- */

static SutraStatus device_supports(void *owner, const SutraBackend *backend, uint32_t device,
                                   SutraOutput output, SutraError *reason)
{
    return ask_support(owner, backend, device, output, reason);
}

static SutraStatus device_load(void *owner, const SutraBackend *backend, uint32_t device,
                               void **handle, SutraError *reason)
{
    return find_resident(owner, backend, device, handle, reason);
}

static void device_retain(void *owner) { su_model_retain(owner); }

static void device_release(void *owner) { su_model_free(owner); }

/* ---- sessions ---- */

static void free_contexts(SuSession *session, uint32_t n)
{
    for (uint32_t i = 0; session->contexts && i < n; i++) {
        if (session->contexts[i]) session->backend->context_free(session->contexts[i]);
        session->contexts[i] = NULL;
    }
    if (session->long_context) session->backend->context_free(session->long_context);
    session->long_context = NULL;
    session->max_tokens = session->team_tokens = session->long_tokens = 0;
}

static void free_session(SuSession *session)
{
    if (session->engine->devices) su_device_pool_drop(session->engine->devices, session->serial);
    free_contexts(session, session->engine->num_threads);
    su_free(session->contexts);
    pthread_mutex_destroy(&session->long_lock);
    su_free(session);
}

/* The model goes. */
static void drop_session(SuModelLink *link)
{
    SuSession *session = (SuSession *)link;
    SuSession **at = &session->engine->sessions;
    while (*at != session) at = &(*at)->next;
    *at = session->next;
    free_session(session);
}

void su_session_free_all(SutraEngine *engine)
{
    su_model_links_lock();
    while (engine->sessions) {
        SuSession *session = engine->sessions;
        engine->sessions = session->next;
        su_model_unlink(session->model, &session->link);
        free_session(session);
    }
    su_model_links_unlock();
}

static SuSession *find_session(SutraEngine *engine, const SutraModel *model)
{
    su_model_links_lock();
    SuSession *session = engine->sessions;
    while (session && session->model != model) session = session->next;
    su_model_links_unlock();
    return session;
}

static void list_session(SutraEngine *engine, const SutraModel *model, SuSession *session)
{
    pthread_mutex_init(&session->long_lock, NULL);
    session->link.drop = drop_session;
    session->engine = engine;
    session->serial = ++engine->sessions_made;
    session->model = (SutraModel *)model; /* its links are not part of what is immutable */
    session->on_devices = (SuDeviceModel){.serial = session->serial,
                                          .owner = session->model,
                                          .supports = device_supports,
                                          .load = device_load,
                                          .retain = device_retain,
                                          .release = device_release};
    su_model_links_lock();
    su_model_link(session->model, &session->link);
    session->next = engine->sessions;
    engine->sessions = session;
    su_model_links_unlock();
}

/* On the processor, with the threads of the engine. */
static SutraStatus create_session(SutraEngine *engine, const SutraModel *model, SutraOutput output,
                                  SuSession **out, SutraError *err)
{
    uint32_t outputs = 0;
    uint64_t start = su_clock_ns();
    SU_TRY(check_support(engine->backend, model, output, &outputs, err));
    SuSession *session = su_calloc(1, sizeof *session);
    if (session) session->contexts = su_calloc(engine->num_threads, sizeof *session->contexts);
    if (!session || !session->contexts) {
        su_free(session);
        SU_RAISE(err, SUTRA_E_MEMORY, "out of memory");
    }
    session->backend = engine->backend;
    session->outputs = outputs;
    SutraStatus status = find_resident(model, session->backend, 0, &session->resident, err);
    if (status != SUTRA_OK) {
        su_free(session->contexts);
        su_free(session);
        return status;
    }
    list_session(engine, model, session);
    su_log(engine->log, engine->log_user, SU_LOG_INFO, "%s: ready on %s in %.1f ms", model->name,
           session->backend->name, (double)(su_clock_ns() - start) * 1e-6);
    *out = session;
    return SUTRA_OK;
}

static SutraStatus create_context(const SuSession *session, uint32_t max_tokens, uint32_t team,
                                  void **context, SutraError *err)
{
    SutraError reason = {0};
    SutraStatus status = session->backend->context_create(session->resident, max_tokens, max_tokens,
                                                          team, context, &reason);
    if (status == SUTRA_OK) return SUTRA_OK;
    *context = NULL;
    status = su_backend_reason(session->backend, "context_create", status, &reason);
    SU_RAISE(err, status, "%s", reason.message);
}

/* A team takes many short texts at once, from as many callers. */
static uint32_t team_tokens(const SutraEngine *engine, uint32_t own)
{
    uint64_t most = (uint64_t)SU_TEAM_TOKENS * engine->num_threads;
    if (most > LONG_TOKENS) most = LONG_TOKENS;
    return own < most ? (uint32_t)most : own;
}

/* Of the largest batch of a session. */
static uint32_t most_tokens(const SuSession *session)
{
    return session->team_tokens > session->long_tokens ? session->team_tokens
                                                       : session->long_tokens;
}

/* A context a thread for what most texts need, and one for the longest. */
static SutraStatus grow_contexts(SutraEngine *engine, SuSession *session, uint32_t max_tokens,
                                 SutraError *err)
{
    uint32_t most = LONG_TOKENS < engine->batch_tokens ? engine->batch_tokens : LONG_TOKENS;
    uint32_t own = max_tokens < most ? max_tokens : most;
    uint32_t team = team_tokens(engine, own);
    free_contexts(session, engine->num_threads);
    SutraStatus status =
        create_context(session, team, engine->num_threads, &session->contexts[0], err);
    for (uint32_t i = 1; i < engine->num_threads && status == SUTRA_OK; i++)
        status = create_context(session, own, 1, &session->contexts[i], err);
    if (status == SUTRA_OK && own < max_tokens)
        status =
            create_context(session, max_tokens, engine->num_threads, &session->long_context, err);
    if (status != SUTRA_OK) {
        free_contexts(session, engine->num_threads);
        return status;
    }
    session->max_tokens = own;
    session->team_tokens = team;
    session->long_tokens = max_tokens;
    su_log(engine->log, engine->log_user, SU_LOG_INFO, "%s: buffers of %u tokens for %u threads%s",
           session->model->name, own, engine->num_threads,
           own < max_tokens ? ", and for one longer text" : "");
    return SUTRA_OK;
}

/* max_tokens: of the session's largest context. A worker's batch is at least as large as those of
 * the session in use, which is the size that a call takes of it. */
static SutraStatus grow_workers(SutraEngine *engine, uint32_t max_tokens, SutraError *err)
{
    if (max_tokens <= engine->worker_tokens) return SUTRA_OK;
    engine->worker_tokens = 0;
    for (uint32_t i = 0; i < engine->num_threads; i++) {
        SuWorker *worker = &engine->workers[i];
        SuArena arena = {0};
        su_ragged_batch_carve(&worker->batch, &arena, max_tokens, max_tokens);
        su_arena_carve(&arena, max_tokens * sizeof *worker->owners);
        unsigned char *memory = su_alloc_aligned(arena.used);
        if (!memory)
            SU_RAISE(err, SUTRA_E_MEMORY, "out of memory for batches of %u tokens", max_tokens);
        su_free_aligned(worker->memory);
        worker->memory = memory;
        arena = (SuArena){.base = memory, .size = arena.used};
        su_ragged_batch_carve(&worker->batch, &arena, max_tokens, max_tokens);
        worker->owners = su_arena_carve(&arena, max_tokens * sizeof *worker->owners);
    }
    engine->worker_tokens = max_tokens;
    return SUTRA_OK;
}

/* A static model's longer texts need no more than any other. */
static uint32_t context_tokens(const SutraEngine *engine, const SutraModel *model,
                               uint32_t max_tokens)
{
    if (su_model_is_static(model) && max_tokens > LONG_TOKENS) max_tokens = LONG_TOKENS;
    return max_tokens < engine->batch_tokens ? engine->batch_tokens : max_tokens;
}

SuSession *su_session_ready(SutraEngine *engine, const SutraModel *model, SutraOutput output,
                            uint32_t max_tokens)
{
    SuSession *session = find_session(engine, model);
    bool ready = session && (session->outputs >> output & 1) &&
                 session->long_tokens >= context_tokens(engine, model, max_tokens) &&
                 engine->worker_tokens >= most_tokens(session);
    return ready ? session : NULL;
}

static SutraStatus prepare_on_devices(SutraEngine *engine, const SutraModel *model,
                                      SutraOutput output, uint32_t max_tokens, SuSession **out,
                                      SutraError *err)
{
    uint64_t start = su_clock_ns();
    SuSession *session = find_session(engine, model);
    if (!session) {
        session = su_calloc(1, sizeof *session);
        if (!session) SU_RAISE(err, SUTRA_E_MEMORY, "out of memory");
        list_session(engine, model, session);
    }
    bool has = session->outputs >> output & 1;
    if (!has || session->max_tokens < max_tokens) {
        SU_TRY(su_device_prepare(engine->devices, &session->on_devices, output, max_tokens, err));
        session->outputs |= 1u << output;
        if (session->max_tokens < max_tokens)
            session->max_tokens = session->long_tokens = max_tokens;
        su_log(engine->log, engine->log_user, SU_LOG_INFO, "%s: ready on devices in %.1f ms",
               model->name, (double)(su_clock_ns() - start) * 1e-6);
    }
    SU_TRY(grow_workers(engine, session->max_tokens, err));
    *out = session;
    return SUTRA_OK;
}

SutraStatus su_session_prepare(SutraEngine *engine, const SutraModel *model, SutraOutput output,
                               uint32_t max_tokens, SuSession **out, SutraError *err)
{
    max_tokens = context_tokens(engine, model, max_tokens);
    if (engine->devices) return prepare_on_devices(engine, model, output, max_tokens, out, err);
    SuSession *session = find_session(engine, model);
    if (!session) SU_TRY(create_session(engine, model, output, &session, err));
    SU_TRY(check_support(session->backend, model, output, &session->outputs, err));
    if (session->long_tokens < max_tokens) SU_TRY(grow_contexts(engine, session, max_tokens, err));
    SU_TRY(grow_workers(engine, most_tokens(session), err));
    *out = session;
    return SUTRA_OK;
}
