/* GEMM in plain C: the definition of the result. */
#include "kernels/ref/kernels_ref.h"
#include "kernels/ref/math_ref.h"
#include "kernels/ref/tile_sums.h"

enum { NR = 16 };

/* The product, with bias, of row i and feature j. */
typedef float (*Dot)(const SuGemmArgs *args, size_t i, size_t j);

static float dot_f32(const SuGemmArgs *args, size_t i, size_t j)
{
    const float *a = (const float *)args->a + i * args->lda;
    const float *b = (const float *)args->b + j / NR * NR * args->k + j % NR;
    float chain = 0.0f;
    for (size_t p = 0; p < args->k; p++) chain = fmaf(a[p], b[p * NR], chain);
    return chain + args->bias[j];
}

static float dot_f16(const SuGemmArgs *args, size_t i, size_t j)
{
    const float *a = (const float *)args->a + i * args->lda;
    const uint16_t *b =
        (const uint16_t *)args->b + j / SU_PANEL * SU_PANEL * args->k + j % SU_PANEL;
    float chain = 0.0f;
    for (size_t p = 0; p < args->k; p++) {
        float y;
        su_widen_f16_ref(&b[p * SU_PANEL], 1, &y);
        chain = fmaf(a[p], y, chain);
    }
    return chain + args->bias[j];
}

/* Byte of element p of feature j in a packed matrix whose elements have `size` bytes. */
static size_t packed_at(size_t p, size_t j, size_t k, size_t size)
{
    size_t panel = j / SU_PANEL * SU_PANEL * su_gemm_words(k, size) * 4;
    return panel + p * size / 4 * 4 * SU_PANEL + j % SU_PANEL * 4 + p * size % 4;
}

static float dot_bf16_floats(const SuGemmArgs *args, size_t i, size_t j)
{
    const float *a = (const float *)args->a + i * args->lda;
    const unsigned char *b = args->b;
    float chain = 0.0f;
    for (size_t p = 0; p < args->k; p++) {
        uint16_t half;
        float y;
        memcpy(&half, b + packed_at(p, j, args->k, 2), sizeof half);
        su_widen_bf16_ref(&half, 1, &y);
        chain = fmaf(a[p], y, chain);
    }
    return chain + args->bias[j];
}

static float dot_bf16(const SuGemmArgs *args, size_t i, size_t j)
{
    const uint16_t *a = (const uint16_t *)args->a + i * args->lda;
    const unsigned char *b = args->b;
    float chain = 0.0f;
    for (size_t p = 0; p < args->k; p += 2)
        for (size_t e = 2; e-- > 0;) {
            if (p + e >= args->k) continue;
            uint16_t half;
            float x, y;
            memcpy(&half, b + packed_at(p + e, j, args->k, 2), sizeof half);
            su_widen_bf16_ref(&half, 1, &y);
            su_widen_bf16_ref(a + p + e, 1, &x);
            chain = fmaf(x, y, chain);
        }
    return chain + args->bias[j];
}

static float dot_bf16_tiles(const SuGemmArgs *args, size_t i, size_t j)
{
    const uint16_t *a = (const uint16_t *)args->a + i * args->lda;
    const unsigned char *b = args->b;
    float sum = 0.0f;
    for (size_t begin = 0; begin < args->k; begin += SU_TILE_STEP) {
        uint16_t w[SU_TILE_STEP];
        for (size_t p = 0; p < SU_TILE_STEP; p++)
            memcpy(&w[p], b + packed_at(begin + p, j, args->k, 2), sizeof *w);
        sum = add_tile_step(sum, a + begin, w);
    }
    return sum + args->bias[j];
}

static float dot_int8(const SuGemmArgs *args, size_t i, size_t j)
{
    const uint8_t *a = (const uint8_t *)args->a + i * args->lda;
    const int8_t *b = args->b;
    SuRowScale row = args->a_scale[i];
    uint32_t sum = 0;
    for (size_t p = 0; p < args->k; p++) sum += (uint32_t)(a[p] * b[packed_at(p, j, args->k, 1)]);
    sum -= (uint32_t)row.zero * (uint32_t)args->b_sum[j];
    return fmaf((float)(int32_t)sum, row.scale * args->b_scale[j], args->bias[j]);
}

/* narrow: GELU is the narrow one */
static float activated(const SuGemmArgs *args, size_t i, size_t j, Dot dot, bool narrow)
{
    float x = dot(args, i, j);
    return narrow && args->activation == SUTRA_ACT_GELU_ERF ? gelu_narrow_ref(x)
                                                            : activate_ref(args->activation, x);
}

static void write_c(const SuGemmArgs *args, size_t at, float x)
{
    if (args->c_bf16)
        su_narrow_bf16_ref(&x, 1, (uint16_t *)args->c + at);
    else
        ((float *)args->c)[at] = x;
}

