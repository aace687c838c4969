/* bench_sampler.h - timing loops on one or more threads at once, and the ceilings beside them.
 *
 * A sample runs a body on every rank together, some milliseconds long, and adds up the ranks' calls
 * a second of processor time (CLOCK_THREAD_CPUTIME_ID: what other programs take does not count).
 * `ran` is the least share of wall time that a rank's processor time came to: well below 1 the
 * ranks did not run at once. Of several samples the best counts, of kernels and of ceilings alike;
 * whoever measures takes a sample of each ceiling right before and right after each of a kernel. */
#ifndef SU_BENCH_SAMPLER_H
#define SU_BENCH_SAMPLER_H

#include "base/cpu_features.h"
#include "base/thread_pool.h"
#include "bench_ceiling.h"

#include <stdbool.h>

/* Above this share of its ceiling a measurement is wrong, and said to be. */
#define SU_BENCH_TRUSTED_SHARE 1.05
#define SU_BENCH_TRUSTED_RAN 0.9

typedef struct SuBenchSample {
    double calls_per_s; /* of all ranks together */
    double ran;
} SuBenchSample;

/* One call of what is timed. */
typedef void (*SuBenchBody)(void *arg, uint32_t rank);

typedef struct SuBenchSampler {
    SuIsa isa;
    SuBenchCeiling ceiling; /* fp32's unless set before the first sample of the peak */
    uint32_t threads;
    uint64_t sample_ns; /* length of a sample */
    int rounds;         /* samples to take of each thing */
    double peak;        /* operations a second, best so far, all threads */
    uint32_t peak_samples;
    size_t peak_calls; /* of one sample */

    SuThreadPool *pool;
    struct SuBenchRank *ranks; /* [threads] */
    float *memory;             /* [threads][rank_floats] what the bandwidths are measured on */
    size_t rank_floats;
} SuBenchSampler;

/* max_bytes: the largest working set whose bandwidth will be asked for. Errors: MEMORY, LIMIT. */
SutraStatus su_bench_sampler_create(SuBenchSampler *sampler, SuIsa isa, uint32_t threads,
                                    bool quick, double max_bytes, SutraError *err);
void su_bench_sampler_free(SuBenchSampler *sampler);

/* Calls that make a sample of sample_ns, at least 1. */
size_t su_bench_calls(SuBenchSampler *sampler, SuBenchBody body, void *arg);
SuBenchSample su_bench_sample(SuBenchSampler *sampler, SuBenchBody body, void *arg, size_t calls);
/* *best = the better of it and one more sample; one of ranks that ran at once is always better */
void su_bench_improve(SuBenchSampler *sampler, SuBenchBody body, void *arg, size_t calls,
                      SuBenchSample *best);

/* One more sample of the ceiling; sampler->peak is the best so far. */
void su_bench_sample_peak(SuBenchSampler *sampler);

/* Operations a second of the tiles of AMX, all threads, of bf16 or of int8; the best of the samples
 * it takes. 0: not of this level. */
double su_bench_tile_peak(SuBenchSampler *sampler, bool int8);

/* Bytes a second of all ranks, each reading a working set of its own of `bytes` over and over, or
 * copying one half of it to the other (bytes read + written). */
typedef struct SuBenchBandwidth {
    size_t floats;
    size_t read_calls, copy_calls; /* of one sample */
    double read, copy;             /* best so far; 0: not sampled */
} SuBenchBandwidth;
SuBenchBandwidth su_bench_bandwidth(double bytes);
void su_bench_sample_read(SuBenchSampler *sampler, SuBenchBandwidth *bandwidth);
void su_bench_sample_copy(SuBenchSampler *sampler, SuBenchBandwidth *bandwidth);

/* "" or why the figure is not to be trusted; static. share and ran as parts of 1 */
const char *su_bench_note(double share, double ran);

/* Sorts x [n]. part 0.5: the median. */
double su_bench_quantile(double *x, size_t n, double part);

#endif
