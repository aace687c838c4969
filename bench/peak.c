/* peak.c - what this machine can do at most: fp32 multiply-adds a second, those of bf16 and int8 by
 * each kind of instruction that the processor has for them, and bytes read a second by working set.
 *
 * usage: peak [THREADS]   prints one JSON object: one sample of each figure, summed over the
 * threads. A multiplication and an addition are two operations in every precision. All of them start each measurement together and stop at the same time, since cores share
 * clocks, caches and memory; run.py calls this once a round and takes medians. Operands and memory
 * are random, because processors clock lower on them than on constants. Built with -march=native:
 * vectors are as wide as this processor's. */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>
#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>
#include <sys/syscall.h>
#endif

enum { CHAINS = 12, MAX_THREADS = 256 };
enum { SMALLEST_SET = 16 << 10, LARGEST_SET = 256 << 20, READ_PIECE = 1 << 20 };
static const double SECONDS = 0.15;

#if defined(__AVX512F__)
typedef float Vector __attribute__((vector_size(64)));
#else
typedef float Vector __attribute__((vector_size(32)));
#endif
typedef uint64_t Words __attribute__((vector_size(64)));

/* Operations done in some 50 us, or none where the processor has no such instruction. */
typedef double Work(uint64_t *seed, float *sink);

typedef struct Worker {
    pthread_barrier_t *gate;
    pthread_t thread;
    uint64_t seed;
    size_t bytes; /* working set of the reading; 0: arithmetic */
    Work *work;
    double rate; /* result: operations or bytes a second */
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

/* Independent chains, all of them in registers, hide the latency of the multiply-add; factors below
 * 1 keep them finite. The product is fused: the file is compiled with -ffp-contract=fast. */
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

#if defined(__x86_64__)
/* Sums of dot products: two operations for each byte or pair of bytes of an operand. */
enum { DOT_ROUNDS = 1 << 14, TILE_BYTES = 1024, TILES_PERMITTED = 0x1023, TILE_DATA = 18 };

/* Bit `bit` of what CPUID leaf 7 says in register 0 to 3: eax, ebx, ecx, edx. */
static int cpuid7(unsigned subleaf, int at, int bit)
{
    unsigned words[4] = {0};
    __get_cpuid_count(7, subleaf, &words[0], &words[1], &words[2], &words[3]);
    return words[at] >> bit & 1;
}

/* Both kinds of int8 are any bytes; bf16: 0.5 to 1 of either sign. */
static void random_operand(uint64_t *seed, int bf16, void *out, size_t size)
{
    uint8_t *bytes = out;
    for (size_t i = 0; i < size; i += 2) {
        uint64_t word = next_random(seed) >> 20;
        bytes[i] = (uint8_t)(bf16 ? word & 0x7f : word);
        bytes[i + 1] = (uint8_t)(bf16 ? 0x3f | (word >> 8 & 0x80) : word >> 8);
    }
}

#define DOT_CHAINS(TYPE, DOT)                                                \
    TYPE chain[CHAINS] = {0};                                                \
    for (int r = 0; r < DOT_ROUNDS; r++) {                                   \
        _Pragma("GCC unroll 12") for (int i = 0; i < CHAINS; i++) chain[i] = \
            DOT(chain[i], a[i % 2], b[i / 2 % 2]);                           \
        __asm__ volatile("" : "+v"(a[0])); /* keeps the rounds apart */      \
    }                                                                        \
    _Pragma("GCC unroll 12") for (int i = 0; i < CHAINS; i++) *sink += (float)chain[i][0]

__attribute__((target("avx512f,avx512bf16"))) static double bf16_avx512(uint64_t *seed, float *sink)
{
    if (!__builtin_cpu_supports("avx512f") || !cpuid7(1, 0, 5)) return 0;
    __m512bh a[2], b[2];
    random_operand(seed, 1, a, sizeof a);
    random_operand(seed, 1, b, sizeof b);
    DOT_CHAINS(__m512, _mm512_dpbf16_ps);
    return 2.0 * 32 * CHAINS * DOT_ROUNDS;
}

__attribute__((target("avx512f,avx512vnni"))) static double int8_avx512(uint64_t *seed, float *sink)
{
    if (!__builtin_cpu_supports("avx512f") || !cpuid7(0, 2, 11)) return 0;
    __m512i a[2], b[2];
    random_operand(seed, 0, a, sizeof a);
    random_operand(seed, 0, b, sizeof b);
    DOT_CHAINS(__m512i, _mm512_dpbusd_epi32);
    return 2.0 * 64 * CHAINS * DOT_ROUNDS;
}

__attribute__((target("avx2,avxvnni"))) static double int8_avx(uint64_t *seed, float *sink)
{
    if (!__builtin_cpu_supports("avx2") || !cpuid7(1, 0, 4)) return 0;
    __m256i a[2], b[2];
    random_operand(seed, 0, a, sizeof a);
    random_operand(seed, 0, b, sizeof b);
    DOT_CHAINS(__m256i, _mm256_dpbusd_avx_epi32);
    return 2.0 * 32 * CHAINS * DOT_ROUNDS;
}

typedef struct __attribute__((packed, aligned(64))) TileShapes {
    uint8_t palette, start, zero[14];
    uint16_t row_bytes[16];
    uint8_t rows[16];
} TileShapes;

/* Four sums of tiles, each an operand of two products. The system has to permit the registers. */
#define TILE_PRODUCTS(NAME, TARGET, BIT, BF16, DOT)                                             \
    __attribute__((target("amx-tile," TARGET))) static double NAME(uint64_t *seed, float *sink) \
    {                                                                                           \
        if (!cpuid7(0, 3, 24) || !cpuid7(0, 3, BIT) ||                                          \
            syscall(SYS_arch_prctl, TILES_PERMITTED, TILE_DATA) != 0)                           \
            return 0;                                                                           \
        TileShapes shapes = {.palette = 1};                                                     \
        uint8_t operands[4][TILE_BYTES];                                                        \
        for (int i = 0; i < 8; i++) shapes.row_bytes[i] = 64, shapes.rows[i] = 16;              \
        random_operand(seed, BF16, operands, sizeof operands);                                  \
        _tile_loadconfig(&shapes);                                                              \
        _tile_zero(0);                                                                          \
        _tile_zero(1);                                                                          \
        _tile_zero(2);                                                                          \
        _tile_zero(3);                                                                          \
        _tile_loadd(4, operands[0], 64);                                                        \
        _tile_loadd(5, operands[1], 64);                                                        \
        _tile_loadd(6, operands[2], 64);                                                        \
        _tile_loadd(7, operands[3], 64);                                                        \
        for (int r = 0; r < DOT_ROUNDS / 8; r++) {                                              \
            DOT(0, 4, 6);                                                                       \
            DOT(1, 4, 7);                                                                       \
            DOT(2, 5, 6);                                                                       \
            DOT(3, 5, 7);                                                                       \
        }                                                                                       \
        _tile_stored(0, operands[0], 64);                                                       \
        _tile_release();                                                                        \
        *sink += operands[0][0];                                                                \
        return 2.0 * TILE_BYTES * 16 / (BF16 ? 2 : 1) * 4 * (DOT_ROUNDS / 8);                   \
    }
TILE_PRODUCTS(bf16_amx, "amx-bf16", 22, 1, _tile_dpbf16ps)
TILE_PRODUCTS(int8_amx, "amx-int8", 25, 0, _tile_dpbusd)
#endif

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
            memory ? read_set(memory, worker->bytes, &sink) : worker->work(&worker->seed, &sink);
        took = now() - start;
    } while (took < SECONDS && done > 0);
    worker->rate = done / took;
    keep = sink;
    (void)keep;
    free(memory);
    return NULL;
}

