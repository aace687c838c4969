/* vec_math.h - the elementary functions on the vectors of a vec_….h, which is included before; the
 * same operations in the same order as ref/math_ref.h.
 *
 * exp2 and GELU take `count` (a constant, at most 8) vectors in step: the chain of one is longer
 * than what a processor's schedulers hold of the next ones. */
#ifndef SU_VEC_MATH_H
#define SU_VEC_MATH_H

#include "kernels/math_constants.h"

/* y = y x + c */
SU_INLINE void horner_step(Vec *y, const Vec *x, const int count, float c)
{
    SU_UNROLL
    for (int i = 0; i < count; i++) y[i] = vec_fma(y[i], x[i], vec_set1(c));
}

/* max and min give NaN when their second operand is one: x goes second. */
SU_INLINE void vec_exp2_in_step(Vec *x, const int count)
{
    Vec n[8], y[8];
    SU_UNROLL
    for (int i = 0; i < count; i++) {
        x[i] = vec_max(vec_set1(-SU_EXP2_LIMIT), x[i]);
        x[i] = vec_min(vec_set1(SU_EXP2_LIMIT), x[i]);
        n[i] = vec_round(x[i]);
        x[i] = vec_sub(x[i], n[i]);
        y[i] = vec_fma(vec_set1(SU_EXP2_6), x[i], vec_set1(SU_EXP2_5));
    }
    horner_step(y, x, count, SU_EXP2_4);
    horner_step(y, x, count, SU_EXP2_3);
    horner_step(y, x, count, SU_EXP2_2);
    horner_step(y, x, count, SU_EXP2_1);
    horner_step(y, x, count, SU_EXP2_0);
    SU_UNROLL
    for (int i = 0; i < count; i++) x[i] = vec_scale2(y[i], n[i]);
}

SU_INLINE Vec vec_exp2(Vec x)
{
    vec_exp2_in_step(&x, 1);
    return x;
}

SU_INLINE void vec_gelu_in_step(Vec *x, const int count)
{
    Vec z[8], q[8];
    SU_UNROLL
    for (int i = 0; i < count; i++) {
        z[i] = vec_mul(vec_abs(x[i]), vec_set1(SU_SQRT_HALF));
        q[i] = vec_fma(vec_set1(SU_GELU_Q8), z[i], vec_set1(SU_GELU_Q7));
    }
    horner_step(q, z, count, SU_GELU_Q6);
    horner_step(q, z, count, SU_GELU_Q5);
    horner_step(q, z, count, SU_GELU_Q4);
    horner_step(q, z, count, SU_GELU_Q3);
    horner_step(q, z, count, SU_GELU_Q2);
    horner_step(q, z, count, SU_GELU_Q1);
    SU_UNROLL
    for (int i = 0; i < count; i++) q[i] = vec_negate(vec_mul(q[i], z[i]));
    vec_exp2_in_step(q, count);
    SU_UNROLL
    for (int i = 0; i < count; i++) {
        Vec h = vec_mul(vec_mul(vec_set1(0.5f), vec_abs(x[i])), q[i]);
        x[i] = vec_where_positive(x[i], vec_sub(x[i], h), vec_negate(h));
    }
}

SU_INLINE void vec_gelu_narrow_in_step(Vec *x, const int count)
{
    Vec c[8], z[8], p[8];
    SU_UNROLL
    for (int i = 0; i < count; i++) {
        c[i] = vec_max(vec_set1(-SU_GELU_NARROW_LIMIT), x[i]);
        c[i] = vec_min(vec_set1(SU_GELU_NARROW_LIMIT), c[i]);
        z[i] = vec_mul(c[i], c[i]);
        p[i] = vec_fma(vec_set1(SU_GELU_NARROW_7), z[i], vec_set1(SU_GELU_NARROW_6));
    }
    horner_step(p, z, count, SU_GELU_NARROW_5);
    horner_step(p, z, count, SU_GELU_NARROW_4);
    horner_step(p, z, count, SU_GELU_NARROW_3);
    horner_step(p, z, count, SU_GELU_NARROW_2);
    horner_step(p, z, count, SU_GELU_NARROW_1);
    horner_step(p, z, count, SU_GELU_NARROW_0);
    SU_UNROLL
    for (int i = 0; i < count; i++) x[i] = vec_mul(x[i], vec_fma(c[i], p[i], vec_set1(0.5f)));
}

/* x / (1 + exp2(w)) */
SU_INLINE Vec vec_logistic(Vec x, Vec w)
{
    return vec_div(x, vec_add(vec_set1(1.0f), vec_exp2(w)));
}

SU_INLINE Vec vec_gelu_tanh(Vec x)
{
    Vec inner = vec_fma(vec_set1(SU_GELU_TANH_C3), vec_mul(x, x), vec_set1(SU_GELU_TANH_C1));
    return vec_logistic(x, vec_mul(x, inner));
}

SU_INLINE Vec vec_silu(Vec x) { return vec_logistic(x, vec_mul(x, vec_set1(-SU_LOG2_E))); }

SU_INLINE Vec vec_sigmoid(Vec x)
{
    return vec_logistic(vec_set1(1.0f), vec_mul(x, vec_set1(-SU_LOG2_E)));
}

SU_INLINE Vec vec_tanh(Vec x)
{
    const Vec one = vec_set1(1.0f);
    Vec share = vec_logistic(one, vec_mul(x, vec_set1(2.0f * SU_LOG2_E)));
    return vec_fma(vec_set1(-2.0f), share, one);
}

SU_INLINE Vec vec_activate(SutraActivation activation, Vec x)
{
    switch (activation) {
    case SUTRA_ACT_GELU_ERF:
        vec_gelu_in_step(&x, 1);
        return x;
    case SUTRA_ACT_GELU_TANH:
        return vec_gelu_tanh(x);
    case SUTRA_ACT_RELU:
        return vec_relu(x);
    case SUTRA_ACT_SILU:
        return vec_silu(x);
    case SUTRA_ACT_TANH:
        return vec_tanh(x);
    case SUTRA_ACT_SIGMOID:
        return vec_sigmoid(x);
    case SUTRA_ACT_NONE:
        break;
    }
    return x;
}

#endif
