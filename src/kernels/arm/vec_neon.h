/* vec_neon.h - the vector type that kernels shared by several ISAs are written in, on Advanced SIMD
 * of AArch64; see vec_avx512.h. Linux starts programs with denormals as they are and rounding to
 * nearest (FPCR), so that its arithmetic is that of plain C. */
#ifndef SU_VEC_NEON_H
#define SU_VEC_NEON_H

#include "kernels/arm/kernels_arm.h"
#include "kernels/unroll.h"

#include <arm_neon.h>
#include <string.h>

typedef float32x4_t Vec;
enum { VEC_LANES = 4 };

SU_INLINE uint32x4_t lanes_below(size_t n)
{
    static const uint32_t lane[VEC_LANES] = {0, 1, 2, 3};
    return vcgtq_u32(vdupq_n_u32((uint32_t)n), vld1q_u32(lane));
}

SU_INLINE Vec vec_zero(void) { return vdupq_n_f32(0.0f); }
SU_INLINE Vec vec_set1(float x) { return vdupq_n_f32(x); }
SU_INLINE Vec vec_load(const float *x) { return vld1q_f32(x); }
SU_INLINE void vec_store(float *x, Vec v) { vst1q_f32(x, v); }
SU_INLINE Vec vec_load_part(const float *x, size_t n)
{
    Vec v = vec_zero();
    if (n >= VEC_LANES) return vld1q_f32(x);
    if (n >= 2) v = vcombine_f32(vld1_f32(x), vdup_n_f32(0.0f));
    if (n == 1) v = vld1q_lane_f32(x, v, 0);
    return n == 3 ? vld1q_lane_f32(x + 2, v, 2) : v;
}
SU_INLINE void vec_store_part(float *x, Vec v, size_t n)
{
    if (n >= VEC_LANES) {
        vst1q_f32(x, v);
        return;
    }
    if (n >= 2) vst1_f32(x, vget_low_f32(v));
    if (n == 1) vst1q_lane_f32(x, v, 0);
    if (n == 3) vst1q_lane_f32(x + 2, v, 2);
}
SU_INLINE void vec_store_bf16(uint16_t *x, Vec v, size_t n)
{
    uint32x4_t bits = vreinterpretq_u32_f32(v), nan = vmvnq_u32(vceqq_f32(v, v));
    uint32x4_t odd = vandq_u32(vshrq_n_u32(bits, 16), vdupq_n_u32(1));
    uint32x4_t half = vbicq_u32(vaddq_u32(odd, vdupq_n_u32(0x7fff)), nan);
    bits = vorrq_u32(bits, vandq_u32(nan, vdupq_n_u32(0x400000)));
    uint16x4_t rounded = vshrn_n_u32(vaddq_u32(bits, half), 16);
    if (n >= VEC_LANES)
        vst1_u16(x, rounded);
    else
        memcpy(x, &rounded, n * sizeof *x);
}
SU_INLINE void vec_store_f16(uint16_t *x, Vec v, size_t n)
{
    uint16x4_t halves = vreinterpret_u16_f16(vcvt_f16_f32(v));
    if (n >= VEC_LANES)
        vst1_u16(x, halves);
    else
        memcpy(x, &halves, n * sizeof *x);
}
SU_INLINE void vec_store_flipped_u8(uint8_t *x, const Vec v[4], int32_t zero, uint8_t flip,
                                    size_t n)
{
    const int32x4_t shift = vdupq_n_s32(zero);
    int16x4_t q[4];
    SU_UNROLL
    for (int i = 0; i < 4; i++) q[i] = vqmovn_s32(vaddq_s32(vcvtnq_s32_f32(v[i]), shift));
    uint8x16_t bytes =
        vcombine_u8(vqmovun_s16(vcombine_s16(q[0], q[1])), vqmovun_s16(vcombine_s16(q[2], q[3])));
    bytes = veorq_u8(bytes, vdupq_n_u8(flip));
    if (n >= 4 * VEC_LANES)
        vst1q_u8(x, bytes);
    else
        memcpy(x, &bytes, n);
}
SU_INLINE void vec_store_u8(uint8_t *x, const Vec v[4], int32_t zero, size_t n)
{
    vec_store_flipped_u8(x, v, zero, 0, n);
}
SU_INLINE uint64_t vec_positive_bits(const Vec v[4])
{
    static const uint32_t place[VEC_LANES] = {8, 4, 2, 1};
    const uint32x4_t bit = vld1q_u32(place);
    uint64_t bits = 0;
    SU_UNROLL
    for (int i = 0; i < 4; i++) {
        uint32_t nibble = vaddvq_u32(vandq_u32(vcgtzq_f32(v[i]), bit));
        bits |= (uint64_t)nibble << (i % 2 ? 0 : 4) << 8 * (i / 2);
    }
    return bits;
}
SU_INLINE Vec vec_load_half(const float *words, const int part)
{
    uint32x4_t word = vreinterpretq_u32_f32(vld1q_f32(words));
    return vreinterpretq_f32_u32(part ? vandq_u32(word, vdupq_n_u32(0xffff0000u))
                                      : vshlq_n_u32(word, 16));
}
SU_INLINE Vec vec_load_f16(const void *halves)
{
    return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(halves)));
}
SU_INLINE Vec vec_load_bf16(const uint16_t *halves)
{
    return vreinterpretq_f32_u32(vshll_n_u16(vld1_u16(halves), 16));
}
SU_INLINE Vec vec_load_s8(const int8_t *x)
{
    uint32_t four;
    memcpy(&four, x, sizeof four);
    int16x8_t wide = vmovl_s8(vcreate_s8(four));
    return vcvtq_f32_s32(vmovl_s16(vget_low_s16(wide)));
}
SU_INLINE Vec vec_even_lanes(Vec a, Vec b) { return vuzp1q_f32(a, b); }
SU_INLINE Vec vec_odd_lanes(Vec a, Vec b) { return vuzp2q_f32(a, b); }
SU_INLINE Vec vec_add(Vec a, Vec b) { return vaddq_f32(a, b); }
SU_INLINE Vec vec_sub(Vec a, Vec b) { return vsubq_f32(a, b); }
SU_INLINE Vec vec_mul(Vec a, Vec b) { return vmulq_f32(a, b); }
SU_INLINE Vec vec_div(Vec a, Vec b) { return vdivq_f32(a, b); }
/* FMAX and FMIN: NaN where either operand is one, and +0 the larger zero. */
SU_INLINE Vec vec_max(Vec a, Vec b) { return vmaxq_f32(a, b); }
SU_INLINE Vec vec_min(Vec a, Vec b) { return vminq_f32(a, b); }
SU_INLINE Vec vec_fma(Vec a, Vec b, Vec c) { return vfmaq_f32(c, a, b); }
SU_INLINE Vec vec_abs(Vec x) { return vabsq_f32(x); }
SU_INLINE Vec vec_negate(Vec x) { return vnegq_f32(x); }
SU_INLINE Vec vec_round(Vec x) { return vrndnq_f32(x); }
SU_INLINE Vec vec_floor(Vec x) { return vrndmq_f32(x); }
/* One addition to the exponent; a NaN converts to 0. */
SU_INLINE Vec vec_scale2(Vec x, Vec n)
{
    int32x4_t exponent = vshlq_n_s32(vcvtnq_s32_f32(n), 23);
    return vreinterpretq_f32_s32(vaddq_s32(vreinterpretq_s32_f32(x), exponent));
}
SU_INLINE Vec vec_select(Vec x, Vec other, size_t first, size_t last)
{
    return vbslq_f32(vbicq_u32(lanes_below(last), lanes_below(first)), x, other);
}
SU_INLINE Vec vec_where_equal(Vec x, Vec limit, Vec then, Vec otherwise)
{
    return vbslq_f32(vceqq_f32(x, limit), then, otherwise);
}
SU_INLINE Vec vec_where_positive(Vec x, Vec then, Vec otherwise)
{
    return vbslq_f32(vcgtzq_f32(x), then, otherwise);
}
SU_INLINE Vec vec_relu(Vec x)
{
    return vreinterpretq_f32_u32(vbicq_u32(vreinterpretq_u32_f32(x), vcltzq_f32(x)));
}
SU_INLINE Vec vec_max_or_nan(Vec most, Vec x)
{
    uint32x4_t keep = vornq_u32(vcgeq_f32(most, x), vceqq_f32(most, most));
    return vbslq_f32(keep, most, x);
}

