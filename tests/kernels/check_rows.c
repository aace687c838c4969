/* Norms, pooling, sums, scaling and widening: levels against plain C, plain C against double. */
#include "checkkernels.h"

#include <math.h>
#include <string.h>

static const double u = 0x1p-24; /* half an ulp of 1 */

static float *input_row(Ck *ck, int slot, CkValues values, size_t n, size_t shift)
{
    float *x = ck_input(ck, slot, n * sizeof *x, shift);
    ck_fill(ck, values, x, n);
    return x;
}

static size_t row_length(Ck *ck, size_t i)
{
    static const size_t lengths[] = {384, 768, 1000, 1023, 1024};
    if (i < 200) return i + 1;
    return i < 205 ? lengths[i - 200] : ck_between(ck, 1, 2000);
}
enum { NUM_LENGTHS = 230 };

static CkValues some_values(Ck *ck)
{
    return (CkValues)(ck_between(ck, 0, 1) * ck_between(ck, 0, CK_NUM_VALUES - 1));
}

/* ---- layer norm ---- */

/* Exact y and the bound of plain C's error. With s = n/64 + 7 roundings a sum:
 *   mean       em = s u sum |x| / n + u |mean|
 *   d          ed = em + u |d|
 *   var        ev = (s + 3) u var + 2 mean|d| em + em^2 + u (var + eps)
 *   rstd       er = rstd (ev / (2 (var + eps)) + 3 u), the first order times 2 for the rest
 *   y          |gamma| (rstd ed + |d| er + 2 u |d| rstd) + u |y|, and the smallest denormals */
static void check_norm_row(Ck *ck, const SuNormF32 *norm, const float *x, const float *y,
                           double *worst)
{
    size_t n = norm->n;
    double sum = 0, size = 0, var = 0, mean_d = 0, count = (double)n, steps = count / 64 + 7;
    for (size_t i = 0; i < n; i++) sum += (double)x[i], size += fabs((double)x[i]);
    double mean = sum / count;
    for (size_t i = 0; i < n; i++) {
        double d = (double)x[i] - mean;
        var += d * d / count;
        mean_d += fabs(d) / count;
    }
    double rstd = 1 / sqrt(var + (double)norm->eps);
    double em = steps * u * size / count + u * fabs(mean);
    double ev = (steps + 4) * u * (var + (double)norm->eps) + 2 * mean_d * em + em * em;
    double er = rstd * (ev / (var + (double)norm->eps) + 3 * u);
    for (size_t i = 0; i < n; i++) {
        double d = (double)x[i] - mean, gamma = (double)norm->gamma[i];
        double exact = d * rstd * gamma + (double)norm->beta[i];
        double ed = em + u * fabs(d);
        double bound = fabs(gamma) * (rstd * ed + fabs(d) * er + 2 * u * fabs(d) * rstd);
        bound = bound * 1.001 + u * fabs(exact) + (3 + fabs(gamma)) * 0x1p-149;
        ck_within(ck, (double)i, y[i], exact, bound, worst);
    }
}

void check_layer_norm_f32(Ck *ck)
{
    double worst = 0;
    for (size_t i = 0; i < NUM_LENGTHS; i++) {
        size_t n = row_length(ck, i), shift = sizeof(float) * ck_between(ck, 0, 1);
        for (int values = 0; values < CK_NUM_VALUES; values++) {
            ck_case(ck, "layer_norm_f32 n %zu %s", n, ck_values_name[values]);
            float *x = input_row(ck, 0, (CkValues)values, n, shift);
            SuNormF32 norm = {.gamma = input_row(ck, 1, some_values(ck), n, shift),
                              .beta = input_row(ck, 2, some_values(ck), n, shift),
                              .eps = i % 2 ? 1e-12f : 1e-5f,
                              .n = n};
            float *expected = ck_output(ck, 3, n * sizeof *x, shift);
            ck->ref.layer_norm_f32(&norm, x, expected);
            if (values == CK_NORMAL) check_norm_row(ck, &norm, x, expected, &worst);
            for (int t = 0; t < ck->num_tested; t++) {
                const char *level = su_isa_name(ck->tested[t].isa);
                float *y = ck_output(ck, 4, n * sizeof *x, shift);
                ck->tested[t].layer_norm_f32(&norm, x, y);
                ck_same(ck, level, y, expected, n);
                memcpy(y, x, n * sizeof *x);
                ck->tested[t].layer_norm_f32(&norm, y, y);
                ck_same(ck, level, y, expected, n);
                ck_check_canaries(ck);
            }
        }
    }
    ck_report("layer_norm_f32", worst);
}

