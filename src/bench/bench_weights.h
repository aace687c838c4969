/* bench_weights.h - the weights of a model as plain float matrices, and packed for the GEMM of one
 * ISA: what the variants of sutra bench ablation run on. */
#ifndef SU_BENCH_WEIGHTS_H
#define SU_BENCH_WEIGHTS_H

#include "base/memory.h"
#include "kernels/kernels.h"
#include "model/model.h"

typedef struct SuBenchLinear {
    float *weight; /* [out, in], as stored */
    float *bias;   /* [out] */
    float
        *packed; /* [ceil(out / nr)][in][nr]; NULL until su_bench_weights_pack. Of q, k, v: q scaled
                      by log2(e) / sqrt(head_size) */
    float *packed_bias, *zero_bias; /* [round_up(out, nr)] */
    size_t in, out;
} SuBenchLinear;

typedef struct SuBenchLayer {
    SuBenchLinear qkv, attention_out, up, down;
    float *attention_gamma, *attention_beta, *ffn_gamma, *ffn_beta; /* [hidden] */
} SuBenchLayer;

typedef struct SuBenchWeights {
    SutraSpec spec;
    SutraPooling pooling;
    float *token, *position, *type; /* [rows, hidden]; NULL: absent */
    float *gamma, *beta;            /* of the embeddings' norm */
    SuBenchLayer *layers;
    SuGemmLayout layout; /* of packed; 0: not packed */
} SuBenchWeights;

/* Copies and widens. Errors: MEMORY; UNSUPPORTED (a bundle, which has no such matrices). */
SutraStatus su_bench_weights_load(const SutraModel *model, SuBenchWeights *weights,
                                  SutraError *err);
/* Packs for that GEMM, dropping what was packed for another. Errors: MEMORY. */
SutraStatus su_bench_weights_pack(SuBenchWeights *weights, SuGemmLayout layout, SutraError *err);
void su_bench_weights_free(SuBenchWeights *weights);

#endif
