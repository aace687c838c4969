/* GEMM of fp32 and fp16: every level packs the same weights its own way and must give the bits of
 * plain C; of weights that are halves, fp16 must give those of fp32. */
#include "checkkernels.h"

#include <math.h>
#include <string.h>

enum { A, PACKED, BIAS, RESIDUAL, C, EXPECTED, START, WEIGHTS, BIAS_ROW }; /* buffers */

typedef enum ResidualMode {
    RESIDUAL_NONE,
    RESIDUAL_APART,
    RESIDUAL_IS_C,
    NUM_RESIDUALS
} ResidualMode;
typedef enum PanelMode { PANELS_AT_ONCE, PANELS_BACKWARDS, PANELS_SOME, NUM_PANEL_MODES } PanelMode;

typedef struct Problem {
    size_t m, n, k, lda, ldc, ldr;
    ResidualMode residual_mode;
    PanelMode panels;
    SutraActivation activation;
    CkValues values;
    bool f16;     /* weights in halves */
    size_t shift; /* bytes between the buffers and the page */
    float *a, *weights, *bias, *residual;
} Problem;

static size_t bytes(size_t rows, size_t stride, size_t columns)
{
    return ((rows - 1) * stride + columns) * sizeof(float);
}

static float *rows_of(Ck *ck, int slot, const Problem *p, CkValues values, size_t rows,
                      size_t stride, size_t columns)
{
    float *x = ck_input(ck, slot, bytes(rows, stride, columns), p->shift);
    for (size_t i = 0; i < rows; i++) ck_fill(ck, values, x + i * stride, columns);
    return x;
}

static const SuGemm *kernel_of(const SuKernels *kernels, bool f16)
{
    return f16 ? &kernels->gemm_f16 : &kernels->gemm_f32;
}

/* Floats that are halves: near x, or any finite ones with many zeros, denormals and largest. */
static void make_halves(Ck *ck, bool any, float *x, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        uint16_t half;
        uint64_t random = ck_random(ck);
        ck->ref.output_f16(&x[i], 1.0f, 1, &half);
        if (any) {
            half = (uint16_t)(random >> 16);
            if ((half & 0x7c00u) == 0x7c00u) half = (half & 0x8000u) | 0x7bffu;
            if (random % 8 == 0) half &= 0x83ffu;
            if (random % 8 == 1) half &= 0x8000u;
            if (random % 64 == 2) half = (half & 0x8000u) | 0x7bffu;
        }
        ck->ref.widen_f16(&half, 1, &x[i]);
    }
}

static void make_problem(Ck *ck, Problem *p)
{
    ck_case(ck, "gemm_%s m %zu n %zu k %zu lda %zu ldc %zu ldr %zu residual %d panels %d act %d %s",
            p->f16 ? "f16" : "f32", p->m, p->n, p->k, p->lda, p->ldc, p->ldr, (int)p->residual_mode,
            (int)p->panels, (int)p->activation, ck_values_name[p->values]);
    p->a = rows_of(ck, A, p, p->values, p->m, p->lda, p->k);
    CkValues weights = p->f16 || p->values == CK_HUGE ? CK_NORMAL : p->values;
    p->weights = rows_of(ck, WEIGHTS, p, weights, p->n, p->k, p->k);
    if (p->f16) make_halves(ck, p->values != CK_NORMAL, p->weights, p->n * p->k);
    p->bias = rows_of(ck, BIAS_ROW, p, p->values, 1, p->n, p->n);
    p->residual = rows_of(ck, RESIDUAL, p, p->values, p->m, p->ldr, p->n);
}

/* Weights and bias as `kernel` wants them. */
static void pack(Ck *ck, const SuGemm *kernel, const Problem *p, SuGemmArgs *args)
{
    size_t padded = (p->n + kernel->nr - 1) / kernel->nr * kernel->nr;
    size_t size = su_gemm_packed_size(kernel->layout, p->n, p->k);
    void *b = ck_input(ck, PACKED, size, p->shift);
    float *bias = ck_input(ck, BIAS, padded * sizeof *bias, p->shift);
    memset(b, 0, size);
    memset(bias, 0, padded * sizeof *bias);
    for (size_t j = 0; j < p->n; j++)
        if (!su_gemm_pack(kernel->layout, p->weights + j * p->k, j, p->k, b, NULL, NULL))
            ck_fail(ck, "a weight was not packed");
    memcpy(bias, p->bias, p->n * sizeof *bias);
    *args = (SuGemmArgs){.a = p->a,
                         .lda = p->lda,
                         .b = b,
                         .bias = bias,
                         .ldr = p->ldr,
                         .ldc = p->ldc,
                         .m = p->m,
                         .n = p->n,
                         .k = p->k,
                         .panel_end = padded / kernel->nr,
                         .activation = p->activation};
}

