/* peak.c - what this machine can do at most: fp32 multiply-adds a second, and bytes read a second
 * by working set.
 *
 * usage: peak [THREADS]   prints one JSON object: one sample of each figure, summed over the
 * threads. All of them start each measurement together and stop at the same time, since cores share
 * clocks, caches and memory; run.py calls this once a round and takes medians. Operands and memory
 * are random, because processors clock lower on them than on constants. Built with -march=native:
 * vectors are as wide as this processor's. */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { CHAINS = 12, MAX_THREADS = 256 };
enum { SMALLEST_SET = 16 << 10, LARGEST_SET = 256 << 20, READ_PIECE = 1 << 20 };
static const double SECONDS = 0.15;

#if defined(__AVX512F__)
typedef float Vector __attribute__((vector_size(64)));
#else
typedef float Vector __attribute__((vector_size(32)));
#endif
typedef uint64_t Words __attribute__((vector_size(64)));

typedef struct Worker {
    pthread_barrier_t *gate;
    pthread_t thread;
    uint64_t seed;
    size_t bytes; /* working set of the reading; 0: multiply-adds */
    double rate;  /* result: operations or bytes a second */
} Worker;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static uint64_t next_random(uint64_t *seed) /* xorshift */
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

static Vector random_vector(uint64_t *seed, float low, float high)
{
    Vector v;
    for (size_t lane = 0; lane < sizeof v / sizeof(float); lane++)
        v[lane] = low + (high - low) * (float)(next_random(seed) >> 40) / (float)(1 << 24);
    return v;
}

/* Operations done in some 50 us. Independent chains, all of them in registers, hide the latency of
 * the multiply-add; factors below 1 keep them finite. The product is fused: the file is compiled
 * with -ffp-contract=fast. */
static double multiply_add(uint64_t *seed, float *sink)
{
    enum { ROUNDS = 1 << 14 };
    Vector random[CHAINS], chain[CHAINS];
    for (int i = 0; i < CHAINS; i++) random[i] = random_vector(seed, 0.5f, 1);
    Vector factor[2] = {random[0], random[1]}, term[2] = {random[2], random[3]};
#pragma GCC unroll 12
    for (int i = 0; i < CHAINS; i++) chain[i] = random[i];
    for (int r = 0; r < ROUNDS; r++) {
#pragma GCC unroll 12
        for (int i = 0; i < CHAINS; i++) chain[i] = chain[i] * factor[i % 2] + term[i / 2 % 2];
        __asm__ volatile("" : "+v"(factor[0])); /* keeps the rounds apart */
    }
#pragma GCC unroll 12
    for (int i = 1; i < CHAINS; i++) chain[0] += chain[i];
    *sink += chain[0][0];
    return 2.0 * CHAINS * ROUNDS * (double)(sizeof(Vector) / sizeof(float));
}

/* Bytes read: the working set as often as it fits into READ_PIECE, at least once. */
static double read_set(const Words *memory, size_t bytes, float *sink)
{
    Words sum[8] = {0};
    size_t rounds = bytes < READ_PIECE ? READ_PIECE / bytes : 1;
    for (size_t r = 0; r < rounds; r++) {
        for (const Words *at = memory; at < memory + bytes / sizeof *at; at += 8)
            for (int i = 0; i < 8; i++) sum[i] ^= at[i];
        __asm__ volatile("" ::: "memory"); /* reads anew */
    }
    for (int i = 0; i < 8; i++) *sink += (float)sum[i][0];
    return (double)bytes * (double)rounds;
}

static Words *random_memory(size_t bytes, uint64_t *seed)
{
    uint64_t *words = aligned_alloc(4096, bytes);
    if (!words) exit(1);
    for (size_t i = 0; i < bytes / sizeof *words; i++) words[i] = next_random(seed);
    return (Words *)words;
}

static void *worker_main(void *argument)
{
    Worker *worker = argument;
    Words *memory = worker->bytes ? random_memory(worker->bytes, &worker->seed) : NULL;
    volatile float keep;
    float sink = 0;
    pthread_barrier_wait(worker->gate);
    double done = 0, took, start = now();
    do {
        done +=
            memory ? read_set(memory, worker->bytes, &sink) : multiply_add(&worker->seed, &sink);
        took = now() - start;
    } while (took < SECONDS);
    worker->rate = done / took;
    keep = sink;
    (void)keep;
    free(memory);
    return NULL;
}

/* Sum over the threads, a second. */
static double measure(int threads, size_t bytes)
{
    static Worker workers[MAX_THREADS];
    pthread_barrier_t gate;
    double rate = 0;
    pthread_barrier_init(&gate, NULL, (unsigned)threads);
    for (int i = 0; i < threads; i++) {
        workers[i] =
            (Worker){.gate = &gate, .bytes = bytes, .seed = 0x9e3779b97f4a7c15u * (i + 1u)};
        if (pthread_create(&workers[i].thread, NULL, worker_main, &workers[i]) != 0) exit(1);
    }
    for (int i = 0; i < threads; i++) {
        pthread_join(workers[i].thread, NULL);
        rate += workers[i].rate;
    }
    pthread_barrier_destroy(&gate);
    return rate;
}

int main(int argc, char **argv)
{
    int threads = argc > 1 ? atoi(argv[1]) : (int)sysconf(_SC_NPROCESSORS_ONLN);
    if (threads < 1 || threads > MAX_THREADS) {
        fprintf(stderr, "usage: peak [THREADS], 1 to %d\n", MAX_THREADS);
        return 2;
    }
    printf("{\"threads\": %d, \"vector_bytes\": %zu, \"fp32_gflops\": %.1f, \"read\": [", threads,
           sizeof(Vector), measure(threads, 0) / 1e9);
    for (size_t bytes = SMALLEST_SET; bytes <= LARGEST_SET; bytes *= 4)
        printf("%s{\"kb_per_core\": %zu, \"gbs\": %.1f}", bytes > SMALLEST_SET ? ", " : "",
               bytes >> 10, measure(threads, bytes) / 1e9);
    printf("]}\n");
    return 0;
}
