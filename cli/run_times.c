#include "run_times.h"

#include <string.h>

/* Times of batches of a block that were seen, in a table with open addressing; 0: a free place. */
enum { SEEN = 4096 };

static bool is_new(uint64_t *seen, uint64_t time)
{
    size_t place = (size_t)(time * 0x9e3779b97f4a7c15u >> 52) % SEEN;
    for (size_t tries = 0; tries < SEEN; tries++, place = (place + 1) % SEEN) {
        if (seen[place] == time) return false;
        if (seen[place] == 0) {
            seen[place] = time;
            return true;
        }
    }
    return true;
}

/* compute_ns is the time of a text's whole batch: batches are told apart by it. */
void cli_times_add(CliTimes *times, const SutraItem *items, size_t count)
{
    uint64_t seen[SEEN];
    memset(seen, 0, sizeof seen);
    for (size_t i = 0; i < count; i++) {
        const SutraItem *item = &items[i];
        times->tokenize += item->tokenize_ns;
        times->queue += item->queue_ns;
        if (item->queue_ns > times->queue_most) times->queue_most = item->queue_ns;
        if (item->compute_ns && is_new(seen, item->compute_ns)) times->encode += item->compute_ns;
    }
}
