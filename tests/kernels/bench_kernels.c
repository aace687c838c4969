/* checkkernels --bench: each kernel of each level on the shapes of all-MiniLM-L6-v2 (hidden 384,
 * ffn 1536, 12 heads of 32), one thread, processor time, the best of several runs, beside a ceiling measured in
 * between: the fma loop of fma_peak.h for what multiplies, memcpy of as many bytes for what moves.
 */
#include "base/memory.h"
#include "checkkernels.h"
#include "fma_peak.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { TOKENS = 1024, HIDDEN = 384, FFN = 1536, HEAD = 32, RUNS = 7 };

typedef struct Bench {
    const SuKernels *kernels;
    size_t m, n, k;
    SutraActivation activation;
    bool with_residual;
    float *a, *b, *bias, *residual, *c;
} Bench;

/* Time this thread has run: other programs on the machine do not count. */
static double seconds_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

/* Seconds of one call: the best of RUNS runs of about 20 ms each. */
static double seconds_of(void (*body)(Bench *), Bench *bench)
{
    size_t calls = 1;
    double best = 1e30;
    for (int run = 0; run < RUNS; run++) {
        double start = seconds_now();
        for (size_t i = 0; i < calls; i++) body(bench);
        double total = seconds_now() - start;
        if (total < 0.02 && calls < (size_t)1 << 30) {
            calls = total < 0.002 ? calls * 8 : (size_t)((double)calls * 0.022 / total) + 1;
            run = -1;
            continue;
        }
        if (total / (double)calls < best) best = total / (double)calls;
    }
    return best;
}

static double peak_flops(SuIsa isa)
{
    double best = 0;
    for (int run = 0; run < RUNS; run++) {
        double start = seconds_now();
        double flops;
#if defined(__x86_64__)
        flops = isa == SU_ISA_AVX512 ? fma_peak_avx512(400000)
                : isa == SU_ISA_AVX2 ? fma_peak_avx2(800000)
                                     : fma_peak_scalar(400000);
#else
        flops = fma_peak_scalar(400000);
#endif
        double rate = flops / (seconds_now() - start);
        if (rate > best) best = rate;
    }
    return best;
}

static void line(const Bench *bench, const char *what, double amount, double seconds,
                 double ceiling, const char *unit)
{
    printf("%-8s %-48s %9.2f %-7s ceiling %8.1f  %5.1f %%  %10.2f us\n",
           su_isa_name(bench->kernels->isa), what, amount / seconds * 1e-9, unit, ceiling * 1e-9,
           100 * amount / seconds / ceiling, seconds * 1e6);
    fflush(stdout);
}

static void flops_line(Bench *bench, const char *what, double flops, void (*body)(Bench *))
{
    double before = peak_flops(bench->kernels->isa), seconds = seconds_of(body, bench);
    double after = peak_flops(bench->kernels->isa);
    line(bench, what, flops, seconds, before > after ? before : after, "GFLOP/s");
}

static void copy_body(Bench *bench) { memcpy(bench->c, bench->a, bench->m * sizeof(float)); }

/* `bytes` read and written by one call; memcpy of half as many is the ceiling. */
static void bytes_line(Bench *bench, const char *what, size_t bytes, void (*body)(Bench *))
{
    Bench copy = *bench;
    copy.m = bytes / 2 / sizeof(float);
    double ceiling = (double)bytes / seconds_of(copy_body, &copy);
    line(bench, what, (double)bytes, seconds_of(body, bench), ceiling, "GB/s");
}

static void gemm_body(Bench *bench)
{
    const SuGemmF32 *gemm = &bench->kernels->gemm_f32;
    gemm->run(&(SuGemmF32Args){.a = bench->a,
                               .lda = bench->k,
                               .b = bench->b,
                               .bias = bench->bias,
                               .residual = bench->with_residual ? bench->residual : NULL,
                               .ldr = bench->n,
                               .c = bench->c,
                               .ldc = bench->n,
                               .m = bench->m,
                               .n = bench->n,
                               .k = bench->k,
                               .panel_end = (bench->n + gemm->nr - 1) / gemm->nr,
                               .activation = bench->activation});
}

