#include "bench_shims.h"

#include "base/clock.h"
#include "base/memory.h"
#include "bench_costs.h"

#include <stdatomic.h>
#include <string.h>

typedef struct Slot {
    _Alignas(2 * SU_CACHE_LINE) SuBenchStageTime times[SU_BENCH_STAGES];
} Slot;

static SuKernels inner; /* what the shims stand for */
static const SuEncoder *shimmed;
static Slot slots[SU_BENCH_MAX_THREADS];
static _Atomic uint32_t num_slots;
static uint32_t
    generation; /* counts resets: a slot of an older one is not this thread's any more */
static _Thread_local uint32_t own_generation;
static _Thread_local uint32_t own_slot;

const char *su_bench_stage_name(SuBenchStage stage)
{
    static const char *const names[] = {"embed + norm",    "qkv",
                                        "attention",       "attention out + residual",
                                        "attention norm",  "up + activation",
                                        "down + residual", "feed-forward norm",
                                        "rows converted",  "pooling + output"};
    return names[stage];
}

uint64_t su_bench_ticks(void)
{
#if defined(__x86_64__)
    return __builtin_ia32_rdtsc();
#else
    return su_clock_ns();
#endif
}

static Slot *slot_of_thread(void)
{
    if (own_generation != generation) {
        uint32_t slot = atomic_fetch_add(&num_slots, 1);
        own_slot = slot < SU_BENCH_MAX_THREADS ? slot : SU_BENCH_MAX_THREADS - 1;
        own_generation = generation;
    }
    return &slots[own_slot];
}

static void add(Slot *slot, SuBenchStage stage, uint64_t start, double flops)
{
    SuBenchStageTime *time = &slot->times[stage];
    time->ticks += su_bench_ticks() - start;
    time->calls++;
    time->flops += flops;
}

/* By the weights, and not by what the thread did last: ranks claim parts of a stage, or none. */
static SuBenchStage stage_of_gemm(const void *packed)
{
    const SuLayer *layer = shimmed->layers;
    for (uint32_t i = 0; i < shimmed->spec.num_layers; i++, layer++) {
        if (packed == layer->qkv.packed) return SU_BENCH_QKV;
        if (packed == layer->attention_out.packed) return SU_BENCH_ATTENTION_OUT;
        if (packed == layer->up.packed) return SU_BENCH_UP;
        if (packed == layer->down.packed) return SU_BENCH_DOWN;
    }
    return SU_BENCH_OUTPUT;
}

static SuBenchStage stage_of_norm(const SuNormF32 *norm)
{
    const SuLayer *layer = shimmed->layers;
    for (uint32_t i = 0; i < shimmed->spec.num_layers; i++, layer++) {
        if (norm == &layer->attention_norm) return SU_BENCH_ATTENTION_NORM;
        if (norm == &layer->ffn_norm) return SU_BENCH_FFN_NORM;
    }
    return SU_BENCH_OUTPUT;
}

static void time_gemm(const SuGemm *gemm, const SuGemmArgs *args)
{
    Slot *slot = slot_of_thread();
    size_t first = args->panel_begin * gemm->nr, end = args->panel_end * gemm->nr;
    if (end > args->n) end = args->n;
    uint64_t start = su_bench_ticks();
    gemm->run(args);
    double flops = 2.0 * (double)args->m * (double)args->k;
    add(slot, stage_of_gemm(args->b), start, end > first ? flops * (double)(end - first) : 0);
}

static void time_gemm_f32(const SuGemmArgs *args) { time_gemm(&inner.gemm_f32, args); }
static void time_gemm_f16(const SuGemmArgs *args) { time_gemm(&inner.gemm_f16, args); }
static void time_gemm_bf16(const SuGemmArgs *args) { time_gemm(&inner.gemm_bf16, args); }
static void time_gemm_int8(const SuGemmArgs *args) { time_gemm(&inner.gemm_int8, args); }

static void time_narrow_bf16(const float *x, size_t n, uint16_t *y)
{
    uint64_t start = su_bench_ticks();
    inner.narrow_bf16(x, n, y);
    add(slot_of_thread(), SU_BENCH_CONVERT, start, 0);
}