/* A buffer as c is before a run: the residual where c is the residual too. */
static float *start_of(Ck *ck, int slot, const Problem *p)
{
    float *c = ck_output(ck, slot, bytes(p->m, p->ldc, p->n), p->shift);
    if (p->residual_mode == RESIDUAL_IS_C)
        for (size_t i = 0; i < p->m; i++)
            memcpy(c + i * p->ldc, p->residual + i * p->ldr, p->n * sizeof *c);
    return c;
}

static void set_output(SuGemmArgs *args, const Problem *p, float *c)
{
    args->c = c;
    if (p->residual_mode == RESIDUAL_APART) args->residual = p->residual;
    if (p->residual_mode != RESIDUAL_IS_C) return;
    args->residual = c;
    args->ldr = p->ldc;
}

static float *expected_of(Ck *ck, const Problem *p)
{
    SuGemmArgs args;
    pack(ck, &ck->ref.gemm_f32, p, &args);
    float *c = start_of(ck, EXPECTED, p);
    set_output(&args, p, c);
    ck->ref.gemm_f32.run(&args);
    return c;
}

/* Columns outside first … last - 1 as they were. */
static void restore_columns(const Problem *p, const float *start, float *c, size_t first,
                            size_t last)
{
    for (size_t i = 0; i < p->m; i++)
        for (size_t j = 0; j < p->n; j++)
            if (j < first || j >= last)
                memcpy(&c[i * p->ldc + j], &start[i * p->ldc + j], sizeof *c);
}

static void compare_level(Ck *ck, const SuGemm *kernel, const Problem *p)
{
    SuGemmArgs args;
    float *expected = expected_of(ck, p);
    pack(ck, kernel, p, &args);
    args.block_bytes = ck_between(ck, 0, 1) ? ck_between(ck, 1, 40000) : 0;
    float *c = start_of(ck, C, p);
    set_output(&args, p, c);
    size_t num_panels = args.panel_end;
    if (p->panels == PANELS_BACKWARDS) {
        for (size_t panel = num_panels; panel > 0; panel--) {
            args.panel_begin = panel - 1;
            args.panel_end = panel;
            kernel->run(&args);
        }
    } else if (p->panels == PANELS_SOME) {
        args.panel_begin = ck_between(ck, 0, num_panels - 1);
        args.panel_end = ck_between(ck, args.panel_begin, num_panels);
        kernel->run(&args);
        restore_columns(p, start_of(ck, START, p), expected, args.panel_begin * kernel->nr,
                        args.panel_end * kernel->nr);
    } else {
        kernel->run(&args);
    }
    ck_same(ck, kernel->name, c, expected, bytes(p->m, p->ldc, p->n) / sizeof *c);
    ck_check_canaries(ck);
}

/* One case; everything but its shape is random. */
static void compare_shape(Ck *ck, bool f16, size_t m, size_t n, size_t k)
{
    Problem p = {.m = m, .n = n, .k = k, .f16 = f16};
    p.lda = k + ck_between(ck, 0, 2) * ck_between(ck, 0, 9);
    p.ldc = n + ck_between(ck, 0, 2) * ck_between(ck, 0, 9);
    p.ldr = n + ck_between(ck, 0, 2) * ck_between(ck, 0, 9);
    p.residual_mode = (ResidualMode)ck_between(ck, 0, NUM_RESIDUALS - 1);
    p.panels = (PanelMode)ck_between(ck, 0, NUM_PANEL_MODES - 1);
    p.activation = (SutraActivation)ck_between(ck, 0, SUTRA_ACT_SIGMOID);
    p.values = (CkValues)(ck_between(ck, 0, 1) * ck_between(ck, 0, CK_NUM_VALUES - 1));
    p.shift = sizeof(float) * ck_between(ck, 0, 1);
    make_problem(ck, &p);
    for (int t = 0; t < ck->num_tested; t++) compare_level(ck, kernel_of(&ck->tested[t], f16), &p);
}