static void bench_gemm(Bench *bench)
{
    static const struct {
        const char *what;
        size_t n, k;
        SutraActivation activation;
        bool residual;
    } shapes[] = {{"qkv", 3 * HIDDEN, HIDDEN, SUTRA_ACT_NONE, false},
                  {"attention out + residual", HIDDEN, HIDDEN, SUTRA_ACT_NONE, true},
                  {"ffn up + gelu", FFN, HIDDEN, SUTRA_ACT_GELU_ERF, false},
                  {"ffn down + residual", HIDDEN, FFN, SUTRA_ACT_NONE, true}};
    static const size_t rows[] = {TOKENS, 128, 13, 1};
    bool scalar = bench->kernels->isa == SU_ISA_SCALAR;
    for (size_t r = 0; r < sizeof rows / sizeof rows[0]; r++) {
        for (size_t s = 0; s < sizeof shapes / sizeof shapes[0]; s++) {
            if (scalar && (r == 0 || s > 0)) continue; /* seconds a call */
            bench->m = rows[r];
            bench->n = shapes[s].n;
            bench->k = shapes[s].k;
            bench->activation = shapes[s].activation;
            bench->with_residual = shapes[s].residual;
            char what[96];
            snprintf(what, sizeof what, "gemm %zu x %zu x %zu %s", bench->m, bench->n, bench->k,
                     shapes[s].what);
            flops_line(bench, what, 2.0 * (double)bench->m * (double)bench->n * (double)bench->k,
                       gemm_body);
        }
    }
}

/* q, k and v each a matrix of their own, as the encoder keeps them. */
static void attention_body(Bench *bench)
{
    size_t size = bench->n * bench->k;
    bench->kernels->attention_f32.run(&(SuAttentionF32Args){.q = bench->a,
                                                            .k = bench->a + size,
                                                            .v = bench->a + 2 * size,
                                                            .out = bench->c,
                                                            .q_stride = bench->k,
                                                            .k_stride = bench->k,
                                                            .v_stride = bench->k,
                                                            .out_stride = HIDDEN,
                                                            .num_queries = bench->m,
                                                            .num_keys = bench->n,
                                                            .head_size = bench->k});
}

static void bench_attention(Bench *bench)
{
    static const struct {
        size_t tokens, head;
    } shapes[] = {{512, 32}, {128, 32}, {84, 32}, {20, 32}, {16, 32}, {11, 32}, {128, 64}};
    for (size_t s = 0; s < sizeof shapes / sizeof shapes[0]; s++) {
        bench->m = bench->n = shapes[s].tokens;
        bench->k = shapes[s].head;
        char what[96];
        snprintf(what, sizeof what, "attention %zu tokens, head %zu", bench->m, bench->k);
        flops_line(bench, what, 4.0 * (double)bench->m * (double)bench->n * (double)bench->k,
                   attention_body);
    }
}

static void layer_norm_body(Bench *bench)
{
    SuNormF32 norm = {.gamma = bench->b, .beta = bench->bias, .eps = 1e-12f, .n = HIDDEN};
    for (size_t i = 0; i < bench->m; i++)
        bench->kernels->layer_norm_f32(&norm, bench->a + i * HIDDEN, bench->c + i * HIDDEN);
}

static void embed_norm_body(Bench *bench)
{
    SuNormF32 norm = {.gamma = bench->b, .beta = bench->bias, .eps = 1e-12f, .n = HIDDEN};
    for (size_t i = 0; i < bench->m; i++)
        bench->kernels->embed_norm_f32(&norm, bench->a + i * HIDDEN, bench->b + 2 * HIDDEN,
                                       bench->b + (i + 3) * HIDDEN, bench->c + i * HIDDEN);
}

static void activate_body(Bench *bench)
{
    memcpy(bench->c, bench->a, FFN * sizeof(float));
    bench->kernels->activate_f32(bench->activation, bench->c, FFN);
}

static void pool_body(Bench *bench)
{
    bench->kernels->pool_f32(SUTRA_POOL_MEAN, bench->a, HIDDEN, 0, bench->m, HIDDEN, bench->c);
}