static SuRowScale time_quantize_u8(const float *x, const float *factor, const SuRowScale *fixed,
                                   size_t n, uint8_t *y)
{
    uint64_t start = su_bench_ticks();
    SuRowScale row = inner.quantize_u8(x, factor, fixed, n, y);
    add(slot_of_thread(), SU_BENCH_CONVERT, start, 0);
    return row;
}

static void time_attention(const SuAttentionF32Args *args)
{
    Slot *slot = slot_of_thread();
    uint64_t start = su_bench_ticks();
    inner.attention_f32.run(args);
    add(slot, SU_BENCH_ATTENTION, start,
        su_bench_cost_attention(args->num_queries, args->num_keys, args->head_size).flops);
}

static void time_attention_bf16(const SuAttentionBf16Args *args)
{
    Slot *slot = slot_of_thread();
    uint64_t start = su_bench_ticks();
    inner.attention_bf16.run(args);
    add(slot, SU_BENCH_ATTENTION, start,
        su_bench_cost_attention(args->num_queries, args->num_keys, args->head_size).flops);
}

/* 6 operations a pair. */
static void time_rotate_f32(float *x, size_t stride, const float *turns, size_t rows, size_t size)
{
    uint64_t start = su_bench_ticks();
    inner.rotate_f32(x, stride, turns, rows, size);
    add(slot_of_thread(), SU_BENCH_ATTENTION, start, 3.0 * (double)(rows * size));
}

static void time_rotate_bf16(uint16_t *x, size_t stride, const float *turns, size_t rows,
                             size_t size)
{
    uint64_t start = su_bench_ticks();
    inner.rotate_bf16(x, stride, turns, rows, size);
    add(slot_of_thread(), SU_BENCH_ATTENTION, start, 3.0 * (double)(rows * size));
}

static void time_layer_norm(const SuNormF32 *norm, const float *x, float *y)
{
    Slot *slot = slot_of_thread();
    uint64_t start = su_bench_ticks();
    inner.layer_norm_f32(norm, x, y);
    add(slot, stage_of_norm(norm), start, su_bench_cost_layer_norm(1, norm->n).flops);
}

static void time_embed_norm(const SuNormF32 *norm, const float *token, const float *type,
                            const float *position, float *y)
{
    Slot *slot = slot_of_thread();
    uint64_t start = su_bench_ticks();
    inner.embed_norm_f32(norm, token, type, position, y);
    add(slot, SU_BENCH_EMBED, start,
        su_bench_cost_embed_norm(1, norm->n, type != NULL, position != NULL).flops);
}

static void time_widen_f16(const uint16_t *x, size_t n, float *y)
{
    uint64_t start = su_bench_ticks();
    inner.widen_f16(x, n, y);
    add(slot_of_thread(), SU_BENCH_EMBED, start, 0);
}

static void time_widen_bf16(const uint16_t *x, size_t n, float *y)
{
    uint64_t start = su_bench_ticks();
    inner.widen_bf16(x, n, y);
    add(slot_of_thread(), SU_BENCH_EMBED, start, 0);
}

static void time_widen_s8(const int8_t *x, float scale, size_t n, float *y)
{
    uint64_t start = su_bench_ticks();
    inner.widen_s8(x, scale, n, y);
    add(slot_of_thread(), SU_BENCH_EMBED, start, 0);
}

static void time_pool(SutraPooling pooling, const float *x, size_t stride, size_t first,
                      size_t num_tokens, size_t n, float *out)
{
    uint64_t start = su_bench_ticks();
    inner.pool_f32(pooling, x, stride, first, num_tokens, n, out);
    add(slot_of_thread(), SU_BENCH_OUTPUT, start,
        su_bench_cost_pool_mean(num_tokens - first, n).flops);
}

static float time_sum_of_squares(const float *x, size_t n)
{
    uint64_t start = su_bench_ticks();
    float sum = inner.sum_of_squares_f32(x, n);
    add(slot_of_thread(), SU_BENCH_OUTPUT, start, su_bench_cost_sum_of_squares(n).flops);
    return sum;
}

