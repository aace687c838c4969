/* thread_cores.h - which cores a thread may run on. */
#ifndef SU_THREAD_CORES_H
#define SU_THREAD_CORES_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* bits: core i is bit i % 8 of byte i / 8. False where the system refuses: there is no such core
 * that this process may use, or threads can't be bound. */
bool su_thread_set_cores(pthread_t thread, const uint8_t *bits, size_t bytes);

#endif
