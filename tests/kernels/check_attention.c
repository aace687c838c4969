/* Attention, global and local, against plain C; plain C against double. */
#include "checkkernels.h"

#include <math.h>
#include <string.h>

enum { Q, K, V, OUT, EXPECTED, BIAS }; /* buffers */

typedef struct Problem {
    size_t num_queries, num_keys, head_size;
    size_t q_stride, k_stride, v_stride, out_stride;
    CkValues values;
    float scale; /* of q, so that scores are of a size that softmax can tell apart */
    size_t shift;
    size_t first_query, before, after;
    bool local, biased;
    float *q, *k, *v;
    const float *bias; /* of distance 0, or NULL */
} Problem;

static const size_t head_sizes[] = {8, 16, 24, 32, 64, 72, 128, 256};
enum { NUM_HEAD_SIZES = sizeof head_sizes / sizeof head_sizes[0] };

static size_t bytes(size_t rows, size_t stride, size_t columns)
{
    return ((rows - 1) * stride + columns) * sizeof(float);
}

static float *rows_of(Ck *ck, int slot, const Problem *p, CkValues values, size_t rows,
                      size_t stride)
{
    float *x = ck_input(ck, slot, bytes(rows, stride, p->head_size), p->shift);
    for (size_t i = 0; i < rows; i++) ck_fill(ck, values, x + i * stride, p->head_size);
    return x;
}

static const float *bias_of(Ck *ck, const Problem *p)
{
    size_t count = 2 * p->num_keys - 1;
    float *bias = ck_input(ck, BIAS, count * sizeof *bias, p->shift);
    ck_fill(ck, CK_NORMAL, bias, count);
    return bias + (p->num_keys - 1);
}

static void make_problem(Ck *ck, Problem *p)
{
    ck_case(
        ck,
        "attention_f32 queries %zu at %zu keys %zu head %zu strides %zu %zu %zu %zu %s scale %g "
        "local %d before %zu after %zu biased %d",
        p->num_queries, p->first_query, p->num_keys, p->head_size, p->q_stride, p->k_stride,
        p->v_stride, p->out_stride, ck_values_name[p->values], (double)p->scale, p->local,
        p->before, p->after, p->biased);
    p->q = rows_of(ck, Q, p, p->values, p->num_queries, p->q_stride);
    for (size_t i = 0; i < p->num_queries; i++)
        for (size_t e = 0; e < p->head_size; e++) p->q[i * p->q_stride + e] *= p->scale;
    p->k =
        rows_of(ck, K, p, p->values == CK_HUGE ? CK_NORMAL : p->values, p->num_keys, p->k_stride);
    p->v = rows_of(ck, V, p, p->values, p->num_keys, p->v_stride);
    p->bias = p->biased ? bias_of(ck, p) : NULL;
}

static Problem dense(size_t queries, size_t keys, size_t head_size)
{
    return (Problem){.num_queries = queries,
                     .num_keys = keys,
                     .head_size = head_size,
                     .q_stride = head_size,
                     .k_stride = head_size,
                     .v_stride = head_size,
                     .out_stride = head_size,
                     .scale = 1.0f};
}

static void run(const SuAttentionF32 *kernel, const Problem *p, float *out)
{
    kernel->run(&(SuAttentionF32Args){.q = p->q,
                                      .k = p->k,
                                      .v = p->v,
                                      .out = out,
                                      .q_stride = p->q_stride,
                                      .k_stride = p->k_stride,
                                      .v_stride = p->v_stride,
                                      .out_stride = p->out_stride,
                                      .num_queries = p->num_queries,
                                      .num_keys = p->num_keys,
                                      .head_size = p->head_size,
                                      .first_query = p->first_query,
                                      .local = p->local,
                                      .before = p->before,
                                      .after = p->after,
                                      .bias = p->bias});
}

