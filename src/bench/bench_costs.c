#include "bench_costs.h"

enum { FLOAT = 4, HALF = 2 };

SuBenchCost su_bench_cost_gemm(size_t m, size_t n, size_t k, bool residual, size_t weight_size)
{
    return (SuBenchCost){.flops = 2.0 * (double)m * (double)n * (double)k,
                         .read = FLOAT * (double)(m * k + n + (residual ? m * n : 0)) +
                                 (double)(weight_size * n * k),
                         .written = FLOAT * (double)(m * n)};
}

SuBenchCost su_bench_cost_attention(size_t num_queries, size_t num_keys, size_t head_size)
{
    double values = (double)((num_queries + 2 * num_keys) * head_size);
    return (SuBenchCost){.flops = 4.0 * (double)num_queries * (double)num_keys * (double)head_size,
                         .read = FLOAT * values,
                         .written = FLOAT * (double)(num_queries * head_size)};
}

/* An element: 1 for the sum, 1 + 2 for the squares, 2 + 2 for the result. */
SuBenchCost su_bench_cost_layer_norm(size_t rows, size_t n)
{
    return (SuBenchCost){.flops = 8.0 * (double)(rows * n),
                         .read = FLOAT * (double)((rows + 2) * n),
                         .written = FLOAT * (double)(rows * n)};
}

SuBenchCost su_bench_cost_embed_norm(size_t rows, size_t n, bool type, bool position)
{
    SuBenchCost cost = su_bench_cost_layer_norm(rows, n);
    cost.flops += (double)(type + position) * (double)(rows * n);
    cost.read += FLOAT * ((type ? (double)n : 0) + (position ? (double)(rows * n) : 0));
    return cost;
}

/* exp2: 1 for the reduction, 12 for the polynomial */
SuBenchCost su_bench_cost_activate(SutraActivation activation, size_t n)
{
    static const double flops[] = {
        [SUTRA_ACT_NONE] = 0,    [SUTRA_ACT_GELU_ERF] = 32, [SUTRA_ACT_GELU_TANH] = 19,
        [SUTRA_ACT_RELU] = 0,    [SUTRA_ACT_SILU] = 16,     [SUTRA_ACT_TANH] = 18,
        [SUTRA_ACT_SIGMOID] = 16};
    return (SuBenchCost){.flops = flops[activation] * (double)n,
                         .read = FLOAT * (double)n,
                         .written = FLOAT * (double)n};
}

SuBenchCost su_bench_cost_pool_mean(size_t rows, size_t n)
{
    return (SuBenchCost){.flops = (double)((rows + 1) * n),
                         .read = FLOAT * (double)(rows * n),
                         .written = FLOAT * (double)n};
}

SuBenchCost su_bench_cost_sum_of_squares(size_t n)
{
    return (SuBenchCost){.flops = 2.0 * (double)n, .read = FLOAT * (double)n};
}

SuBenchCost su_bench_cost_dot(size_t n)
{
    return (SuBenchCost){.flops = 2.0 * (double)n, .read = 2.0 * FLOAT * (double)n};
}

SuBenchCost su_bench_cost_scale(size_t n)
{
    return (SuBenchCost){
        .flops = (double)n, .read = FLOAT * (double)n, .written = FLOAT * (double)n};
}

SuBenchCost su_bench_cost_widen(size_t n)
{
    return (SuBenchCost){.read = HALF * (double)n, .written = FLOAT * (double)n};
}

/* An element: 1 for the scale, 2 for the check; rounding and packing count as none. */
SuBenchCost su_bench_cost_output(size_t n, uint32_t bits, bool ranged)
{
    return (SuBenchCost){.flops = (ranged ? 5.0 : 3.0) * (double)n,
                         .read = (ranged ? 3.0 : 1.0) * FLOAT * (double)n,
                         .written = (double)bits * (double)n / 8};
}

double su_bench_flops_of_text(const SutraSpec *spec, double tokens)
{
    double hidden = spec->hidden_size, width = (double)spec->num_heads * spec->head_size;
    double matrices = spec->gated ? 3 : 2;
    double linear = 2 * tokens * (4 * hidden * width + matrices * hidden * spec->ffn_size);
    return spec->num_layers * (linear + 4 * tokens * tokens * width);
}
