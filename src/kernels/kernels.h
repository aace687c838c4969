/* kernels.h - the table of compute kernels, and what each of them promises.
 *
 * su_kernels_init fills a table: plain C first (ref/, which defines the result), then each ISA up
 * to the given level overrides what it does better. Kernels allocate nothing, lock nothing, know no
 * model and no thread.
 *
 * Reduction recipes. A result is a function of its own inputs and of K, N, head size and the text's
 * own length; never of the number of rows, their position in a batch, the tile shape or the ISA. In
 * fp32 all ISAs give the same bits:
 *
 *   gemm        c = act(chain + bias) + residual; chain: from 0, one fma an element of K, ascending
 *   lanes(f)    64 virtual lanes, from 0: element i is added to lane i % 64, ascending; then the
 *               lanes are folded 64 -> 16 as (l0 + l1) + (l2 + l3) with lq = lane 16 q + i, then
 *               16 -> 8 -> 4 -> 2 -> 1, lane i taking lane i + half
 *   layer_norm  mean = lanes(x) / n; var = lanes((x - mean)^2) / n, squares by fma;
 *               rstd = 1 / sqrt(var + eps); y = fma((x - mean) rstd, gamma, beta)
 *   attention   keys in tiles of 64 counted from the text's first token; of a tile only the keys
 *               that the query sees count, and a tile without any changes nothing
 *               score: one fma chain over the head, ascending, in units of log2
 *               a tile: m' = max(m, scores), p = exp2(s - m'), scale = exp2(m - m')
 *               sum = fma(sum, scale, (c0 + c1) + (c2 + c3)), where cr adds up the p of the tile's
 *               keys r, r + 4, r + 8, …, ascending, from 0
 *               out = out scale, then one fma a key, ascending; at the end out (1 / sum)
 *   pool        tokens ascending; see SuPoolF32
 *   exp2, gelu  polynomials of math_constants.h, by Horner's rule with fma; ref/math_ref.h
 *
 * A NaN in the inputs makes a NaN of every result that depends on it (which NaN is not specified);
 * infinities follow the arithmetic. Every size is at least 1 unless said otherwise; pointers need
 * the alignment of their type only, and nothing outside a row's elements is read or written.
 */
#ifndef SU_KERNELS_H
#define SU_KERNELS_H

#include "base/cpu_features.h"
#include "sutra_backend.h"

#include <stdbool.h>
#include <stddef.h>

/* ---- GEMM: c [m, n] = act(a [m, k] x w^T + bias) + residual ----
 *
 * Columns of c may lie in groups, each a matrix of its own: column j of row i at
 * c[j / c_group * c_group_stride + i * ldc + j % c_group].
 *
 * w is packed in panels of nr output features (su_gemm_pack_f32), features past n are zero:
 *
 *   panel 0: k = 0: [nr floats]  k = 1: [nr floats] …      panel 1: …
 */
typedef struct SuGemmF32Args {
    const float *a; /* [m, k], rows lda apart */
    size_t lda;
    const float *b;        /* packed [ceil(n / nr)][k][nr] */
    const float *bias;     /* [ceil(n / nr) * nr] */
    const float *residual; /* [m, n], rows ldr apart, or NULL; may be c itself */
    size_t ldr;
    float *c; /* [m, n], rows ldc apart; must not overlap a */
    size_t ldc;
    size_t c_group;                /* columns of a group, a multiple of nr; 0: all in one */
    size_t c_group_stride;         /* floats from one group to the next */
    size_t m, n, k;                /* m may be 0 */
    size_t panel_begin, panel_end; /* panels to compute; none if they are equal */
    SutraActivation activation;
} SuGemmF32Args;

typedef struct SuGemmF32 {
    uint32_t mr, nr; /* register tile */
    const char *name;
    void (*run)(const SuGemmF32Args *args);
} SuGemmF32;

/* Packs row `feature` of a weight matrix (k floats) into its place in b. Rows n … end of the last
 * panel must be zeroed. */
void su_gemm_pack_f32(const float *row, size_t feature, size_t k, uint32_t nr, float *b);

/* ---- attention: one head of one text ---- */
enum { SU_KEY_TILE = 64 };

typedef struct SuAttentionF32Args {
    const float
        *q; /* [num_queries, head_size], rows q_stride apart; scaled by log2(e) / sqrt(head_size) */
    const float *k, *v; /* [num_keys, head_size], rows k_stride and v_stride apart */
    float *out;         /* [num_queries, head_size], rows out_stride apart */
    size_t q_stride, k_stride, v_stride, out_stride;
    size_t num_queries, num_keys, head_size; /* head_size: a multiple of 8, at most 256 */
    /* local: the query at position i sees keys i - before … i + after; SIZE_MAX: no bound on that
     * side. A NaN in v may then spread to queries that do not see it. Not local: it sees all keys. */
    bool local;
    size_t before, after;
    size_t first_query; /* local: position of query 0; first_query + num_queries <= num_keys */
} SuAttentionF32Args;

typedef struct SuAttentionF32 {
    const char *name;
    size_t scratch_bytes; /* of the stack, whatever the lengths */
    void (*run)(const SuAttentionF32Args *args);
} SuAttentionF32;

/* ---- rows ---- */
typedef struct SuNormF32 {
    const float *gamma, *beta; /* [n] */
    float eps;
    size_t n;
} SuNormF32;

/* Pools tokens first … num_tokens - 1 of a text (those before are its prompt) into out [n], ascending;
 * w = num_tokens - first:
 *   mean       sum x / w
 *   mean_sqrt  sum x / sqrt(w)
 *   weighted   sum fma(t + 1, x_t) / sum (t + 1), t counted from the text's first token
 *   max        largest of each element
 *   cls, last  copy of the first, of the last of them */
typedef void (*SuPoolF32)(SutraPooling pooling, const float *x, size_t stride, size_t first,
                          size_t num_tokens, size_t n, float *out);

/* first + 1, …, num_tokens added up: the weights of a weighted mean */
static inline float su_pool_weights(size_t first, size_t num_tokens)
{
    double n = (double)num_tokens, before = (double)first;
    return (float)((n * (n + 1.0) - before * (before + 1.0)) / 2.0);
}

typedef struct SuKernels {
    SuIsa isa;
    SuGemmF32 gemm_f32;
    SuAttentionF32 attention_f32;
    /* y = norm(x); y may be x */
    void (*layer_norm_f32)(const SuNormF32 *norm, const float *x, float *y);
    /* y = norm((token + type) + position); type and position may be NULL */
    void (*embed_norm_f32)(const SuNormF32 *norm, const float *token, const float *type,
                           const float *position, float *y);
    void (*activate_f32)(SutraActivation activation, float *x, size_t n);
    SuPoolF32 pool_f32;
    /* lanes(x^2) */
    float (*sum_of_squares_f32)(const float *x, size_t n);
    /* y = x * scale */
    void (*scale_f32)(const float *x, float scale, size_t n, float *y);
    /* lanes(x y) */
    float (*dot_f32)(const float *x, const float *y, size_t n);
    /* stored halves to float, exactly */
    void (*widen_f16)(const uint16_t *x, size_t n, float *y);
    void (*widen_bf16)(const uint16_t *x, size_t n, float *y);
} SuKernels;

void su_kernels_init(SuKernels *kernels, SuIsa isa);

/* One for each ISA; called by su_kernels_init in this order. */
void su_kernels_init_ref(SuKernels *kernels);
void su_kernels_init_avx2(SuKernels *kernels);
void su_kernels_init_avx512(SuKernels *kernels);

#endif
