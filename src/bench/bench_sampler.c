#include "bench_sampler.h"

#include "base/clock.h"
#include "base/memory.h"
#include "bench_peak.h"

#include <math.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>

enum {
    SAMPLE_NS = 4000000,
    QUICK_SAMPLE_NS = 200000,
    ROUNDS = 7,
    QUICK_ROUNDS = 2,
    CEILING_ROUNDS = 2000, /* of one call */
    STEP = 256             /* floats: both halves of a copy are multiples of 128 */
};

typedef struct SuBenchRank {
    double cpu_s, wall_s;
    unsigned char apart[48]; /* ranks write to cache lines of their own */
} SuBenchRank;

SutraStatus su_bench_sampler_create(SuBenchSampler *sampler, SuIsa isa, uint32_t threads,
                                    bool quick, double max_bytes, SutraError *err)
{
    *sampler = (SuBenchSampler){.isa = isa,
                                .ceiling = su_bench_ceiling(isa, SUTRA_COMPUTE_FP32),
                                .threads = threads,
                                .sample_ns = quick ? QUICK_SAMPLE_NS : SAMPLE_NS,
                                .rounds = quick ? QUICK_ROUNDS : ROUNDS,
                                .rank_floats = su_bench_bandwidth(max_bytes).floats};
    SU_TRY(su_thread_pool_create(threads, &sampler->pool, err));
    size_t floats = sampler->rank_floats * threads;
    sampler->ranks = su_calloc(threads, sizeof *sampler->ranks);
    sampler->memory = su_alloc_aligned(floats * sizeof *sampler->memory);
    if (!sampler->ranks || !sampler->memory) {
        su_bench_sampler_free(sampler);
        SU_RAISE(err, SUTRA_E_MEMORY, "out of memory for the ceilings' operands");
    }
    for (size_t i = 0; i < floats; i++)
        sampler->memory[i] = (float)((i * 2654435761u >> 8) % 1000) * 0.001f - 0.5f;
    return SUTRA_OK;
}

void su_bench_sampler_free(SuBenchSampler *sampler)
{
    su_thread_pool_free(sampler->pool);
    su_free(sampler->ranks);
    su_free_aligned(sampler->memory);
    *sampler = (SuBenchSampler){0};
}

typedef struct Loop {
    SuBenchSampler *sampler;
    SuBenchBody body;
    void *arg;
    size_t calls;
    _Atomic uint32_t arrived; /* ranks; none starts before the last has come */
} Loop;

static double thread_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static void run_rank(void *arg, uint32_t rank)
{
    Loop *loop = arg;
    SuBenchSampler *sampler = loop->sampler;
    atomic_fetch_add(&loop->arrived, 1);
    while (atomic_load(&loop->arrived) < sampler->threads) sched_yield();
    uint64_t wall = su_clock_ns();
    double cpu = thread_seconds();
    for (size_t i = 0; i < loop->calls; i++) loop->body(loop->arg, rank);
    sampler->ranks[rank].cpu_s = thread_seconds() - cpu;
    sampler->ranks[rank].wall_s = (double)(su_clock_ns() - wall) * 1e-9;
}

SuBenchSample su_bench_sample(SuBenchSampler *sampler, SuBenchBody body, void *arg, size_t calls)
{
    Loop loop = {.sampler = sampler, .body = body, .arg = arg, .calls = calls};
    SuBenchSample sample = {.ran = 1};
    su_thread_pool_run(sampler->pool, sampler->threads, run_rank, &loop);
    for (uint32_t i = 0; i < sampler->threads; i++) {
        double cpu = sampler->ranks[i].cpu_s, wall = sampler->ranks[i].wall_s;
        sample.calls_per_s += (double)calls / (cpu > 1e-9 ? cpu : 1e-9);
        if (cpu < sample.ran * wall) sample.ran = cpu / wall;
    }
    return sample;
}

size_t su_bench_calls(SuBenchSampler *sampler, SuBenchBody body, void *arg)
{
    for (size_t calls = 1;; calls *= 4) {
        SuBenchSample sample = su_bench_sample(sampler, body, arg, calls);
        double fitting = sample.calls_per_s / sampler->threads * (double)sampler->sample_ns * 1e-9;
        if (fitting < 8.0 * (double)calls || calls > SIZE_MAX / 8)
            return fitting < 1 ? 1 : (size_t)fitting;
    }
}

void su_bench_improve(SuBenchSampler *sampler, SuBenchBody body, void *arg, size_t calls,
                      SuBenchSample *best)
{
    SuBenchSample sample = su_bench_sample(sampler, body, arg, calls);
    bool whole = sample.ran >= SU_BENCH_TRUSTED_RAN;
    if (best->ran >= SU_BENCH_TRUSTED_RAN ? !whole : whole) {
        if (whole) *best = sample;
    } else if (sample.calls_per_s > best->calls_per_s) {
        *best = sample;
    }
}

static void ceiling_body(void *arg, uint32_t rank)
{
    const SuBenchSampler *sampler = arg;
    (void)rank;
    sampler->ceiling.run(CEILING_ROUNDS);
}

