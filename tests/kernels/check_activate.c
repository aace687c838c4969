/* Activations: levels against plain C, plain C against long double over the whole range. */
#include "checkkernels.h"

#include "kernels/ref/math_ref.h"

#include <float.h>
#include <math.h>
#include <string.h>

static const char *const names[] = {"none", "gelu_erf", "gelu_tanh", "relu",
                                    "silu", "tanh",     "sigmoid"};

static void compare_case(Ck *ck, SutraActivation activation, size_t n, CkValues values,
                         float magnitude)
{
    size_t shift = sizeof(float) * ck_between(ck, 0, 1);
    ck_case(ck, "activate_f32 %s n %zu %s times %g", names[activation], n, ck_values_name[values],
            (double)magnitude);
    float *x = ck_input(ck, 0, n * sizeof *x, shift);
    ck_fill(ck, values, x, n);
    for (size_t i = 0; i < n; i++) x[i] *= magnitude;
    float *expected = ck_output(ck, 1, n * sizeof *x, shift);
    memcpy(expected, x, n * sizeof *x);
    ck->ref.activate_f32(activation, expected, n);
    for (int t = 0; t < ck->num_tested; t++) {
        float *got = ck_output(ck, 2, n * sizeof *x, shift);
        memcpy(got, x, n * sizeof *x);
        ck->tested[t].activate_f32(activation, got, n);
        ck_same(ck, su_isa_name(ck->tested[t].isa), got, expected, n);
        for (size_t i = 0; i < n; i++)
            if (isnan(x[i]) && !isnan(got[i])) ck_fail(ck, "NaN was masked at %zu", i);
        ck_check_canaries(ck);
    }
}

/* Every exponent, both signs, `steps` fractions each. */
static size_t sweep(float *x, unsigned steps)
{
    size_t n = 0;
    for (uint32_t head = 0; head < 512; head++) {
        for (unsigned s = 0; s < steps; s++) {
            uint32_t bits = head << 23 | (uint32_t)((uint64_t)s * 0x7fffff / (steps - 1));
            memcpy(&x[n++], &bits, sizeof *x);
        }
    }
    return n;
}

static long double exact_of(SutraActivation activation, long double x)
{
    switch (activation) {
    case SUTRA_ACT_GELU_ERF:
        return 0.5L * x * erfcl(-x * M_SQRT1_2l);
    case SUTRA_ACT_GELU_TANH:
        return x / (1 + expl(-2 * 0.7978845608028653558799L * (x + 0.044715L * x * x * x)));
    case SUTRA_ACT_RELU:
        return x < 0 ? 0 : x;
    case SUTRA_ACT_SILU:
        return x / (1 + expl(-x));
    case SUTRA_ACT_TANH:
        return tanhl(x);
    case SUTRA_ACT_SIGMOID:
        return 1 / (1 + expl(-x));
    case SUTRA_ACT_NONE:
        break;
    }
    return x;
}

static long double ulp_of(float x)
{
    float magnitude = fabsf(x);
    return (long double)nextafterf(magnitude, INFINITY) - (long double)magnitude;
}

/* Bounds. GELU and SiLU in ulps of x, tanh and the sigmoid in units of 2^-24 (they are used where values
 * are of order one; near zero their relative error is large). */
static long double bound_of(SutraActivation activation, float x)
{
    switch (activation) {
    case SUTRA_ACT_GELU_ERF:
        return 1.5L * ulp_of(x);
    case SUTRA_ACT_GELU_TANH:
        return 2.0L * ulp_of(x);
    case SUTRA_ACT_SILU:
        return 2.0L * ulp_of(x);
    case SUTRA_ACT_TANH:
        return 3.5L * 0x1p-24L;
    case SUTRA_ACT_SIGMOID:
        return 2.0L * 0x1p-24L;
    default:
        return 0;
    }
}

static void check_definition(Ck *ck)
{
    enum { STEPS = 400 };
    float *x = ck_input(ck, 0, 512 * STEPS * sizeof *x, 0);
    float *y = ck_output(ck, 1, 512 * STEPS * sizeof *y, 0);
    size_t n = sweep(x, STEPS);
    for (int a = SUTRA_ACT_NONE; a <= SUTRA_ACT_SIGMOID; a++) {
        double worst = 0;
        ck_case(ck, "activate_f32 %s", names[a]);
        memcpy(y, x, n * sizeof *y);
        ck->ref.activate_f32((SutraActivation)a, y, n);
        for (size_t i = 0; i < n; i++) {
            if (!isfinite(x[i])) continue;
            long double exact = exact_of((SutraActivation)a, (long double)x[i]);
            ck_within(ck, (double)x[i], y[i], exact, bound_of((SutraActivation)a, x[i]), &worst);
        }
        ck_report(names[a], worst);
    }
}

