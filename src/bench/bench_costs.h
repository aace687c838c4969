/* bench_costs.h - how much each kernel has to do, by the recipes of kernels/kernels.h.
 *
 *   flops    multiplications and additions, an fma being two; of GEMM and attention only those of
 *            the products, so that what activations and exp2 cost shows as a lower share
 *   read,    bytes of inputs and weights, and of outputs, each counted once: together they are the
 *   written  working set */
#ifndef SU_BENCH_COSTS_H
#define SU_BENCH_COSTS_H

#include "kernels/kernels.h"

typedef struct SuBenchCost {
    double flops, read, written;
} SuBenchCost;

SuBenchCost su_bench_cost_gemm(size_t m, size_t n, size_t k, bool residual, size_t weight_size);
/* One head; keys are read in whole tiles. */
SuBenchCost su_bench_cost_attention(size_t num_queries, size_t num_keys, size_t head_size);
/* `rows` rows of n; gamma and beta are read once. */
SuBenchCost su_bench_cost_layer_norm(size_t rows, size_t n);
SuBenchCost su_bench_cost_embed_norm(size_t rows, size_t n, bool type, bool position);
SuBenchCost su_bench_cost_activate(SutraActivation activation, size_t n);
SuBenchCost su_bench_cost_pool_mean(size_t rows, size_t n);
SuBenchCost su_bench_cost_sum_of_squares(size_t n);
SuBenchCost su_bench_cost_dot(size_t n);
SuBenchCost su_bench_cost_scale(size_t n);
SuBenchCost su_bench_cost_widen(size_t n);
/* An output row of elements of `bits` bits; ranged: with ranges. */
SuBenchCost su_bench_cost_output(size_t n, uint32_t bits, bool ranged);

/* Products of a whole text of that many tokens through the encoder. */
double su_bench_flops_of_text(const SutraSpec *spec, double tokens);

#endif
