/* cuda_numbers.cuh - element types and elementary functions on the device. */
#ifndef SU_CUDA_NUMBERS_CUH
#define SU_CUDA_NUMBERS_CUH

#include "cuda_kernels.h"
#include "cuda_launch.cuh"
#include "kernels/math_constants.h"

#include <cuda_bf16.h>
#include <cuda_fp16.h>

static __device__ inline float to_float(float x) { return x; }
static __device__ inline float to_float(half x) { return __half2float(x); }
static __device__ inline float to_float(__nv_bfloat16 x) { return __bfloat162float(x); }

static __device__ inline void set(float *to, float x) { *to = x; }
static __device__ inline void set(half *to, float x) { *to = __float2half_rn(x); }
static __device__ inline void set(__nv_bfloat16 *to, float x) { *to = __float2bfloat16_rn(x); }

/* Two neighbours as one word. */
static __device__ inline uint32_t pack(half, float low, float high)
{
    half2 pair = __floats2half2_rn(low, high);
    return *reinterpret_cast<uint32_t *>(&pair);
}

static __device__ inline uint32_t pack(__nv_bfloat16, float low, float high)
{
    __nv_bfloat162 pair = __floats2bfloat162_rn(low, high);
    return *reinterpret_cast<uint32_t *>(&pair);
}

/* Eight elements, aligned to 16 bytes. */
static __device__ inline void load8(const float *from, float *to)
{
    float4 a = reinterpret_cast<const float4 *>(from)[0];
    float4 b = reinterpret_cast<const float4 *>(from)[1];
    to[0] = a.x, to[1] = a.y, to[2] = a.z, to[3] = a.w;
    to[4] = b.x, to[5] = b.y, to[6] = b.z, to[7] = b.w;
}

template <typename T> static __device__ inline void load8(const T *from, float *to)
{
    uint4 word = *reinterpret_cast<const uint4 *>(from);
    const T *at = reinterpret_cast<const T *>(&word);
#pragma unroll
    for (int i = 0; i < 8; i++) to[i] = to_float(at[i]);
}

static __device__ inline void store8(float *to, const float *from)
{
    reinterpret_cast<float4 *>(to)[0] = make_float4(from[0], from[1], from[2], from[3]);
    reinterpret_cast<float4 *>(to)[1] = make_float4(from[4], from[5], from[6], from[7]);
}

template <typename T> static __device__ inline void store8(T *to, const float *from)
{
    uint4 word;
    word.x = pack(T(), from[0], from[1]);
    word.y = pack(T(), from[2], from[3]);
    word.z = pack(T(), from[4], from[5]);
    word.w = pack(T(), from[6], from[7]);
    *reinterpret_cast<uint4 *>(to) = word;
}

static __device__ inline float sum_of_warp(float x)
{
#pragma unroll
    for (int lane = 16; lane > 0; lane /= 2) x += __shfl_xor_sync(0xffffffffu, x, lane);
    return x;
}

/* 2^x: exact to an ulp or two, or by the special-function unit. */
template <bool EXACT> static __device__ inline float exp2_of(float x)
{
    if (EXACT) return exp2f(x);
    float y;
    asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
    return y;
}

/* GELU (erf): kernels/math_constants.h. h = 0.5 |x| erfc(|x| / sqrt 2); x - h for x > 0, else -h.
 */
static __device__ inline float gelu_exact(float x)
{
    float magnitude = fabsf(x), z = magnitude * SU_SQRT_HALF, q = SU_GELU_Q8;
    q = fmaf(q, z, SU_GELU_Q7);
    q = fmaf(q, z, SU_GELU_Q6);
    q = fmaf(q, z, SU_GELU_Q5);
    q = fmaf(q, z, SU_GELU_Q4);
    q = fmaf(q, z, SU_GELU_Q3);
    q = fmaf(q, z, SU_GELU_Q2);
    q = fmaf(q, z, SU_GELU_Q1);
    q = q * z;
    float limited = fminf(q, SU_EXP2_LIMIT); /* NaN would be lost here; x brings it back */
    float h = 0.5f * magnitude * exp2_of<true>(-limited);
    return x > 0 ? x - h : -h;
}

/* As exact as fp16 and bf16 can tell. */
static __device__ inline float gelu_half(float x)
{
    float z = fabsf(x), q = -SU_GELU_HALF_5;
    q = fmaf(q, z, -SU_GELU_HALF_4);
    q = fmaf(q, z, -SU_GELU_HALF_3);
    q = fmaf(q, z, -SU_GELU_HALF_2);
    q = fmaf(q, z, -SU_GELU_HALF_1);
    q = fmaf(q, z, -1.0f);
    return fmaf(-z, exp2_of<false>(q), fmaxf(x, 0.0f));
}

template <bool EXACT> static __device__ inline float quotient(float x, float y)
{
    return EXACT ? x / y : __fdividef(x, y);
}

/* EXACT: of fp32; else for a result that is rounded to fp16 or bf16. */
template <bool EXACT> static __device__ inline float activate(uint32_t activation, float x)
{
    switch (activation) {
    case SUTRA_ACT_GELU_ERF:
        return EXACT ? gelu_exact(x) : gelu_half(x);
    case SUTRA_ACT_GELU_TANH:
        return quotient<EXACT>(
            x, 1.0f + exp2_of<EXACT>(x * fmaf(SU_GELU_TANH_C3, x * x, SU_GELU_TANH_C1)));
    case SUTRA_ACT_RELU:
        return x < 0 ? 0.0f : x;
    case SUTRA_ACT_SILU:
        return quotient<EXACT>(x, 1.0f + exp2_of<EXACT>(-SU_LOG2_E * x));
    case SUTRA_ACT_TANH:
        return tanhf(x);
    case SUTRA_ACT_SIGMOID:
        return quotient<EXACT>(1.0f, 1.0f + exp2_of<EXACT>(-SU_LOG2_E * x));
    default:
        return x;
    }
}

#endif