static void compare_made(Ck *ck, const Problem *p)
{
    const SuAttentionF32 *ref = &ck->ref.attention_f32;
    size_t size = bytes(p->num_queries, p->out_stride, p->head_size);
    float *expected = ck_output(ck, EXPECTED, size, p->shift);
    run(ref, p, expected);
    for (int t = 0; t < ck->num_tested; t++) {
        const SuAttentionF32 *kernel = &ck->tested[t].attention_f32;
        float *out = ck_output(ck, OUT, size, p->shift);
        run(kernel, p, out);
        ck_same(ck, kernel->name, out, expected, size / sizeof *out);
        ck_check_canaries(ck);
    }
}

static void compare_levels(Ck *ck, Problem *p)
{
    make_problem(ck, p);
    compare_made(ck, p);
}

static void randomise(Ck *ck, Problem *p)
{
    p->q_stride += ck_between(ck, 0, 1) * ck_between(ck, 0, 40);
    p->k_stride += ck_between(ck, 0, 1) * ck_between(ck, 0, 40);
    p->v_stride += ck_between(ck, 0, 1) * ck_between(ck, 0, 40);
    p->out_stride += ck_between(ck, 0, 1) * ck_between(ck, 0, 40);
    p->values = (CkValues)(ck_between(ck, 0, 1) * ck_between(ck, 0, CK_NUM_VALUES - 1));
    p->scale = (float[]){1.0f, 0.1f, 4.0f, 60.0f}[ck_between(ck, 0, 3)];
    p->shift = sizeof(float) * ck_between(ck, 0, 1);
}

static void compare_shapes(Ck *ck)
{
    for (size_t keys = 1; keys <= 200; keys++) {
        Problem p = dense(ck_between(ck, 1, 70), keys, head_sizes[keys % NUM_HEAD_SIZES]);
        randomise(ck, &p);
        compare_levels(ck, &p);
        p = dense(1 + keys % 7, keys, 32);
        randomise(ck, &p);
        compare_levels(ck, &p);
    }
    for (size_t queries = 1; queries <= 34; queries++) {
        for (size_t h = 0; h < NUM_HEAD_SIZES; h++) {
            Problem p = dense(queries, ck_between(ck, 1, 70), head_sizes[h]);
            randomise(ck, &p);
            compare_levels(ck, &p);
        }
    }
    for (size_t keys = 255; keys <= 257; keys++) {
        Problem p = dense(7, keys, 32);
        compare_levels(ck, &p);
    }
}

/* Scores halfway between integers, which exp2 rounds to even. */
static void compare_ties(Ck *ck)
{
    Problem p = dense(70, 130, 8);
    make_problem(ck, &p);
    for (size_t i = 0; i < p.num_queries * p.q_stride; i++) p.q[i] = i % p.q_stride == 0;
    for (size_t j = 0; j < p.num_keys; j++) p.k[j * p.k_stride] = -0.5f * (float)(j % 40);
    compare_made(ck, &p);
}

/* A query gives the same bytes alone and among others. */
static void check_query_independence(Ck *ck)
{
    for (int round = 0; round < 16; round++) {
        Problem p = dense(70, ck_between(ck, 70, 150), head_sizes[round / 2]);
        p.local = round % 2;
        p.before = ck_between(ck, 0, 70);
        p.after = ck_between(ck, 0, 70);
        p.biased = round / 2 % 2;
        make_problem(ck, &p);
        for (int t = 0; t < ck->num_tested; t++) {
            const SuAttentionF32 *kernel = &ck->tested[t].attention_f32;
            size_t row = p.head_size * sizeof(float);
            float *all = ck_output(ck, EXPECTED, p.num_queries * row, 0);
            run(kernel, &p, all);
            for (size_t i = 0; i < p.num_queries; i++) {
                Problem part = p;
                part.num_queries = i % 2 ? 1 : ck_between(ck, 1, p.num_queries - i);
                part.q += i * p.q_stride;
                part.first_query = i;
                float *out = ck_output(ck, OUT, part.num_queries * row, 0);
                run(kernel, &part, out);
                if (memcmp(out, all + i * p.head_size, part.num_queries * row) != 0)
                    ck_fail(ck, "%s: query %zu depends on the queries around it", kernel->name, i);
            }
        }
    }
}

