/* GEMM in bf16 and int8: every level must give the bits of plain C, and plain C what it is defined
 * as, computed here from unpacked weights. */
#include "checkkernels.h"
#include "kernels/ref/kernels_ref.h"

#include <math.h>
#include <string.h>

enum { A, PACKED, BIAS, SCALE, SUM, ROWS, RESIDUAL, C, EXPECTED, WEIGHTS, START };

typedef struct Problem {
    bool int8, floats; /* floats: rows of a in fp32 */
    bool small;        /* products about the smallest normal numbers */
    bool residual_is_c;
    size_t m, n, k, lda;
    float *weights; /* [n, k] */
    SuGemmArgs args;
} Problem;

/* Finite values; times `scale`. */
static void fill(Ck *ck, float *x, size_t n, float scale)
{
    ck_fill(ck, CK_NORMAL, x, n);
    for (size_t i = 0; i < n; i++) x[i] *= scale;
}

static float scale_of(const Problem *p) { return p->small ? 0x1p-63f : 1.0f; }

/* Rows of floats end where their elements do. */
static void make_float_rows(Ck *ck, Problem *p)
{
    p->lda = p->k + ck_between(ck, 0, 5);
    float *a = ck_input(ck, A, ((p->m - 1) * p->lda + p->k) * sizeof *a, 0);
    for (size_t i = 0; i < p->m; i++) fill(ck, a + i * p->lda, p->k, scale_of(p));
    p->args.a = a;
}

static void make_rows(Ck *ck, const SuKernels *kernels, Problem *p)
{
    if (p->floats) {
        make_float_rows(ck, p);
        return;
    }
    size_t size = p->int8 ? 1 : 2, words = su_gemm_words(p->k, size);
    p->lda = words * 4 / size + 64 * ck_between(ck, 0, 1);
    unsigned char *a = ck_input(ck, A, p->m * p->lda * size, 0);
    SuRowScale *rows = ck_input(ck, ROWS, p->m * sizeof *rows, 0);
    float row[4096];
    memset(a, 0, p->m * p->lda * size);
    for (size_t i = 0; i < p->m; i++) {
        fill(ck, row, p->k, scale_of(p));
        if (p->int8)
            rows[i] = kernels->quantize_u8(row, NULL, NULL, p->k, a + i * p->lda);
        else
            kernels->narrow_bf16(row, p->k, (uint16_t *)(void *)a + i * p->lda);
    }
    p->args.a = a;
    p->args.a_scale = rows;
}

static void make_weights(Ck *ck, Problem *p)
{
    size_t padded = (p->n + SU_PANEL - 1) / SU_PANEL * SU_PANEL;
    SuGemmLayout layout = p->int8 ? SU_LAYOUT_INT8_32 : SU_LAYOUT_BF16_32;
    size_t size = su_gemm_packed_size(layout, p->n, p->k);
    unsigned char *b = ck_input(ck, PACKED, size, 0);
    float *scale = ck_input(ck, SCALE, padded * sizeof *scale, 0);
    int32_t *sum = ck_input(ck, SUM, padded * sizeof *sum, 0);
    float *bias = ck_input(ck, BIAS, padded * sizeof *bias, 0);
    memset(b, 0, size);
    memset(scale, 0, padded * sizeof *scale);
    memset(sum, 0, padded * sizeof *sum);
    fill(ck, bias, padded, scale_of(p) * scale_of(p));
    p->weights = ck_input(ck, WEIGHTS, p->n * p->k * sizeof(float), 0);
    fill(ck, p->weights, p->n * p->k, scale_of(p));
    for (size_t j = 0; j < p->n; j++)
        su_gemm_pack(layout, p->weights + j * p->k, j, p->k, b, &scale[j], &sum[j]);
    p->args.b = b;
    p->args.bias = bias;
    p->args.b_scale = scale;
    p->args.b_sum = sum;
    p->args.panel_end = padded / SU_PANEL;
}