SU_INLINE float vec_least(Vec x) { return vminvq_f32(x); }
SU_INLINE float vec_most(Vec x) { return vmaxvq_f32(x); }
SU_INLINE bool vec_has_nan(Vec x) { return vminvq_u32(vceqq_f32(x, x)) == 0; }

SU_INLINE float vec_fold64(const Vec lane[64 / VEC_LANES])
{
    Vec x[4];
    SU_UNROLL
    for (int i = 0; i < 4; i++)
        x[i] = vaddq_f32(vaddq_f32(lane[i], lane[4 + i]), vaddq_f32(lane[8 + i], lane[12 + i]));
    Vec a = vaddq_f32(vaddq_f32(x[0], x[2]), vaddq_f32(x[1], x[3]));
    return vpadds_f32(vadd_f32(vget_low_f32(a), vget_high_f32(a)));
}

/* r[i] lane e <-> r[e] lane i */
SU_INLINE void vec_transpose(Vec r[VEC_LANES])
{
    Vec a = vzip1q_f32(r[0], r[2]), b = vzip2q_f32(r[0], r[2]);
    Vec c = vzip1q_f32(r[1], r[3]), d = vzip2q_f32(r[1], r[3]);
    r[0] = vzip1q_f32(a, c);
    r[1] = vzip2q_f32(a, c);
    r[2] = vzip1q_f32(b, d);
    r[3] = vzip2q_f32(b, d);
}

#endif
