/* run_clock.h - where a thread's time goes: each lap belongs to one sum, so that the sums add up to
 * the time between the first and the last. */
#ifndef CLI_RUN_CLOCK_H
#define CLI_RUN_CLOCK_H

#include <stdint.h>
#include <time.h>

static inline uint64_t cli_clock_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* What has passed since *last goes to *sum. */
static inline void cli_lap(uint64_t *last, uint64_t *sum)
{
    uint64_t now = cli_clock_ns();
    *sum += now - *last;
    *last = now;
}

#endif
