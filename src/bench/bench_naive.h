/* bench_naive.h - an encoder as it is written first: plain C, an operation at a time, nothing
 * packed, nothing fused. What sutra bench ablation counts its steps from. Rows are dense. */
#ifndef SU_BENCH_NAIVE_H
#define SU_BENCH_NAIVE_H

#include "sutra_backend.h"

#include <stddef.h>

/* y [rows, out] = x [rows, in] x weight^T, weight [out, in] */
void su_naive_matmul(const float *x, size_t rows, size_t in, const float *weight, size_t out,
                     float *y);
/* Separate passes over y [rows, n]. */
void su_naive_add_bias(float *y, size_t rows, size_t n, const float *bias);
void su_naive_add(float *y, const float *x, size_t n);
void su_naive_activate(SutraActivation activation, float *x, size_t n);
void su_naive_norm(float *x, size_t rows, size_t n, const float *gamma, const float *beta,
                   float eps);

/* softmax over the columns of x [rows, n], in place; x in units of `base`: e, or 2 when binary */
void su_naive_softmax(float *x, size_t rows, size_t n, int binary);

/* All heads of one text: qkv [rows, 3 width] (q | k | v), out [rows, width]; the first `keys` rows
 * are looked at. scores [heads, rows, keys] are all kept, as frameworks keep them. */
void su_naive_attention(const float *qkv, size_t rows, size_t keys, size_t heads, size_t head_size,
                        float *scores, float *out);

#endif
