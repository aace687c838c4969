/* Attention that keeps every score, on the same GEMM as the rest: what flash attention is measured
 * against. */
#include "bench_forward.h"
#include "bench_naive.h"
#include "bench_softmax.h"

#include <string.h>

size_t su_bench_materialised_floats(const SuKernels *kernels, size_t keys, size_t head_size)
{
    size_t nr = kernels->gemm_f32.nr;
    size_t k = su_round_up(keys, nr) * head_size, v = su_round_up(head_size, nr) * keys;
    return k > v ? k : v;
}

static void multiply(const SuKernels *kernels, const float *a, size_t lda, size_t rows, size_t k,
                     const float *b, const float *zeros, size_t n, float *c, size_t ldc)
{
    kernels->gemm_f32.run(
        &(SuGemmArgs){.a = a,
                      .lda = lda,
                      .b = b,
                      .bias = zeros,
                      .c = c,
                      .ldc = ldc,
                      .m = rows,
                      .n = n,
                      .k = k,
                      .panel_end = (n + kernels->gemm_f32.nr - 1) / kernels->gemm_f32.nr});
}

static void softmax(SuIsa isa, float *scores, size_t rows, size_t keys)
{
#if defined(__x86_64__)
    if (isa >= SU_ISA_AVX512) {
        su_softmax2_avx512(scores, rows, keys);
        return;
    }
    if (isa >= SU_ISA_AVX2) {
        su_softmax2_avx2(scores, rows, keys);
        return;
    }
#elif defined(__aarch64__)
    if (isa >= SU_ISA_NEON) {
        su_softmax2_neon(scores, rows, keys);
        return;
    }
#endif
    (void)isa;
    su_naive_softmax(scores, rows, keys, 1);
}

void su_bench_attend_materialised(const SuKernels *kernels, const SuAttentionF32Args *args,
                                  const float *k, size_t k_stride, float *scores,
                                  const SuBenchScratch *scratch)
{
    size_t keys = args->num_keys, head = args->head_size, rows = args->num_queries;
    SuGemmLayout layout = kernels->gemm_f32.layout;
    memset(scratch->k_packed, 0, su_gemm_packed_size(layout, keys, head));
    memset(scratch->v_packed, 0, su_gemm_packed_size(layout, head, keys));
    for (size_t i = 0; i < keys; i++)
        su_gemm_pack(layout, k + i * k_stride, i, head, scratch->k_packed, NULL, NULL);
    for (size_t d = 0; d < head; d++) {
        for (size_t i = 0; i < keys; i++) scratch->column[i] = args->v[i * args->v_stride + d];
        su_gemm_pack(layout, scratch->column, d, keys, scratch->v_packed, NULL, NULL);
    }
    multiply(kernels, args->q, args->q_stride, rows, head, scratch->k_packed, scratch->zeros, keys,
             scores, keys);
    softmax(kernels->isa, scores, rows, keys);
    multiply(kernels, scores, keys, rows, keys, scratch->v_packed, scratch->zeros, head, args->out,
             args->out_stride);
}