void check_embed_norm_f32(Ck *ck)
{
    for (size_t i = 0; i < NUM_LENGTHS; i++) {
        size_t n = row_length(ck, i), shift = sizeof(float) * ck_between(ck, 0, 1);
        ck_case(ck, "embed_norm_f32 n %zu", n);
        const float *token = input_row(ck, 0, some_values(ck), n, shift);
        const float *type = input_row(ck, 1, some_values(ck), n, shift);
        const float *position = input_row(ck, 2, some_values(ck), n, shift);
        SuNormF32 norm = {.gamma = input_row(ck, 3, CK_NORMAL, n, shift),
                          .beta = input_row(ck, 4, CK_NORMAL, n, shift),
                          .eps = 1e-12f,
                          .n = n};
        for (int given = 0; given < 4; given++) {
            const float *a = given & 1 ? type : NULL, *b = given & 2 ? position : NULL;
            float *sum = ck_input(ck, 7, n * sizeof *sum, shift);
            float *expected = ck_output(ck, 5, n * sizeof *expected, shift);
            for (size_t e = 0; e < n; e++) {
                float x = a ? token[e] + a[e] : token[e];
                sum[e] = b ? x + b[e] : x;
            }
            ck->ref.layer_norm_f32(&norm, sum, expected);
            for (int t = 0; t < ck->num_tested; t++) {
                float *y = ck_output(ck, 6, n * sizeof *y, shift);
                ck->tested[t].embed_norm_f32(&norm, token, a, b, y);
                ck_same(ck, su_isa_name(ck->tested[t].isa), y, expected, n);
                ck_check_canaries(ck);
            }
        }
    }
}

/* ---- pooling ---- */

/* Errors: mean (tokens + 1) u sum |x| / divisor; weighted the same of i |x_i|; the rest exact. */
static void exact_pool(SutraPooling pooling, const float *x, size_t stride, size_t first,
                       size_t tokens, size_t i, double *exact, double *bound)
{
    double sum = 0, size = 0, weights = 0, largest = -INFINITY;
    for (size_t t = first; t < tokens; t++) {
        double v = (double)x[t * stride + i];
        double weight = pooling == SUTRA_POOL_WEIGHTED_MEAN ? (double)(t + 1) : 1;
        sum += weight * v;
        size += weight * fabs(v);
        weights += weight;
        largest = fmax(largest, v);
    }
    double divisor = pooling == SUTRA_POOL_MEAN_SQRT ? sqrt(weights) : weights;
    *exact = sum / divisor;
    *bound = ((double)tokens + 2) * u * size / divisor;
    if (pooling == SUTRA_POOL_MAX) *exact = largest;
    if (pooling == SUTRA_POOL_CLS || pooling == SUTRA_POOL_MODEL)
        *exact = (double)x[first * stride + i];
    if (pooling == SUTRA_POOL_LAST) *exact = (double)x[(tokens - 1) * stride + i];
    if (pooling == SUTRA_POOL_MAX || pooling == SUTRA_POOL_CLS || pooling == SUTRA_POOL_LAST)
        *bound = 0;
}

static void compare_pool(Ck *ck, SutraPooling pooling, size_t tokens, size_t n, CkValues values,
                         double *worst)
{
    size_t stride = n + ck_between(ck, 0, 1) * ck_between(ck, 0, 20);
    size_t shift = sizeof(float) * ck_between(ck, 0, 1);
    size_t first = ck_between(ck, 0, 1) * ck_between(ck, 0, (uint32_t)tokens - 1);
    ck_case(ck, "pool_f32 pooling %d tokens %zu … %zu n %zu stride %zu %s", (int)pooling, first,
            tokens, n, stride, ck_values_name[values]);
    float *x = ck_input(ck, 0, ((tokens - 1) * stride + n) * sizeof *x, shift);
    for (size_t t = 0; t < tokens; t++) ck_fill(ck, values, x + t * stride, n);
    float *expected = ck_output(ck, 1, n * sizeof *x, shift);
    ck->ref.pool_f32(pooling, x, stride, first, tokens, n, expected);
    for (size_t i = 0; i < n && values == CK_NORMAL; i++) {
        double exact, bound;
        exact_pool(pooling, x, stride, first, tokens, i, &exact, &bound);
        ck_within(ck, (double)i, expected[i], exact, bound, worst);
    }
    bool reads_all = pooling != SUTRA_POOL_CLS && pooling != SUTRA_POOL_LAST;
    for (int t = 0; t < ck->num_tested; t++) {
        float *got = ck_output(ck, 2, n * sizeof *x, shift);
        ck->tested[t].pool_f32(pooling, x, stride, first, tokens, n, got);
        ck_same(ck, su_isa_name(ck->tested[t].isa), got, expected, n);
        for (size_t i = 0; i < n && reads_all; i++) {
            bool nan = false;
            for (size_t r = first; r < tokens; r++) nan = nan || isnan(x[r * stride + i]);
            if (nan && !isnan(got[i])) ck_fail(ck, "NaN was masked at %zu", i);
        }
        ck_check_canaries(ck);
    }
}

