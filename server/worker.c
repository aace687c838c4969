#include "worker.h"

#include "base/deadline.h"

static void *work_on(void *given)
{
    SuWorker *worker = given;
    pthread_mutex_lock(&worker->lock);
    for (;;) {
        while (!worker->first && !worker->ends) pthread_cond_wait(&worker->changed, &worker->lock);
        SuWork *work = worker->first;
        if (!work) break;
        worker->first = work->next;
        if (!worker->first) worker->last = &worker->first;
        worker->is_at_work = true;
        pthread_mutex_unlock(&worker->lock);
        work->run(work);
        pthread_mutex_lock(&worker->lock);
        worker->is_at_work = false;
        if (!worker->first) pthread_cond_signal(&worker->rested);
    }
    pthread_mutex_unlock(&worker->lock);
    return NULL;
}

static void destroy(SuWorker *worker)
{
    pthread_cond_destroy(&worker->changed);
    pthread_cond_destroy(&worker->rested);
    pthread_mutex_destroy(&worker->lock);
    *worker = (SuWorker){0};
}

SutraStatus su_worker_start(SuWorker *worker, SutraError *err)
{
    *worker = (SuWorker){0};
    worker->last = &worker->first;
    pthread_mutex_init(&worker->lock, NULL);
    pthread_cond_init(&worker->changed, NULL);
    su_deadline_condition(&worker->rested);
    worker->has_thread = pthread_create(&worker->thread, NULL, work_on, worker) == 0;
    if (worker->has_thread) return SUTRA_OK;
    destroy(worker);
    SU_RAISE(err, SUTRA_E_LIMIT, "the server's worker thread could not be started");
}

void su_worker_give(SuWorker *worker, SuWork *work)
{
    work->next = NULL;
    pthread_mutex_lock(&worker->lock);
    *worker->last = work;
    worker->last = &work->next;
    pthread_cond_signal(&worker->changed);
    pthread_mutex_unlock(&worker->lock);
}

bool su_worker_rests(SuWorker *worker, uint64_t until_ns)
{
    const struct timespec until = su_deadline_at(until_ns);
    bool in_time = true;
    pthread_mutex_lock(&worker->lock);
    while (in_time && (worker->first || worker->is_at_work))
        in_time = su_deadline_wait(&worker->rested, &worker->lock, &until);
    bool rests = !worker->first && !worker->is_at_work;
    pthread_mutex_unlock(&worker->lock);
    return rests;
}

void su_worker_stop(SuWorker *worker)
{
    if (!worker->has_thread) return;
    pthread_mutex_lock(&worker->lock);
    worker->ends = true;
    pthread_cond_signal(&worker->changed);
    pthread_mutex_unlock(&worker->lock);
    pthread_join(worker->thread, NULL);
    destroy(worker);
}
