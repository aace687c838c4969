/* Gated GEMM: what the same unit gives for the gates with their activation, times what it gives for the
 * other features without one, to the bit; whole and panel by panel. Rotation: plain C against double, levels against plain C. */
#include "checkkernels.h"

#include <math.h>
#include <string.h>

enum { A, PACKED, BIAS, SCALE, SUM, ROWS, GATES, FEATURES, C, EXPECTED };

/* Rows and weights as `gemm` reads them; n is even. */
static SuGemmArgs make_args(Ck *ck, const SuGemm *gemm, size_t m, size_t n, size_t k)
{
    size_t words = su_gemm_words(k, gemm->a_size) * 4 / gemm->a_size;
    size_t lda = gemm->a_size == 4 ? k : words, padded = (n + gemm->nr - 1) / gemm->nr * gemm->nr;
    size_t size = su_gemm_packed_size(gemm->layout, n, k);
    float row[2048];
    unsigned char *a = ck_input(ck, A, m * lda * gemm->a_size, 0);
    unsigned char *b = ck_input(ck, PACKED, size, 0);
    float *bias = ck_input(ck, BIAS, padded * sizeof *bias, 0);
    float *scale = ck_input(ck, SCALE, padded * sizeof *scale, 0);
    int32_t *sum = ck_input(ck, SUM, padded * sizeof *sum, 0);
    SuRowScale *rows = ck_input(ck, ROWS, m * sizeof *rows, 0);
    memset(a, 0, m * lda * gemm->a_size);
    memset(b, 0, size);
    memset(sum, 0, padded * sizeof *sum);
    ck_fill(ck, CK_NORMAL, bias, padded);
    ck_fill(ck, CK_NORMAL, scale, padded);
    for (size_t i = 0; i < m; i++) {
        unsigned char *to = a + i * lda * gemm->a_size;
        ck_fill(ck, CK_NORMAL, row, k);
        if (gemm->a_size == 4) memcpy(to, row, k * sizeof *row);
        if (gemm->a_size == 2) ck->ref.narrow_bf16(row, k, (uint16_t *)(void *)to);
        if (gemm->a_size == 1) rows[i] = ck->ref.quantize_u8(row, NULL, NULL, k, to);
    }
    for (size_t j = 0; j < n; j++) {
        ck_fill(ck, CK_NORMAL, row, k);
        su_gemm_pack(gemm->layout, row, j, k, b, &scale[j], &sum[j]);
    }
    return (SuGemmArgs){.a = a,
                        .lda = lda,
                        .a_scale = rows,
                        .b = b,
                        .bias = bias,
                        .b_scale = scale,
                        .b_sum = sum,
                        .m = m,
                        .n = n,
                        .k = k,
                        .panel_end = padded / gemm->nr};
}

static float *run_plain(Ck *ck, const SuGemm *gemm, SuGemmArgs args, SutraActivation activation,
                        int slot)
{
    float *c = ck_output(ck, slot, args.m * args.n * sizeof *c, 0);
    args.c = c;
    args.ldc = args.n;
    args.activation = activation;
    gemm->run(&args);
    return c;
}

static void check_unit(Ck *ck, const SuGemm *gemm, bool narrow, int round)
{
    static const SutraActivation kinds[] = {SUTRA_ACT_GELU_ERF, SUTRA_ACT_SILU, SUTRA_ACT_RELU,
                                            SUTRA_ACT_NONE};
    size_t m = ck_between(ck, 1, 70), n = 2 * ck_between(ck, 1, 60), k = ck_between(ck, 1, 200);
    SutraActivation activation = kinds[round % 4];
    bool bf16 = narrow && round % 3 == 0;
    size_t half = n / 2, ldc = half + ck_between(ck, 0, 5), size = bf16 ? 2 : 4;
    ck_case(ck, "gated %s m %zu n %zu k %zu ldc %zu act %d bf16 %d", gemm->name, m, n, k, ldc,
            (int)activation, bf16);
    SuGemmArgs args = make_args(ck, gemm, m, n, k);
    const float *gates = run_plain(ck, gemm, args, activation, GATES);
    const float *features = run_plain(ck, gemm, args, SUTRA_ACT_NONE, FEATURES);
    char *expected = ck_output(ck, EXPECTED, ((m - 1) * ldc + half) * size, 0);
    for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j < half; j++) {
            float x = gates[i * n + 2 * j] * features[i * n + 2 * j + 1];
            if (bf16)
                ck->ref.narrow_bf16(&x, 1, (uint16_t *)(void *)expected + i * ldc + j);
            else
                memcpy(expected + (i * ldc + j) * size, &x, size);
        }
    args.gated = true;
    args.activation = activation;
    args.c_bf16 = bf16;
    args.ldc = ldc;
    args.block_bytes = ck_between(ck, 0, 1) ? ck_between(ck, 1, 40000) : 0;
    args.c = ck_output(ck, C, ((m - 1) * ldc + half) * size, 0);
    for (size_t panel = 0, end = args.panel_end; panel < end; panel = args.panel_end) {
        args.panel_begin = panel;
        args.panel_end = ck_between(ck, panel + 1, end);
        gemm->run(&args);
        if (args.panel_end == end) break;
    }
    if (memcmp(args.c, expected, ((m - 1) * ldc + half) * size) != 0)
        ck_fail(ck, "%s: gated differs from its parts", gemm->name);
    ck_check_canaries(ck);
}

