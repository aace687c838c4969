#include "bench_cases.h"

#include "base/memory.h"

#include <string.h>

static void call_gemm(const SuBenchCase *at, const SuGemm *gemm, const SuBenchOperands *x)
{
    const SuKernels *kernels = &at->of->kernels;
    gemm->run(&(SuGemmArgs){.a = x->a,
                            .lda = at->k,
                            .b = x->b,
                            .bias = x->bias,
                            .residual = at->residual ? x->residual : NULL,
                            .ldr = at->n,
                            .c = x->c,
                            .ldc = at->gated ? at->n / 2 : at->n,
                            .m = at->rows,
                            .n = at->n,
                            .k = at->k,
                            .panel_end = (at->n + gemm->nr - 1) / gemm->nr,
                            .block_bytes = kernels->gemm_block_bytes,
                            .activation = at->activation,
                            .gated = at->gated});
}

static void call_gemm_f32(const SuBenchCase *at, const SuBenchOperands *x)
{
    call_gemm(at, &at->of->kernels.gemm_f32, x);
}

/* The bits of the floats as halves, some of them NaN: the time is the same. */
static void call_gemm_f16(const SuBenchCase *at, const SuBenchOperands *x)
{
    call_gemm(at, &at->of->kernels.gemm_f16, x);
}

/* q, k and v each a matrix of their own, as the encoder keeps them. */
static void call_attention(const SuBenchCase *at, const SuBenchOperands *x)
{
    const SuKernels *kernels = &at->of->kernels;
    kernels->attention_f32.run(&(SuAttentionF32Args){.q = x->a,
                                                     .k = x->b,
                                                     .v = x->a + at->rows * at->k,
                                                     .out = x->c,
                                                     .q_stride = at->k,
                                                     .k_stride = at->k,
                                                     .v_stride = at->k,
                                                     .out_stride = at->of->shape.width,
                                                     .num_queries = at->rows,
                                                     .num_keys = at->n,
                                                     .head_size = at->k});
}

static void call_layer_norm(const SuBenchCase *at, const SuBenchOperands *x)
{
    const SuKernels *kernels = &at->of->kernels;
    SuNormF32 norm = {.gamma = x->b, .beta = x->bias, .eps = 1e-12f, .n = at->n};
    for (size_t i = 0; i < at->rows; i++)
        kernels->layer_norm_f32(&norm, x->a + i * at->n, x->c + i * at->n);
}

static void call_embed_norm(const SuBenchCase *at, const SuBenchOperands *x)
{
    const SuKernels *kernels = &at->of->kernels;
    SuNormF32 norm = {.gamma = x->b, .beta = x->bias, .eps = 1e-12f, .n = at->n};
    for (size_t i = 0; i < at->rows; i++)
        kernels->embed_norm_f32(&norm, x->a + i * at->n, x->bias, x->residual + i * at->n,
                                x->c + i * at->n);
}

/* The kernel works in place: a copy first, or the values would run away to zero. */
static void call_activate(const SuBenchCase *at, const SuBenchOperands *x)
{
    memcpy(x->c, x->a, at->rows * at->n * sizeof *x->c);
    at->of->kernels.activate_f32(at->activation, x->c, at->rows * at->n);
}

static void call_pool(const SuBenchCase *at, const SuBenchOperands *x)
{
    at->of->kernels.pool_f32(SUTRA_POOL_MEAN, x->a, at->n, 0, at->rows, at->n, x->c);
}

static void call_squares(const SuBenchCase *at, const SuBenchOperands *x)
{
    x->c[0] = at->of->kernels.sum_of_squares_f32(x->a, at->n);
}

static void call_scale(const SuBenchCase *at, const SuBenchOperands *x)
{
    at->of->kernels.scale_f32(x->a, 0.5f, at->n, x->c);
}

static void call_dot(const SuBenchCase *at, const SuBenchOperands *x)
{
    x->c[0] = at->of->kernels.dot_f32(x->a, x->b, at->n);
}

static void call_widen_f16(const SuBenchCase *at, const SuBenchOperands *x)
{
    at->of->kernels.widen_f16((const uint16_t *)(const void *)x->a, at->n, x->c);
}

static void call_widen_bf16(const SuBenchCase *at, const SuBenchOperands *x)
{
    at->of->kernels.widen_bf16((const uint16_t *)(const void *)x->a, at->n, x->c);
}

static void call_output_f32(const SuBenchCase *at, const SuBenchOperands *x)
{
    at->of->kernels.output_f32(x->a, 0.5f, at->n, x->c);
}