static void compare_shapes(Ck *ck, bool f16)
{
    static const size_t widths[] = {1, 7, 8, 15, 16, 17, 31, 32, 33, 48, 63, 65, 96};
    static const size_t depths[] = {1, 2, 7, 64};
    for (size_t m = 1; m <= 40; m++) {
        for (size_t d = 0; d < sizeof depths / sizeof depths[0]; d++)
            for (size_t w = 0; w < sizeof widths / sizeof widths[0]; w++)
                compare_shape(ck, f16, m, widths[w], depths[d]);
        compare_shape(ck, f16, m, ck_between(ck, 1, 40), 384);
    }
    /* across the blocks of rows that gemm_driver.h keeps in L2 */
    compare_shape(ck, f16, 300, 33, 384);
    compare_shape(ck, f16, 70, 40, 1536);
    compare_shape(ck, f16, 61, 16, 1536);
    compare_shape(ck, f16, 13, 5, 9000);
    for (int i = 0; i < 200; i++)
        compare_shape(ck, f16, ck_between(ck, 1, 60), ck_between(ck, 1, 130),
                      ck_between(ck, 1, 130));
}

/* Row i is the same bytes computed alone, among all rows, and from any first row. */
static void check_row_independence(Ck *ck, bool f16)
{
    for (int round = 0; round < 12; round++) {
        Problem p = {.m = 40, .n = ck_between(ck, 1, 70), .k = ck_between(ck, 1, 100), .f16 = f16};
        p.lda = p.k;
        p.ldc = p.ldr = p.n;
        p.activation = (SutraActivation)(round % 6);
        p.residual_mode = round % 2 ? RESIDUAL_APART : RESIDUAL_NONE;
        make_problem(ck, &p);
        for (int t = 0; t < ck->num_tested; t++) {
            SuGemmArgs args;
            pack(ck, kernel_of(&ck->tested[t], f16), &p, &args);
            float *all = start_of(ck, EXPECTED, &p);
            set_output(&args, &p, all);
            kernel_of(&ck->tested[t], f16)->run(&args);
            for (size_t i = 0; i < p.m; i++) {
                SuGemmArgs part = args;
                part.m = i % 2 ? 1 : ck_between(ck, 1, p.m - i);
                part.a = p.a + i * p.lda;
                if (part.residual) part.residual += i * p.ldr;
                part.c = ck_output(ck, C, part.m * p.n * sizeof(float), 0);
                kernel_of(&ck->tested[t], f16)->run(&part);
                if (memcmp(part.c, all + i * p.n, part.m * p.n * sizeof(float)) != 0)
                    ck_fail(ck, "%s: row %zu depends on the rows around it",
                            kernel_of(&ck->tested[t], f16)->name, i);
            }
        }
    }
}

/* Columns in groups are the same columns elsewhere. */
static void check_groups(Ck *ck, bool f16)
{
    for (int round = 0; round < 24; round++) {
        for (int t = 0; t < ck->num_tested; t++) {
            const SuGemm *kernel = kernel_of(&ck->tested[t], f16);
            size_t group = kernel->nr * ck_between(ck, 1, 3), groups = ck_between(ck, 1, 4);
            Problem p = {.m = ck_between(ck, 1, 30), .n = group * groups, .k = 17, .f16 = f16};
            p.lda = p.k;
            p.ldc = p.ldr = p.n;
            p.activation = (SutraActivation)(round % 6);
            make_problem(ck, &p);
            SuGemmArgs args;
            pack(ck, kernel, &p, &args);
            float *dense = start_of(ck, EXPECTED, &p);
            set_output(&args, &p, dense);
            kernel->run(&args);
            args.ldc = group + ck_between(ck, 0, 5);
            args.c_group = group;
            args.c_group_stride = p.m * args.ldc;
            args.c = ck_output(ck, C, groups * args.c_group_stride * sizeof(float), 0);
            kernel->run(&args);
            for (size_t i = 0; i < p.m; i++)
                for (size_t g = 0; g < groups; g++)
                    ck_same(ck, "a group of columns",
                            (float *)args.c + g * args.c_group_stride + i * args.ldc,
                            dense + i * p.n + g * group, group);
            ck_check_canaries(ck);
        }
    }
}