static void check_level(Ck *ck, const SuKernels *kernels)
{
    for (int round = 0; round < 36; round++) {
        check_unit(ck, &kernels->gemm_f32, false, round);
        check_unit(ck, &kernels->gemm_f16, false, round);
        check_unit(ck, &kernels->gemm_bf16, true, round);
        check_unit(ck, &kernels->gemm_int8, true, round);
    }
}

void check_gated(Ck *ck)
{
    check_level(ck, &ck->ref);
    for (int t = 0; t < ck->num_tested; t++) check_level(ck, &ck->tested[t]);
}

/* ---- rotation ---- */

static void make_turns(Ck *ck, float *turns, size_t rows, size_t half)
{
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < half; j++) {
            double angle = (double)ck_between(ck, 0, 100000) * 0.0001;
            turns[2 * i * half + j] = (float)cos(angle);
            turns[(2 * i + 1) * half + j] = (float)sin(angle);
        }
}

/* Two roundings each of the products and the sum. */
static void check_turned(Ck *ck, const float *x, const float *turns, const float *y, size_t half,
                         double *worst)
{
    for (size_t j = 0; j < half; j++) {
        double a = (double)x[j], b = (double)x[half + j];
        double c = (double)turns[j], s = (double)turns[half + j];
        double bound = 0x1p-23 * (fabs(a) + fabs(b)) + 0x1p-148;
        ck_within(ck, (double)j, y[j], a * c - b * s, bound, worst);
        ck_within(ck, (double)(half + j), y[half + j], b * c + a * s, bound, worst);
    }
}

void check_rotate(Ck *ck)
{
    double worst = 0;
    for (int round = 0; round < 300; round++) {
        size_t half = ck_between(ck, 1, round % 2 ? 128 : 32), size = 2 * half;
        size_t rows = ck_between(ck, 1, 9), stride = size + ck_between(ck, 0, 9);
        size_t count = (rows - 1) * stride + size;
        ck_case(ck, "rotate size %zu rows %zu stride %zu", size, rows, stride);
        float *turns = ck_input(ck, 0, rows * size * sizeof *turns, 0);
        float *start = ck_input(ck, 1, count * sizeof *start, 0);
        make_turns(ck, turns, rows, half);
        ck_fill(ck, CK_NORMAL, start, count);
        float *expected = ck_output(ck, 2, count * sizeof *expected, 0);
        memcpy(expected, start, count * sizeof *start);
        ck->ref.rotate_f32(expected, stride, turns, rows, size);
        for (size_t i = 0; i < rows; i++)
            check_turned(ck, start + i * stride, turns + i * size, expected + i * stride, half,
                         &worst);
        uint16_t *halves = ck_output(ck, 3, count * sizeof *halves, 0);
        ck->ref.narrow_bf16(start, count, halves);
        ck->ref.rotate_bf16(halves, stride, turns, rows, size);
        for (int t = 0; t < ck->num_tested; t++) {
            const SuKernels *kernels = &ck->tested[t];
            float *y = ck_output(ck, 4, count * sizeof *y, 0);
            memcpy(y, start, count * sizeof *y);
            kernels->rotate_f32(y, stride, turns, rows, size);
            ck_same(ck, su_isa_name(kernels->isa), y, expected, count);
            uint16_t *z = ck_output(ck, 5, count * sizeof *z, 0);
            ck->ref.narrow_bf16(start, count, z);
            kernels->rotate_bf16(z, stride, turns, rows, size);
            if (memcmp(z, halves, count * sizeof *z) != 0)
                ck_fail(ck, "rotate_bf16 of %s differs from plain C", su_isa_name(kernels->isa));
            ck_check_canaries(ck);
        }
    }
    ck_report("rotate_f32: u (|a| + |b|)", worst);
}
