/* cuda_plan.h - a model on a device, before there is a device: what of a spec the backend can run,
 * where in device memory each weight goes, and what a batch is turned into before it is copied.
 * Plain C without CUDA, so that it is tested where there is no GPU. */
#ifndef SU_CUDA_PLAN_H
#define SU_CUDA_PLAN_H

#include "sutra_backend.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Parts of device memory start at multiples of this many bytes. */
#define SU_CUDA_ALIGNMENT 256u
#define SU_CUDA_NONE SIZE_MAX /* an offset of what a model has not */

enum { SU_CUDA_MAX_HEAD = 256, SU_CUDA_MAX_ROPES = 4, SU_CUDA_MAX_HIDDEN = 8192 };
/* Of all heads of a layer, and of the feed-forward: sizes of linears are counted in 32 bits, and a
 * row of a weight goes through the staging block of cuda_model.cu. */
enum { SU_CUDA_MAX_FEATURES = 1 << 18 };

/* Element types on the device. */
typedef enum SuCudaType { SU_CUDA_F32 = 0, SU_CUDA_F16, SU_CUDA_BF16 } SuCudaType;

static inline size_t su_cuda_type_size(SuCudaType type) { return type == SU_CUDA_F32 ? 4 : 2; }

/* One stored tensor to its place: row r of it, [rows, columns], becomes row first + r * step of a
 * matrix of `columns` that starts at `offset`. */
typedef struct SuCudaCopy {
    const SutraTensor *from;
    SuCudaType type;
    size_t offset; /* bytes */
    uint64_t rows, columns, first, step;
} SuCudaCopy;

/* Offsets of weights [out, in] of the compute type and of biases [out] in fp32. */
typedef struct SuCudaLinearPlan {
    size_t weight, bias;
    uint32_t out, in;
} SuCudaLinearPlan;

typedef struct SuCudaNormPlan {
    size_t gamma, beta; /* fp32; gamma NONE: there is no such norm */
} SuCudaNormPlan;

typedef struct SuCudaLayerPlan {
    SuCudaLinearPlan qkv; /* [q | k | v] */
    SuCudaLinearPlan attention_out;
    SuCudaLinearPlan up; /* gated: features of gate and up take turns */
    SuCudaLinearPlan down;
    SuCudaNormPlan attention_norm, ffn_norm;
    int32_t before, after; /* tokens seen to either side; INT32_MAX: all */
    uint32_t rope;         /* its table */
} SuCudaLayerPlan;

/* A head with weights: linear.weight NONE: a norm. fp32. */
typedef struct SuCudaHeadPlan {
    SuCudaLinearPlan linear;
    SuCudaNormPlan norm;
    uint32_t activation, features; /* features: of its result */
    float eps;
} SuCudaHeadPlan;

typedef struct SuCudaPlan {
    SuCudaType type;
    SutraSpec spec;                     /* without the caller's pointers */
    uint32_t width;                     /* num_heads * head_size */
    size_t token, position, type_table; /* embedding tables of the compute type */
    SuCudaNormPlan embedding_norm, final_norm;
    size_t bias;     /* fp32 [num_heads, 2 longest - 1], in units of log2 */
    size_t bias_row; /* 2 longest - 1 */
    size_t turns;    /* fp32 [num_ropes, max_positions, head_size]: cosines | sines */
    float rope_base[SU_CUDA_MAX_ROPES];
    uint32_t num_ropes;
    SuCudaLayerPlan *layers; /* [num_layers] */
    SuCudaHeadPlan *heads;   /* [num_heads_out] those that compute */
    uint32_t num_heads_out, pooled_size, widest_head;
    SuCudaCopy *copies; /* [num_copies] */
    size_t num_copies, bytes;
} SuCudaPlan;

/* What the backend can run. Errors: UNSUPPORTED, naming what it cannot. */
SutraStatus su_cuda_check_spec(const SutraSpec *spec, SutraCompute compute, SutraError *err);
SutraStatus su_cuda_check_output(const SutraSpec *spec, SutraOutput output, SutraError *err);

/* The plan of a model; tensors are borrowed by its copies. Free it whatever is returned. Errors:
 * UNSUPPORTED, FORMAT (a tensor is missing or has another shape), MEMORY. */
SutraStatus su_cuda_plan_make(SuCudaPlan *plan, const SutraSpec *spec, const SutraTensor *tensors,
                              size_t n, SutraCompute compute, SutraError *err);
void su_cuda_plan_free(SuCudaPlan *plan);

/* bias [num_heads, bias_row] from the weights' buckets [relative_buckets, num_heads] (T5, MPNet),
 * or, buckets NULL, from ALiBi's slopes. */
void su_cuda_spread_bias(const SuCudaPlan *plan, const float *buckets, float *bias);

/* turns [positions, head_size] of a base. */
void su_cuda_fill_turns(const SuCudaPlan *plan, float base, uint32_t positions, float *turns);

/* A row of a stored tensor as floats. */
void su_cuda_widen(const SutraTensor *tensor, uint64_t first, uint64_t count, float *to);

/* ---- a batch as it goes to the device: one block of 32-bit words ----
 *
 *   token_ids [tokens] | positions [tokens] | type_ids [tokens] | cu_seqlens [seqs + 1] |
 *   skipped [seqs] | tiles [num_tiles, 2] | ranges [2, dim]: least | step
 *
 * Tiles of texts that are not short come first. */
enum { SU_CUDA_SHORT_TOKENS = 32 };

typedef struct SuCudaInput {
    size_t positions, type_ids, cu_seqlens, skipped, tiles, ranges; /* in words */
    size_t words;
    uint32_t num_tiles, num_long; /* of texts of more than SU_CUDA_SHORT_TOKENS */
} SuCudaInput;

/* Tiles of `rows` queries, none across two texts. num_tokens may be more than the texts have: such
 * tokens are in no tile and have position 0. */
SuCudaInput su_cuda_input_layout(const SutraBatch *batch, uint32_t rows);
void su_cuda_input_fill(const SutraSpec *spec, const SutraBatch *batch, uint32_t rows,
                        const SuCudaInput *input, uint32_t *words);

/* The most words that a batch of a context's size has. */
size_t su_cuda_input_most(uint32_t max_tokens, uint32_t max_seqs, uint32_t dim, uint32_t rows);

/* Errors: LIMIT, ARGUMENT (an id that is none). */
SutraStatus su_cuda_check_batch(const SuCudaPlan *plan, uint32_t max_tokens, uint32_t max_seqs,
                                const SutraBatch *batch, SutraError *err);

/* Bytes of an output row. */
size_t su_cuda_row_bytes(SutraDtype dtype, uint32_t dim);

#ifdef __cplusplus
}
#endif

#endif
