/* event_loop.h - the thread that owns all connections, and how other threads hand it work.
 *
 * Everything of the server happens on the thread that runs the loop, but for three things that any
 * thread may call: su_loop_post and su_loop_wake, the latter also a signal handler. */
#ifndef SU_EVENT_LOOP_H
#define SU_EVENT_LOOP_H

#include "base/status.h"

#include <event2/event.h>
#include <pthread.h>

/* One thing to do on the loop's thread; lies in what it is about. */
typedef struct SuPost {
    struct SuPost *next;
    void (*run)(struct SuPost *post);
} SuPost;

typedef struct SuLoop {
    struct event_base *base;
    struct event *wake;
    int wake_fd;
    pthread_mutex_t lock;
    SuPost *first, **last;
    void (*woken)(void *user); /* after each su_loop_wake; NULL: nothing */
    void *user;
} SuLoop;

SutraStatus su_loop_open(SuLoop *loop, SutraError *err);
void su_loop_close(SuLoop *loop); /* what was posted is not run; legal on a zeroed struct */

/* Allocates nothing, cannot fail. */
void su_loop_post(SuLoop *loop, SuPost *post);
void su_loop_wake(SuLoop *loop);
/* Does what was posted, on this thread, which is the loop's or comes after it. */
void su_loop_flush(SuLoop *loop);

/* Until su_loop_end. */
SutraStatus su_loop_run(SuLoop *loop, SutraError *err);
void su_loop_end(SuLoop *loop);

/* Calls `event` back in that time, instead of when it was to be; 0: not at all. False: out of
 * memory. */
bool su_loop_after(struct event *event, uint64_t milliseconds);

#endif