static void run(const SuGemmArgs *args, size_t nr, Dot dot, bool narrow)
{
    size_t end = args->panel_end * nr < args->n ? args->panel_end * nr : args->n;
    for (size_t i = 0; i < args->m; i++) {
        for (size_t j = args->panel_begin * nr; j < end; j += 1 + args->gated) {
            float x = activated(args, i, j, dot, narrow);
            if (args->gated) {
                write_c(args, i * args->ldc + j / 2, x * dot(args, i, j + 1));
                continue;
            }
            if (args->residual) x = x + args->residual[i * args->ldr + j];
            size_t group = args->c_group ? j / args->c_group : 0;
            write_c(args, group * args->c_group_stride + i * args->ldc + j - group * args->c_group,
                    x);
        }
    }
}

void su_gemm_f32_ref(const SuGemmArgs *args) { run(args, NR, dot_f32, false); }
void su_gemm_f16_ref(const SuGemmArgs *args) { run(args, SU_PANEL, dot_f16, false); }
void su_gemm_bf16_ref(const SuGemmArgs *args) { run(args, SU_PANEL, dot_bf16, true); }
void su_gemm_bf16_floats_ref(const SuGemmArgs *args) { run(args, SU_PANEL, dot_bf16_floats, true); }
void su_gemm_bf16_tiles_ref(const SuGemmArgs *args) { run(args, SU_PANEL, dot_bf16_tiles, true); }
void su_gemm_int8_ref(const SuGemmArgs *args) { run(args, SU_PANEL, dot_int8, true); }

void su_kernels_init_ref(SuKernels *kernels)
{
    kernels->gemm_f32 = (SuGemm){.layout = SU_LAYOUT_F32_16,
                                 .mr = 1,
                                 .nr = NR,
                                 .a_size = 4,
                                 .name = "gemm_f32_1x16_ref",
                                 .run = su_gemm_f32_ref};
    kernels->gemm_f16 = (SuGemm){.layout = SU_LAYOUT_F16_32,
                                 .mr = 1,
                                 .nr = SU_PANEL,
                                 .a_size = 4,
                                 .name = "gemm_f16_1x32_ref",
                                 .run = su_gemm_f16_ref};
    kernels->gemm_bf16 = (SuGemm){.layout = SU_LAYOUT_BF16_32,
                                  .mr = 1,
                                  .nr = SU_PANEL,
                                  .a_size = 4,
                                  .name = "gemm_bf16_1x32_ref",
                                  .run = su_gemm_bf16_floats_ref};
    kernels->gemm_int8 = (SuGemm){.layout = SU_LAYOUT_INT8_32,
                                  .mr = 1,
                                  .nr = SU_PANEL,
                                  .a_size = 1,
                                  .name = "gemm_int8_1x32_ref",
                                  .run = su_gemm_int8_ref};
    kernels->attention_f32 = (SuAttentionF32){.name = "attention_f32_ref",
                                              .scratch_bytes = SU_KEY_TILE * sizeof(float),
                                              .run = su_attention_f32_ref};
    kernels->layer_norm_f32 = su_layer_norm_f32_ref;
    kernels->embed_norm_f32 = su_embed_norm_f32_ref;
    kernels->activate_f32 = su_activate_f32_ref;
    kernels->rotate_f32 = su_rotate_f32_ref;
    kernels->rotate_bf16 = su_rotate_bf16_ref;
    kernels->pool_f32 = su_pool_f32_ref;
    kernels->sum_rows_f32 = su_sum_rows_f32_ref;
    kernels->sum_rows_f16 = su_sum_rows_f16_ref;
    kernels->sum_rows_bf16 = su_sum_rows_bf16_ref;
    kernels->sum_rows_s8 = su_sum_rows_s8_ref;
    kernels->sum_of_squares_f32 = su_sum_of_squares_f32_ref;
    kernels->scale_f32 = su_scale_f32_ref;
    kernels->dot_f32 = su_dot_f32_ref;
    kernels->dots_f32 = su_dots_f32_ref;
    kernels->dots_s8 = su_dots_s8_ref;
    kernels->differing_bits = su_differing_bits_ref;
    kernels->widen_f16 = su_widen_f16_ref;
    kernels->widen_bf16 = su_widen_bf16_ref;
    kernels->widen_s8 = su_widen_s8_ref;
    kernels->narrow_bf16 = su_narrow_bf16_ref;
    kernels->quantize_u8 = su_quantize_u8_ref;
    kernels->output_f32 = su_output_f32_ref;
    kernels->output_f16 = su_output_f16_ref;
    kernels->output_u8 = su_output_u8_ref;
    kernels->output_ranged_u8 = su_output_ranged_u8_ref;
    kernels->output_bits = su_output_bits_ref;
}
