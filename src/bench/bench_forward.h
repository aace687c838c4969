/* bench_forward.h - the encoder with each of its ideas switched on or off by itself. */
#ifndef SU_BENCH_FORWARD_H
#define SU_BENCH_FORWARD_H

#include "base/thread_pool.h"
#include "bench_weights.h"

typedef struct SuBenchVariant {
    const char *name;
    SuIsa isa; /* unless plain */
    uint32_t threads;
    bool plain;  /* loops of bench_naive.h; else kernels of `isa` */
    bool reload; /* the model is opened and packed anew: for each text if one_by_one, else once */
    bool padded; /* every text as long as the longest of the sample */
    bool one_by_one; /* a forward for each text */
    bool separate;   /* bias, activation, residual and sums of embeddings in passes of their own */
    bool materialised; /* attention keeps all scores of a text */
} SuBenchVariant;

/* Texts as token ids. */
typedef struct SuBenchSampleTexts {
    const int32_t *token_ids;
    const uint32_t *cu_seqlens; /* [n + 1] */
    size_t n;
    uint32_t longest;
} SuBenchSampleTexts;

/* What is loaded when a variant does not reload. */
typedef struct SuBenchForward {
    const SuBenchWeights *weights; /* packed for the variant's GEMM unless plain */
    const SuKernels *kernels;      /* unless plain */
    const SuBenchVariant *variant;
    SuThreadPool *pool; /* of at least variant->threads */
} SuBenchForward;

/* Texts first … last - 1: pooled vectors to rows first … of out [n, hidden], not normalised.
 * Errors:
 * MEMORY. */
SutraStatus su_bench_forward(const SuBenchForward *forward, const SuBenchSampleTexts *texts,
                             size_t first, size_t last, float *out, SutraError *err);

/* Bytes that attention needs besides its inputs and output, of a text of that many tokens. */
size_t su_bench_attention_bytes(const SuBenchVariant *variant, const SutraSpec *spec,
                                size_t tokens);

/* Attention with all scores kept, by GEMM: scores = q k^T, softmax, scores v. Rows of q, k, v are
 * q_stride apart; scores [rows, keys]; k_packed, v_packed: su_bench_materialised_floats each; bias:
 * as many zeros as keys or head_size rounded up; column [keys]. */
typedef struct SuBenchScratch {
    float *scores, *k_packed, *v_packed, *zeros, *column;
} SuBenchScratch;
size_t su_bench_materialised_floats(const SuKernels *kernels, size_t keys, size_t head_size);
void su_bench_attend_materialised(const SuKernels *kernels, const SuAttentionF32Args *args,
                                  const float *k, size_t k_stride, float *scores,
                                  const SuBenchScratch *scratch);

#endif
