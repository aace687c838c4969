/* peak.c - what this machine can do at most: fp32 multiply-adds a second, and bytes read a second.
 *
 * usage: peak [THREADS]   prints one JSON object. All threads start each measurement together,
 * since cores share clocks, caches and memory. Each figure is the median of SAMPLES, each some 0.2
 * s long. Built with -march=native: vectors are as wide as this processor's. */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { SAMPLES = 5, CHAINS = 12, MAX_THREADS = 256 };

#if defined(__AVX512F__)
typedef float Vector __attribute__((vector_size(64)));
#else
typedef float Vector __attribute__((vector_size(32)));
#endif

typedef struct Sample {
    size_t bytes; /* working set of the reading; 0: multiply-adds */
    pthread_barrier_t gate;
    double rate[MAX_THREADS];
} Sample;

typedef struct Worker {
    Sample *sample;
    int index;
    pthread_t thread;
} Worker;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* Independent chains hide the latency of the multiply-add; the operations done. The product is
 * fused: the file is compiled with -ffp-contract=fast. */
static double multiply_add(long rounds, float *sink)
{
    Vector chain[CHAINS], factor, term;
    const int lanes = sizeof(Vector) / sizeof(float);
    for (int lane = 0; lane < lanes; lane++) {
        factor[lane] = 0.999f;
        term[lane] = 1e-3f * (float)(lane + 1);
    }
    for (int i = 0; i < CHAINS; i++) chain[i] = term * (float)i;
    for (long r = 0; r < rounds; r++) {
        for (int i = 0; i < CHAINS; i++) chain[i] = chain[i] * factor + term;
        __asm__ volatile("" : "+v"(factor)); /* keeps the rounds apart */
    }
    for (int i = 0; i < CHAINS; i++)
        for (int lane = 0; lane < lanes; lane++) *sink += chain[i][lane];
    return 2.0 * (double)lanes * CHAINS * (double)rounds;
}

static double read_all(long rounds, const char *memory, size_t bytes, float *sink)
{
    typedef uint64_t Words __attribute__((vector_size(64)));
    Words sum[8] = {0};
    for (long r = 0; r < rounds; r++)
        for (size_t at = 0; at < bytes; at += sizeof sum) {
            const Words *block = (const Words *)(memory + at);
            for (int i = 0; i < 8; i++) sum[i] ^= block[i];
        }
    for (int i = 0; i < 8; i++) *sink += (float)sum[i][0];
    return (double)bytes * (double)rounds;
}

static double work(const Sample *sample, long rounds, const char *memory, float *sink)
{
    if (sample->bytes) return read_all(rounds, memory, sample->bytes, sink);
    return multiply_add(rounds, sink);
}

static void *worker_main(void *argument)
{
    Worker *worker = argument;
    Sample *sample = worker->sample;
    char *memory = sample->bytes ? aligned_alloc(4096, sample->bytes) : NULL;
    if (memory) memset(memory, worker->index + 1, sample->bytes);
    volatile float keep;
    float sink = 0;
    long rounds = sample->bytes ? 1 : 4096;
    for (double took = 0; took < 0.1; rounds *= 2) {
        double start = now();
        work(sample, rounds, memory, &sink);
        took = now() - start;
    }
    pthread_barrier_wait(&sample->gate);
    double start = now();
    double done = work(sample, rounds, memory, &sink);
    sample->rate[worker->index] = done / (now() - start);
    keep = sink;
    (void)keep;
    free(memory);
    return NULL;
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Sum over the threads, a second. */
static double measure(int threads, size_t bytes)
{
    static Sample sample;
    static Worker workers[MAX_THREADS];
    double rates[SAMPLES];
    for (int s = 0; s < SAMPLES; s++) {
        sample.bytes = bytes;
        rates[s] = 0;
        pthread_barrier_init(&sample.gate, NULL, (unsigned)threads);
        for (int i = 0; i < threads; i++) {
            workers[i] = (Worker){.sample = &sample, .index = i};
            if (pthread_create(&workers[i].thread, NULL, worker_main, &workers[i]) != 0) exit(1);
        }
        for (int i = 0; i < threads; i++) {
            pthread_join(workers[i].thread, NULL);
            rates[s] += sample.rate[i];
        }
        pthread_barrier_destroy(&sample.gate);
    }
    qsort(rates, SAMPLES, sizeof *rates, ascending);
    return rates[SAMPLES / 2];
}

int main(int argc, char **argv)
{
    int threads = argc > 1 ? atoi(argv[1]) : (int)sysconf(_SC_NPROCESSORS_ONLN);
    if (threads < 1 || threads > MAX_THREADS) {
        fprintf(stderr, "usage: peak [THREADS], 1 to %d\n", MAX_THREADS);
        return 2;
    }
    printf("{\"threads\": %d, \"vector_bytes\": %zu, \"fp32_gflops\": %.1f", threads,
           sizeof(Vector), measure(threads, 0) / 1e9);
    for (size_t megabytes = 8; megabytes <= 128; megabytes *= 4)
        printf(", \"read_%zumb_gbs\": %.1f", megabytes, measure(threads, megabytes << 20) / 1e9);
    printf("}\n");
    return 0;
}
