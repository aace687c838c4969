/* bench_softmax.h - softmax of base 2 over rows, for attention that keeps its scores: one plain
 * loop, compiled for each ISA (bench_softmax_avx2.c, …), so that it loses by what it does and not
 * by a scalar exp2. */
#ifndef SU_BENCH_SOFTMAX_H
#define SU_BENCH_SOFTMAX_H

#include "kernels/math_constants.h"

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

void su_softmax2_avx2(float *x, size_t rows, size_t n);
void su_softmax2_avx512(float *x, size_t rows, size_t n);
void su_softmax2_neon(float *x, size_t rows, size_t n);

enum { SU_SOFTMAX_LANES = 16 };

/* x <= 0; below -126 it is 0 for what softmax makes of it. The sum with 1.5 * 2^23 rounds. */
static inline float su_softmax_exp2(float x)
{
    const float magic = 12582912.0f;
    x = x < -126.0f ? -126.0f : x;
    float shifted = x + magic, r = x - (shifted - magic), p = SU_EXP2_6;
    p = p * r + SU_EXP2_5;
    p = p * r + SU_EXP2_4;
    p = p * r + SU_EXP2_3;
    p = p * r + SU_EXP2_2;
    p = p * r + SU_EXP2_1;
    p = p * r + SU_EXP2_0;
    int32_t bits, power;
    memcpy(&bits, &shifted, sizeof bits);
    memcpy(&power, &p, sizeof power);
    power += (int32_t)((uint32_t)bits << 23);
    memcpy(&p, &power, sizeof p);
    return p;
}

static inline void su_softmax2_row(float *x, size_t n)
{
    float most[SU_SOFTMAX_LANES], sums[SU_SOFTMAX_LANES] = {0};
    size_t whole = n / SU_SOFTMAX_LANES * SU_SOFTMAX_LANES;
    for (size_t l = 0; l < SU_SOFTMAX_LANES; l++) most[l] = x[0];
    for (size_t i = 0; i < whole; i += SU_SOFTMAX_LANES)
        for (size_t l = 0; l < SU_SOFTMAX_LANES; l++)
            most[l] = x[i + l] > most[l] ? x[i + l] : most[l];
    float largest = most[0], sum = 0;
    for (size_t l = 1; l < SU_SOFTMAX_LANES; l++) largest = most[l] > largest ? most[l] : largest;
    for (size_t i = whole; i < n; i++) largest = x[i] > largest ? x[i] : largest;
    for (size_t i = 0; i < whole; i += SU_SOFTMAX_LANES)
        for (size_t l = 0; l < SU_SOFTMAX_LANES; l++) {
            x[i + l] = su_softmax_exp2(x[i + l] - largest);
            sums[l] += x[i + l];
        }
    for (size_t i = whole; i < n; i++) {
        x[i] = su_softmax_exp2(x[i] - largest);
        sum += x[i];
    }
    for (size_t l = 0; l < SU_SOFTMAX_LANES; l++) sum += sums[l];
    float scale = 1.0f / sum;
    for (size_t i = 0; i < n; i++) x[i] *= scale;
}

#endif