static void run_dense(Ck *ck, const SuGemm *kernel, const Problem *p, float *c)
{
    SuGemmArgs args;
    pack(ck, kernel, p, &args);
    set_output(&args, p, c);
    kernel->run(&args);
}

/* One NaN in a, w, bias or residual makes NaN of what depends on it, and of nothing else. */
static void check_nan(Ck *ck, bool f16)
{
    for (int round = 0; round < 96; round++) {
        int place = round % 4;
        if (f16 && place == 1) continue; /* such a weight is not packed */
        Problem p = {.m = ck_between(ck, 1, 20), .n = ck_between(ck, 1, 50), .k = 9, .f16 = f16};
        p.lda = p.k;
        p.ldc = p.ldr = p.n;
        p.activation = (SutraActivation)(round / 4 % 6);
        p.residual_mode = RESIDUAL_APART;
        make_problem(ck, &p);
        size_t row = ck_between(ck, 0, p.m - 1), column = ck_between(ck, 0, p.n - 1);
        size_t depth = ck_between(ck, 0, p.k - 1);
        if (place == 0) p.a[row * p.lda + depth] = NAN;
        if (place == 1) p.weights[column * p.k + depth] = NAN;
        if (place == 2) p.bias[column] = NAN;
        if (place == 3) p.residual[row * p.ldr + column] = NAN;
        for (int t = 0; t < ck->num_tested; t++) {
            float *c = start_of(ck, C, &p);
            run_dense(ck, kernel_of(&ck->tested[t], f16), &p, c);
            for (size_t i = 0; i < p.m; i++) {
                for (size_t j = 0; j < p.n; j++) {
                    bool touched = (place == 0 || i == row || place != 3) &&
                                   (place != 0 || i == row) && (place == 0 || j == column);
                    if ((bool)isnan(c[i * p.ldc + j]) != touched)
                        ck_fail(ck,
                                "%s: NaN put into operand %d at row %zu column %zu: [%zu, %zu] "
                                "is %g",
                                kernel_of(&ck->tested[t], f16)->name, place, row, column, i, j,
                                (double)c[i * p.ldc + j]);
                }
            }
        }
    }
}

/* Plain C against double: |error| ≤ (k + 3) u (sum |a w| + |bias| + |residual|), u = 2^-24: one
 * rounding for each fma and addition, none of them larger than u times the sum of magnitudes. */
static void check_definition(Ck *ck, bool f16)
{
    static const size_t depths[] = {1, 7, 64, 384, 1536};
    double worst = 0;
    for (size_t d = 0; d < sizeof depths / sizeof depths[0]; d++) {
        Problem p = {
            .m = 9, .n = 37, .k = depths[d], .values = d % 2 ? CK_TINY : CK_NORMAL, .f16 = f16};
        p.lda = p.k;
        p.ldc = p.ldr = p.n;
        p.residual_mode = RESIDUAL_APART;
        make_problem(ck, &p);
        float *c = start_of(ck, C, &p);
        run_dense(ck, kernel_of(&ck->ref, f16), &p, c);
        for (size_t i = 0; i < p.m; i++) {
            for (size_t j = 0; j < p.n; j++) {
                double r = (double)p.residual[i * p.ldr + j];
                double sum = (double)p.bias[j] + r, size = fabs((double)p.bias[j]) + fabs(r);
                for (size_t e = 0; e < p.k; e++) {
                    double product = (double)p.a[i * p.lda + e] * (double)p.weights[j * p.k + e];
                    sum += product;
                    size += fabs(product);
                }
                double bound = (double)(p.k + 3) * (0x1p-24 * size + 0x1p-149);
                ck_within(ck, (double)(i * p.ldc + j), c[i * p.ldc + j], sum, bound, &worst);
            }
        }
    }
    ck_report(f16 ? "gemm_f16: (k + 3) u sum |a w|" : "gemm_f32: (k + 3) u sum |a w|", worst);
}

