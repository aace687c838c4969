/* Sums of rows of a table: the same bits as plain C on all levels, and near the exact sum. */
#include "checkkernels.h"

#include <math.h>
#include <string.h>

static const double u = 0x1p-24;

enum { NUM_ROWS = 7, MOST = 70, NUM_KINDS = 4 };
static const size_t sizes[NUM_KINDS] = {4, 2, 2, 1}; /* f32, f16, bf16, s8 */
static const char *const names[NUM_KINDS] = {"f32", "f16", "bf16", "s8"};

static void run(const SuKernels *kernels, int kind, const SuRowSumArgs *args)
{
    void (*const kernel[NUM_KINDS])(const SuRowSumArgs *) = {
        kernels->sum_rows_f32, kernels->sum_rows_f16, kernels->sum_rows_bf16, kernels->sum_rows_s8};
    kernel[kind](args);
}

/* Finite numbers of the kind; wide: as floats. */
static void fill(Ck *ck, int kind, unsigned char *table, size_t count, float *wide)
{
    for (size_t i = 0; i < count; i++) {
        uint32_t random = ck_random(ck);
        uint16_t half = (uint16_t)(kind == 1 ? random & 0xbbff : (random & 0x80ff) | 0x3f00);
        int8_t small = (int8_t)(random % 255 - 127);
        ck_fill(ck, CK_NORMAL, &wide[i], 1);
        if (kind == 0) memcpy(table + 4 * i, &wide[i], 4);
        if (kind == 1) ck->ref.widen_f16(&half, 1, &wide[i]);
        if (kind == 2) ck->ref.widen_bf16(&half, 1, &wide[i]);
        if (kind == 1 || kind == 2) memcpy(table + 2 * i, &half, 2);
        if (kind == 3) wide[i] = small;
        if (kind == 3) memcpy(table + i, &small, 1);
    }
}

static void check_exact(Ck *ck, const SuRowSumArgs *args, const float *wide, const float *got,
                        double *worst)
{
    for (size_t i = 0; i < args->n; i++) {
        double sum = 0, size = 0;
        for (size_t t = 0; t < args->count; t++) {
            double term = (double)args->factors[t] * (double)wide[args->rows[t] * args->n + i];
            sum += term;
            size += fabs(term);
        }
        ck_within(ck, (double)i, got[i], sum, ((double)args->count + 1) * u * size, worst);
    }
}

static void compare(Ck *ck, int kind, size_t n, size_t count, double *worst)
{
    static float wide[NUM_ROWS * 300];
    size_t size = sizes[kind], shift = size * ck_between(ck, 0, 1);
    ck_case(ck, "sum_rows_%s n %zu count %zu", names[kind], n, count);
    unsigned char *table = ck_input(ck, 0, NUM_ROWS * n * size, shift);
    uint32_t *rows = ck_input(ck, 1, (count + 1) * sizeof *rows, 0);
    float *factors = ck_input(ck, 2, (count + 1) * sizeof *factors, 0);
    fill(ck, kind, table, NUM_ROWS * n, wide);
    for (size_t t = 0; t < count; t++) rows[t] = ck_random(ck) % NUM_ROWS;
    ck_fill(ck, CK_NORMAL, factors, count + 1);
    SuRowSumArgs args = {.table = table, .rows = rows, .factors = factors, .count = count, .n = n};
    float *expected = args.out = ck_output(ck, 3, n * sizeof *expected, 0);
    run(&ck->ref, kind, &args);
    check_exact(ck, &args, wide, expected, worst);
    for (int t = 0; t < ck->num_tested; t++) {
        args.out = ck_output(ck, 4, n * sizeof *expected, 4 * ck_between(ck, 0, 1));
        run(&ck->tested[t], kind, &args);
        ck_same(ck, su_isa_name(ck->tested[t].isa), args.out, expected, n);
        ck_check_canaries(ck);
    }
}

void check_sum_rows(Ck *ck)
{
    double worst = 0;
    for (int kind = 0; kind < NUM_KINDS; kind++) {
        for (size_t n = 1; n <= 140; n++) compare(ck, kind, n, ck_between(ck, 0, 12), &worst);
        for (size_t count = 0; count <= MOST; count++) compare(ck, kind, 67, count, &worst);
        compare(ck, kind, 256, 33, &worst);
        compare(ck, kind, 300, MOST, &worst);
    }
    ck_report("sum_rows: (rows + 1) u sum |f x|", worst);
}
