/* Attention in bf16: levels that have it against plain C, bit for bit; plain C against double. */
#include "checkkernels.h"
#include "kernels/ref/kernels_ref.h"

#include <math.h>
#include <string.h>

enum { Q, K, V, OUT, EXPECTED, FLOATS }; /* buffers */

typedef struct Problem {
    SuAttentionBf16Args args;
    float scale; /* of q */
} Problem;

static size_t elements(size_t rows, size_t stride, size_t columns)
{
    return (rows - 1) * stride + columns;
}

static uint16_t *make_rows(Ck *ck, int slot, const Problem *p, size_t rows, size_t stride,
                           float scale)
{
    size_t head = p->args.head_size;
    uint16_t *x = ck_input(ck, slot, elements(rows, stride, head) * sizeof *x, 0);
    float *row = ck_input(ck, FLOATS, head * sizeof *row, 0);
    for (size_t i = 0; i < rows; i++) {
        ck_fill(ck, CK_NORMAL, row, head);
        for (size_t e = 0; e < head; e++) row[e] *= scale;
        su_narrow_bf16_ref(row, head, x + i * stride);
    }
    return x;
}

static Problem make_problem(Ck *ck, size_t queries, size_t keys, size_t head)
{
    Problem p = {.scale = (float[]){1.0f, 0.1f, 4.0f, 30.0f}[ck_between(ck, 0, 3)]};
    SuAttentionBf16Args *args = &p.args;
    *args = (SuAttentionBf16Args){.num_queries = queries, .num_keys = keys, .head_size = head};
    args->q_stride = head + ck_between(ck, 0, 1) * ck_between(ck, 0, 40);
    args->k_stride = head + ck_between(ck, 0, 1) * ck_between(ck, 0, 40);
    args->v_stride = head + ck_between(ck, 0, 1) * ck_between(ck, 0, 40);
    args->out_stride = head + ck_between(ck, 0, 1) * ck_between(ck, 0, 40);
    args->q = make_rows(ck, Q, &p, queries, args->q_stride, p.scale);
    args->k = make_rows(ck, K, &p, keys, args->k_stride, 1.0f);
    args->v = make_rows(ck, V, &p, keys, args->v_stride, 1.0f);
    return p;
}

static void set_window(Problem *p, size_t first, size_t before, size_t after)
{
    p->args.local = true;
    p->args.first_query = first;
    p->args.before = before;
    p->args.after = after;
}

static void name_case(Ck *ck, const Problem *p)
{
    const SuAttentionBf16Args *a = &p->args;
    ck_case(ck, "attention_bf16 queries %zu at %zu keys %zu head %zu scale %g local %d %zu %zu",
            a->num_queries, a->first_query, a->num_keys, a->head_size, (double)p->scale, a->local,
            a->before, a->after);
}

static float *run_into(Ck *ck, void (*run)(const SuAttentionBf16Args *), Problem *p, int slot)
{
    size_t n = elements(p->args.num_queries, p->args.out_stride, p->args.head_size);
    p->args.out = ck_output(ck, slot, n * sizeof(float), 0);
    run(&p->args);
    return p->args.out;
}

static void compare_levels(Ck *ck, Problem *p)
{
    name_case(ck, p);
    size_t n = elements(p->args.num_queries, p->args.out_stride, p->args.head_size);
    const float *expected = run_into(ck, su_attention_bf16_ref, p, EXPECTED);
    for (int t = 0; t < ck->num_tested; t++) {
        const SuAttentionBf16 *kernel = &ck->tested[t].attention_bf16;
        if (!kernel->run) continue;
        const float *out = run_into(ck, kernel->run, p, OUT);
        ck_same(ck, kernel->name, out, expected, n);
        ck_check_canaries(ck);
    }
}

static void compare_shapes(Ck *ck)
{
    for (size_t keys = 1; keys <= 140; keys++) {
        Problem p = make_problem(ck, ck_between(ck, 1, 40), keys, 32 * ck_between(ck, 1, 3));
        compare_levels(ck, &p);
    }
    static const size_t many[][3] = {{150, 150, 32}, {129, 200, 64}, {1, 300, 128}, {33, 65, 256}};
    for (size_t i = 0; i < sizeof many / sizeof *many; i++) {
        Problem p = make_problem(ck, many[i][0], many[i][1], many[i][2]);
        compare_levels(ck, &p);
    }
}

/* Windows that end inside, at and outside tiles and blocks, on both sides, and causal ones. */
static void compare_windows(Ck *ck)
{
    static const size_t spans[] = {0, 1, 7, 15, 16, 31, 32, 63, 64, 65, 100, SIZE_MAX};
    enum { NUM_SPANS = sizeof spans / sizeof *spans };
    for (size_t round = 0; round < 100; round++) {
        size_t keys = ck_between(ck, 1, 200), first = round % 2 ? 0 : ck_between(ck, 0, keys - 1);
        Problem p = make_problem(ck, round % 2 ? keys : ck_between(ck, 1, keys - first), keys, 32);
        set_window(&p, first, spans[round % NUM_SPANS], spans[ck_between(ck, 0, NUM_SPANS - 1)]);
        compare_levels(ck, &p);
    }
}

