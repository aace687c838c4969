/* thread_start.h - the library's threads: signals are left to those of the program. */
#ifndef SU_THREAD_START_H
#define SU_THREAD_START_H

#include <pthread.h>
#include <stdbool.h>

/* A thread that has all signals blocked but those that a fault of its own raises, and SIGPROF, by
 * which profilers sample it. The caller's signals are held back meanwhile. False: there is none. */
bool su_thread_start(pthread_t *thread, void *(*run)(void *user), void *user);

#endif
