/* math_constants.h - polynomials of the elementary functions, made by tools/fit_polynomials.py.
 *
 * exp2(x)  x = n + r, n = rint(x), |r| <= 0.5; 2^r by SU_EXP2, times 2^n: 0.95 ulp at most. x is
 *          clamped to [-125, 125], so that every result is a normal number and 2^n is one exponent
 *          addition.
 * GELU     h = 0.5 |x| erfc(|x| / sqrt 2), erfc(z) = 2^-q(z), q a polynomial without constant term
 *          (SU_GELU_Q); gelu(x) = x - h for x > 0, -h otherwise: 1.42 ulp of x at most, with no
 *          cancellation for negative x, where the usual 0.5 x (1 + erf) loses all digits.
 *
 * Both maxima are over all floats of the range that matters (|r| <= 0.5; 2^-7 <= |x| <= 10). */
#ifndef SU_MATH_CONSTANTS_H
#define SU_MATH_CONSTANTS_H

#define SU_EXP2_LIMIT 125.0f
#define SU_EXP2_0 0x1.000000p+0f
#define SU_EXP2_1 0x1.62e430p-1f
#define SU_EXP2_2 0x1.ebfbdap-3f
#define SU_EXP2_3 0x1.c6aed4p-5f
#define SU_EXP2_4 0x1.3b2dbcp-7f
#define SU_EXP2_5 0x1.5f456ap-10f
#define SU_EXP2_6 0x1.41d32ep-13f

/* 2^f by a polynomial of degree 3, f = x - floor(x) in [0, 1], rounded down: 7.5e-5 of the result
 * at most, an eighth of what rounding it to bf16 costs. */
#define SU_EXP2_NARROW_0 0x1.fff632p-1f
#define SU_EXP2_NARROW_1 0x1.64444cp-1f
#define SU_EXP2_NARROW_2 0x1.cefc4cp-3f
#define SU_EXP2_NARROW_3 0x1.3f96a4p-4f

#define SU_GELU_Q1 0x1.a0be9ep+0f
#define SU_GELU_Q2 0x1.d63aacp-1f
#define SU_GELU_Q3 0x1.301722p-3f
#define SU_GELU_Q4 (-0x1.cee890p-6f)
#define SU_GELU_Q5 0x1.962238p-11f
#define SU_GELU_Q6 0x1.867260p-10f
#define SU_GELU_Q7 (-0x1.d3259ap-12f)
#define SU_GELU_Q8 0x1.7c7e6cp-15f

/* GELU (erf) where what follows is rounded to bf16 or int8: x (0.5 + c p(c^2)), c being x clamped
 * to [-4.25, 4.25], where 0.5 + c p reaches 0 and 1: 9.2e-5 at most, a fifth of what tells erf from
 * tanh. */
#define SU_GELU_NARROW_LIMIT 4.25f
#define SU_GELU_NARROW_0 0x1.97fba2p-2f
#define SU_GELU_NARROW_1 (-0x1.0c1a52p-4f)
#define SU_GELU_NARROW_2 0x1.2f6208p-7f
#define SU_GELU_NARROW_3 (-0x1.ed27e8p-11f)
#define SU_GELU_NARROW_4 0x1.12efb6p-14f
#define SU_GELU_NARROW_5 (-0x1.8aa904p-19f)
#define SU_GELU_NARROW_6 0x1.456d2cp-24f
#define SU_GELU_NARROW_7 (-0x1.d19d66p-31f)

/* GELU (erf) where the result is rounded to fp16 or bf16: h = |x| 2^-(1 + |x| p(|x|)), p of degree
 * 4; gelu(x) = max(x, 0) - h: within a third of half an ulp of fp16 of the result, 1.3e-5 at most.
 */
#define SU_GELU_HALF_1 0x1.2662d4p+0f
#define SU_GELU_HALF_2 0x1.d9f9a4p-2f
#define SU_GELU_HALF_3 0x1.91b182p-5f
#define SU_GELU_HALF_4 (-0x1.8c0388p-8f)
#define SU_GELU_HALF_5 0x1.65cc46p-12f

#define SU_SQRT_HALF 0x1.6a09e6p-1f
#define SU_LOG2_E 0x1.715476p+0f

/* tanh GELU: x / (1 + exp2(x (c1 + c3 x^2))), c1 = -2 sqrt(2/pi) log2 e, c3 = 0.044715 c1 */
#define SU_GELU_TANH_C1 (-0x1.26aec2p+1f)
#define SU_GELU_TANH_C3 (-0x1.a5a7d0p-4f)

#endif
