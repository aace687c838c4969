/* rows_f32_vectors.h - kernels over rows, for any vector type: norms, activations, pooling, sums.
 * Included by one file for each ISA, after its vec_….h. */
#ifndef SU_ROWS_F32_VECTORS_H
#define SU_ROWS_F32_VECTORS_H

#include "kernels/ref/kernels_ref.h"
#include "kernels/vec_math.h"

#include <math.h>
#include <string.h>

enum { LANE_VECTORS = 64 / VEC_LANES }; /* of the 64 virtual lanes of kernels.h */

/* Elements i … i + VEC_LANES - 1 of x [n], zero from n on. */
SU_INLINE Vec load(const float *x, size_t i, size_t n)
{
    if (i + VEC_LANES <= n) return vec_load(x + i);
    return i < n ? vec_load_part(x + i, n - i) : vec_zero();
}

SU_INLINE void store(float *y, size_t i, size_t n, Vec value)
{
    if (i + VEC_LANES <= n)
        vec_store(y + i, value);
    else if (i < n)
        vec_store_part(y + i, value, n - i);
}

/* lanes(x): 64 elements a step; the tail goes into the lanes it belongs to */
static float sum_lanes(const float *x, size_t n)
{
    Vec lane[LANE_VECTORS];
    for (int v = 0; v < LANE_VECTORS; v++) lane[v] = vec_zero();
    size_t i = 0;
    for (; i + 64 <= n; i += 64)
        for (int v = 0; v < LANE_VECTORS; v++)
            lane[v] = vec_add(lane[v], vec_load(x + i + VEC_LANES * v));
    for (int v = 0; v < LANE_VECTORS; v++, i += VEC_LANES)
        if (i < n) lane[v] = vec_add(lane[v], load(x, i, n));
    return vec_fold64(lane);
}

static float sum_square_differences(const float *x, float mean, size_t n)
{
    Vec lane[LANE_VECTORS], m = vec_set1(mean);
    for (int v = 0; v < LANE_VECTORS; v++) lane[v] = vec_zero();
    size_t i = 0;
    for (; i + 64 <= n; i += 64) {
        for (int v = 0; v < LANE_VECTORS; v++) {
            Vec d = vec_sub(vec_load(x + i + VEC_LANES * v), m);
            lane[v] = vec_fma(d, d, lane[v]);
        }
    }
    for (int v = 0; v < LANE_VECTORS; v++, i += VEC_LANES) {
        if (i >= n) continue;
        size_t left = n - i;
        Vec d = vec_sub(load(x, i, n), m);
        if (left < VEC_LANES) d = vec_select(d, vec_zero(), 0, left);
        lane[v] = vec_fma(d, d, lane[v]);
    }
    return vec_fold64(lane);
}

static void layer_norm(const SuNormF32 *norm, const float *x, float *y)
{
    size_t n = norm->n;
    float mean = sum_lanes(x, n) / (float)n;
    float rstd = 1.0f / sqrtf(sum_square_differences(x, mean, n) / (float)n + norm->eps);
    Vec m = vec_set1(mean), r = vec_set1(rstd);
    for (size_t i = 0; i < n; i += VEC_LANES) {
        Vec z = vec_mul(vec_sub(load(x, i, n), m), r);
        store(y, i, n, vec_fma(z, load(norm->gamma, i, n), load(norm->beta, i, n)));
    }
}

static void embed_norm(const SuNormF32 *norm, const float *token, const float *type,
                       const float *position, float *y)
{
    size_t n = norm->n;
    for (size_t i = 0; i < n; i += VEC_LANES) {
        Vec x = load(token, i, n);
        if (type) x = vec_add(x, load(type, i, n));
        if (position) x = vec_add(x, load(position, i, n));
        store(y, i, n, x);
    }
    layer_norm(norm, y, y);
}

SU_INLINE void activate_all(SutraActivation activation, float *x, size_t n)
{
    for (size_t i = 0; i < n; i += VEC_LANES)
        store(x, i, n, vec_activate(activation, load(x, i, n)));
}

static void activate(SutraActivation activation, float *x, size_t n)
{
    if (activation == SUTRA_ACT_GELU_ERF)
        activate_all(SUTRA_ACT_GELU_ERF, x, n);
    else
        activate_all(activation, x, n);
}

SU_INLINE void rotate_row(float *x, const float *turns, size_t half)
{
    for (size_t i = 0; i < half; i += VEC_LANES) {
        Vec first = load(x, i, half), second = load(x + half, i, half);
        Vec cosine = load(turns, i, half), sine = load(turns + half, i, half);
        store(x, i, half, vec_fma(first, cosine, vec_negate(vec_mul(second, sine))));
        store(x + half, i, half, vec_fma(second, cosine, vec_mul(first, sine)));
    }
}

