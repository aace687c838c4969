/* GEMM in plain C: the definition of the result. */
#include "kernels/ref/kernels_ref.h"
#include "kernels/ref/math_ref.h"

enum { NR = 16 };

static float dot_column(const float *a, const float *b, size_t k)
{
    float chain = 0.0f;
    for (size_t p = 0; p < k; p++) chain = fmaf(a[p], b[p * NR], chain);
    return chain;
}

void su_gemm_f32_ref(const SuGemmF32Args *args)
{
    size_t end = args->panel_end * NR < args->n ? args->panel_end * NR : args->n;
    for (size_t i = 0; i < args->m; i++) {
        for (size_t j = args->panel_begin * NR; j < end; j++) {
            const float *b = args->b + j / NR * NR * args->k + j % NR;
            float x = dot_column(args->a + i * args->lda, b, args->k) + args->bias[j];
            x = activate_ref(args->activation, x);
            if (args->residual) x = x + args->residual[i * args->ldr + j];
            size_t group = args->c_group ? j / args->c_group : 0;
            args->c[group * args->c_group_stride + i * args->ldc + j - group * args->c_group] = x;
        }
    }
}

void su_kernels_init_ref(SuKernels *kernels)
{
    kernels->gemm_f32 =
        (SuGemmF32){.mr = 1, .nr = NR, .name = "gemm_f32_1x16_ref", .run = su_gemm_f32_ref};
    kernels->attention_f32 = (SuAttentionF32){.name = "attention_f32_ref",
                                              .scratch_bytes = SU_KEY_TILE * sizeof(float),
                                              .run = su_attention_f32_ref};
    kernels->layer_norm_f32 = su_layer_norm_f32_ref;
    kernels->embed_norm_f32 = su_embed_norm_f32_ref;
    kernels->activate_f32 = su_activate_f32_ref;
    kernels->pool_f32 = su_pool_f32_ref;
    kernels->sum_of_squares_f32 = su_sum_of_squares_f32_ref;
    kernels->scale_f32 = su_scale_f32_ref;
    kernels->dot_f32 = su_dot_f32_ref;
    kernels->widen_f16 = su_widen_f16_ref;
    kernels->widen_bf16 = su_widen_bf16_ref;
}
