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
 *               gated: c = act(chain + bias of an even feature) * (that of the odd one after it)
 *               f16: the same over the widened weights, on all ISAs
 *               bf16 and int8: see SuGemmArgs; int8: fma(sum - zero b_sum, scale b_scale, bias),
 *               the same bits on all ISAs; bf16: by SuGemmSums, the same on all ISAs but amx
 *   lanes(f)    64 virtual lanes, from 0: element i is added to lane i % 64, ascending; then the
 *               lanes are folded 64 -> 16 as (l0 + l1) + (l2 + l3) with lq = lane 16 q + i, then
 *               16 -> 8 -> 4 -> 2 -> 1, lane i taking lane i + half
 *   layer_norm  mean = lanes(x) / n; var = lanes((x - mean)^2) / n, squares by fma;
 *               rstd = 1 / sqrt(var + eps); y = fma((x - mean) rstd, gamma, beta)
 *   attention   keys in tiles of 64 counted from the text's first token; of a tile only the keys
 *               that the query sees count, and a tile without any changes nothing
 *               score: one fma chain over the head, ascending, from the bias or 0, in units of log2
 *               a tile: m' = max(m, scores), p = exp2(s - m'), scale = exp2(m - m')
 *               sum = fma(sum, scale, (c0 + c1) + (c2 + c3)), where cr adds up the p of the tile's
 *               keys r, r + 4, r + 8, …, ascending, from 0
 *               out = out scale, then one fma a key, ascending; at the end out (1 / sum)
 *   pool        tokens ascending; see SuPoolF32
 *   sum_rows    one fma chain an element, from 0, ascending
 *   rotate      first' = fma(first, cos, -(second sin)), second' = fma(second, cos, first sin)
 *   gelu        in gemm_bf16 and gemm_int8 the narrow one
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
 * One argument block for four kinds of elements; a step of k is one word of a row of a and of a
 * feature of w, of 32 bits but for f16, whose words are halves:
 *
 *   kind   a                    w       elements a word   sum
 *   f32    float                float   1                 one fma chain, ascending
 *   f16    float                half    1                 as f32, with w widened
 *   bf16   bf16                 bf16    2                 fp32: see SuGemmSums
 *   bf16   float                bf16    2                 as f32, with w widened
 *   int8   u8, scale and zero   s8      4                 exact in 32 bits: k at most 65,536
 *          of each row
 *
 * Columns of c may lie in groups, each a matrix of its own: column j of row i at
 * c[j / c_group * c_group_stride + i * ldc + j % c_group].
 *
 * Gated: the features of w are those of a gate and those of what it gates in turn, and c has half
 * as many columns, act(gate) times the other.
 *
 * w is packed in panels of nr output features (su_gemm_pack); features past n, and in bf16 and int8
 * elements from k to the next multiple of 64 bytes, are zero:
 *
 *   panel 0: word 0 of k: [nr words]  word 1: [nr words] …      panel 1: …
 *
 * The two forms of bf16 are told apart by SuGemm.a_size: processors without a fast dot product of
 * bf16 take rows as they are, which costs them nothing and rounds less.
 *
 * Rows of a in bf16 and int8 are read to the next multiple of 64 bytes: zeros, or finite numbers.
 */
typedef struct SuRowScale {
    float scale;  /* an element q means scale (q - zero) */
    int32_t zero; /* 0 … 255 */
} SuRowScale;

typedef struct SuGemmArgs {
    const void *a; /* [m, k], rows lda elements apart */
    size_t lda;
    const SuRowScale *a_scale; /* int8: [m] */
    const void *b;             /* packed [ceil(n / nr)][words of k][nr] */
    const float *bias;         /* [ceil(n / nr) * nr], like the next two */
    const float *b_scale;      /* int8: what one step of a feature of w means */
    const int32_t *b_sum;      /* int8: sum of a feature's elements */
    const float *residual;     /* [m, n], rows ldr apart, or NULL; may be c itself */
    size_t ldr;
    void *c; /* [m, n] of float, or of bf16 (c_bf16), rows ldc apart; must not overlap a */
    size_t ldc;
    size_t c_group;                /* columns of a group, a multiple of nr; 0: all in one */
    size_t c_group_stride;         /* elements from one group to the next */
    size_t m, n, k;                /* m may be 0 */
    size_t panel_begin, panel_end; /* panels to compute; none if they are equal */
    /* Rows of a that meet all panels before the next ones do, in bytes: as many as stay in L2; 0: a
     * size that does on all processors. No bit depends on it. */
    size_t block_bytes;
    SutraActivation activation;
    bool gated;  /* n is even; no residual, no groups */
    bool c_bf16; /* to nearest, ties to even; a denormal may become zero; not of f32 and f16 */
} SuGemmArgs;

/* How the products of bf16 are added up, all by fma, rounded to nearest.
 *   SU_SUMS_CHAIN   one chain from 0, k ascending, of a word the second element first; what becomes
 *                   of denormals is the ISA's own
 *   SU_SUMS_TILES   of each 64 bytes of k, the padding included, a chain of the first elements of
 *                   its words and one of the second ones, each from 0; their sum is added to that
 *                   of the 64 bytes before, the first to 0. Denormals read and results below the
 *                   normal numbers are zeros of their sign (as tdpbf16ps does) */
typedef enum SuGemmSums { SU_SUMS_CHAIN = 0, SU_SUMS_TILES } SuGemmSums;

/* How packed weights lie: type, panel, words. Files of packed weights hold these values: none ever
 * changes its meaning, new ones go to the end. Kernels of one layout read the same bytes. */
typedef enum SuGemmLayout {
    SU_LAYOUT_F32_8 = 1, /* floats in panels of 8 features */
    SU_LAYOUT_F32_16 = 2,
    SU_LAYOUT_F32_32 = 3,
    SU_LAYOUT_BF16_32 = 4, /* words of 2 elements of k */
    SU_LAYOUT_INT8_32 = 5, /* words of 4 */
    SU_LAYOUT_F16_32 = 6,  /* halves in panels of 32 features */
    SU_LAYOUT_END
} SuGemmLayout;

/* One unit: kernel, tile, and the layout that its weights are packed in. */
typedef struct SuGemm {
    SuGemmLayout layout;
    uint32_t mr, nr; /* register tile; panel, that of the layout */
    uint32_t a_size; /* bytes of an element of a: 4 float, 2 bf16, 1 u8 */
    SuGemmSums sums; /* of bf16 */
    const char *name;
    void (*run)(const SuGemmArgs *args);
} SuGemm;

enum { SU_PANEL = 32, SU_GEMM_ROW_BYTES = 64 };

typedef struct SuGemmPacking {
    const char *name;   /* "f32_16" */
    uint32_t nr;        /* features of a panel */
    uint32_t kr;        /* elements of k in a word */
    uint32_t size;      /* bytes of an element */
    uint32_t row_bytes; /* the k elements of a feature are padded to a multiple of so many */
} SuGemmPacking;

/* static; NULL: there is no such layout */
const SuGemmPacking *su_gemm_packing(SuGemmLayout layout);
/* Bytes of n features of k elements, whole panels. */
size_t su_gemm_packed_size(SuGemmLayout layout, size_t n, size_t k);

/* Words of a feature of k elements of `size` bytes, packed in bf16 or int8. */
static inline size_t su_gemm_words(size_t k, size_t size)
{
    return (k * size + SU_GEMM_ROW_BYTES - 1) / SU_GEMM_ROW_BYTES * (SU_GEMM_ROW_BYTES / 4);
}

/* Packs row `feature` of a weight matrix (k floats) into its place in b [su_gemm_packed_size];
 * features n … end of the last panel must be zeroed. bf16, f16: rounded to nearest, ties to even.
 * int8: round(w / scale), scale = max |w| / 127 (1 if that is zero), and the sum of the rounded;
 * scale and sum may be NULL in the other layouts. Returns false where a weight has no form in the
 * layout (int8, f16: NaN or infinite; f16: beyond 65504 once rounded); the feature is not to be
 * used then, and the scale of int8 is NaN. */
bool su_gemm_pack(SuGemmLayout layout, const float *row, size_t feature, size_t k, void *b,
                  float *scale, int32_t *sum);

/* ---- attention: one head of one text ---- */
enum { SU_KEY_TILE = 64, SU_MAX_HEAD = 256 };

typedef struct SuAttentionF32Args {
    const float
        *q; /* [num_queries, head_size], rows q_stride apart; scaled by log2(e) / sqrt(head_size) */
    const float *k, *v; /* [num_keys, head_size], rows k_stride and v_stride apart */
    float *out;         /* [num_queries, head_size], rows out_stride apart */
    size_t q_stride, k_stride, v_stride, out_stride;
    size_t num_queries, num_keys, head_size; /* head_size: a multiple of 8, at most 256 */
    /* local: the query at position i sees keys i - before … i + after; SIZE_MAX: no bound on that
     * side. A NaN in v may then spread to queries that do not see it. Not local: it sees all keys.
     */
    bool local;
    size_t before, after;
    /* What is added to a score, in units of log2, by the query's position less the key's, from
     * bias[1 - num_keys] to bias[num_keys - 1]; NULL: nothing. */
    const float *bias;
    /* local, or with a bias: position of query 0; first_query + num_queries <= num_keys */
    size_t first_query;
} SuAttentionF32Args;

typedef struct SuAttentionF32 {
    const char *name;
    size_t scratch_bytes; /* of the stack, whatever the lengths */
    void (*run)(const SuAttentionF32Args *args);
} SuAttentionF32;

/* The same for q, k and v in bf16. Recipe, sums of products being those of SU_SUMS_TILES over 32
 * elements of the head, or 32 keys from a tile's first:
 *   score: from 0, in units of log2; m' as in fp32; p = 2^(s - m') by SU_EXP2_NARROW
 *   sum = fma(sum, scale, all p of the tile), scale = 2^(m - m'); key r of a tile is in place
 *   r % 16 of one of four vectors: (v0 + v1) + (v2 + v3), folded as ((e0 + e2) + (e1 + e3)) of each
 *   four places, those four sums as (f0 + f1) + (f2 + f3)
 *   out = out scale, to which the products of p, rounded to bf16, and v are added; out (1 / sum) */
typedef struct SuAttentionBf16Args {
    const uint16_t *q, *k, *v; /* as in fp32; strides in elements */
    float *out;
    size_t q_stride, k_stride, v_stride, out_stride;
    size_t num_queries, num_keys, head_size; /* head_size: a multiple of 32, at most 256 */
    bool local;
    size_t before, after, first_query;
} SuAttentionBf16Args;

typedef struct SuAttentionBf16 {
    const char *name;
    size_t scratch_bytes;
    void (*run)(const SuAttentionBf16Args *args); /* NULL where fp32 is as fast */
} SuAttentionBf16;

/* ---- rows ---- */
typedef struct SuNormF32 {
    const float *gamma, *beta; /* [n] */
    float eps;
    size_t n;
} SuNormF32;

/* Pools tokens first … num_tokens - 1 of a text (those before are its prompt) into out [n],
 * ascending; w = num_tokens - first:
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

/* out [n] = the sum of factors[i] times row rows[i] of the table, widened; 0 if there is none. */
typedef struct SuRowSumArgs {
    const void *table;    /* [any, n] */
    const uint32_t *rows; /* [count] */
    const float *factors; /* [count] */
    size_t count, n;      /* count may be 0 */
    float *out;
} SuRowSumArgs;

typedef struct SuKernels {
    SuIsa isa;
    SuGemm gemm_f32, gemm_f16, gemm_bf16, gemm_int8;
    size_t gemm_block_bytes; /* SuGemmArgs.block_bytes for this processor */
    SuAttentionF32 attention_f32;
    SuAttentionBf16 attention_bf16;
    /* y = norm(x); y may be x */
    void (*layer_norm_f32)(const SuNormF32 *norm, const float *x, float *y);
    /* y = norm((token + type) + position); type and position may be NULL */
    void (*embed_norm_f32)(const SuNormF32 *norm, const float *token, const float *type,
                           const float *position, float *y);
    void (*activate_f32)(SutraActivation activation, float *x, size_t n);
    /* RoPE in place: x [rows, size], rows `stride` elements apart, size even and at most
     * SU_MAX_HEAD. turns [rows, size]: the cosines of a row, size / 2, then the sines. */
    void (*rotate_f32)(float *x, size_t stride, const float *turns, size_t rows, size_t size);
    /* The same, rounded to nearest, ties to even. */
    void (*rotate_bf16)(uint16_t *x, size_t stride, const float *turns, size_t rows, size_t size);
    SuPoolF32 pool_f32;
    void (*sum_rows_f32)(const SuRowSumArgs *args);
    void (*sum_rows_f16)(const SuRowSumArgs *args);
    void (*sum_rows_bf16)(const SuRowSumArgs *args);
    void (*sum_rows_s8)(const SuRowSumArgs *args);
    /* lanes(x^2) */
    float (*sum_of_squares_f32)(const float *x, size_t n);
    /* y = x * scale */
    void (*scale_f32)(const float *x, float scale, size_t n, float *y);
    /* lanes(x y) */
    float (*dot_f32)(const float *x, const float *y, size_t n);
    /* Products of stored rows with queries: out [num_rows, num_queries]. Queries are [num_queries,
     * n], one after the other; rows of floats are `stride` elements apart, the others n.
     *
     * One fma chain from 0, ascending, as gemm_f32's: the bits of a gemm without bias whose a is
     * the rows and whose w the queries, which is the one for many queries. */
    void (*dots_f32)(const float *rows, size_t stride, size_t num_rows, const float *queries,
                     size_t num_queries, size_t n, float *out);
    /* exact; n at most 65,536 */
    void (*dots_s8)(const int8_t *rows, size_t num_rows, const int8_t *queries, size_t num_queries,
                    size_t n, int32_t *out);
    /* bits that differ; n in bytes */
    void (*differing_bits)(const uint8_t *rows, size_t num_rows, const uint8_t *queries,
                           size_t num_queries, size_t n, int32_t *out);
    /* stored halves to float, exactly */
    void (*widen_f16)(const uint16_t *x, size_t n, float *y);
    void (*widen_bf16)(const uint16_t *x, size_t n, float *y);
    /* y = x scale, of s8 */
    void (*widen_s8)(const int8_t *x, float scale, size_t n, float *y);
    /* to nearest, ties to even; a NaN stays one */
    void (*narrow_bf16)(const float *x, size_t n, uint16_t *y);
    /* y = clamp(round(x inverse) + zero, 0, 255) with inverse = 1 / scale; scale and zero are those
     * of `fixed`, or where that is NULL: scale = (max - min) / 255, zero = round(-min inverse), min
     * and max over x and 0, and where that scale is below the normal numbers: scale 1, zero 0, y of
     * zeros. A row with a NaN, an infinity or a range that overflows: scale NaN, y of zeros. x:
     * x[i] factor[i] where factor is not NULL. Returns scale and zero. */
    SuRowScale (*quantize_u8)(const float *x, const float *factor, const SuRowScale *fixed,
                              size_t n, uint8_t *y);

    /* Output rows: the elements of a SutraDtype from v = x scale, in one pass. True if every v is
     * finite; else y holds anything. y must not overlap x. flip: 0; 0x80 for the signed form. */
    /* y = v */
    bool (*output_f32)(const float *x, float scale, size_t n, float *y);
    /* to nearest, ties to even; infinity past the largest half */
    bool (*output_f16)(const float *x, float scale, size_t n, uint16_t *y);
    /* y = (clamp(round(127 v), -127, 127) + 128) ^ flip */
    bool (*output_u8)(const float *x, float scale, size_t n, uint8_t flip, uint8_t *y);
    /* y = clamp(floor((v - least) / step), 0, 255) ^ flip; least, step [n]: finite, step above 0 */
    bool (*output_ranged_u8)(const float *x, float scale, const float *least, const float *step,
                             size_t n, uint8_t flip, uint8_t *y);
    /* y [ceil(n / 8)] = bits ^ flip, a bit: v > 0, most significant first, those past n zero */
    bool (*output_bits)(const float *x, float scale, size_t n, uint8_t flip, uint8_t *y);
} SuKernels;

void su_kernels_init(SuKernels *kernels, SuIsa isa);

/* One for each ISA; called by su_kernels_init in this order. */
void su_kernels_init_ref(SuKernels *kernels);
void su_kernels_init_avx2(SuKernels *kernels);
void su_kernels_init_avx512(SuKernels *kernels);
void su_kernels_init_neon(SuKernels *kernels);

#endif
