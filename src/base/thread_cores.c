#include "base/thread_cores.h"

#include <sched.h>

bool su_thread_set_cores(pthread_t thread, const uint8_t *bits, size_t bytes)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    for (size_t core = 0; core < bytes * 8 && core < CPU_SETSIZE; core++)
        if (bits[core / 8] >> core % 8 & 1) CPU_SET(core, &set);
    return pthread_setaffinity_np(thread, sizeof set, &set) == 0;
}
