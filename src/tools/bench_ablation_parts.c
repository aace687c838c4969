/* The tables "start" and "flash" of sutra bench ablation. */
#include "base/clock.h"
#include "base/status.h"
#include "bench_ablation.h"
#include "bench_report.h"

#include <math.h>
#include <string.h>

/* ---- start ---- */

typedef struct Opened {
    double open_ms, vector_ms, next_ms;
} Opened;

static SutraStatus first_vectors(SuBenchAblation *bench, const SutraModel *model, double *first,
                                 double *next, SutraError *err)
{
    SutraEngine *engine = NULL;
    SutraEngineOptions options = {.struct_size = sizeof options, .num_threads = bench->threads};
    SutraInput input = {.token_ids = bench->ids, .num_token_ids = bench->cu_seqlens[1]};
    size_t bytes = bench->model->spec.hidden_size * sizeof *bench->out;
    uint64_t start = su_clock_ns();
    SutraStatus status = sutra_engine_create(&options, &engine, err);
    if (status == SUTRA_OK)
        status = sutra_embed_into(engine, model, &input, 1, NULL, bench->out, bytes, NULL, err);
    *first = (double)(su_clock_ns() - start) * 1e-6;
    start = su_clock_ns();
    if (status == SUTRA_OK)
        status = sutra_embed_into(engine, model, &input, 1, NULL, bench->out, bytes, NULL, err);
    *next = (double)(su_clock_ns() - start) * 1e-6;
    sutra_engine_free(engine);
    return status;
}

static SutraStatus open_once(SuBenchAblation *bench, const char *cache_dir, Opened *opened,
                             SutraError *err)
{
    SutraModel *model = NULL;
    SutraModelOptions options = {.struct_size = sizeof options, .cache_dir = cache_dir};
    uint64_t start = su_clock_ns();
    SU_TRY(sutra_model_open(bench->options->model, &options, &model, err));
    opened->open_ms = (double)(su_clock_ns() - start) * 1e-6;
    SutraStatus status = first_vectors(bench, model, &opened->vector_ms, &opened->next_ms, err);
    sutra_model_free(model);
    return status;
}

static void report_opened(SutraBenchReport *report, const char *what, const Opened *opened)
{
    su_bench_text(report, "%s", what);
    su_bench_number(report, opened->open_ms);
    su_bench_number(report, opened->vector_ms);
    su_bench_number(report, opened->open_ms + opened->vector_ms);
    su_bench_number(report, opened->next_ms);
}

/* The quickest of a few. */
static SutraStatus open_best(SuBenchAblation *bench, const char *cache_dir, Opened *best,
                             SutraError *err)
{
    enum { REPEATS = 5 };
    for (int i = 0; i < REPEATS; i++) {
        Opened opened;
        SU_TRY(open_once(bench, cache_dir, &opened, err));
        if (i == 0 || opened.open_ms + opened.vector_ms < best->open_ms + best->vector_ms)
            *best = opened;
    }
    return SUTRA_OK;
}

SutraStatus su_bench_ablation_start(SuBenchAblation *bench, SutraError *err)
{
    Opened opened;
    const char *cache_dir = bench->options->cache_dir;
    su_bench_progress(bench->options, "ablation: start");
    su_bench_table(bench->report, "start", "from|open ms|first vector ms|both ms|next vector ms");
    SU_TRY(open_best(bench, NULL, &opened, err));
    report_opened(bench->report, "folder", &opened);
    if (!cache_dir || !*cache_dir) return SUTRA_OK;
    SU_TRY(open_once(bench, cache_dir, &opened, err));
    report_opened(bench->report, "folder, making the bundle", &opened);
    SU_TRY(open_best(bench, cache_dir, &opened, err));
    report_opened(bench->report, "bundle", &opened);
    return SUTRA_OK;
}

/* ---- flash ---- */

/* One head of `tokens` tokens. */
typedef struct Head {
    size_t tokens, head_size;
    float *qkv;          /* q, k, v: each [tokens, head_size] */
    float *flash, *kept; /* outputs */
    SuBenchScratch scratch;
} Head;