/* 2^x: 1 ulp on [-125, 125], clamped outside, exact at integers. */
static void check_exp2(Ck *ck)
{
    double worst = 0;
    ck_case(ck, "exp2");
    for (int i = -1000000; i <= 1000000; i++) {
        float x = (float)i * 1.25e-4f;
        float y = exp2_ref(x);
        if (fabsf(x) > SU_EXP2_LIMIT) continue;
        ck_within(ck, (double)x, y, exp2l((long double)x), 1.0L * ulp_of(y), &worst);
    }
    ck_report("exp2: 1 ulp", worst);
    for (int n = -125; n <= 125; n++)
        if (exp2_ref((float)n) != ldexpf(1.0f, n)) ck_fail(ck, "2^%d is not exact", n);
    static const float outside[] = {125.5f, 1e30f, INFINITY};
    for (int i = 0; i < 3; i++) {
        ck_case(ck, "exp2 of +-%g", (double)outside[i]);
        if (exp2_ref(outside[i]) != 0x1p125f || exp2_ref(-outside[i]) != 0x1p-125f)
            ck_fail(ck, "not clamped");
    }
    if (!isnan(exp2_ref(NAN))) ck_fail(ck, "exp2(NaN) is not NaN");
}

/* Near erf, so near that tanh, which is up to 4.7e-4 away, could not pass for it. */
static void check_gelu_narrow(Ck *ck)
{
    double worst = 0, of_tanh = 0;
    ck_case(ck, "narrow GELU");
    for (int i = -1000000; i <= 1000000; i++) {
        float x = (float)i * 2e-5f;
        long double exact = (long double)x * 0.5L * erfcl(-(long double)x / sqrtl(2.0L));
        ck_within(ck, (double)x, gelu_narrow_ref(x), exact, 9.4e-5L, &worst);
        double apart = fabs((double)(activate_ref(SUTRA_ACT_GELU_TANH, x) - (float)exact));
        if (apart > of_tanh) of_tanh = apart;
    }
    if (of_tanh < 4 * 9.4e-5) ck_fail(ck, "the bound does not tell erf from tanh");
    ck_report("narrow GELU: 9.4e-5", worst);
}

/* As the CUDA kernels compute it, where the result is rounded to fp16 or bf16. */
static float gelu_half(float x)
{
    float z = fabsf(x), q = -SU_GELU_HALF_5;
    q = fmaf(q, z, -SU_GELU_HALF_4);
    q = fmaf(q, z, -SU_GELU_HALF_3);
    q = fmaf(q, z, -SU_GELU_HALF_2);
    q = fmaf(q, z, -SU_GELU_HALF_1);
    q = fmaf(q, z, -1.0f);
    return fmaf(-z, exp2f(q), fmaxf(x, 0.0f));
}

static long double half_ulp_of_fp16(long double y)
{
    int exponent = 0;
    frexpl(fabsl(y), &exponent);
    return ldexpl(1.0L, exponent < -13 ? -25 : exponent - 12);
}

/* Within 0.35 of half an ulp of fp16, of the result, and so near erf that tanh could not pass. */
static void check_gelu_half(Ck *ck)
{
    double worst = 0, largest = 0;
    ck_case(ck, "GELU for fp16");
    for (int i = -1000000; i <= 1000000; i++) {
        float x = (float)i * 2e-5f, y = gelu_half(x);
        long double exact = (long double)x * 0.5L * erfcl(-(long double)x / sqrtl(2.0L));
        ck_within(ck, (double)x, y, exact, 0.35L * half_ulp_of_fp16(exact), &worst);
        double error = fabs((double)((long double)y - exact));
        if (error > largest) largest = error;
    }
    if (largest > 1.4e-5) ck_fail(ck, "error of %g", largest);
    static const float large[] = {30, 1e3f, 65504, 1e20f, FLT_MAX};
    for (int i = 0; i < 5; i++)
        if (gelu_half(large[i]) != large[i] || gelu_half(-large[i]) != 0)
            ck_fail(ck, "wrong at +-%g", (double)large[i]);
    if (!isnan(gelu_half(NAN))) ck_fail(ck, "NaN was masked");
    ck_report("GELU for fp16: 0.35 of half its ulp", worst);
}

void check_activate_f32(Ck *ck)
{
    check_exp2(ck);
    check_gelu_narrow(ck);
    check_gelu_half(ck);
    check_definition(ck);
    static const float magnitudes[] = {1.0f, 0.01f, 5.0f, 100.0f};
    for (int a = SUTRA_ACT_NONE; a <= SUTRA_ACT_SIGMOID; a++) {
        for (size_t n = 1; n <= 70; n++)
            compare_case(ck, (SutraActivation)a, n, (CkValues)(n % CK_NUM_VALUES), 1.0f);
        for (int values = 0; values < CK_NUM_VALUES; values++)
            for (int m = 0; m < 4; m++)
                compare_case(ck, (SutraActivation)a, 20001, (CkValues)values, magnitudes[m]);
    }
}
