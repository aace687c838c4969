#!/usr/bin/env python3
"""Fits the polynomials of src/kernels/math_constants.h and prints them with the error they have in fp32 arithmetic.

exp2(r) on [-0.5, 0.5], relative error; and q(z) = -log2(erfc(z)) on [0, 4.5], from which GELU is computed as
    h = 0.5 |x| 2^-q(|x| / sqrt 2)      gelu(x) = x > 0 ? x - h : -h
weighted so that the absolute error of erfc is even. Needs numpy and mpmath.
usage: fit_polynomials.py
"""
import mpmath as mp
import numpy as np

mp.mp.dps = 40


def fit(function, low, high, degree, weight, first=0, rounds=60):
    """Weighted minimax by iteratively reweighted least squares (Lawson) on Chebyshev points."""
    n = 2000
    x = (low + high) / 2 + (high - low) / 2 * np.cos(np.pi * (np.arange(n) + 0.5) / n)
    y = np.array([float(function(mp.mpf(float(v)))) for v in x])
    w = np.array([weight(v) for v in x])
    powers = np.arange(first, degree + 1)
    a = x[:, None] ** powers[None, :]
    scale = np.abs(a).max(0)
    lawson = np.ones(n) / n
    for _ in range(rounds):
        s = np.sqrt(lawson) * w
        c, *_ = np.linalg.lstsq(a / scale * s[:, None], y * s, rcond=None)
        e = np.abs((a / scale @ c - y) * w)
        lawson = lawson * e
        lawson /= lawson.sum()
    return c / scale, e.max()


def fma32(a, b, c):
    return (a.astype(np.float64) * b + c).astype(np.float32)


def horner(coefficients, x):
    c = [np.float32(v) for v in coefficients]
    p = np.full_like(x, c[-1])
    for v in c[-2::-1]:
        p = fma32(p, x.astype(np.float64), np.float64(v))
    return p


def show(name, coefficients, first):
    print(name)
    for i, c in enumerate(coefficients):
        print(f"    {float(np.float32(c)).hex()}f, /* {i + first} */")


def exp2_fp32(coefficients, x):
    n = np.rint(x)
    return np.ldexp(horner(coefficients, (x - n).astype(np.float32)), n.astype(int)).astype(np.float32)


def main():
    for degree in (5, 6):
        c, e = fit(lambda v: mp.mpf(2) ** v, -0.5, 0.5, degree, lambda v: 2.0**-v)
        c[0] = 1.0
        x = np.linspace(-0.5, 0.5, 200001).astype(np.float32)
        got = horner(c, x).astype(np.float64)
        true = np.exp2(x.astype(np.float64))
        ulp = np.abs(got - true) / np.spacing(true.astype(np.float32)).astype(np.float64)
        show(f"exp2 degree {degree}: fit {e:.2e}, fp32 max {ulp.max():.2f} ulp", c, 0)
        exp2 = c
    erfc = np.vectorize(lambda v: float(mp.erfc(mp.mpf(float(v)))))
    for degree in (8, 9, 10, 11):
        q, e = fit(lambda v: -mp.log(mp.erfc(v), 2), 0.0, 4.5, degree, lambda v: float(mp.erfc(v)) + 1e-9, first=1)
        x = np.concatenate([np.linspace(-9, 9, 30001), np.linspace(-1, 1, 10001)]).astype(np.float32)
        z = np.abs(x) * np.float32(np.sqrt(0.5))
        p = horner(np.concatenate([[0.0], q]), z)
        h = (np.float32(0.5) * np.abs(x)) * exp2_fp32(exp2, -np.minimum(p, np.float32(126)))
        got = np.where(x > 0, x - h, -h).astype(np.float64)
        true = x.astype(np.float64) * 0.5 * erfc(-x.astype(np.float64) / np.sqrt(2))
        err = np.abs(got - true)
        rel = err / np.spacing(np.abs(x))
        show(f"gelu q degree {degree}: fit {e:.2e}, |gelu error| max {err.max():.2e}, {rel.max():.2f} ulp of x, "
             f"q(6.4) = {np.polyval(np.concatenate([[0.0], q])[::-1], 6.4):.1f}", q, 1)


main()