/* Rows that fill no tile of any level, panels across what a level keeps in cache. */
static Problem random_problem(Ck *ck, bool int8, bool floats, int round)
{
    Problem p = {.int8 = int8,
                 .floats = floats,
                 .small = !int8 && !floats && round % 5 == 4,
                 .m = ck_between(ck, 1, round % 2 ? 100 : 40),
                 .n = ck_between(ck, 1, round % 4 ? 100 : 200),
                 .k = ck_between(ck, 1, round % 4 ? 200 : 1600)};
    ck_case(ck, "gemm_%s%s m %zu n %zu k %zu round %d", int8 ? "int8" : "bf16",
            floats ? ", rows of floats," : "", p.m, p.n, p.k, round);
    make_rows(ck, &ck->ref, &p);
    make_weights(ck, &p);
    p.args.lda = p.lda;
    p.args.m = p.m;
    p.args.n = p.n;
    p.args.k = p.k;
    p.args.ldc = p.n + ck_between(ck, 0, 5);
    p.args.c_bf16 = round % 7 < 3 && !p.small; /* a denormal may become zero */
    p.args.activation = (SutraActivation)(round % 6);
    p.residual_is_c = !p.args.c_bf16 && round % 3 == 2;
    if (round % 3) {
        p.args.ldr = p.args.ldc + (p.residual_is_c ? 0 : ck_between(ck, 0, 3));
        float *residual =
            ck_input(ck, RESIDUAL, ((p.m - 1) * p.args.ldr + p.n) * sizeof *residual, 0);
        for (size_t i = 0; i < p.m; i++) fill(ck, residual + i * p.args.ldr, p.n, 1.0f);
        p.args.residual = residual;
    }
    return p;
}

static const SuGemm *gemm_of(const SuKernels *kernels, bool int8)
{
    return int8 ? &kernels->gemm_int8 : &kernels->gemm_bf16;
}

/* Runs on c of a buffer, which holds the residual where c is that too. */
static void run_into(Ck *ck, const SuGemm *gemm, Problem *p, int slot)
{
    size_t size = p->args.c_bf16 ? 2 : 4;
    SuGemmArgs args = p->args;
    args.block_bytes = ck_between(ck, 0, 1) ? ck_between(ck, 1, 40000) : 0;
    args.c = p->args.c = ck_output(ck, slot, ((p->m - 1) * args.ldc + p->n) * size, 0);
    if (p->residual_is_c && args.residual) {
        for (size_t i = 0; i < p->m; i++)
            memcpy((float *)args.c + i * args.ldc, args.residual + i * args.ldr,
                   p->n * sizeof(float));
        args.residual = args.c;
        args.ldr = args.ldc;
    }
    gemm->run(&args);
}

/* What `gemm` computes, in plain C. */
static SuGemm definition_of(const SuGemm *gemm, bool int8)
{
    SuGemm plain = *gemm;
    plain.run = int8                          ? su_gemm_int8_ref
                : gemm->a_size == 4           ? su_gemm_bf16_floats_ref
                : gemm->sums == SU_SUMS_TILES ? su_gemm_bf16_tiles_ref
                                              : su_gemm_bf16_ref;
    return plain;
}

static void compare_levels(Ck *ck, bool int8, bool floats)
{
    for (int round = 0; round < 120; round++) {
        Problem p = random_problem(ck, int8, floats, round);
        size_t bytes = ((p.m - 1) * p.args.ldc + p.n) * (p.args.c_bf16 ? 2 : 4);
        void (*definition)(const SuGemmArgs *) = NULL;
        const void *expected = NULL;
        for (int t = 0; t < ck->num_tested; t++) {
            const SuGemm *gemm = gemm_of(&ck->tested[t], int8);
            if (gemm->a_size != (floats ? 4 : int8 ? 1 : 2)) continue;
            if (p.small && gemm->sums == SU_SUMS_CHAIN) continue; /* denormals are the ISA's own */
            const SuGemm plain = definition_of(gemm, int8);
            if (definition != plain.run) {
                definition = plain.run;
                run_into(ck, &plain, &p, EXPECTED);
                expected = p.args.c;
            }
            run_into(ck, gemm, &p, C);
            if (memcmp(p.args.c, expected, bytes) != 0)
                ck_fail(ck, "%s differs from plain C", gemm->name);
            ck_check_canaries(ck);
        }
    }
}