void su_bench_sample_peak(SuBenchSampler *sampler)
{
    if (!sampler->peak_calls) sampler->peak_calls = su_bench_calls(sampler, ceiling_body, sampler);
    SuBenchSample sample = su_bench_sample(sampler, ceiling_body, sampler, sampler->peak_calls);
    double rate = sample.calls_per_s * sampler->ceiling.run(CEILING_ROUNDS);
    if (rate > sampler->peak) sampler->peak = rate;
    sampler->peak_samples++;
}

#if defined(__x86_64__)
static void tiles_body(void *int8, uint32_t rank)
{
    (void)rank;
    if (*(const bool *)int8)
        su_bench_tiles_int8_amx(CEILING_ROUNDS);
    else
        su_bench_tiles_bf16_amx(CEILING_ROUNDS);
}
#endif

double su_bench_tile_peak(SuBenchSampler *sampler, bool int8)
{
#if defined(__x86_64__)
    if (sampler->isa >= SU_ISA_AMX) {
        SuBenchSample best = {0};
        size_t calls = su_bench_calls(sampler, tiles_body, &int8);
        for (int round = 0; round < sampler->rounds; round++)
            su_bench_improve(sampler, tiles_body, &int8, calls, &best);
        return best.calls_per_s * (int8 ? su_bench_tiles_int8_amx(CEILING_ROUNDS)
                                        : su_bench_tiles_bf16_amx(CEILING_ROUNDS));
    }
#endif
    (void)sampler;
    (void)int8;
    return 0;
}

SuBenchBandwidth su_bench_bandwidth(double bytes)
{
    size_t floats = su_round_up((size_t)bytes / sizeof(float) + 1, STEP);
    return (SuBenchBandwidth){.floats = floats};
}

typedef struct Traffic {
    const SuBenchSampler *sampler;
    size_t floats;
} Traffic;

static void read_body(void *arg, uint32_t rank)
{
    const Traffic *traffic = arg;
    const float *x = traffic->sampler->memory + rank * traffic->sampler->rank_floats;
    volatile float keep;
    SuIsa isa = traffic->sampler->isa;
#if defined(__x86_64__)
    keep = isa >= SU_ISA_AVX512 ? su_bench_read_avx512(x, traffic->floats)
           : isa >= SU_ISA_AVX2 ? su_bench_read_avx2(x, traffic->floats)
                                : su_bench_read_scalar(x, traffic->floats);
#elif defined(__aarch64__)
    keep = isa >= SU_ISA_NEON ? su_bench_read_neon(x, traffic->floats)
                              : su_bench_read_scalar(x, traffic->floats);
#else
    (void)isa;
    keep = su_bench_read_scalar(x, traffic->floats);
#endif
    (void)keep;
}

static void copy_body(void *arg, uint32_t rank)
{
    const Traffic *traffic = arg;
    float *x = traffic->sampler->memory + rank * traffic->sampler->rank_floats;
    size_t half = traffic->floats / 2;
    SuIsa isa = traffic->sampler->isa;
#if defined(__x86_64__)
    if (isa >= SU_ISA_AVX512)
        su_bench_copy_avx512(x, half, x + half);
    else if (isa >= SU_ISA_AVX2)
        su_bench_copy_avx2(x, half, x + half);
    else
        su_bench_copy_scalar(x, half, x + half);
#elif defined(__aarch64__)
    if (isa >= SU_ISA_NEON)
        su_bench_copy_neon(x, half, x + half);
    else
        su_bench_copy_scalar(x, half, x + half);
#else
    (void)isa;
    su_bench_copy_scalar(x, half, x + half);
#endif
}

static void sample_traffic(SuBenchSampler *sampler, SuBenchBody body, size_t floats, size_t *calls,
                           double *best)
{
    Traffic traffic = {sampler, floats};
    if (!*calls) *calls = su_bench_calls(sampler, body, &traffic);
    SuBenchSample sample = su_bench_sample(sampler, body, &traffic, *calls);
    double rate = sample.calls_per_s * (double)(floats * sizeof(float));
    if (rate > *best) *best = rate;
}

void su_bench_sample_read(SuBenchSampler *sampler, SuBenchBandwidth *bandwidth)
{
    sample_traffic(sampler, read_body, bandwidth->floats, &bandwidth->read_calls, &bandwidth->read);
}

void su_bench_sample_copy(SuBenchSampler *sampler, SuBenchBandwidth *bandwidth)
{
    sample_traffic(sampler, copy_body, bandwidth->floats, &bandwidth->copy_calls, &bandwidth->copy);
}

const char *su_bench_note(double share, double ran)
{
    if (!isfinite(share)) return "untrustworthy: no ceiling";
    if (share > SU_BENCH_TRUSTED_SHARE) return "untrustworthy: above its ceiling";
    if (ran < SU_BENCH_TRUSTED_RAN) return "untrustworthy: threads did not run at once";
    return "";
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double su_bench_quantile(double *x, size_t n, double part)
{
    qsort(x, n, sizeof *x, ascending);
    return x[(size_t)(part * (double)(n - 1) + 0.5)];
}
