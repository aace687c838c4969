/* matmul.h - products of matrices by the engine's fp32 kernel, shared among threads. Each element
 * is one chain of fma, ascending, whatever the number of threads and the ISA. */
#ifndef SU_MATMUL_H
#define SU_MATMUL_H

#include "base/thread_pool.h"
#include "kernels/kernels.h"

typedef struct SuMatmul {
    SuKernels kernels;
    SuThreadPool *pool;
    float *packed; /* [packed_size bytes] the right operand */
    float *zeros;  /* [zeros_size] a bias of nothing */
    size_t packed_size, zeros_size;
} SuMatmul;

SutraStatus su_matmul_open(SuMatmul *matmul, uint32_t num_threads, SutraError *err);
/* Room for right operands of at most n rows of k elements; to be called before su_matmul.
 * Errors: MEMORY. */
SutraStatus su_matmul_reserve(SuMatmul *matmul, size_t n, size_t k, SutraError *err);
void su_matmul_close(SuMatmul *matmul);

/* c [m, n] = a [m, k] times b [n, k] transposed */
void su_matmul(const SuMatmul *matmul, const float *a, size_t m, size_t k, const float *b, size_t n,
               float *c);

/* Calls row(arg, i) for each i below count, on any thread. */
void su_each_row(const SuMatmul *matmul, size_t count, void (*row)(void *arg, size_t i), void *arg);

/* t [columns, rows] = a [rows, columns] transposed */
void su_transpose(const float *a, size_t rows, size_t columns, float *t);

#endif
