#!/usr/bin/env python3
"""Fits the polynomials of src/kernels/math_constants.h and prints them as they stand there, with the
error they have in fp32 arithmetic on a grid (tests/kernels/ bounds it) and that of the degree below
and above, which is why this degree was taken.

exp2(r) on [-0.5, 0.5], relative error; and q(z) = -log2(erfc(z)) on [0, 4.5], from which GELU is
    h = 0.5 |x| 2^-q(|x| / sqrt 2)      gelu(x) = x > 0 ? x - h : -h
weighted so that the absolute error of erfc is even. For results rounded to fp16,
    h = |x| 2^-(1 + q(|x|)), q(x) = -log2(erfc(x / sqrt 2)) on [0, 5]
weighted by half an ulp of fp16 of h; of even degrees h does not go to 0. Needs numpy and mpmath.
usage: fit_polynomials.py
"""
import mpmath as mp
import numpy as np

mp.mp.dps = 40
EXP2_DEGREE, GELU_DEGREE, GELU_HALF_DEGREE = 6, 8, 5
EXP2_LIMIT = 125.0


def fit(function, low, high, degree, weight, first=0, rounds=60):
    """Weighted minimax by iteratively reweighted least squares (Lawson) on Chebyshev points."""
    n = 2000
    x = (low + high) / 2 + (high - low) / 2 * np.cos(np.pi * (np.arange(n) + 0.5) / n)
    y = np.array([float(function(mp.mpf(float(v)))) for v in x])
    w = np.array([weight(v) for v in x])
    a = x[:, None] ** np.arange(first, degree + 1)[None, :]
    scale = np.abs(a).max(0)
    lawson = np.ones(n) / n
    for _ in range(rounds):
        s = np.sqrt(lawson) * w
        c, *_ = np.linalg.lstsq(a / scale * s[:, None], y * s, rcond=None)
        lawson = lawson * np.abs((a / scale @ c - y) * w)
        lawson /= lawson.sum()
    return c / scale


def horner(coefficients, x):
    """Coefficients in fp32, each step rounded once, as fma does."""
    c = np.asarray(coefficients, np.float32).astype(np.float64)
    p = np.full_like(x, c[-1])
    for v in c[-2::-1]:
        p = (p.astype(np.float64) * x + v).astype(np.float32)
    return p


def exp2_fp32(coefficients, x):
    x = np.clip(x, -EXP2_LIMIT, EXP2_LIMIT)
    n = np.rint(x)
    return np.ldexp(horner(coefficients, (x - n).astype(np.float32)), n.astype(int))


def fit_exp2(degree):
    c = fit(lambda v: mp.mpf(2) ** v, -0.5, 0.5, degree, lambda v: 2.0**-v)
    c[0] = 1.0  # 2^0 is exact
    x = np.linspace(-0.5, 0.5, 200001).astype(np.float32)
    true = np.exp2(x.astype(np.float64))
    error = np.abs(horner(c, x) - true) / np.spacing(true.astype(np.float32))
    return c, error.max()


def fit_gelu(degree, exp2):
    erfc = np.vectorize(lambda v: float(mp.erfc(mp.mpf(float(v)))))
    q = fit(lambda v: -mp.log(mp.erfc(v), 2), 0.0, 4.5, degree,
            lambda v: float(mp.erfc(v)) + 1e-9, first=1)
    x = np.concatenate([np.linspace(-9, 9, 30001), np.linspace(-1, 1, 10001)]).astype(np.float32)
    p = horner(np.concatenate([[0.0], q]), np.abs(x) * np.float32(np.sqrt(0.5)))
    h = np.float32(0.5) * np.abs(x) * exp2_fp32(exp2, -p).astype(np.float32)
    true = x.astype(np.float64) * 0.5 * erfc(-x.astype(np.float64) / np.sqrt(2))
    error = np.abs(np.where(x > 0, x - h, -h) - true) / np.spacing(np.abs(x))
    return q, error.max()


def half_ulp_of_fp16(y):
    return np.maximum(np.exp2(np.floor(np.log2(np.maximum(y, 1e-30))) - 11), 2.0**-25)


def fit_gelu_half(degree):
    def weight(x):
        h = 0.5 * x * float(mp.erfc(x / mp.sqrt(2)))
        return h / max(2.0**-12 * h, 2.0**-25) + 1e-6

    q = fit(lambda v: -mp.log(mp.erfc(v / mp.sqrt(2)), 2), 0.0, 5.0, degree, weight, first=1,
            rounds=200)
    x = np.linspace(0, 20, 100001).astype(np.float32)
    exponent = horner(np.concatenate([[1.0], q]), x).astype(np.float64)
    h = x * np.exp2(-exponent)
    true = np.array([float(0.5 * v * mp.erfc(v / mp.sqrt(2))) for v in x.astype(np.float64)])
    error = np.abs(h - true)
    of_positive = error / half_ulp_of_fp16(x - true)
    return q, max((error / half_ulp_of_fp16(true)).max(), of_positive.max()), error.max()


def literal(value):
    """As C writes it: six digits of fraction hold a float."""
    text = float(np.float32(value)).hex()
    mantissa, exponent = text.split("p")
    text = f"{mantissa[:-7]}p{exponent}f"
    return f"({text})" if value < 0 else text


def main():
    for degree in range(EXP2_DEGREE - 1, EXP2_DEGREE + 2):
        c, error = fit_exp2(degree)
        print(f"/* exp2, degree {degree}: {error:.2f} ulp */")
        if degree == EXP2_DEGREE:
            exp2 = c
            for i, v in enumerate(c):
                print(f"#define SU_EXP2_{i} {literal(v)}")
    for degree in range(GELU_DEGREE - 1, GELU_DEGREE + 2):
        q, error = fit_gelu(degree, exp2)
        print(f"/* GELU, degree {degree}: {error:.2f} ulp of x */")
        if degree == GELU_DEGREE:
            for i, v in enumerate(q):
                print(f"#define SU_GELU_Q{i + 1} {literal(v)}")
    for degree in range(GELU_HALF_DEGREE - 1, GELU_HALF_DEGREE + 2):
        q, error, most = fit_gelu_half(degree)
        print(f"/* GELU for fp16, degree {degree}: {error:.3g} half ulps of fp16, {most:.1e} */")
        if degree == GELU_HALF_DEGREE:
            for i, v in enumerate(q):
                print(f"#define SU_GELU_HALF_{i + 1} {literal(v)}")


main()
