/* run_times.h - where the time of a stream of texts goes. A thread's laps belong to one sum each,
 * so that its sums add up to the time between the first lap and the last. */
#ifndef CLI_RUN_TIMES_H
#define CLI_RUN_TIMES_H

#include "sutra.h"

#include <stdbool.h>
#include <time.h>

/* In ns.
 *
 *   threaded   reading thread   read + unpack + cut + submit + wait_room   ≤ stream
 *              caller           wait_rows + take                           = stream
 *   else       caller           read + unpack + cut + wait_rows + take     = stream */
typedef struct CliTimes {
    uint64_t read, unpack, cut; /* a slow writer's time is part of read; cut: into texts */
    uint64_t submit, wait_room;
    uint64_t wait_rows, take;
    uint64_t stream;
    uint64_t reader_cpu, caller_cpu; /* processor time, but for what the engine had of it: */
    uint64_t lent_cpu;
    uint64_t tokenize, encode;  /* of all threads of the engine, by the clock */
    uint64_t queue, queue_most; /* until a text was taken up: summed, and the longest */
    uint64_t text_bytes;        /* unpacked */
    bool threaded;
} CliTimes;

static inline uint64_t cli_ns_of(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static inline uint64_t cli_clock_ns(void) { return cli_ns_of(CLOCK_MONOTONIC); }

/* What has passed since *last goes to *sum. */
static inline void cli_lap(uint64_t *last, uint64_t *sum)
{
    uint64_t now = cli_clock_ns();
    *sum += now - *last;
    *last = now;
}

/* Adds what the items [count] of a block tell. */
void cli_times_add(CliTimes *times, const SutraItem *items, size_t count);

#endif
