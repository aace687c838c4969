/* cuda_kernels.h - the kernels of the CUDA backend, one launch a call, on a stream.
 *
 * Every kernel's result for a row (a token, a text) is a function of that row's own inputs and of
 * the model's shape: sums run over k, over a text's keys and over a text's tokens in one order,
 * whatever else is in the batch and whichever tile a row is in. Linears and attention take T =
 * float, half or bfloat16 and add up in fp32; all other arithmetic is fp32. */
#ifndef SU_CUDA_KERNELS_H
#define SU_CUDA_KERNELS_H

#include "cuda_plan.h"

#include <cuda_runtime.h>

/* c [rows, out] = activation(a [rows, in] weight^T + bias) + residual; gated: c [rows, out / 2],
 * activation(even features) * odd ones. residual may be c. Elements are of `type`, in and out are
 * multiples of 8, rows aligned to 16 bytes. Of fp32 alone, sizes may be any. */
typedef struct SuCudaGemm {
    SuCudaType type;
    const void *a, *weight;
    const float *bias;    /* or NULL */
    const void *residual; /* or NULL */
    void *c;
    uint32_t rows, out, in;
    uint32_t activation; /* SutraActivation */
    bool gated;
    uint32_t multiprocessors; /* of the device: small products are cut finer */
    bool wgmma;               /* the device is of Hopper's generation */
} SuCudaGemm;

cudaError_t su_cuda_gemm(const SuCudaGemm *gemm, cudaStream_t stream);
cudaError_t su_cuda_gemm_f32(const SuCudaGemm *gemm, cudaStream_t stream);
cudaError_t su_cuda_gemm_mma(const SuCudaGemm *gemm, cudaStream_t stream);
cudaError_t su_cuda_gemm_wgmma(const SuCudaGemm *gemm, cudaStream_t stream);
/* Whether su_cuda_gemm gives it to the next, which takes half and bfloat16, plain, with GELU (erf),
 * and gated with GELU or SiLU. */
bool su_cuda_gemm_takes_tma(const SuCudaGemm *gemm);
cudaError_t su_cuda_gemm_tma(const SuCudaGemm *gemm, cudaStream_t stream);
/* The same with tiles of 128, 192 (not gated: 128 then) or 256 features, for checks. */
cudaError_t su_cuda_gemm_tma_tiles(const SuCudaGemm *gemm, uint32_t width, cudaStream_t stream);

/* Attention of the queries of each tile (text, first query) over its text: qkv [tokens, 3 width],
 * out [tokens, width]. Keys from query - before to query + after. Behind the first num_long tiles
 * are those of texts of at most SU_CUDA_SHORT_TOKENS tokens, which have one each. */
typedef struct SuCudaAttention {
    SuCudaType type;
    const void *qkv;
    void *out;
    const uint32_t *cu_seqlens; /* [seqs + 1] */
    const uint2 *tiles;         /* [num_tiles] */
    const float *bias;          /* [num_heads, 2 longest - 1] in units of log2, or NULL */
    uint32_t bias_row;
    uint32_t num_tiles, num_long, num_heads, head_size;
    int32_t before, after;
} SuCudaAttention;

/* Queries of a tile. */
uint32_t su_cuda_attention_rows(SuCudaType type);
cudaError_t su_cuda_attention(const SuCudaAttention *attention, cudaStream_t stream);
cudaError_t su_cuda_attention_f32(const SuCudaAttention *attention, cudaStream_t stream);
cudaError_t su_cuda_attention_mma(const SuCudaAttention *attention, cudaStream_t stream);
/* Whether su_cuda_attention gives short texts to the next, which does those alone. */
bool su_cuda_attention_takes_short(const SuCudaAttention *attention);
cudaError_t su_cuda_attention_short(const SuCudaAttention *attention, cudaStream_t stream);

/* x [tokens, n] = norm(token + type + position) */
typedef struct SuCudaEmbed {
    SuCudaType type;
    const void *token, *position, *type_table; /* [.., n]; NULL: none is added */
    const uint32_t *token_ids, *positions, *type_ids;
    const float *gamma, *beta; /* beta NULL: 0 */
    float eps;
    void *x;
    uint32_t tokens, n;
    /* Words that are copied besides, for the kernels that follow: where the ids are the host's, all
     * of the batch. A multiple of four; 0: none. */
    const uint32_t *words_from;
    uint32_t *words_to;
    uint32_t words;
} SuCudaEmbed;

cudaError_t su_cuda_embed(const SuCudaEmbed *embed, cudaStream_t stream);

/* y [rows, n] = layer norm of x; y may be x. n is at most SU_CUDA_MAX_HIDDEN. */
typedef struct SuCudaNorm {
    SuCudaType type;
    const void *x;
    void *y;
    const float *gamma, *beta;
    float eps;
    uint32_t rows, n;
} SuCudaNorm;

cudaError_t su_cuda_norm(const SuCudaNorm *norm, cudaStream_t stream);

/* RoPE on q and k of qkv [tokens, 3 width], in place, by turns [positions, head_size]. */
cudaError_t su_cuda_rotate(SuCudaType type, void *qkv, const float *turns,
                           const uint32_t *positions, uint32_t tokens, uint32_t num_heads,
                           uint32_t head_size, cudaStream_t stream);

/* pooled [seqs, n] in fp32 of x [tokens, n]; skipped [seqs] tokens at the start are left out. */
typedef struct SuCudaPool {
    SuCudaType type;
    const void *x;
    const uint32_t *cu_seqlens, *skipped;
    uint32_t pooling; /* SutraPooling */
    float *pooled;
    uint32_t seqs, n;
} SuCudaPool;

cudaError_t su_cuda_pool(const SuCudaPool *pool, cudaStream_t stream);

/* Rows [rows, n] to their output form. Of pooled vectors rows are fp32 and a text each, else of
 * `type` and a token each, cu_seqlens says of which text. */
typedef struct SuCudaOutput {
    SuCudaType type;
    const void *x;
    uint32_t rows, n, dim;
    uint32_t dtype, normalize;  /* of SutraBatch */
    const float *ranges;        /* [2, dim]: least | step, or NULL */
    const uint32_t *cu_seqlens; /* NULL: row i is of text i */
    uint32_t seqs;
    void *out;              /* [rows, row bytes] */
    uint8_t *numeric_error; /* [seqs], zero before */
    uint32_t *done;         /* or NULL; of one row, in the host's memory: 1 once all is written */
} SuCudaOutput;

cudaError_t su_cuda_output(const SuCudaOutput *output, cudaStream_t stream);
/* su_cuda_pool and su_cuda_output, which reads what that gives, in one; for few texts. */
cudaError_t su_cuda_pool_output(const SuCudaPool *pool, const SuCudaOutput *output,
                                cudaStream_t stream);

/* A stored tensor [rows, columns] of `from` (SutraTensorType) to rows first + r step of `to`.
 * *not_finite is set to 1 where a finite number is none in the type of `to`. */
typedef struct SuCudaConvert {
    const void *from;
    uint32_t from_type;
    SuCudaType type;
    void *to;
    uint64_t rows, columns, first, step;
    uint32_t *overflowed;
} SuCudaConvert;

cudaError_t su_cuda_convert(const SuCudaConvert *convert, cudaStream_t stream);

#endif
