/* engine_gate.h - holds an engine still: what is submitted meanwhile stays in its queue.
 *
 * An engine that makes a model ready says so in its log, on a thread that has the whole engine to
 * itself: the gate's log keeps that thread until it opens. */
#ifndef SU_ENGINE_GATE_H
#define SU_ENGINE_GATE_H

#include "support/tiny_engine.h"

#include <pthread.h>
#include <semaphore.h>

typedef struct EngineGate {
    pthread_mutex_t lock; /* held while it is closed */
    sem_t reached;
    _Atomic int closed;
    SutraModel *model; /* a new one each time */
    SutraJob *job;     /* that waits at the gate */
} EngineGate;

void engine_gate_init(EngineGate *gate);
void engine_gate_destroy(EngineGate *gate);

/* SutraEngineOptions.log, with the gate as log_user. */
void engine_gate_log(void *gate, int level, const char *line);

/* Returns when the engine, whose log is the gate's, stands still. A job of
 * two tokens, which the queue counts, waits at the gate. */
void engine_gate_close(EngineGate *gate, TinyEngine *tiny);

/* Lets the engine go on, and waits for the gate's own job. */
void engine_gate_open(EngineGate *gate);

#endif