static void rotate(float *x, size_t stride, const float *turns, size_t rows, size_t size)
{
    for (size_t i = 0; i < rows; i++) rotate_row(x + i * stride, turns + i * size, size / 2);
}

static void widen_bf16(const uint16_t *x, size_t n, float *y); /* of the file that includes this */
static void narrow_bf16(const float *x, size_t n, uint16_t *y);

static void rotate_halves(uint16_t *x, size_t stride, const float *turns, size_t rows, size_t size)
{
    float row[SU_MAX_HEAD];
    for (size_t i = 0; i < rows; i++, x += stride) {
        widen_bf16(x, size, row);
        rotate_row(row, turns + i * size, size / 2);
        narrow_bf16(row, size, x);
    }
}

static float dot(const float *x, const float *y, size_t n)
{
    Vec lane[LANE_VECTORS];
    for (int v = 0; v < LANE_VECTORS; v++) lane[v] = vec_zero();
    size_t i = 0;
    for (; i + 64 <= n; i += 64)
        for (int v = 0; v < LANE_VECTORS; v++)
            lane[v] =
                vec_fma(vec_load(x + i + VEC_LANES * v), vec_load(y + i + VEC_LANES * v), lane[v]);
    for (int v = 0; v < LANE_VECTORS; v++, i += VEC_LANES)
        if (i < n) lane[v] = vec_fma(load(x, i, n), load(y, i, n), lane[v]);
    return vec_fold64(lane);
}

static float sum_of_squares(const float *x, size_t n) { return dot(x, x, n); }

static void scale(const float *x, float factor, size_t n, float *y)
{
    Vec f = vec_set1(factor);
    for (size_t i = 0; i < n; i += VEC_LANES) store(y, i, n, vec_mul(load(x, i, n), f));
}

/* One step of a pooled sum. A maximum that is NaN stays; a NaN element becomes the maximum. */
SU_INLINE Vec pool_step(const SutraPooling kind, Vec sum, Vec element, Vec weight)
{
    if (kind == SUTRA_POOL_WEIGHTED_MEAN) return vec_fma(weight, element, sum);
    return kind == SUTRA_POOL_MAX ? vec_max_or_nan(sum, element) : vec_add(sum, element);
}

/* Columns of `vectors` vectors, all tokens: the sums stay in registers. kind and vectors are
 * constants. */
SU_INLINE void pool_block(const SutraPooling kind, const int vectors, const float *x, size_t stride,
                          size_t first, size_t num_tokens, size_t i, size_t n, float divisor,
                          float *out)
{
    Vec sum[LANE_VECTORS];
    for (int v = 0; v < vectors; v++)
        sum[v] = kind == SUTRA_POOL_MAX ? load(x + first * stride, i + VEC_LANES * (size_t)v, n)
                                        : vec_zero();
    for (size_t t = first; t < num_tokens; t++) {
        Vec weight = vec_set1((float)(t + 1));
        for (int v = 0; v < vectors; v++)
            sum[v] =
                pool_step(kind, sum[v], load(x + t * stride, i + VEC_LANES * (size_t)v, n), weight);
    }
    for (int v = 0; v < vectors; v++) {
        if (kind != SUTRA_POOL_MAX) sum[v] = vec_div(sum[v], vec_set1(divisor));
        store(out, i + VEC_LANES * (size_t)v, n, sum[v]);
    }
}

SU_INLINE void pool_columns(const SutraPooling kind, const float *x, size_t stride, size_t first,
                            size_t num_tokens, size_t n, float divisor, float *out)
{
    size_t i = 0;
    for (; i + 64 <= n; i += 64)
        pool_block(kind, LANE_VECTORS, x, stride, first, num_tokens, i, i + 64, divisor, out);
    for (; i < n; i += VEC_LANES)
        pool_block(kind, 1, x, stride, first, num_tokens, i, n, divisor, out);
}

static void pool(SutraPooling pooling, const float *x, size_t stride, size_t first,
                 size_t num_tokens, size_t n, float *out)
{
    float tokens = (float)(num_tokens - first), weights = su_pool_weights(first, num_tokens);
    switch (pooling) {
    case SUTRA_POOL_MEAN:
        pool_columns(SUTRA_POOL_MEAN, x, stride, first, num_tokens, n, tokens, out);
        break;
    case SUTRA_POOL_MEAN_SQRT:
        pool_columns(SUTRA_POOL_MEAN, x, stride, first, num_tokens, n, sqrtf(tokens), out);
        break;
    case SUTRA_POOL_WEIGHTED_MEAN:
        pool_columns(SUTRA_POOL_WEIGHTED_MEAN, x, stride, first, num_tokens, n, weights, out);
        break;
    case SUTRA_POOL_MAX:
        pool_columns(SUTRA_POOL_MAX, x, stride, first, num_tokens, n, 1.0f, out);
        break;
    default:
        su_pool_f32_ref(pooling, x, stride, first, num_tokens, n, out);
        break;
    }
}