/* Sum over the threads, a second: of `work`, or of reading a working set. */
static double measure(int threads, Work *work, size_t bytes)
{
    static Worker workers[MAX_THREADS];
    pthread_barrier_t gate;
    double rate = 0;
    pthread_barrier_init(&gate, NULL, (unsigned)threads);
    for (int i = 0; i < threads; i++) {
        workers[i] = (Worker){
            .gate = &gate, .bytes = bytes, .work = work, .seed = 0x9e3779b97f4a7c15u * (i + 1u)};
        if (pthread_create(&workers[i].thread, NULL, worker_main, &workers[i]) != 0) exit(1);
    }
    for (int i = 0; i < threads; i++) {
        pthread_join(workers[i].thread, NULL);
        rate += workers[i].rate;
    }
    pthread_barrier_destroy(&gate);
    return rate;
}

/* A member: the rates by instruction, of those that there are. */
static void print_rates(int threads, const char *name, const char *const *instructions,
                        Work *const *works, size_t count)
{
    const char *comma = "";
    printf("\"%s\": {", name);
    for (size_t i = 0; i < count; i++) {
        double rate = measure(threads, works[i], 0);
        if (rate <= 0) continue;
        printf("%s\"%s\": %.1f", comma, instructions[i], rate / 1e9);
        comma = ", ";
    }
    printf("}, ");
}

int main(int argc, char **argv)
{
    int threads = argc > 1 ? atoi(argv[1]) : (int)sysconf(_SC_NPROCESSORS_ONLN);
    if (threads < 1 || threads > MAX_THREADS) {
        fprintf(stderr, "usage: peak [THREADS], 1 to %d\n", MAX_THREADS);
        return 2;
    }
    printf("{\"threads\": %d, \"vector_bytes\": %zu, \"fp32_gflops\": %.1f, ", threads,
           sizeof(Vector), measure(threads, multiply_add, 0) / 1e9);
#if defined(__x86_64__)
    static const char *const bf16_names[] = {"AVX512-BF16", "AMX"};
    static const char *const int8_names[] = {"AVX-VNNI", "AVX512-VNNI", "AMX"};
    static Work *const bf16_works[] = {bf16_avx512, bf16_amx};
    static Work *const int8_works[] = {int8_avx, int8_avx512, int8_amx};
    print_rates(threads, "bf16_gflops", bf16_names, bf16_works, 2);
    print_rates(threads, "int8_gops", int8_names, int8_works, 3);
#else
    printf("\"bf16_gflops\": {}, \"int8_gops\": {}, ");
#endif
    printf("\"read\": [");
    for (size_t bytes = SMALLEST_SET; bytes <= LARGEST_SET; bytes *= 4)
        printf("%s{\"kb_per_core\": %zu, \"gbs\": %.1f}", bytes > SMALLEST_SET ? ", " : "",
               bytes >> 10, measure(threads, NULL, bytes) / 1e9);
    printf("]}\n");
    return 0;
}