static void squares_body(Bench *bench)
{
    bench->c[0] = bench->kernels->sum_of_squares_f32(bench->a, HIDDEN);
}

static void dot_body(Bench *bench)
{
    bench->c[0] = bench->kernels->dot_f32(bench->a, bench->b, HIDDEN);
}

static void scale_body(Bench *bench)
{
    bench->kernels->scale_f32(bench->a, 0.5f, HIDDEN, bench->c);
}

static void widen_f16_body(Bench *bench)
{
    bench->kernels->widen_f16((const uint16_t *)(const void *)bench->a, HIDDEN * 64, bench->c);
}

static void widen_bf16_body(Bench *bench)
{
    bench->kernels->widen_bf16((const uint16_t *)(const void *)bench->a, HIDDEN * 64, bench->c);
}

static void bench_rows(Bench *bench, const char *name)
{
    const size_t row = HIDDEN * sizeof(float);
    bench->m = 128;
    if (!name || strcmp(name, "layer_norm_f32") == 0)
        bytes_line(bench, "layer_norm 128 x 384", 2 * 128 * row, layer_norm_body);
    if (!name || strcmp(name, "embed_norm_f32") == 0)
        bytes_line(bench, "embed_norm 128 x 384", 3 * 128 * row, embed_norm_body);
    static const char *const names[] = {"none", "gelu_erf", "gelu_tanh", "relu", "silu", "tanh"};
    for (int a = SUTRA_ACT_GELU_ERF; a <= SUTRA_ACT_TANH; a++) {
        if (name && strcmp(name, "activate_f32") != 0) break;
        char what[64];
        snprintf(what, sizeof what, "activate %s 1536", names[a]);
        bench->activation = (SutraActivation)a;
        bytes_line(bench, what, 2 * FFN * sizeof(float), activate_body);
    }
    if (!name || strcmp(name, "pool_f32") == 0)
        bytes_line(bench, "pool mean 128 x 384", 128 * row, pool_body);
    if (!name || strcmp(name, "sum_of_squares_f32") == 0)
        bytes_line(bench, "sum_of_squares 384", row, squares_body);
    if (!name || strcmp(name, "dot_f32") == 0) bytes_line(bench, "dot 384", 2 * row, dot_body);
    if (!name || strcmp(name, "scale_f32") == 0)
        bytes_line(bench, "scale 384", 2 * row, scale_body);
    if (!name || strcmp(name, "widen_f16") == 0)
        bytes_line(bench, "widen_f16 24576", 64 * row * 3 / 2, widen_f16_body);
    if (!name || strcmp(name, "widen_bf16") == 0)
        bytes_line(bench, "widen_bf16 24576", 64 * row * 3 / 2, widen_bf16_body);
}

static float *floats(size_t count)
{
    float *x = su_alloc_aligned(count * sizeof *x);
    if (!x) {
        fprintf(stderr, "checkkernels: out of memory\n");
        exit(2);
    }
    for (size_t i = 0; i < count; i++) x[i] = (float)(i * 2654435761u % 1000) * 0.001f - 0.5f;
    return x;
}

void ck_bench(const char *name)
{
    Bench bench = {.a = floats(TOKENS * FFN),
                   .b = floats(FFN * 3 * HIDDEN),
                   .bias = floats(FFN),
                   .residual = floats(TOKENS * FFN),
                   .c = floats(TOKENS * FFN)};
    for (int isa = 0; isa <= (int)su_isa_detect(); isa++) {
        SuKernels kernels;
        su_kernels_init(&kernels, (SuIsa)isa);
        bench.kernels = &kernels;
        if (!name || strcmp(name, "gemm_f32") == 0) bench_gemm(&bench);
        if (!name || strcmp(name, "attention_f32") == 0) bench_attention(&bench);
        bench_rows(&bench, name);
    }
    su_free_aligned(bench.a);
    su_free_aligned(bench.b);
    su_free_aligned(bench.bias);
    su_free_aligned(bench.residual);
    su_free_aligned(bench.c);
}
