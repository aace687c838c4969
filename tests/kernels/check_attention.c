/* Attention: packing of keys and the whole kernel, against plain C; plain C against double. */
#include "checkkernels.h"

#include <math.h>
#include <string.h>

enum { Q, K, V, PACKED, EXPECTED_PACKED, OUT, EXPECTED }; /* buffers */

typedef struct Problem {
    size_t num_queries, num_keys, head_size;
    size_t q_stride, k_stride, v_stride, out_stride;
    CkValues values;
    float scale; /* of q, so that scores are of a size that softmax can tell apart */
    size_t shift;
    float *q, *k, *v, *k_packed;
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

static void make_problem(Ck *ck, Problem *p)
{
    ck_case(ck, "attention_f32 queries %zu keys %zu head %zu strides %zu %zu %zu %zu %s scale %g",
            p->num_queries, p->num_keys, p->head_size, p->q_stride, p->k_stride, p->v_stride,
            p->out_stride, ck_values_name[p->values], (double)p->scale);
    p->q = rows_of(ck, Q, p, p->values, p->num_queries, p->q_stride);
    for (size_t i = 0; i < p->num_queries; i++)
        for (size_t e = 0; e < p->head_size; e++) p->q[i * p->q_stride + e] *= p->scale;
    p->k =
        rows_of(ck, K, p, p->values == CK_HUGE ? CK_NORMAL : p->values, p->num_keys, p->k_stride);
    p->v = rows_of(ck, V, p, p->values, p->num_keys, p->v_stride);
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

static float *pack(Ck *ck, const SuAttentionF32 *kernel, const Problem *p, int slot)
{
    size_t size = su_attention_packed_size(p->num_keys, p->head_size) * sizeof(float);
    float *packed = ck_output(ck, slot, size, p->shift);
    kernel->pack_keys(p->k, p->k_stride, p->num_keys, p->head_size, packed);
    return packed;
}

static void run(const SuAttentionF32 *kernel, const Problem *p, const float *packed, float *out)
{
    kernel->run(&(SuAttentionF32Args){.q = p->q,
                                      .k_packed = packed,
                                      .v = p->v,
                                      .out = out,
                                      .q_stride = p->q_stride,
                                      .v_stride = p->v_stride,
                                      .out_stride = p->out_stride,
                                      .num_queries = p->num_queries,
                                      .num_keys = p->num_keys,
                                      .head_size = p->head_size});
}

static void compare_levels(Ck *ck, Problem *p)
{
    make_problem(ck, p);
    const SuAttentionF32 *ref = &ck->ref.attention_f32;
    size_t size = bytes(p->num_queries, p->out_stride, p->head_size);
    size_t packed_size = su_attention_packed_size(p->num_keys, p->head_size);
    float *expected_packed = pack(ck, ref, p, EXPECTED_PACKED);
    float *expected = ck_output(ck, EXPECTED, size, p->shift);
    run(ref, p, expected_packed, expected);
    for (int t = 0; t < ck->num_tested; t++) {
        const SuAttentionF32 *kernel = &ck->tested[t].attention_f32;
        float *packed = pack(ck, kernel, p, PACKED), *out = ck_output(ck, OUT, size, p->shift);
        if (!ck_same(ck, "packed keys", packed, expected_packed, packed_size)) continue;
        run(kernel, p, packed, out);
        ck_same(ck, kernel->name, out, expected, size / sizeof *out);
        ck_check_canaries(ck);
    }
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
        Problem p = dense(ck_between(ck, 1, 20), keys, head_sizes[keys % NUM_HEAD_SIZES]);
        randomise(ck, &p);
        compare_levels(ck, &p);
        p = dense(1 + keys % 7, keys, 32);
        randomise(ck, &p);
        compare_levels(ck, &p);
    }
    for (size_t queries = 1; queries <= 20; queries++) {
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

/* A query gives the same bytes alone and among others. */
static void check_query_independence(Ck *ck)
{
    for (int round = 0; round < 8; round++) {
        Problem p = dense(20, ck_between(ck, 1, 150), head_sizes[round]);
        make_problem(ck, &p);
        for (int t = 0; t < ck->num_tested; t++) {
            const SuAttentionF32 *kernel = &ck->tested[t].attention_f32;
            float *packed = pack(ck, kernel, &p, PACKED);
            size_t row = p.head_size * sizeof(float);
            float *all = ck_output(ck, EXPECTED, p.num_queries * row, 0);
            run(kernel, &p, packed, all);
            for (size_t i = 0; i < p.num_queries; i++) {
                Problem part = p;
                part.num_queries = i % 2 ? 1 : ck_between(ck, 1, p.num_queries - i);
                part.q += i * p.q_stride;
                float *out = ck_output(ck, OUT, part.num_queries * row, 0);
                run(kernel, &part, packed, out);
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
            float *packed = pack(ck, kernel, &p, PACKED);
            float *out = ck_output(ck, OUT, bytes(p.num_queries, p.out_stride, p.head_size), 0);
            run(kernel, &p, packed, out);
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
 *   score    head roundings of at most the sum of magnitudes: ds = head * u * sum |q k|
 *   p        relative: ln 2 (ds + u |s - m|, the subtraction) for a score and as much for the
 *            maximum, 2 u for the polynomial (0.93 ulp), and at most 2^-125 from the clamp
 *   sums     16 lanes in tiles: (tiles + 3 + 4) roundings; out: (keys + tiles) roundings, then 2
 * together: 2 (2 ln 2 (ds + u |s - m|) + 2 u) + (keys + 2 tiles + 9) u times sum p |v| / sum p */
static void exact_row(const Problem *p, size_t i, double *scores, double *out, double *bound)
{
    double maximum = -INFINITY, spread = 0, lowest = INFINITY, size_of_scores = 0;
    for (size_t j = 0; j < p->num_keys; j++) {
        double sum = 0, size = 0;
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
    double relative = 2 * of_p + ((double)p->num_keys + 2 * tiles + 9) * u;
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

static void check_definition(Ck *ck)
{
    static const size_t keys[] = {1, 2, 16, 63, 64, 65, 130, 512};
    double worst = 0;
    for (size_t n = 0; n < sizeof keys / sizeof keys[0]; n++) {
        Problem p = dense(5, keys[n], head_sizes[n % 5]);
        p.scale = n % 2 ? 6.0f : 0.3f;
        make_problem(ck, &p);
        float *packed = pack(ck, &ck->ref.attention_f32, &p, PACKED);
        float *out = ck_output(ck, OUT, bytes(p.num_queries, p.out_stride, p.head_size), 0);
        run(&ck->ref.attention_f32, &p, packed, out);
        for (size_t i = 0; i < p.num_queries; i++) {
            double scores[512], exact[256], bound[256];
            exact_row(&p, i, scores, exact, bound);
            for (size_t e = 0; e < p.head_size; e++)
                ck_within(ck, (double)e, out[i * p.out_stride + e], exact[e], bound[e], &worst);
        }
    }
    ck_report("attention_f32", worst);
}

/* pack_keys: key j, element e at [j / 64][e][j % 64], zero past the end. */
static void check_packing(Ck *ck)
{
    Problem p = dense(1, 70, 24);
    make_problem(ck, &p);
    float *packed = pack(ck, &ck->ref.attention_f32, &p, PACKED);
    for (size_t j = 0; j < 128; j++)
        for (size_t e = 0; e < 24; e++) {
            float expected = j < 70 ? p.k[j * p.k_stride + e] : 0.0f;
            ck_same(ck, "plain C packing", &packed[(j / 64 * 24 + e) * 64 + j % 64], &expected, 1);
        }
}

void check_attention_f32(Ck *ck)
{
    check_packing(ck);
    check_definition(ck);
    compare_shapes(ck);
    check_query_independence(ck);
    check_nan(ck);
}