static void carve_head(Head *head, const SuKernels *kernels, SuArena *arena)
{
    size_t n = head->tokens, d = head->head_size, row = n * d * sizeof(float);
    size_t packed = su_bench_materialised_floats(kernels, n, d) * sizeof(float);
    size_t zeros = su_round_up(n > d ? n : d, kernels->gemm_f32.nr) * sizeof(float);
    head->qkv = su_arena_carve(arena, 3 * row);
    head->flash = su_arena_carve(arena, row);
    head->kept = su_arena_carve(arena, row);
    head->scratch.scores = su_arena_carve(arena, n * n * sizeof(float));
    head->scratch.k_packed = su_arena_carve(arena, packed);
    head->scratch.v_packed = su_arena_carve(arena, packed);
    head->scratch.column = su_arena_carve(arena, n * sizeof(float));
    head->scratch.zeros = su_arena_carve(arena, zeros);
    if (!head->scratch.zeros) return;
    memset(head->scratch.zeros, 0, zeros);
    for (size_t i = 0; i < 3 * n * d; i++)
        head->qkv[i] = (float)((i * 2654435761u >> 8) % 2000) * 0.001f - 1.0f;
}

static void run_head(const Head *head, const SuKernels *kernels, bool flash)
{
    size_t n = head->tokens, d = head->head_size;
    const float *k = head->qkv + n * d;
    SuAttentionF32Args args = {.q = head->qkv,
                               .k = k,
                               .v = k + n * d,
                               .out = flash ? head->flash : head->kept,
                               .q_stride = d,
                               .k_stride = d,
                               .v_stride = d,
                               .out_stride = d,
                               .num_queries = n,
                               .num_keys = n,
                               .head_size = d};
    if (!flash) {
        su_bench_attend_materialised(kernels, &args, k, d, head->scratch.scores, &head->scratch);
        return;
    }
    kernels->attention_f32.run(&args);
}

/* Milliseconds; the best of a few. */
static double time_head(const Head *head, const SuKernels *kernels, bool flash)
{
    enum { REPEATS = 3 };
    double best = INFINITY;
    for (int i = 0; i < REPEATS; i++) {
        uint64_t start = su_clock_ns();
        run_head(head, kernels, flash);
        double took = (double)(su_clock_ns() - start) * 1e-6;
        if (took < best) best = took;
    }
    return best;
}

static double largest_difference(const Head *head)
{
    double most = 0;
    for (size_t i = 0; i < head->tokens * head->head_size; i++) {
        double difference = fabs((double)head->flash[i] - (double)head->kept[i]);
        if (!(difference <= most)) most = difference;
    }
    return most;
}

static SutraStatus measure_head(SuBenchAblation *bench, const SuKernels *kernels, size_t tokens,
                                SutraError *err)
{
    static const double tolerance = 1e-4;
    Head head = {.tokens = tokens, .head_size = bench->model->spec.head_size};
    SuArena arena = {0};
    carve_head(&head, kernels, &arena);
    unsigned char *memory = su_alloc_aligned(arena.used);
    if (!memory) SU_RAISE(err, SUTRA_E_MEMORY, "out of memory for %zu tokens", tokens);
    arena = (SuArena){.base = memory, .size = arena.used};
    carve_head(&head, kernels, &arena);
    double flash = time_head(&head, kernels, true), kept = time_head(&head, kernels, false);
    double difference = largest_difference(&head);
    su_free_aligned(memory);
    if (!(difference < tolerance))
        SU_RAISE(err, SUTRA_E_NUMERIC, "bench ablation: attention of %zu tokens differs by %g",
                 tokens, difference);
    SutraSpec one = {.num_heads = 1, .head_size = (uint32_t)head.head_size};
    SuBenchVariant plain = {.materialised = true}, fused = {.isa = kernels->isa};
    su_bench_number(bench->report, (double)tokens);
    su_bench_number(bench->report, flash);
    su_bench_number(bench->report, kept);
    su_bench_number(bench->report, kept / flash);
    su_bench_number(bench->report, (double)su_bench_attention_bytes(&fused, &one, tokens) * 1e-6);
    su_bench_number(bench->report, (double)su_bench_attention_bytes(&plain, &one, tokens) * 1e-6);
    su_bench_number(bench->report, difference);
    return SUTRA_OK;
}

SutraStatus su_bench_ablation_flash(SuBenchAblation *bench, SutraError *err)
{
    static const size_t lengths[] = {512, 1024, 2048, 4096, 8192}, quick[] = {33, 128};
    const size_t *list = bench->options->quick ? quick : lengths;
    size_t n = bench->options->quick ? 2 : sizeof lengths / sizeof *lengths;
    SuKernels kernels;
    su_kernels_init(&kernels, bench->isa);
    su_bench_table(bench->report, "flash",
                   "tokens|flash ms|all scores ms|times|flash MB|all scores MB|difference");
    for (size_t i = 0; i < n; i++) {
        su_bench_progress(bench->options, "ablation: attention over %zu tokens", list[i]);
        SU_TRY(measure_head(bench, &kernels, list[i], err));
    }
    return SUTRA_OK;
}