/* A query gives the same bytes alone and among others. */
static void check_query_independence(Ck *ck)
{
    for (size_t round = 0; round < 4; round++) {
        size_t head = 32 + 32 * (round / 2), row = head * sizeof(float);
        Problem p = make_problem(ck, 140, 140 + round, head);
        p.args.out_stride = head;
        if (round % 2) set_window(&p, 0, ck_between(ck, 0, 70), ck_between(ck, 0, 70));
        name_case(ck, &p);
        for (int t = 0; t < ck->num_tested; t++) {
            const SuAttentionBf16 *kernel = &ck->tested[t].attention_bf16;
            if (!kernel->run) continue;
            const float *all = run_into(ck, kernel->run, &p, EXPECTED);
            for (size_t i = 0; i < 140; i++) {
                Problem part = p;
                part.args.num_queries = i % 2 ? 1 : ck_between(ck, 1, 140 - i);
                part.args.q += i * p.args.q_stride;
                part.args.first_query = i;
                const float *out = run_into(ck, kernel->run, &part, OUT);
                if (memcmp(out, all + i * head, part.args.num_queries * row) != 0)
                    ck_fail(ck, "%s: query %zu depends on the queries around it", kernel->name, i);
            }
        }
    }
}

static double wide(const Ck *ck, const uint16_t *x)
{
    float y;
    ck->ref.widen_bf16(x, 1, &y);
    return (double)y;
}

/* Weights are off by what rounding to bf16 and the polynomial cost them, 2^-9 + 2^-13, and by ln 2 times
 * the error of their scores, some 2^-19 of the sum of magnitudes; their sum by less. */
static void check_row(Ck *ck, const Problem *p, size_t i, double *worst)
{
    const SuAttentionBf16Args *a = &p->args;
    double scores[200], most = -INFINITY, size = 0;
    for (size_t j = 0; j < a->num_keys; j++) {
        double magnitude = 0;
        scores[j] = 0;
        for (size_t e = 0; e < a->head_size; e++) {
            double product =
                wide(ck, a->q + i * a->q_stride + e) * wide(ck, a->k + j * a->k_stride + e);
            scores[j] += product;
            magnitude += fabs(product);
        }
        most = fmax(most, scores[j]);
        size = fmax(size, magnitude);
    }
    for (size_t e = 0; e < a->head_size; e++) {
        double sum = 0, out = 0, weighted = 0;
        for (size_t j = 0; j < a->num_keys; j++) {
            double weight = exp2(scores[j] - most), v = wide(ck, a->v + j * a->v_stride + e);
            sum += weight;
            out += weight * v;
            weighted += weight * fabs(v);
        }
        double bound = (0x1p-9 + 0x1p-11 + size * 0x1p-18) * weighted / sum + 1e-30;
        ck_within(ck, (double)e, a->out[i * a->out_stride + e], out / sum, bound, worst);
    }
}

static void check_definition(Ck *ck)
{
    double worst = 0;
    for (size_t keys = 1; keys <= 200; keys += 13) {
        Problem p = make_problem(ck, 6, keys, 32 + 32 * (keys % 2));
        name_case(ck, &p);
        run_into(ck, su_attention_bf16_ref, &p, OUT);
        for (size_t i = 0; i < 6; i++) check_row(ck, &p, i, &worst);
    }
    ck_report("attention_bf16", worst);
}

/* A NaN in a query spoils its row, in a key every row, in a value its column; nothing else. */
static void check_nan(Ck *ck)
{
    for (size_t round = 0; round < 60; round++) {
        Problem p = make_problem(ck, ck_between(ck, 1, 20), ck_between(ck, 1, 100), 32);
        const SuAttentionBf16Args *a = &p.args;
        size_t row = ck_between(ck, 0, a->num_queries - 1), e = ck_between(ck, 0, 31);
        size_t key = ck_between(ck, 0, a->num_keys - 1), place = round % 3;
        name_case(ck, &p);
        uint16_t *at[] = {(uint16_t *)a->q + row * a->q_stride + e,
                          (uint16_t *)a->k + key * a->k_stride + e,
                          (uint16_t *)a->v + key * a->v_stride + e};
        *at[place] = 0x7fc0;
        for (int t = 0; t < ck->num_tested; t++) {
            const SuAttentionBf16 *kernel = &ck->tested[t].attention_bf16;
            if (!kernel->run) continue;
            const float *out = run_into(ck, kernel->run, &p, OUT);
            for (size_t i = 0; i < a->num_queries; i++)
                for (size_t j = 0; j < 32; j++) {
                    bool touched = place == 0 ? i == row : place == 1 ? true : j == e;
                    if ((bool)isnan(out[i * a->out_stride + j]) != touched)
                        ck_fail(ck, "%s: NaN put into operand %zu: [%zu, %zu] is %g", kernel->name,
                                place, i, j, (double)out[i * a->out_stride + j]);
                }
        }
    }
}

void check_attention_bf16(Ck *ck)
{
    check_definition(ck);
    compare_shapes(ck);
    compare_windows(ck);
    check_query_independence(ck);
    check_nan(ck);
}
