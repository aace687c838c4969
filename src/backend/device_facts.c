#include "backend/device_facts.h"

#include "backend/backend_call.h"
#include "base/deadline.h"
#include "base/memory.h"
#include "base/status.h"
#include "base/thread_start.h"

/* Of who asks and of the thread that calls; the last of them frees it. */
typedef struct Question {
    pthread_mutex_t lock;
    pthread_cond_t answered;
    uint32_t references;
    bool done;
    SuDeviceName name;
    const SutraBackend *backend;
    const char *function; /* that is called */
    SutraDeviceInfo info;
    SutraStatus status;
    SutraError reason;
} Question;

/* The lock is held, and given up. */
static void leave(Question *q)
{
    bool last = --q->references == 0;
    pthread_mutex_unlock(&q->lock);
    if (!last) return;
    pthread_cond_destroy(&q->answered);
    pthread_mutex_destroy(&q->lock);
    su_free(q);
}

static void set_function(Question *q, const char *function)
{
    pthread_mutex_lock(&q->lock);
    q->function = function;
    pthread_mutex_unlock(&q->lock);
}

static SutraStatus ask(Question *q, SutraDeviceInfo *info, SutraError *err)
{
    SutraError reason = {0};
    uint32_t count = 0;
    const char *function = "device_count";
    SutraStatus status = q->backend->device_count(&count, &reason);
    if (status == SUTRA_OK && !count)
        SU_RAISE(err, SUTRA_E_DEVICE, "device \"%s\": the %s backend has no device", q->name.text,
                 q->backend->name);
    if (status == SUTRA_OK && q->name.index >= count)
        SU_RAISE(err, SUTRA_E_ARGUMENT, "device \"%s\" does not exist: the %s backend has %u",
                 q->name.text, q->backend->name, count);
    if (status == SUTRA_OK) {
        function = "device_info";
        set_function(q, function);
        status = q->backend->device_info(q->name.index, info, &reason);
    }
    info->name[sizeof info->name - 1] = '\0';
    if (status == SUTRA_OK) return SUTRA_OK;
    status = su_backend_reason(q->backend, function, status, &reason);
    SU_RAISE(err, status, "device \"%s\": %s", q->name.text, reason.message);
}

static void *answer(void *arg)
{
    Question *q = arg;
    SutraDeviceInfo info = {.struct_size = sizeof info};
    SutraError reason = {0};
    SutraStatus status = ask(q, &info, &reason);
    pthread_mutex_lock(&q->lock);
    q->info = info;
    q->status = status;
    q->reason = reason;
    q->done = true;
    pthread_cond_signal(&q->answered);
    leave(q);
    return NULL;
}

static SutraStatus wait_for_answer(Question *q, uint64_t timeout_ns, SutraDeviceInfo *info,
                                   SutraError *err)
{
    const struct timespec until = su_deadline_after(timeout_ns);
    bool in_time = true;
    while (!q->done && in_time) in_time = su_deadline_wait(&q->answered, &q->lock, &until);
    if (!q->done)
        SU_RAISE(err, SUTRA_E_DEVICE,
                 "device \"%s\": %s of the %s backend has not come back after %.1f s", q->name.text,
                 q->function, q->backend->name, (double)timeout_ns * 1e-9);
    *info = q->info;
    if (err) *err = q->reason;
    return q->status;
}

SutraStatus su_device_facts(const SuDeviceName *name, const SutraBackend *backend,
                            uint64_t timeout_ns, SutraDeviceInfo *info, SutraError *err)
{
    Question *q = su_calloc(1, sizeof *q);
    if (!q) SU_RAISE(err, SUTRA_E_MEMORY, "out of memory");
    pthread_mutex_init(&q->lock, NULL);
    su_deadline_condition(&q->answered);
    q->references = 2;
    q->name = *name;
    q->backend = backend;
    q->function = "device_count";
    pthread_t thread;
    bool failed = !su_thread_start(&thread, answer, q);
    if (!failed) pthread_detach(thread);
    pthread_mutex_lock(&q->lock);
    SutraStatus status;
    if (failed) {
        q->references--;
        status = su_error_set(err, SUTRA_E_LIMIT,
                              "device \"%s\": a thread to ask it could not be started", name->text);
    } else {
        status = wait_for_answer(q, timeout_ns, info, err);
    }
    leave(q);
    return status;
}
