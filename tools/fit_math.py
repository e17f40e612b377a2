#!/usr/bin/env python3
"""Makes the coefficients of src/ir/math_coefficients.h.

Needs mpmath and numpy (not for building or using Sinter). Minimax polynomials and rationals by the
Remez exchange: E. Remez 1934; for rationals the linearised equations are iterated on the denominator.
Prints each fit in ascending powers with its largest weighted error (a finer grid moves digits that
rounding drops). The f32 rational of erf is then refined: random changes of a few units in the
last place are kept when the largest error of the function, computed as in math.h, falls; more
steps or another seed find other, about equally good neighbours.
"""

import random
import sys

import mpmath as m
import numpy as np
from mpmath import mp, mpf

mp.dps = 50


def remez(f, weight, low, high, degree, denominator=0, grid=1000):
    """Minimises max |p/q - f| * weight on [low, high]; returns p, q (q[0] = 1) and the error."""
    low, high = mpf(low), mpf(high)
    scale = max(abs(low), abs(high))
    count = degree + denominator + 2
    middle, half = (low + high) / 2, (high - low) / 2
    points = [middle - half * m.cos(m.pi * k / (count - 1)) for k in range(count)]
    xs = [low] + [middle - half * m.cos(m.pi * (k + mpf(0.5)) / grid) for k in range(grid)] + [high]
    fs, ws = [f(x) for x in xs], [weight(x) for x in xs]
    q = [mpf(1)] + [mpf(0)] * denominator
    at = lambda c, x: m.polyval(c[::-1], x / scale)
    for _ in range(30):
        for _ in range(8 if denominator else 1):
            a, b = m.matrix(count, count), m.matrix(count, 1)
            for i, x in enumerate(points):
                t, fx = x / scale, f(x)
                for k in range(degree + 1):
                    a[i, k] = t**k
                for k in range(1, denominator + 1):
                    a[i, degree + k] = -fx * t**k
                a[i, count - 1] = (-1) ** i * at(q, x) / weight(x)
                b[i] = fx
            solution = m.lu_solve(a, b)
            p = [solution[k] for k in range(degree + 1)]
            q = [mpf(1)] + [solution[degree + k] for k in range(1, denominator + 1)]
        errors = [(at(p, x) / at(q, x) - fx) * w for x, fx, w in zip(xs, fs, ws)]
        extrema, i = [], 0
        while i < len(xs):
            j = best = i
            while j < len(xs) and (errors[j] >= 0) == (errors[i] >= 0):
                best = j if abs(errors[j]) > abs(errors[best]) else best
                j += 1
            extrema.append(best)
            i = j
        largest = max(abs(errors[e]) for e in extrema)
        if len(extrema) < count or largest < abs(solution[count - 1]) * mpf("1.01"):
            break
        while len(extrema) > count:
            extrema.pop(0 if abs(errors[extrema[0]]) < abs(errors[extrema[-1]]) else -1)
        points = [xs[e] for e in extrema]
    unscale = lambda c: [v / scale**k for k, v in enumerate(c)]
    return unscale(p), unscale(q), largest


def show(name, coefficients):
    print(f"  {name}: " + ", ".join(m.nstr(c, 22) for c in coefficients))


def polynomial(name, f, weight, low, high, degree):
    p, _, error = remez(f, weight, low, high, degree)
    print(f"{name}, degree {degree}: {m.nstr(error, 3)}")
    show("p", p)


def rational(name, f, weight, low, high, degree, denominator):
    p, q, error = remez(f, weight, low, high, degree, denominator)
    print(f"{name}, degrees {degree} / {denominator}: {m.nstr(error, 3)}")
    show("p", p)
    show("q", q)
    return p, q


def exp_rest(r):
    return (m.expm1(r) - r) / r**2 if abs(r) > mpf(10) ** -20 else mpf(1) / 2 + r / 6


def log_rest(f):
    return (m.log1p(f) - f + f * f / 2) / f**3 if abs(f) > mpf(10) ** -14 else mpf(1) / 3 - f / 4


def atanh_rest(z):
    s = m.sqrt(z)
    return (2 * m.atanh(s) - 2 * s) / s**3 if z > mpf(10) ** -12 else mpf(2) / 3 + 2 * z / 5


def atanh_rest2(z):
    return (atanh_rest(z) - mpf(2) / 3) / z if z > mpf(10) ** -8 else mpf(2) / 5 + 2 * z / 7


def sin_rest(z):
    r = m.sqrt(z)
    return (m.sin(r) / r - 1) / z if z > mpf(10) ** -12 else -mpf(1) / 6 + z / 120


def cos_rest(z):
    return (m.cos(m.sqrt(z)) - 1 + z / 2) / z**2 if z > mpf(10) ** -8 else mpf(1) / 24 - z / 720