static void time_scale(const float *x, float scale, size_t n, float *y)
{
    uint64_t start = su_bench_ticks();
    inner.scale_f32(x, scale, n, y);
    add(slot_of_thread(), SU_BENCH_OUTPUT, start, su_bench_cost_scale(n).flops);
}

/* What every kernel of output rows adds. */
static bool add_output(uint64_t start, size_t n, bool finite)
{
    add(slot_of_thread(), SU_BENCH_OUTPUT, start, su_bench_cost_scale(n).flops);
    return finite;
}

static bool time_output_f32(const float *x, float scale, size_t n, float *y)
{
    uint64_t start = su_bench_ticks();
    return add_output(start, n, inner.output_f32(x, scale, n, y));
}

static bool time_output_f16(const float *x, float scale, size_t n, uint16_t *y)
{
    uint64_t start = su_bench_ticks();
    return add_output(start, n, inner.output_f16(x, scale, n, y));
}

static bool time_output_u8(const float *x, float scale, size_t n, uint8_t flip, uint8_t *y)
{
    uint64_t start = su_bench_ticks();
    return add_output(start, n, inner.output_u8(x, scale, n, flip, y));
}

static bool time_output_ranged_u8(const float *x, float scale, const float *least,
                                  const float *step, size_t n, uint8_t flip, uint8_t *y)
{
    uint64_t start = su_bench_ticks();
    return add_output(start, n, inner.output_ranged_u8(x, scale, least, step, n, flip, y));
}

static bool time_output_bits(const float *x, float scale, size_t n, uint8_t flip, uint8_t *y)
{
    uint64_t start = su_bench_ticks();
    return add_output(start, n, inner.output_bits(x, scale, n, flip, y));
}

void su_bench_shims_install(SuEncoder *encoder)
{
    SuKernels *kernels = &encoder->kernels;
    inner = *kernels;
    shimmed = encoder;
    kernels->gemm_f32.run = time_gemm_f32;
    kernels->gemm_f16.run = time_gemm_f16;
    kernels->gemm_bf16.run = time_gemm_bf16;
    kernels->gemm_int8.run = time_gemm_int8;
    kernels->narrow_bf16 = time_narrow_bf16;
    kernels->quantize_u8 = time_quantize_u8;
    kernels->attention_f32.run = time_attention;
    if (inner.attention_bf16.run) kernels->attention_bf16.run = time_attention_bf16;
    kernels->rotate_f32 = time_rotate_f32;
    kernels->rotate_bf16 = time_rotate_bf16;
    kernels->layer_norm_f32 = time_layer_norm;
    kernels->embed_norm_f32 = time_embed_norm;
    kernels->widen_f16 = time_widen_f16;
    kernels->widen_bf16 = time_widen_bf16;
    kernels->widen_s8 = time_widen_s8;
    kernels->pool_f32 = time_pool;
    kernels->sum_of_squares_f32 = time_sum_of_squares;
    kernels->scale_f32 = time_scale;
    kernels->output_f32 = time_output_f32;
    kernels->output_f16 = time_output_f16;
    kernels->output_u8 = time_output_u8;
    kernels->output_ranged_u8 = time_output_ranged_u8;
    kernels->output_bits = time_output_bits;
    su_bench_shims_reset();
}

void su_bench_shims_remove(SuEncoder *encoder) { encoder->kernels = inner; }

void su_bench_shims_reset(void)
{
    memset(slots, 0, sizeof slots);
    atomic_store(&num_slots, 0);
    generation++;
}

void su_bench_shims_read(SuBenchStageTime times[SU_BENCH_STAGES])
{
    memset(times, 0, SU_BENCH_STAGES * sizeof *times);
    for (size_t i = 0; i < SU_BENCH_MAX_THREADS; i++)
        for (int stage = 0; stage < SU_BENCH_STAGES; stage++) {
            times[stage].ticks += slots[i].times[stage].ticks;
            times[stage].calls += slots[i].times[stage].calls;
            times[stage].flops += slots[i].times[stage].flops;
        }
}