/* Row i is the same bytes among all rows and from any first row to any last; a panel, alone too. */
static void check_independence(Ck *ck, bool int8, bool floats)
{
    for (int round = 0; round < 6; round++) {
        Problem p = random_problem(ck, int8, floats, 2 * round + 1);
        size_t c_size = p.args.c_bf16 ? 2 : 4, a_row = p.lda * (floats ? 4 : int8 ? 1 : 2);
        p.residual_is_c = false;
        for (int t = 0; t < ck->num_tested; t++) {
            const SuGemm *gemm = gemm_of(&ck->tested[t], int8);
            if (gemm->a_size != (floats ? 4 : int8 ? 1 : 2)) continue;
            run_into(ck, gemm, &p, EXPECTED);
            const char *all = p.args.c;
            for (size_t i = 0; i < p.m; i += ck_between(ck, 1, 9)) {
                SuGemmArgs part = p.args;
                part.m = i % 2 ? 1 : ck_between(ck, 1, p.m - i);
                part.panel_begin = ck_between(ck, 0, part.panel_end - 1);
                part.panel_end = ck_between(ck, part.panel_begin, part.panel_end);
                part.a = (const char *)p.args.a + i * a_row;
                if (int8) part.a_scale += i;
                if (part.residual) part.residual += i * p.args.ldr;
                size_t bytes = ((part.m - 1) * p.args.ldc + p.n) * c_size;
                part.c = ck_output(ck, C, bytes, 0);
                gemm->run(&part);
                size_t first = part.panel_begin * SU_PANEL, past = part.panel_end * SU_PANEL;
                if (past > p.n) past = p.n;
                for (size_t r = 0; r < part.m && first < past; r++) {
                    size_t at = (r * p.args.ldc + first) * c_size;
                    if (memcmp((char *)part.c + at, all + i * p.args.ldc * c_size + at,
                               (past - first) * c_size) != 0)
                        ck_fail(ck, "%s: row %zu depends on the rows around it", gemm->name, i + r);
                }
                ck_check_canaries(ck);
            }
        }
    }
}

/* Columns in groups are the same columns elsewhere. */
static void check_column_groups(Ck *ck, bool int8, bool floats)
{
    for (int round = 1; round < 8; round += 2) {
        Problem p = random_problem(ck, int8, floats, round);
        size_t c_size = p.args.c_bf16 ? 2 : 4, group = SU_PANEL * ck_between(ck, 1, 2);
        size_t groups = (p.n + group - 1) / group;
        p.residual_is_c = false;
        for (int t = 0; t < ck->num_tested; t++) {
            const SuGemm *gemm = gemm_of(&ck->tested[t], int8);
            if (gemm->a_size != (floats ? 4 : int8 ? 1 : 2)) continue;
            run_into(ck, gemm, &p, EXPECTED);
            SuGemmArgs args = p.args;
            args.ldc = group + 3;
            args.c_group = group;
            args.c_group_stride = p.m * args.ldc;
            args.c = ck_output(ck, C, groups * args.c_group_stride * c_size, 0);
            gemm->run(&args);
            for (size_t i = 0; i < p.m; i++)
                for (size_t j = 0; j < p.n; j++) {
                    size_t at = j / group * args.c_group_stride + i * args.ldc + j % group;
                    if (memcmp((char *)args.c + at * c_size,
                               (char *)p.args.c + (i * p.args.ldc + j) * c_size, c_size) != 0)
                        ck_fail(ck, "%s: [%zu, %zu] in groups of %zu columns", gemm->name, i, j,
                                group);
                }
            ck_check_canaries(ck);
        }
    }
}

