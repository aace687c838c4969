/* Output rows: levels against plain C, plain C against its definition. */
#include "checkkernels.h"

#include <math.h>
#include <string.h>

/* An output kernel under one signature. */
typedef struct Kind {
    const char *name;
    size_t bits; /* of an element */
    bool (*run)(const SuKernels *kernels, const float *x, float scale, const float *least,
                const float *step, size_t n, uint8_t flip, void *y);
    /* Whether element i of y is what the definition says. */
    bool (*good)(const void *y, size_t i, float value, float least, float step, uint8_t flip);
} Kind;

/* ---- f32 ---- */

static bool run_f32(const SuKernels *kernels, const float *x, float scale, const float *least,
                    const float *step, size_t n, uint8_t flip, void *y)
{
    (void)least, (void)step, (void)flip;
    return kernels->output_f32(x, scale, n, y);
}

static bool good_f32(const void *y, size_t i, float value, float least, float step, uint8_t flip)
{
    (void)least, (void)step, (void)flip;
    return memcmp((const float *)y + i, &value, sizeof value) == 0;
}

/* ---- f16 ---- */

static bool run_f16(const SuKernels *kernels, const float *x, float scale, const float *least,
                    const float *step, size_t n, uint8_t flip, void *y)
{
    (void)least, (void)step, (void)flip;
    return kernels->output_f16(x, scale, n, y);
}

/* 65536 in place of infinity, from where a value rounds to it. */
static double half_size(uint16_t half)
{
    int exponent = half >> 10 & 31, fraction = half & 0x3ff;
    return exponent ? ldexp(1024 + fraction, exponent - 25) : ldexp(fraction, -24);
}

/* No neighbour is nearer, nor as near and even. */
static bool good_f16(const void *y, size_t i, float value, float least, float step, uint8_t flip)
{
    (void)least, (void)step, (void)flip;
    uint16_t half;
    memcpy(&half, (const char *)y + 2 * i, 2);
    double size = fabs((double)value);
    uint16_t magnitude = half & 0x7fff;
    if (magnitude > 0x7c00 || (half >> 15 != 0) != (signbit(value) != 0)) return false;
    if (size > 65536) return magnitude == 0x7c00;
    double distance = fabs(half_size(magnitude) - size);
    double above = magnitude < 0x7c00 ? fabs(half_size(magnitude + 1) - size) : INFINITY;
    double below = magnitude > 0 ? fabs(half_size(magnitude - 1) - size) : INFINITY;
    double other = fmin(above, below);
    return distance < other || (distance == other && magnitude % 2 == 0);
}

/* ---- u8 ---- */

static bool run_u8(const SuKernels *kernels, const float *x, float scale, const float *least,
                   const float *step, size_t n, uint8_t flip, void *y)
{
    (void)least, (void)step;
    return kernels->output_u8(x, scale, n, flip, y);
}

static bool good_u8(const void *y, size_t i, float value, float least, float step, uint8_t flip)
{
    (void)least, (void)step;
    double wide = fmin(fmax((double)(127.0f * value), -127), 127);
    int element = (((const uint8_t *)y)[i] ^ flip) - 128;
    double distance = fabs(wide - element);
    return distance < 0.5 || (distance == 0.5 && element % 2 == 0);
}

/* ---- u8 with ranges ---- */

static bool run_ranged_u8(const SuKernels *kernels, const float *x, float scale, const float *least,
                          const float *step, size_t n, uint8_t flip, void *y)
{
    return kernels->output_ranged_u8(x, scale, least, step, n, flip, y);
}

/* In double, rounded to float after each operation. */
static bool good_ranged_u8(const void *y, size_t i, float value, float least, float step,
                           uint8_t flip)
{
    float above = (float)((double)value - (double)least);
    float steps = (float)((double)above / (double)step);
    int code = ((const uint8_t *)y)[i] ^ flip;
    if (steps < 1.0f) return code == 0;
    if (steps >= 255.0f) return code == 255;
    return (float)code <= steps && steps < (float)(code + 1);
}

/* ---- bits ---- */

static bool run_bits(const SuKernels *kernels, const float *x, float scale, const float *least,
                     const float *step, size_t n, uint8_t flip, void *y)
{
    (void)least, (void)step;
    return kernels->output_bits(x, scale, n, flip, y);
}

static bool good_bits(const void *y, size_t i, float value, float least, float step, uint8_t flip)
{
    (void)least, (void)step;
    return ((((const uint8_t *)y)[i / 8] ^ flip) >> (7 - i % 8) & 1) == (value > 0.0f);
}

static const Kind kind_f32 = {"output_f32", 32, run_f32, good_f32},
                  kind_f16 = {"output_f16", 16, run_f16, good_f16},
                  kind_u8 = {"output_u8", 8, run_u8, good_u8},
                  kind_ranged_u8 = {"output_ranged_u8", 8, run_ranged_u8, good_ranged_u8},
                  kind_bits = {"output_bits", 1, run_bits, good_bits};

/* ---- all of them ---- */