def erf_over_x(s):
    return m.erf(m.sqrt(s)) / m.sqrt(s) if s > 0 else 2 / m.sqrt(m.pi)


def refine(name, function, limit, p, q, steps):
    """Hill climbing over the roundings of an odd rational to f32; arithmetic as in odd_rational()."""
    rng = random.Random(1)
    x = (np.arange(1, 6001) * (limit / 6000)).astype(np.float32)
    truth = np.array([float(function(mpf(float(v)))) for v in x])
    ulp = np.ldexp(1.0, np.frexp(truth.astype(np.float32))[1] - 24)
    f32, f64 = np.float32, np.float64
    fma = lambda a, b, c: (f64(a) * f64(b) + f64(c)).astype(f32)
    x2 = x * x
    x4 = x2 * x2

    def in_pairs(c):
        pairs = [fma(c[i + 1], x2, c[i]) if i + 1 < len(c) else c[i] for i in range(0, len(c), 2)]
        total = pairs[-1]
        for pair in pairs[-2::-1]:
            total = fma(total, x4, pair)
        return total

    def cost(c):
        n = len(c) // 2
        y = np.minimum(x * in_pairs(c[:n]) / in_pairs(c[n:]), f32(1))
        error = np.abs(y.astype(f64) - truth) / ulp
        return error.max() + np.mean(error**4) ** 0.25, error.max()

    best = np.array([float(v) for v in p + q], dtype=f32)
    best_cost = cost(best)
    for _ in range(steps):
        trial = best.copy()
        for _ in range(rng.randint(1, 3)):
            i = rng.randrange(len(trial))
            for _ in range(rng.randint(1, 6) if i != len(p) else 0):
                trial[i] = np.nextafter(trial[i], f32(rng.choice((-1e9, 1e9))))
        trial_cost = cost(trial)
        if trial_cost < best_cost:
            best, best_cost = trial, trial_cost
    print(f"{name} refined: {best_cost[1]:.2f} ulp")
    print("  " + ", ".join(f"{v:.10g}f" for v in best))


def main():
    steps = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
    tiny = mpf(10) ** -9
    half_ln2 = m.log(2) / 2 * mpf("1.0001")
    exp_weight = lambda r: r * r / m.exp(r) + mpf(10) ** -6
    polynomial("exp f32", exp_rest, exp_weight, -half_ln2, half_ln2, 4)
    polynomial("exp f64", exp_rest, exp_weight, -half_ln2, half_ln2, 10)
    third = mpf("1.0001") / 3
    log_weight = lambda f: (abs(f**3 / m.log1p(f)) if f else 0) + tiny
    polynomial("log f32", log_rest, log_weight, -third, third, 7)
    top = ((m.sqrt(2) - 1) / (m.sqrt(2) + 1) * mpf("1.0001")) ** 2
    polynomial("log f64", atanh_rest, lambda z: z + tiny, 0, top, 6)
    polynomial("pow f32", atanh_rest2, lambda z: z * z / 2 + mpf(10) ** -7, 0, top, 2)
    polynomial("pow f64", atanh_rest2, lambda z: z * z / 2 + tiny, 0, top, 6)
    top = (m.pi / 4 * mpf("1.0001")) ** 2
    for name, degree in (("f32", 2), ("f64", 5)):
        polynomial("sin " + name, sin_rest, lambda z: z + mpf(10) ** -6, 0, top, degree)
        polynomial("cos " + name, cos_rest, lambda z: z * z + mpf(10) ** -6, 0, top, degree)
    polynomial("erf f64", lambda s: erf_over_x(s) - 1, lambda s: 1 / erf_over_x(s), 0, 1, 11)
    rational("erfc f64", lambda x: m.erfc(x) * m.exp(x * x),
             lambda x: m.exp(-x * x) / m.erf(x) + mpf(10) ** -7, 1, mpf("5.95"), 5, 6)
    p, q = rational("erf f32", erf_over_x, lambda s: 1 / erf_over_x(s), 0, mpf(3.93) ** 2, 5, 5)
    refine("erf f32", m.erf, 3.93, p, q, steps)
    for name, value in (("ln 2", m.log(2)), ("pi / 2", m.pi / 2), ("2 / 3", mpf(2) / 3)):
        for label, kind in (("f32", np.float32), ("f64", np.float64)):
            rest, parts = value, []
            for _ in range(3):
                parts.append(mpf(float(kind(float(rest)))))
                rest -= parts[-1]
            print(f"{name} {label}: " + ", ".join(m.nstr(part, 20) for part in parts))
    # ir/large_angle.h: enough for the largest f64, and 190 bits after the point.
    with m.workprec(1400):
        words = int(m.floor(2 / m.pi * mpf(2) ** (39 * 32)))
    print("2 / pi: " + ", ".join(f"0x{words >> 32 * (38 - i) & 0xffffffff:08x}u" for i in range(39)))


if __name__ == "__main__":
    main()