/* A NaN in a query spoils its row, in a key every row, in a value its column; nothing else. */
static void check_nan(Ck *ck)
{
    for (int round = 0; round < 150; round++) {
        int place = round % 3;
        Problem p = dense(ck_between(ck, 1, 13), ck_between(ck, 1, 140), head_sizes[round % 5]);
        make_problem(ck, &p);
        size_t row = ck_between(ck, 0, p.num_queries - 1), e = ck_between(ck, 0, p.head_size - 1);
        size_t key = ck_between(ck, 0, p.num_keys - 1);
        if (place == 0) p.q[row * p.q_stride + e] = NAN;
        if (place == 1) p.k[key * p.k_stride + e] = NAN;
        if (place == 2) p.v[key * p.v_stride + e] = NAN;
        for (int t = 0; t < ck->num_tested; t++) {
            const SuAttentionF32 *kernel = &ck->tested[t].attention_f32;
            float *out = ck_output(ck, OUT, bytes(p.num_queries, p.out_stride, p.head_size), 0);
            run(kernel, &p, out);
            for (size_t i = 0; i < p.num_queries; i++) {
                for (size_t j = 0; j < p.head_size; j++) {
                    bool touched = place == 0 ? i == row : place == 1 ? true : j == e;
                    if ((bool)isnan(out[i * p.out_stride + j]) != touched)
                        ck_fail(ck, "%s: NaN put into operand %d: [%zu, %zu] is %g", kernel->name,
                                place, i, j, (double)out[i * p.out_stride + j]);
                }
            }
        }
    }
}

/* Exact result of one query, and the bound of plain C's error in units of u = 2^-24.
 *   score    head roundings of at most the sum of magnitudes: ds = head * u * (|bias| + sum |q k|)
 *   p        relative: ln 2 (ds + u |s - m|, the subtraction) for a score and as much for the
 *            maximum, 2 u for the polynomial (0.93 ulp), and at most 2^-125 from the clamp
 *   sums     4 chains of up to 16 in tiles: (tiles + 16 + 2) roundings; out: (keys + tiles), then 2
 * together: 2 (2 ln 2 (ds + u |s - m|) + 2 u) + (keys + 2 tiles + 20) u times sum p |v| / sum p */
static bool sees(const Problem *p, size_t i, size_t key)
{
    size_t position = p->first_query + i;
    if (!p->local) return true;
    return key <= position ? position - key <= p->before : key - position <= p->after;
}

static double exact_bias(const Problem *p, size_t i, size_t key)
{
    ptrdiff_t distance = (ptrdiff_t)(p->first_query + i) - (ptrdiff_t)key;
    return p->bias ? (double)p->bias[distance] : 0;
}

static void exact_row(const Problem *p, size_t i, double *scores, double *out, double *bound)
{
    double maximum = -INFINITY, spread = 0, lowest = INFINITY, size_of_scores = 0;
    for (size_t j = 0; j < p->num_keys; j++) {
        scores[j] = -INFINITY;
        if (!sees(p, i, j)) continue;
        double sum = exact_bias(p, i, j), size = fabs(sum);
        for (size_t e = 0; e < p->head_size; e++) {
            double product = (double)p->q[i * p->q_stride + e] * (double)p->k[j * p->k_stride + e];
            sum += product;
            size += fabs(product);
        }
        scores[j] = sum;
        maximum = fmax(maximum, sum);
        lowest = fmin(lowest, sum);
        size_of_scores = fmax(size_of_scores, size);
    }
    spread = maximum - lowest;
    const double u = 0x1p-24;
    double tiles = ceil((double)p->num_keys / SU_KEY_TILE);
    double of_p = 2 * M_LN2 * ((double)p->head_size * size_of_scores + spread) * u + 2 * u;
    double relative = 2 * of_p + ((double)p->num_keys + 2 * tiles + 20) * u;
    for (size_t e = 0; e < p->head_size; e++) {
        double sum = 0, weighted = 0, size = 0, largest = 0;
        for (size_t j = 0; j < p->num_keys; j++) {
            double weight = exp2(scores[j] - maximum), v = (double)p->v[j * p->v_stride + e];
            sum += weight;
            weighted += weight * v;
            size += weight * fabs(v);
            largest = fmax(largest, fabs(v));
        }
        out[e] = weighted / sum;
        bound[e] = relative * size / sum + 2 * (double)p->num_keys * 0x1p-125 * largest;
    }
}