/* Near the ties of every type: whole and half steps of 1 / 127 and of a half, one float beside. */
static void fill_ties(Ck *ck, float *x, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        float half = (float)ck_between(ck, 0, 600) * 0.5f - 150.0f;
        int exponent = -(int)ck_between(ck, 11, 26);
        x[i] = i % 2 ? half / 127.0f : ldexpf((float)ck_between(ck, 1, 4095), exponent);
        size_t beside = ck_between(ck, 0, 3);
        if (beside < 2) x[i] = nextafterf(x[i], beside ? 1.0f : -1.0f);
    }
}

static void fill_steps(Ck *ck, float *x, const float *least, float *step, float scale, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        step[i] = fabsf(step[i]);
        if (!(step[i] > 0.0f) || !isfinite(step[i])) step[i] = 1.0f;
        if (ck_between(ck, 0, 2)) continue;
        float value = (least[i] + (float)ck_between(ck, 0, 256) * step[i]) / scale;
        if (isfinite(value)) x[i] = value; /* the edge of a code, where scale is 1 */
    }
}

static void check_case(Ck *ck, const Kind *kind, size_t n, int values, float scale)
{
    size_t shift = sizeof(float) * ck_between(ck, 0, 1), bytes = (n * kind->bits + 7) / 8;
    size_t out_shift = kind->bits > 8 ? shift : ck_between(ck, 0, 7);
    uint8_t flip = ck_between(ck, 0, 1) ? 0x80 : 0;
    bool ties = values == CK_NUM_VALUES, finite = true;
    ck_case(ck, "%s n %zu %s scale %g flip %u", kind->name, n,
            ties ? "ties" : ck_values_name[values], (double)scale, flip);
    float *x = ck_input(ck, 0, n * sizeof *x, shift);
    float *least = ck_input(ck, 1, n * sizeof *x, shift);
    float *step = ck_input(ck, 2, n * sizeof *x, shift);
    ck_fill(ck, ties || values == CK_SPECIAL ? CK_NORMAL : (CkValues)values, least, n);
    ck_fill(ck, ck_between(ck, 0, 1) ? CK_NORMAL : CK_DENORMAL, step, n);
    if (ties)
        fill_ties(ck, x, n);
    else
        ck_fill(ck, (CkValues)values, x, n);
    fill_steps(ck, x, least, step, scale, n);
    for (size_t i = 0; i < n; i++) finite = finite && isfinite(x[i] * scale);
    unsigned char *expected = ck_output(ck, 3, bytes, out_shift);
    if (kind->run(&ck->ref, x, scale, least, step, n, flip, expected) != finite)
        ck_fail(ck, "plain C finds it %s", finite ? "not finite" : "finite");
    for (size_t i = 0; finite && i < n; i++)
        if (!kind->good(expected, i, x[i] * scale, least[i], step[i], flip))
            ck_fail(ck, "plain C, element %zu: %a", i, (double)(x[i] * scale));
    for (size_t i = n; finite && kind->bits == 1 && i < 8 * bytes; i++)
        if (!good_bits(expected, i, 0.0f, 0.0f, 1.0f, flip)) ck_fail(ck, "bit %zu is set", i);
    for (int t = 0; t < ck->num_tested; t++) {
        const char *level = su_isa_name(ck->tested[t].isa);
        unsigned char *y = ck_output(ck, 4, bytes, out_shift);
        if (kind->run(&ck->tested[t], x, scale, least, step, n, flip, y) != finite)
            ck_fail(ck, "%s finds it %s", level, finite ? "not finite" : "finite");
        if (finite && memcmp(y, expected, bytes) != 0) ck_fail(ck, "%s differs", level);
        ck_check_canaries(ck);
    }
}

static void check_kind(Ck *ck, const Kind *kind)
{
    static const float scales[] = {1.0f, 0.37f, 1e12f, 1e-30f, 3e30f};
    for (size_t n = 1; n <= 300; n++)
        for (int values = 0; values <= CK_NUM_VALUES; values++)
            check_case(ck, kind, n <= 290 ? n : 1000 + n, values, scales[n % 5]);
    /* One value that is not finite, anywhere. */
    for (size_t i = 0; i < 160; i++) {
        float scale = i % 3 ? 1.0f : 1e10f;
        ck_case(ck, "%s, one bad value at %zu of 160", kind->name, i);
        float *x = ck_input(ck, 0, 160 * sizeof *x, 0), *step = ck_input(ck, 2, 160 * sizeof *x, 0);
        for (size_t e = 0; e < 160; e++) x[e] = step[e] = 0.5f;
        x[i] = i % 3 == 0 ? 3e30f : i % 3 == 1 ? -INFINITY : NAN; /* the first by the scale */
        for (int t = 0; t < ck->num_tested; t++) {
            void *y = ck_output(ck, 4, 160 * sizeof(float), 0);
            if (kind->run(&ck->tested[t], x, scale, step, step, 160, 0, y))
                ck_fail(ck, "%s finds it finite", su_isa_name(ck->tested[t].isa));
            ck_check_canaries(ck);
        }
    }
}

void check_output_f32(Ck *ck) { check_kind(ck, &kind_f32); }
void check_output_f16(Ck *ck) { check_kind(ck, &kind_f16); }
void check_output_u8(Ck *ck) { check_kind(ck, &kind_u8); }
void check_output_ranged_u8(Ck *ck) { check_kind(ck, &kind_ranged_u8); }
void check_output_bits(Ck *ck) { check_kind(ck, &kind_bits); }
