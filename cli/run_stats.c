#include "run_stats.h"

#include "console.h"
#include "run_times.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void cli_stats_begin(CliRunStats *stats) { *stats = (CliRunStats){.last = cli_clock_ns()}; }

void cli_stats_opened(CliRunStats *stats, uint32_t num_threads)
{
    stats->num_threads = num_threads;
    stats->process_cpu = cli_ns_of(CLOCK_PROCESS_CPUTIME_ID);
    cli_lap(&stats->last, &stats->open);
}

void cli_stats_streamed(CliRunStats *stats)
{
    stats->process_cpu = cli_ns_of(CLOCK_PROCESS_CPUTIME_ID) - stats->process_cpu;
    stats->last = cli_clock_ns();
}

void cli_stats_finished(CliRunStats *stats) { cli_lap(&stats->last, &stats->finish); }

uint64_t cli_stats_wall(const CliRunStats *stats, const CliTimes *times)
{
    return stats->open + times->stream + stats->finish;
}

/* Largest resident size of this process so far, in bytes; 0: not known. */
static uint64_t peak_bytes(void)
{
    char line[256];
    uint64_t kib = 0;
    FILE *file = fopen("/proc/self/status", "re");
    while (file && fgets(line, sizeof line, file))
        if (strncmp(line, "VmHWM:", 6) == 0) kib = strtoull(line + 6, NULL, 10);
    if (file) fclose(file);
    return kib << 10;
}

/* A part of a thread's time. */
typedef struct Part {
    const char *key, *words;
    uint64_t ns;
} Part;

enum { MAIN_PARTS = 7, READER_PARTS = 6, ENGINE_PARTS = 3 };

typedef struct Lanes {
    Part main[MAIN_PARTS], reader[READER_PARTS], engine[ENGINE_PARTS];
    size_t num_main, num_reader;
} Lanes;

static uint64_t less(uint64_t a, uint64_t b) { return a > b ? a - b : 0; }

static void split_engine(const CliRunStats *stats, const CliTimes *times, Part *parts)
{
    uint64_t all = cli_stats_wall(stats, times) * stats->num_threads;
    uint64_t busy = less(stats->process_cpu, times->caller_cpu + times->reader_cpu);
    if (busy > all) busy = all; /* two clocks */
    double known = (double)times->tokenize + (double)times->encode;
    uint64_t tokenize =
        known > 0 ? (uint64_t)((double)busy * ((double)times->tokenize / known)) : 0;
    parts[0] = (Part){"tokenizing", "tokenising", tokenize};
    parts[1] = (Part){"encoding", "encoder", busy - tokenize};
    parts[2] = (Part){"idle", "idle", all - busy};
}

static Lanes split(const CliRunStats *stats, const CliTimes *times)
{
    Lanes lanes = {0};
    uint64_t busy = times->read + times->unpack + times->cut + times->submit + times->wait_room;
    const Part reading[READER_PARTS] = {
        {"reading", "reading", times->read},
        {"unpacking", "unpacking", times->unpack},
        {"cutting", "cutting into texts", times->cut},
        {"submitting", "handing over", times->submit},
        {"waiting", "waiting for room", times->wait_room},
        {"done", "done", less(cli_stats_wall(stats, times), busy)},
    };
    lanes.main[lanes.num_main++] = (Part){"opening", "opening", stats->open};
    if (times->threaded) {
        memcpy(lanes.reader, reading, sizeof reading);
        lanes.num_reader = READER_PARTS;
    } else {
        memcpy(lanes.main + 1, reading, 3 * sizeof *reading);
        lanes.num_main += 3;
    }
    lanes.main[lanes.num_main++] = (Part){"waiting", "waiting for vectors", times->wait_rows};
    lanes.main[lanes.num_main++] = (Part){"writing", "writing", times->take};
    lanes.main[lanes.num_main++] = (Part){"finishing", "finishing", stats->finish};
    split_engine(stats, times, lanes.engine);
    return lanes;
}

static double seconds(uint64_t ns) { return (double)ns * 1e-9; }

/* "reading 0.012 s, unpacking 0.000 s" */
static void describe(const Part *parts, size_t count, char *text, size_t capacity)
{
    size_t used = 0;
    text[0] = '\0';
    for (size_t i = 0; i < count && used < capacity; i++)
        used += (size_t)snprintf(text + used, capacity - used, "%s%s %.3f s", i ? ", " : "",
                                 parts[i].words, seconds(parts[i].ns));
}

static double per(double count, double by) { return by > 0 ? count / by : 0; }

void cli_stats_report(const CliRunStats *stats, const CliTimes *times, const CliTotals *totals)
{
    char text[512];
    const char *what = totals->chunks ? "chunk" : "text";
    Lanes lanes = split(stats, times);
    double wall = seconds(cli_stats_wall(stats, times)), bytes = (double)times->text_bytes;
    double idle = per(seconds(lanes.engine[2].ns), wall * stats->num_threads);
    cli_message("%llu %ss, %llu tokens, %.3f MB of text in %.3f s: %.1f %ss/s, %.0f tokens/s, "
                "%.3f MB/s; peak memory %.1f MB",
                (unsigned long long)totals->texts, what, (unsigned long long)totals->tokens_used,
                bytes * 1e-6, wall, per((double)totals->texts, wall), what,
                per((double)totals->tokens_used, wall), per(bytes * 1e-6, wall),
                (double)peak_bytes() * 1e-6);
    describe(lanes.main, lanes.num_main, text, sizeof text);
    cli_message("main thread: %s", text);
    describe(lanes.reader, lanes.num_reader, text, sizeof text);
    if (lanes.num_reader) cli_message("reading thread: %s", text);
    describe(lanes.engine, ENGINE_PARTS, text, sizeof text);
    cli_message("engine, %u thread%s: %s: busy %.1f %% of the run; a %s waited %.3f s to be taken "
                "up, at most %.3f s",
                stats->num_threads, stats->num_threads == 1 ? "" : "s", text, 100 * (1 - idle),
                what, per(seconds(times->queue), (double)totals->texts),
                seconds(times->queue_most));
}

static void print_parts(CliOutput *out, const char *name, const Part *parts, size_t count)
{
    cli_output_print(out, ",\"%s\":{", name);
    for (size_t i = 0; i < count; i++)
        cli_output_print(out, "%s\"%s\":%.9f", i ? "," : "", parts[i].key, seconds(parts[i].ns));
    cli_output_print(out, "}");
}

void cli_stats_json(CliOutput *out, const CliRunStats *stats, const CliTimes *times,
                    const CliTotals *totals)
{
    Lanes lanes = split(stats, times);
    cli_output_print(out,
                     "{\"wall\":%.9f,\"text_bytes\":%llu,\"peak_bytes\":%llu,\"threads\":%u,"
                     "\"queued_mean\":%.9f,\"queued_most\":%.9f",
                     seconds(cli_stats_wall(stats, times)), (unsigned long long)times->text_bytes,
                     (unsigned long long)peak_bytes(), stats->num_threads,
                     per(seconds(times->queue), (double)totals->texts), seconds(times->queue_most));
    print_parts(out, "main", lanes.main, lanes.num_main);
    if (lanes.num_reader) print_parts(out, "reader", lanes.reader, lanes.num_reader);
    print_parts(out, "engine", lanes.engine, ENGINE_PARTS);
    cli_output_print(out, "}");
}