static void check_against_exact(Ck *ck, Problem *p, double *worst)
{
    make_problem(ck, p);
    float *out = ck_output(ck, OUT, bytes(p->num_queries, p->out_stride, p->head_size), 0);
    run(&ck->ref.attention_f32, p, out);
    for (size_t i = 0; i < p->num_queries; i++) {
        double scores[512], exact[256], bound[256];
        exact_row(p, i, scores, exact, bound);
        for (size_t e = 0; e < p->head_size; e++)
            ck_within(ck, (double)e, out[i * p->out_stride + e], exact[e], bound[e], worst);
    }
}

static void check_definition(Ck *ck)
{
    static const size_t keys[] = {1, 2, 16, 63, 64, 65, 130, 512};
    double worst = 0;
    for (size_t n = 0; n < sizeof keys / sizeof keys[0]; n++) {
        Problem p = dense(5, keys[n], head_sizes[n % 5]);
        p.scale = n % 2 ? 6.0f : 0.3f;
        check_against_exact(ck, &p, &worst);
        p.num_queries = keys[n];
        p.local = true;
        p.before = n % 3 ? 20 * n : SIZE_MAX;
        p.after = n % 4 ? 13 * n : 0;
        check_against_exact(ck, &p, &worst);
        p.local = n % 2;
        p.biased = true;
        check_against_exact(ck, &p, &worst);
    }
    ck_report("attention_f32", worst);
}

/* Windows that end inside, at and outside tiles and blocks, on both sides, and causal ones; no
 * window; each with a bias and without. */
static void compare_windows(Ck *ck)
{
    static const size_t spans[] = {0, 1, 2, 3, 7, 15, 31, 32, 63, 64, 65, 100, 128, SIZE_MAX};
    enum { NUM_SPANS = sizeof spans / sizeof spans[0] };
    for (size_t round = 0; round < 400; round++) {
        size_t keys = ck_between(ck, 1, 300), first = ck_between(ck, 0, keys - 1);
        Problem p = dense(round % 2 ? keys : ck_between(ck, 1, keys - first), keys,
                          head_sizes[round % NUM_HEAD_SIZES]);
        p.first_query = round % 2 ? 0 : first;
        p.local = round % 5 != 0;
        p.before = spans[round % NUM_SPANS];
        p.after = spans[ck_between(ck, 0, NUM_SPANS - 1)];
        p.biased = round / 2 % 2;
        randomise(ck, &p);
        p.values = CK_NORMAL;
        compare_levels(ck, &p);
    }
}

/* A window that reaches every key is no window. */
static void check_wide_window(Ck *ck)
{
    for (size_t keys = 1; keys < 200; keys += 33) {
        Problem p = dense(keys, keys, 32);
        make_problem(ck, &p);
        for (int t = 0; t < ck->num_tested; t++) {
            const SuAttentionF32 *kernel = &ck->tested[t].attention_f32;
            size_t size = bytes(keys, 32, 32);
            float *all = ck_output(ck, EXPECTED, size, 0), *out = ck_output(ck, OUT, size, 0);
            Problem wide = p;
            wide.local = true;
            wide.before = keys - 1;
            wide.after = keys;
            run(kernel, &p, all);
            run(kernel, &wide, out);
            ck_same(ck, kernel->name, out, all, size / sizeof *out);
        }
    }
}

void check_attention_f32(Ck *ck)
{
    check_definition(ck);
    compare_shapes(ck);
    compare_windows(ck);
    compare_ties(ck);
    check_wide_window(ck);
    check_query_independence(ck);
    check_nan(ck);
}