static void call_output_f16(const SuBenchCase *at, const SuBenchOperands *x)
{
    at->of->kernels.output_f16(x->a, 0.5f, at->n, (uint16_t *)(void *)x->c);
}

static void call_output_u8(const SuBenchCase *at, const SuBenchOperands *x)
{
    at->of->kernels.output_u8(x->a, 0.5f, at->n, 0x80, (uint8_t *)x->c);
}

/* A step may be negative or 0 here: the time is the same. */
static void call_output_ranged(const SuBenchCase *at, const SuBenchOperands *x)
{
    at->of->kernels.output_ranged_u8(x->a, 0.5f, x->b, x->bias, at->n, 0x80, (uint8_t *)x->c);
}

static void call_output_bits(const SuBenchCase *at, const SuBenchOperands *x)
{
    at->of->kernels.output_bits(x->a, 0.5f, at->n, 0, (uint8_t *)x->c);
}

static void add(SuBenchCases *cases, SuBenchCase at)
{
    at.of = cases;
    if (cases->num_cases < SU_BENCH_MAX_CASES) cases->cases[cases->num_cases++] = at;
}

static void add_products(SuBenchCases *cases, size_t rows, const char *kernel, size_t weight_size,
                         SuBenchCall call)
{
    const SuBenchShape *s = &cases->shape;
    const struct {
        const char *use;
        size_t n, k;
        SutraActivation activation;
        bool residual, gated;
    } products[] = {
        {"qkv", 3 * s->width, s->hidden, SUTRA_ACT_NONE, false, false},
        {"attention out + residual", s->hidden, s->width, SUTRA_ACT_NONE, true, false},
        {s->gated ? "gate and up" : "up + activation", (s->gated ? 2 : 1) * s->ffn, s->hidden,
         s->activation, false, s->gated},
        {"down + residual", s->hidden, s->ffn, SUTRA_ACT_NONE, true, false},
    };
    for (size_t i = 0; i < sizeof products / sizeof *products; i++) {
        size_t n = products[i].n, k = products[i].k;
        bool residual = products[i].residual;
        add(cases, (SuBenchCase){.kernel = kernel,
                                 .use = products[i].use,
                                 .rows = rows,
                                 .n = n,
                                 .k = k,
                                 .activation = products[i].activation,
                                 .residual = residual,
                                 .gated = products[i].gated,
                                 .cost = su_bench_cost_gemm(rows, n, k, residual, weight_size),
                                 .call = call});
    }
}

static void add_attention(SuBenchCases *cases, size_t tokens)
{
    size_t head = cases->shape.head_size;
    add(cases, (SuBenchCase){.kernel = "attention_f32",
                             .use = "a head",
                             .rows = tokens,
                             .n = tokens,
                             .k = head,
                             .cost = su_bench_cost_attention(tokens, tokens, head),
                             .call = call_attention});
}

/* A kernel over rows of n, or over one vector of n. */
typedef struct RowKernel {
    const char *kernel, *use;
    size_t n;
    SuBenchCost cost;
    SuBenchCall call;
} RowKernel;

static void add_row_kernels(SuBenchCases *cases, size_t rows, const RowKernel *table, size_t count)
{
    for (size_t i = 0; i < count; i++)
        add(cases, (SuBenchCase){.kernel = table[i].kernel,
                                 .use = table[i].use,
                                 .rows = rows,
                                 .n = table[i].n,
                                 .activation = cases->shape.activation,
                                 .cost = table[i].cost,
                                 .call = table[i].call});
}

static void add_rows(SuBenchCases *cases, size_t rows)
{
    size_t n = cases->shape.hidden, ffn = cases->shape.ffn;
    SuBenchCost activate = su_bench_cost_activate(cases->shape.activation, rows * ffn);
    const RowKernel table[] = {
        {"embed_norm_f32", "rows", n, su_bench_cost_embed_norm(rows, n, true, true),
         call_embed_norm},
        {"layer_norm_f32", "rows", n, su_bench_cost_layer_norm(rows, n), call_layer_norm},
        {"pool_f32", "mean", n, su_bench_cost_pool_mean(rows, n), call_pool},
        {"activate_f32", "after a copy", ffn, activate, call_activate},
    };
    add_row_kernels(cases, rows, table, sizeof table / sizeof *table);
}

