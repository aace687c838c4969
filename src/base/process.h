/* process.h - which process this is: threads and locks do not come along into a fork's child. */
#ifndef SU_PROCESS_H
#define SU_PROCESS_H

#include <stdint.h>
#include <unistd.h>

static inline int64_t su_process_id(void) { return (int64_t)getpid(); }

#endif