static void narrow_bf16(const float *x, size_t n, uint16_t *y)
{
    for (size_t i = 0; i < n; i += VEC_LANES) {
        size_t left = n - i < VEC_LANES ? n - i : VEC_LANES;
        vec_store_bf16(y + i, load(x, i, n), left);
    }
}

/* What a row is quantised from: x, or x factor. */
SU_INLINE Vec load_scaled(const float *x, const float *factor, size_t i, size_t n)
{
    return factor ? vec_mul(load(x, i, n), load(factor, i, n)) : load(x, i, n);
}

/* Four vectors from element i on; whole: all of them lie in x. */
SU_INLINE void load_four(Vec v[4], const float *x, const float *factor, size_t i, size_t n,
                         const bool whole)
{
    SU_UNROLL
    for (size_t c = 0; c < 4; c++) {
        size_t at = i + c * VEC_LANES;
        if (!whole)
            v[c] = load_scaled(x, factor, at, n);
        else
            v[c] = factor ? vec_mul(vec_load(x + at), vec_load(factor + at)) : vec_load(x + at);
    }
}

typedef struct Range {
    Vec least[4], most[4], bad[4]; /* bad: NaN once a value was not finite */
} Range;

SU_INLINE void widen_range(Range *range, const Vec v[4])
{
    SU_UNROLL
    for (int c = 0; c < 4; c++) {
        range->least[c] = vec_min(range->least[c], v[c]);
        range->most[c] = vec_max(range->most[c], v[c]);
        range->bad[c] = vec_fma(v[c], vec_zero(), range->bad[c]);
    }
}

/* Least and largest of x and 0; false if one is not finite. */
SU_INLINE bool find_range(const float *x, const float *factor, size_t n, float *low, float *high)
{
    Range range;
    Vec v[4];
    for (int c = 0; c < 4; c++) range.least[c] = range.most[c] = range.bad[c] = vec_zero();
    size_t i = 0;
    for (; i + 4 * VEC_LANES <= n; i += 4 * VEC_LANES) {
        load_four(v, x, factor, i, n, true);
        widen_range(&range, v);
    }
    if (i < n) {
        load_four(v, x, factor, i, n, false);
        widen_range(&range, v);
    }
    *low = vec_least(
        vec_min(vec_min(range.least[0], range.least[1]), vec_min(range.least[2], range.least[3])));
    *high = vec_most(
        vec_max(vec_max(range.most[0], range.most[1]), vec_max(range.most[2], range.most[3])));
    return !vec_has_nan(
        vec_add(vec_add(range.bad[0], range.bad[1]), vec_add(range.bad[2], range.bad[3])));
}

/* A row of its own scale has no value that rounds past 2^31; one of a fixed scale may. */
SU_INLINE SuRowScale quantize_row(const float *x, const float *factor, const SuRowScale *fixed,
                                  size_t n, uint8_t *y)
{
    SuRowScale row;
    float low, high;
    bool finite = find_range(x, factor, n, &low, &high);
    if (!su_quantize_row(low, high, finite, fixed, &row)) {
        memset(y, 0, n);
        return row;
    }
    const Vec inverse = vec_set1(1.0f / row.scale), most = vec_set1(0x1p30f);
    for (size_t i = 0; i < n; i += 4 * VEC_LANES) {
        size_t left = n - i;
        Vec v[4];
        load_four(v, x, factor, i, n, left >= 4 * VEC_LANES);
        SU_UNROLL
        for (int c = 0; c < 4; c++) {
            v[c] = vec_mul(v[c], inverse);
            if (fixed) v[c] = vec_min(v[c], most);
        }
        vec_store_u8(y + i, v, row.zero, left < 4 * VEC_LANES ? left : 4 * VEC_LANES);
    }
    return row;
}

static SuRowScale quantize_u8(const float *x, const float *factor, const SuRowScale *fixed,
                              size_t n, uint8_t *y)
{
    if (fixed) return quantize_row(x, factor, fixed, n, y);
    return factor ? quantize_row(x, factor, NULL, n, y) : quantize_row(x, NULL, NULL, n, y);
}

static void init_rows(SuKernels *kernels)
{
    kernels->narrow_bf16 = narrow_bf16;
    kernels->quantize_u8 = quantize_u8;
    kernels->layer_norm_f32 = layer_norm;
    kernels->embed_norm_f32 = embed_norm;
    kernels->activate_f32 = activate;
    kernels->rotate_f32 = rotate;
    kernels->rotate_bf16 = rotate_halves;
    kernels->pool_f32 = pool;
    kernels->sum_of_squares_f32 = sum_of_squares;
    kernels->scale_f32 = scale;
    kernels->dot_f32 = dot;
}

#endif