/* Plain C against the product of the rows as they were quantised and the weights in double. */
static void check_definition(Ck *ck, const SuGemm *kind, bool int8)
{
    const SuGemm plain = definition_of(kind, int8);
    const bool floats = kind->a_size == 4;
    double worst = 0;
    for (int round = 0; round < 20; round++) {
        Problem p = random_problem(ck, int8, floats, round);
        if (p.small && kind->sums == SU_SUMS_TILES) continue; /* zeros instead of denormals */
        p.args.c_bf16 = false;
        p.args.activation = SUTRA_ACT_NONE;
        p.args.residual = NULL;
        run_into(ck, &plain, &p, C);
        for (size_t i = 0; i < p.m; i++) {
            for (size_t j = 0; j < p.n; j++) {
                double sum = (double)p.args.bias[j], bound = 1e-6 * fabs(sum), most = 0;
                for (size_t e = 0; e < p.k; e++)
                    most = fmax(most, fabs((double)p.weights[j * p.k + e]));
                for (size_t e = 0; e < p.k; e++) {
                    double x, w = (double)p.weights[j * p.k + e];
                    if (int8) {
                        const SuRowScale *row = &p.args.a_scale[i];
                        x = (double)row->scale *
                            (((const uint8_t *)p.args.a)[i * p.lda + e] - row->zero);
                        bound += fabs(x) * most / 253.9;
                    } else if (floats) {
                        x = (double)((const float *)p.args.a)[i * p.lda + e];
                        bound += fabs(x * w) * 0x1p-8;
                    } else {
                        float wide;
                        ck->ref.widen_bf16((const uint16_t *)p.args.a + i * p.lda + e, 1, &wide);
                        x = (double)wide;
                        bound += fabs(x * w) * 0x1p-8;
                    }
                    sum += x * w;
                    bound += fabs(x * w) * 1e-4;
                }
                ck_within(ck, (double)j, ((const float *)p.args.c)[i * p.args.ldc + j], sum, bound,
                          &worst);
            }
        }
    }
    ck_report(int8 ? "gemm_int8: half a step of w" : "gemm_bf16: 2^-8 sum |a w|", worst);
}

void check_gemm_bf16(Ck *ck)
{
    static const SuGemm kinds[] = {
        {.a_size = 4}, {.a_size = 2}, {.a_size = 2, .sums = SU_SUMS_TILES}};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        check_definition(ck, &kinds[i], false);
    for (int floats = 0; floats < 2; floats++) {
        compare_levels(ck, false, floats);
        check_independence(ck, false, floats);
        check_column_groups(ck, false, floats);
    }
}

void check_gemm_int8(Ck *ck)
{
    check_definition(ck, &ck->ref.gemm_int8, true);
    compare_levels(ck, true, false);
    check_independence(ck, true, false);
    check_column_groups(ck, true, false);
}

/* ---- rows to fewer bits ---- */

static void check_nearest_bf16(Ck *ck, const float *x, const uint16_t *y, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        float wide, up, down;
        uint16_t above = (uint16_t)(y[i] + 1), below = (uint16_t)(y[i] - 1);
        ck->ref.widen_bf16(&y[i], 1, &wide);
        if (isnan(x[i]) || isinf(wide)) {
            if (isnan(x[i]) != isnan(wide)) ck_fail(ck, "narrow_bf16: NaN lost or made");
            continue;
        }
        ck->ref.widen_bf16(&above, 1, &up);
        ck->ref.widen_bf16(&below, 1, &down);
        double error = fabs((double)wide - (double)x[i]);
        bool to_even = error < fabs((double)up - (double)x[i]) || isnan(up) || y[i] % 2 == 0;
        if (error > fabs((double)up - (double)x[i]) ||
            ((y[i] & 0x7fffu) && error > fabs((double)down - (double)x[i])) || !to_even)
            ck_fail(ck, "narrow_bf16: %a gives %a", (double)x[i], (double)wide);
    }
}

