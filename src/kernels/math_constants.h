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

#define SU_GELU_Q1 0x1.a0be9ep+0f
#define SU_GELU_Q2 0x1.d63aacp-1f
#define SU_GELU_Q3 0x1.301722p-3f
#define SU_GELU_Q4 (-0x1.cee890p-6f)
#define SU_GELU_Q5 0x1.962238p-11f
#define SU_GELU_Q6 0x1.867260p-10f
#define SU_GELU_Q7 (-0x1.d3259ap-12f)
#define SU_GELU_Q8 0x1.7c7e6cp-15f

#define SU_SQRT_HALF 0x1.6a09e6p-1f
#define SU_LOG2_E 0x1.715476p+0f

/* tanh GELU: x / (1 + exp2(x (c1 + c3 x^2))), c1 = -2 sqrt(2/pi) log2 e, c3 = 0.044715 c1 */
#define SU_GELU_TANH_C1 (-0x1.26aec2p+1f)
#define SU_GELU_TANH_C3 (-0x1.a5a7d0p-4f)

#endif
