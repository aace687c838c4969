#include "support/engine_gate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>

#include <cmocka.h>

void engine_gate_init(EngineGate *gate)
{
    *gate = (EngineGate){.lock = PTHREAD_MUTEX_INITIALIZER};
    assert_int_equal(sem_init(&gate->reached, 0, 0), 0);
}

void engine_gate_destroy(EngineGate *gate)
{
    sem_destroy(&gate->reached);
    pthread_mutex_destroy(&gate->lock);
}

void engine_gate_log(void *user, int level, const char *line)
{
    EngineGate *gate = user;
    (void)level;
    (void)line;
    if (!atomic_exchange(&gate->closed, 0)) return;
    sem_post(&gate->reached);
    pthread_mutex_lock(&gate->lock);
    pthread_mutex_unlock(&gate->lock);
}

void engine_gate_close(EngineGate *gate, TinyEngine *tiny)
{
    SutraInput input = text_input("");
    pthread_mutex_lock(&gate->lock);
    assert_int_equal(sutra_model_open(tiny->path, NULL, &gate->model, NULL), SUTRA_OK);
    atomic_store(&gate->closed, 1);
    assert_int_equal(
        sutra_submit(tiny->engine, gate->model, &input, 1, NULL, NULL, NULL, &gate->job, NULL),
        SUTRA_OK);
    while (sem_wait(&gate->reached) != 0) continue;
}

void engine_gate_open(EngineGate *gate)
{
    pthread_mutex_unlock(&gate->lock);
    assert_int_equal(sutra_job_wait(gate->job, UINT64_MAX, NULL, NULL), SUTRA_OK);
    sutra_job_free(gate->job);
    sutra_model_free(gate->model);
}
