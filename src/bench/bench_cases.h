/* bench_cases.h - one call of each kernel on the shapes of a model. */
#ifndef SU_BENCH_CASES_H
#define SU_BENCH_CASES_H

#include "bench_costs.h"
#include "bench_sampler.h"

enum { SU_BENCH_MAX_CASES = 96 };

typedef struct SuBenchShape {
    size_t hidden, width, ffn, head_size; /* width: of all heads together */
    SutraActivation activation;
    bool gated;
    size_t max_tokens; /* longest text to measure attention on */
    size_t max_rows;
    size_t block_bytes; /* SuGemmArgs.block_bytes; 0: that of the kernels */
} SuBenchShape;

typedef struct SuBenchOperands {
    float *a, *b, *bias, *residual, *c; /* [floats] each */
} SuBenchOperands;

typedef struct SuBenchCases SuBenchCases;
typedef struct SuBenchCase SuBenchCase;
typedef void (*SuBenchCall)(const SuBenchCase *at, const SuBenchOperands *x);

struct SuBenchCase {
    const char *kernel, *use; /* name in SuKernels; what the encoder uses it for */
    size_t rows, n, k;        /* k: 0 where there is none */
    SutraActivation activation;
    bool residual, gated;
    SuBenchCost cost;
    SuBenchCall call;
    const SuBenchCases *of;
};

struct SuBenchCases {
    SuKernels kernels;
    SuBenchShape shape;
    SuBenchCase cases[SU_BENCH_MAX_CASES];
    size_t num_cases;
    SuBenchOperands *operands; /* [threads] */
    float *memory;
};

/* Errors: MEMORY. */
SutraStatus su_bench_cases_create(SuIsa isa, const SuBenchShape *shape, uint32_t threads,
                                  SuBenchCases **cases, SutraError *err);
void su_bench_cases_free(SuBenchCases *cases);
/* SuBenchBody over a SuBenchCase */
void su_bench_case_body(void *at, uint32_t rank);

#endif
