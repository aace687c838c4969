/* deadline.h - waiting for a condition until a moment of the monotonic clock. */
#ifndef SU_DEADLINE_H
#define SU_DEADLINE_H

#include "base/clock.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>

/* Of which su_deadline_wait waits. */
static inline void su_deadline_condition(pthread_cond_t *condition)
{
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(condition, &attributes);
    pthread_condattr_destroy(&attributes);
}

/* A moment of su_clock_ns. */
static inline struct timespec su_deadline_at(uint64_t ns)
{
    return (struct timespec){.tv_sec = (time_t)(ns / 1000000000u),
                             .tv_nsec = (long)(ns % 1000000000u)};
}

static inline struct timespec su_deadline_after(uint64_t timeout_ns)
{
    uint64_t now = su_clock_ns();
    return su_deadline_at(now + timeout_ns < now ? UINT64_MAX : now + timeout_ns);
}

/* False: `end` has passed. NULL: never. */
static inline bool su_deadline_wait(pthread_cond_t *condition, pthread_mutex_t *lock,
                                    const struct timespec *end)
{
    if (end) return pthread_cond_timedwait(condition, lock, end) != ETIMEDOUT;
    pthread_cond_wait(condition, lock);
    return true;
}

#endif