void check_narrow_bf16(Ck *ck)
{
    for (int values = 0; values < CK_NUM_VALUES; values++)
        for (size_t n = 1; n <= 140; n++) {
            ck_case(ck, "narrow_bf16 %s n %zu", ck_values_name[values], n);
            float *x = ck_input(ck, A, n * sizeof *x, 0);
            ck_fill(ck, (CkValues)values, x, n);
            x[n / 2] = 1.00390625f; /* between two halves */
            uint16_t *expected = ck_output(ck, EXPECTED, n * sizeof *expected, 0);
            ck->ref.narrow_bf16(x, n, expected);
            check_nearest_bf16(ck, x, expected, n);
            for (int t = 0; t < ck->num_tested; t++) {
                uint16_t *y = ck_output(ck, C, n * sizeof *y, 0);
                ck->tested[t].narrow_bf16(x, n, y);
                if (memcmp(y, expected, n * sizeof *y) != 0)
                    ck_fail(ck, "narrow_bf16 of %s differs from plain C",
                            su_isa_name(ck->tested[t].isa));
                ck_check_canaries(ck);
            }
        }
}

/* What a row means, against the row: half a step, or a whole one where its ends are rounded. */
static void check_half_step(Ck *ck, const float *x, const float *factor, size_t n, SuRowScale row,
                            const uint8_t *y)
{
    for (size_t i = 0; i < n; i++) {
        double value = (double)(factor ? x[i] * factor[i] : x[i]);
        double error = fabs((double)row.scale * (y[i] - row.zero) - value);
        if (!(error <= (double)row.scale * 1.001))
            ck_fail(ck, "quantize_u8: %g is %d of scale %g, zero %d", value, y[i],
                    (double)row.scale, row.zero);
    }
}

static bool same_scale(SuRowScale a, SuRowScale b)
{
    return a.zero == b.zero && (a.scale == b.scale || (isnan(a.scale) && isnan(b.scale)));
}

static void compare_quantized(Ck *ck, const float *x, const float *factor, const SuRowScale *fixed,
                              size_t n, bool exact)
{
    uint8_t *expected = ck_output(ck, EXPECTED, n, 0);
    SuRowScale row = ck->ref.quantize_u8(x, factor, fixed, n, expected);
    if (exact) check_half_step(ck, x, factor, n, row, expected);
    for (int t = 0; t < ck->num_tested; t++) {
        uint8_t *y = ck_output(ck, C, n, 0);
        SuRowScale got = ck->tested[t].quantize_u8(x, factor, fixed, n, y);
        if (!same_scale(got, row) || memcmp(y, expected, n) != 0)
            ck_fail(ck, "quantize_u8 of %s differs from plain C", su_isa_name(ck->tested[t].isa));
        ck_check_canaries(ck);
    }
}

void check_quantize_u8(Ck *ck)
{
    static const SuRowScale fixed = {.scale = 0.01f, .zero = 100};
    for (int values = 0; values < CK_NUM_VALUES; values++)
        for (size_t n = 1; n <= 140; n++) {
            ck_case(ck, "quantize_u8 %s n %zu", ck_values_name[values], n);
            bool normal = values == CK_NORMAL;
            float *x = ck_input(ck, A, n * sizeof *x, 0), *factor = ck_input(ck, BIAS, n * 4, 0);
            ck_fill(ck, (CkValues)values, x, n);
            for (size_t i = 0; i < n; i++) factor[i] = 0.25f + 0.125f * (float)(i % 9);
            compare_quantized(ck, x, NULL, NULL, n, normal);
            compare_quantized(ck, x, factor, NULL, n, normal);
            compare_quantized(ck, x, NULL, &fixed, n, false);
        }
    float zeros[40] = {0};
    ck_case(ck, "quantize_u8 of zeros");
    compare_quantized(ck, zeros, NULL, NULL, 40, true);
}