void check_pool_f32(Ck *ck)
{
    double worst = 0;
    for (int pooling = SUTRA_POOL_CLS; pooling <= SUTRA_POOL_LAST; pooling++) {
        for (size_t n = 1; n <= 140; n++)
            compare_pool(ck, (SutraPooling)pooling, ck_between(ck, 1, 12), n, some_values(ck),
                         &worst);
        for (size_t tokens = 1; tokens <= 20; tokens++)
            compare_pool(ck, (SutraPooling)pooling, tokens, 67, some_values(ck), &worst);
        for (int values = 0; values < CK_NUM_VALUES; values++)
            compare_pool(ck, (SutraPooling)pooling, 33, 384, (CkValues)values, &worst);
        compare_pool(ck, (SutraPooling)pooling, 512, 16, CK_NORMAL, &worst);
    }
    ck_report("pool_f32: (tokens + 2) u sum |x|", worst);
}

/* ---- sums and scaling ---- */

static void same_scalar(Ck *ck, int t, float got, float expected)
{
    ck_same(ck, su_isa_name(ck->tested[t].isa), &got, &expected, 1);
    ck_check_canaries(ck);
}

/* (n / 64 + 7) u sum |x y|: an fma for each 64 elements, then six additions */
static void check_sum(Ck *ck, const float *x, const float *y, size_t n, float got, double *worst)
{
    double sum = 0, size = 0;
    for (size_t i = 0; i < n; i++) {
        sum += (double)x[i] * (double)y[i];
        size += fabs((double)x[i] * (double)y[i]);
    }
    ck_within(ck, (double)n, got, sum, ((double)n / 64 + 7) * u * size, worst);
}

static bool has_nan(const float *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (isnan(x[i])) return true;
    return false;
}

void check_dot_f32(Ck *ck)
{
    double worst = 0;
    for (size_t i = 0; i < NUM_LENGTHS; i++) {
        size_t n = row_length(ck, i), shift = sizeof(float) * ck_between(ck, 0, 1);
        for (int values = 0; values < CK_NUM_VALUES; values++) {
            ck_case(ck, "dot_f32 n %zu %s", n, ck_values_name[values]);
            const float *x = input_row(ck, 0, (CkValues)values, n, shift);
            CkValues other = values == CK_NORMAL ? CK_NORMAL : some_values(ck);
            const float *y = input_row(ck, 1, other, n, shift);
            float expected = ck->ref.dot_f32(x, y, n);
            bool nan = has_nan(x, n) || has_nan(y, n);
            if (values == CK_NORMAL) check_sum(ck, x, y, n, expected, &worst);
            for (int t = 0; t < ck->num_tested; t++) {
                float got = ck->tested[t].dot_f32(x, y, n);
                if (nan && !isnan(got)) ck_fail(ck, "NaN was masked");
                same_scalar(ck, t, got, expected);
            }
        }
    }
    ck_report("dot_f32: (n / 64 + 7) u sum |x y|", worst);
}

void check_sum_of_squares_f32(Ck *ck)
{
    double worst = 0;
    for (size_t i = 0; i < NUM_LENGTHS; i++) {
        size_t n = row_length(ck, i), shift = sizeof(float) * ck_between(ck, 0, 1);
        for (int values = 0; values < CK_NUM_VALUES; values++) {
            ck_case(ck, "sum_of_squares_f32 n %zu %s", n, ck_values_name[values]);
            const float *x = input_row(ck, 0, (CkValues)values, n, shift);
            float expected = ck->ref.sum_of_squares_f32(x, n);
            if (values == CK_NORMAL) check_sum(ck, x, x, n, expected, &worst);
            for (int t = 0; t < ck->num_tested; t++) {
                float got = ck->tested[t].sum_of_squares_f32(x, n);
                if (has_nan(x, n) && !isnan(got)) ck_fail(ck, "NaN was masked");
                same_scalar(ck, t, got, expected);
            }
        }
    }
    ck_report("sum_of_squares_f32: (n / 64 + 7) u sum", worst);
}

