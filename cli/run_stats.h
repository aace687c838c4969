/* run_stats.h - sutra embed --stats: where the time of a run went, on each thread.
 *
 *   main     opening, waiting for vectors, writing, finishing, and where an input is one block
 *            reading, unpacking, cutting                                        sum: wall
 *   reader   reading, unpacking, cutting, handing over, waiting for room, done  sum: wall
 *   engine   tokenising, encoding, idle, of all its threads                     sum: threads*wall
 *
 * What the engine does not leave idle is the process' processor time less that of the other two
 * threads, shared out as tokenising and encoding took by the clock. Where other programs had the
 * processor it is idle. */
#ifndef CLI_RUN_STATS_H
#define CLI_RUN_STATS_H

#include "atomic_file.h"
#include "embed_stream.h"

typedef struct CliRunStats {
    uint64_t open, finish; /* ns before and after the stream */
    uint64_t last;         /* see cli_lap */
    uint64_t process_cpu;  /* of the stream */
    uint32_t num_threads;  /* of the engine */
} CliRunStats;

/* To be called in this order. */
void cli_stats_begin(CliRunStats *stats);
void cli_stats_opened(CliRunStats *stats, uint32_t num_threads);
void cli_stats_streamed(CliRunStats *stats);
void cli_stats_finished(CliRunStats *stats);

/* ns of the run */
uint64_t cli_stats_wall(const CliRunStats *stats, const CliTimes *times);

/* Four lines on standard error. */
void cli_stats_report(const CliRunStats *stats, const CliTimes *times, const CliTotals *totals);
/* The same as an object, seconds and bytes. */
void cli_stats_json(CliOutput *out, const CliRunStats *stats, const CliTimes *times,
                    const CliTotals *totals);

#endif