static void add_vectors(SuBenchCases *cases)
{
    size_t n = cases->shape.hidden;
    const RowKernel table[] = {
        {"sum_of_squares_f32", "output", n, su_bench_cost_sum_of_squares(n), call_squares},
        {"scale_f32", "similarity", n, su_bench_cost_scale(n), call_scale},
        {"output_f32", "output", n, su_bench_cost_output(n, 32, false), call_output_f32},
        {"output_f16", "output", n, su_bench_cost_output(n, 16, false), call_output_f16},
        {"output_u8", "output", n, su_bench_cost_output(n, 8, false), call_output_u8},
        {"output_ranged_u8", "output", n, su_bench_cost_output(n, 8, true), call_output_ranged},
        {"output_bits", "output", n, su_bench_cost_output(n, 1, false), call_output_bits},
        {"dot_f32", "similarity", n, su_bench_cost_dot(n), call_dot},
        {"widen_f16", "stored rows", n, su_bench_cost_widen(n), call_widen_f16},
        {"widen_bf16", "stored rows", n, su_bench_cost_widen(n), call_widen_bf16},
    };
    add_row_kernels(cases, 1, table, sizeof table / sizeof *table);
}

/* Floats that no operand of any case goes beyond. */
static size_t most_floats(const SuBenchCases *cases)
{
    const SuBenchShape *s = &cases->shape;
    size_t most = 0, nr = SU_PANEL;
    for (size_t i = 0; i < cases->num_cases; i++) {
        const SuBenchCase *at = &cases->cases[i];
        size_t n = su_round_up(at->n, nr), k = at->k ? at->k : 1;
        size_t rows = su_round_up(at->rows, SU_KEY_TILE);
        size_t sizes[] = {rows * k, rows * n, n * k, rows * 3 * s->width, n};
        for (size_t j = 0; j < sizeof sizes / sizeof *sizes; j++)
            if (sizes[j] > most) most = sizes[j];
    }
    return su_round_up(most, SU_CACHE_LINE / sizeof(float));
}

static SutraStatus allocate(SuBenchCases *cases, uint32_t threads, SutraError *err)
{
    enum { OPERANDS = 5 };
    size_t floats = most_floats(cases), all;
    cases->operands = su_calloc(threads, sizeof *cases->operands);
    if (!su_mul_overflows(floats, (size_t)OPERANDS * threads * sizeof(float), &all))
        cases->memory = su_alloc_aligned(all);
    if (!cases->operands || !cases->memory)
        SU_RAISE(err, SUTRA_E_MEMORY, "out of memory for the kernels' operands");
    for (size_t i = 0; i < floats * OPERANDS * threads; i++)
        cases->memory[i] = (float)((i * 2654435761u >> 8) % 1000) * 0.001f - 0.5f;
    for (uint32_t rank = 0; rank < threads; rank++) {
        float *at = cases->memory + (size_t)rank * OPERANDS * floats;
        cases->operands[rank] = (SuBenchOperands){.a = at,
                                                  .b = at + floats,
                                                  .bias = at + 2 * floats,
                                                  .residual = at + 3 * floats,
                                                  .c = at + 4 * floats};
    }
    return SUTRA_OK;
}

SutraStatus su_bench_cases_create(SuIsa isa, const SuBenchShape *shape, uint32_t threads,
                                  SuBenchCases **out, SutraError *err)
{
    static const size_t rows[] = {11, 128, 1024}, tokens[] = {11, 128, 512};
    SuBenchCases *cases = su_calloc(1, sizeof *cases);
    *out = NULL;
    if (!cases) SU_RAISE(err, SUTRA_E_MEMORY, "out of memory for the kernels' shapes");
    su_kernels_init(&cases->kernels, isa);
    if (shape->block_bytes) cases->kernels.gemm_block_bytes = shape->block_bytes;
    cases->shape = *shape;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (rows[i] <= shape->max_rows) {
            add_products(cases, rows[i], "gemm_f32", 4, call_gemm_f32);
            add_products(cases, rows[i], "gemm_f16", 2, call_gemm_f16);
        }
    for (size_t i = 0; i < sizeof tokens / sizeof *tokens; i++)
        if (tokens[i] <= shape->max_tokens) add_attention(cases, tokens[i]);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (rows[i] <= shape->max_rows) add_rows(cases, rows[i]);
    add_vectors(cases);
    SutraStatus status = allocate(cases, threads, err);
    if (status == SUTRA_OK)
        *out = cases;
    else
        su_bench_cases_free(cases);
    return status;
}

void su_bench_cases_free(SuBenchCases *cases)
{
    if (!cases) return;
    su_free(cases->operands);
    su_free_aligned(cases->memory);
    su_free(cases);
}

void su_bench_case_body(void *arg, uint32_t rank)
{
    const SuBenchCase *at = arg;
    at->call(at, &at->of->operands[rank]);
}