/* Each unit is of the layout that it says, and each layout holds every element once. */
static void check_layouts(Ck *ck)
{
    for (int t = 0; t < ck->num_tested; t++) {
        const SuKernels *kernels = &ck->tested[t];
        const SuGemm *units[] = {&kernels->gemm_f32, &kernels->gemm_f16, &kernels->gemm_bf16,
                                 &kernels->gemm_int8};
        for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
            const SuGemmPacking *packing = su_gemm_packing(units[i]->layout);
            ck_case(ck, "layout of %s", units[i]->name);
            if (!packing || packing->nr != units[i]->nr) ck_fail(ck, "of another panel");
        }
    }
    for (int layout = SU_LAYOUT_F32_8; layout < SU_LAYOUT_END; layout++) {
        enum { N = 35, K = 67 };
        const SuGemmPacking *packing = su_gemm_packing((SuGemmLayout)layout);
        size_t row =
            (K * packing->size + packing->row_bytes - 1) / packing->row_bytes * packing->row_bytes;
        size_t panels = (N + packing->nr - 1) / packing->nr, size = panels * packing->nr * row;
        float ones[K], scale;
        int32_t sum;
        ck_case(ck, "layout %s", packing->name);
        if (su_gemm_packed_size((SuGemmLayout)layout, N, K) != size) ck_fail(ck, "size");
        unsigned char *b = ck_output(ck, C, size, 0);
        memset(b, 0, size);
        for (size_t e = 0; e < K; e++) ones[e] = 1.0f;
        for (size_t j = 0; j < N; j++)
            su_gemm_pack((SuGemmLayout)layout, ones, j, K, b, &scale, &sum);
        size_t set = 0;
        for (size_t i = 0; i < size; i += packing->size) {
            static const unsigned char zero[4] = {0};
            set += memcmp(b + i, zero, packing->size) != 0;
        }
        if (set != (size_t)N * K) ck_fail(ck, "%zu elements of %d x %d", set, N, K);
        ck_check_canaries(ck);
    }
    if (su_gemm_packing((SuGemmLayout)0) || su_gemm_packing(SU_LAYOUT_END))
        ck_fail(ck, "a layout that there is not");
}

/* Weights become the nearest half, ties to even, or are refused. */
static void check_pack_f16(Ck *ck)
{
    static const struct {
        float x;
        uint16_t half;
    } cases[] = {{0.0f, 0},
                 {-0.0f, 0x8000},
                 {1.0f, 0x3c00},
                 {65504.0f, 0x7bff},
                 {-65519.996f, 0xfbff},
                 {0x1p-24f, 1},
                 {0x1p-25f, 0},
                 {0x1.000002p-25f, 1},
                 {0x1.8p-24f, 2},
                 {0x1.ff8p-15f, 0x3ff},
                 {0x1.ffcp-15f, 0x400},
                 {1.00048828125f, 0x3c00},
                 {1.00146484375f, 0x3c02}};
    static const float refused[] = {65520.0f, -65520.0f, INFINITY, -INFINITY, NAN, 3e38f};
    uint16_t *b = ck_output(ck, C, su_gemm_packed_size(SU_LAYOUT_F16_32, 1, 1), 0);
    ck_case(ck, "weights to halves");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        if (!su_gemm_pack(SU_LAYOUT_F16_32, &cases[i].x, 3, 1, b, NULL, NULL) ||
            b[3] != cases[i].half)
            ck_fail(ck, "%a became %04x", (double)cases[i].x, b[3]);
    }
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
        if (su_gemm_pack(SU_LAYOUT_F16_32, &refused[i], 3, 1, b, NULL, NULL))
            ck_fail(ck, "%a became a half", (double)refused[i]);
    ck_check_canaries(ck);
}

static void check_kind(Ck *ck, bool f16)
{
    check_definition(ck, f16);
    compare_shapes(ck, f16);
    check_row_independence(ck, f16);
    check_groups(ck, f16);
    check_nan(ck, f16);
}

void check_gemm_f32(Ck *ck)
{
    check_layouts(ck);
    check_kind(ck, false);
}

void check_gemm_f16(Ck *ck)
{
    check_pack_f16(ck);
    check_kind(ck, true);
}