void check_scale_f32(Ck *ck)
{
    static const float factors[] = {0.0f, -1.5f, 1e-38f, 3e38f, INFINITY, NAN};
    for (size_t i = 0; i < NUM_LENGTHS; i++) {
        size_t n = row_length(ck, i), shift = sizeof(float) * ck_between(ck, 0, 1);
        float factor = factors[i % 6];
        ck_case(ck, "scale_f32 n %zu by %g", n, (double)factor);
        const float *x = input_row(ck, 0, (CkValues)(i % CK_NUM_VALUES), n, shift);
        float *expected = ck_output(ck, 1, n * sizeof *expected, shift);
        for (size_t e = 0; e < n; e++) expected[e] = x[e] * factor;
        for (int t = 0; t < ck->num_tested; t++) {
            float *y = ck_output(ck, 2, n * sizeof *y, shift);
            ck->tested[t].scale_f32(x, factor, n, y);
            ck_same(ck, su_isa_name(ck->tested[t].isa), y, expected, n);
            memcpy(y, x, n * sizeof *y);
            ck->tested[t].scale_f32(y, factor, n, y);
            ck_same(ck, su_isa_name(ck->tested[t].isa), y, expected, n);
            ck_check_canaries(ck);
        }
    }
}

/* ---- widening ---- */

static uint32_t bf16_bits(uint16_t half) { return (uint32_t)half << 16; }

/* By value: sign, then fraction times a power of two; a NaN keeps its payload and becomes quiet. */
static uint32_t f16_bits(uint16_t half)
{
    double sign = half & 0x8000 ? -1 : 1, fraction = half & 0x3ff;
    int exponent = half >> 10 & 31;
    uint32_t bits = (uint32_t)(half & 0x8000) << 16 | 0x7f800000u;
    if (exponent == 31) return fraction > 0 ? bits | 0x400000u | (half & 0x3ffu) << 13 : bits;
    float value =
        (float)(sign * (exponent ? ldexp(1024 + fraction, exponent - 25) : ldexp(fraction, -24)));
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

typedef void (*Widen)(const uint16_t *x, size_t n, float *y);

static void check_widen(Ck *ck, int t, Widen widen, uint32_t (*exact)(uint16_t), size_t n,
                        uint32_t first)
{
    size_t shift = 2 * ck_between(ck, 0, 3);
    uint16_t *x = ck_input(ck, 0, n * sizeof *x, shift);
    float *y = ck_output(ck, 1, n * sizeof *y, shift / 2 * 4);
    for (size_t i = 0; i < n; i++) x[i] = (uint16_t)(first + i);
    widen(x, n, y);
    for (size_t i = 0; i < n; i++) {
        uint32_t bits, expected = exact(x[i]);
        memcpy(&bits, &y[i], sizeof bits);
        if (bits != expected)
            ck_fail(ck, "%s: 0x%04x gives 0x%08x, not 0x%08x", su_isa_name(ck->tested[t].isa),
                    (unsigned)x[i], (unsigned)bits, (unsigned)expected);
    }
    ck_check_canaries(ck);
}

void check_widen_f16(Ck *ck)
{
    for (int t = 0; t < ck->num_tested; t++) {
        ck_case(ck, "widen_f16, all halves");
        check_widen(ck, t, ck->tested[t].widen_f16, f16_bits, 65536, 0);
        for (size_t n = 1; n <= 70; n++) {
            ck_case(ck, "widen_f16 n %zu", n);
            check_widen(ck, t, ck->tested[t].widen_f16, f16_bits, n, ck_random(ck));
        }
    }
}

void check_widen_bf16(Ck *ck)
{
    for (int t = 0; t < ck->num_tested; t++) {
        ck_case(ck, "widen_bf16, all halves");
        check_widen(ck, t, ck->tested[t].widen_bf16, bf16_bits, 65536, 0);
        for (size_t n = 1; n <= 70; n++) {
            ck_case(ck, "widen_bf16 n %zu", n);
            check_widen(ck, t, ck->tested[t].widen_bf16, bf16_bits, n, ck_random(ck));
        }
    }
}

/* One product, rounded once: the same bits on all levels. */
void check_widen_s8(Ck *ck)
{
    static const float scales[] = {0.0f, 0x1p-149f, 0x1p-126f, 0.0037f, 1.0f, 0x1p127f, INFINITY};
    for (int t = 0; t < ck->num_tested; t++)
        for (size_t n = 1; n <= 300; n++) {
            size_t shift = ck_between(ck, 0, 3);
            float scale = scales[n % (sizeof scales / sizeof *scales)];
            int8_t *x = ck_input(ck, 0, n, shift);
            float *y = ck_output(ck, 1, n * sizeof *y, shift * 4);
            ck_case(ck, "widen_s8 n %zu", n);
            for (size_t i = 0; i < n; i++) x[i] = (int8_t)((int)((7 * i + n) % 256) - 128);
            ck->tested[t].widen_s8(x, scale, n, y);
            for (size_t i = 0; i < n; i++) {
                float expected = (float)x[i] * scale;
                if (!(y[i] == expected || (isnan(y[i]) && isnan(expected))))
                    ck_fail(ck, "%s: %d x %g gives %g", su_isa_name(ck->tested[t].isa), x[i],
                            (double)scale, (double)y[i]);
            }
            ck_check_canaries(ck);
        }
}
