#!/usr/bin/env python3
"""Writes stats_tails.tsv on standard output: tails of distributions at 45 digits by mpmath (two minutes).

Normal by mpmath's erfc; gamma by its 1F1 series (lower) and continued fraction (upper); beta and t by the positive
2F1 series of the side asked for. At 45 digits these need no care for cancellation; where mpmath's own gammainc and
betainc are quick they are asserted to agree. Inputs are exact doubles. Columns: function, parameters a and b ("-" where
there is none), x, the value with 20 digits ("-" when it is below 1e-300), its natural logarithm."""
import mpmath as mp

mp.mp.dps = 45


def ones(first, ratio):
    """first * (1 + r(1) + r(1) r(2) + ...), all positive."""
    term = total = mp.mpf(1)
    n = 1
    while term > total * mp.mpf(10) ** -43:
        term *= ratio(n)
        total += term
        n += 1
    return first * total


def gamma_p(a, x):
    log_first = a * mp.log(x) - x - mp.loggamma(a + 1)
    return log_first + mp.log(ones(mp.mpf(1), lambda n: x / (a + n)))


def gamma_q(a, x):
    if x < a + 2:
        return mp.log(mp.gammainc(a, x, mp.inf, regularized=True)) if a < 1000 else mp.log(1 - mp.exp(gamma_p(a, x)))
    b = x + 1 - a
    c, d = mp.mpf(10) ** 300, 1 / b
    h, n, delta = d, 1, mp.mpf(0)
    while abs(delta - 1) > mp.mpf(10) ** -40:
        b += 2
        d = 1 / (-n * (n - a) * d + b)
        c = b - n * (n - a) / c
        delta = c * d
        h *= delta
        n += 1
    return a * mp.log(x) - x - mp.loggamma(a) + mp.log(h)


def beta_p(a, b, x, y):
    first = a * mp.log(x) + b * mp.log(y) - mp.log(a) - mp.loggamma(a) - mp.loggamma(b) + mp.loggamma(a + b)
    return first + mp.log(ones(mp.mpf(1), lambda n: x * (a + b + n - 1) / (a + n)))


def row(name, a, b, x, log):
    value = mp.exp(log)
    text = mp.nstr(value, 20, min_fixed=0, max_fixed=0) if value > mp.mpf(10) ** -300 else "-"
    print(name, a, b, repr(x), text, mp.nstr(log, 20, min_fixed=0, max_fixed=0), sep="\t")


print("# Made by stats_tails.py; its head says how.")
for z in (-40.0, -8.5, -3.0, -1.0, -0.1, 0.0, 1e-10, 0.5, 0.6744, 1.0, 1.5, 1.96, 2.3263478740408408, 3.0, 5.0, 6.5, 8.0, 10.0,
          15.0, 19.999, 20.001, 25.0, 30.0, 37.0, 38.5, 50.0, 141.0, 1000.0, 1e5):
    row("normal_sf", "-", "-", z, mp.log(mp.erfc(mp.mpf(z) / mp.sqrt(2)) / 2))
for a in (0.001, 0.01, 0.2, 0.5, 0.99, 1.0, 1.5, 2.75, 10.0, 31.5, 100.0, 999.5, 9999.0, 10001.0, 123456.75, 1e6, 1e8, 1e9):
    sd = a ** 0.5
    for x in sorted({float(v) for v in (a * 1e-6, a * 0.1, a * 0.5, a * 0.9, a - 5 * sd, a - sd, a - 1, a, a + 0.5, a + 1, a + sd,
                                        a + 5 * sd, a + 35 * sd, a * 1.1, a * 2, 0.3, 1.0, 1.4, 1.6, a + 20, a + 700, a + 1e4)
                     if v > 0}):
        X, A = mp.mpf(x), mp.mpf(a)
        if abs(x - a) > 150 * sd + 12000 and a > 1e5:
            continue
        for name, f in (("gamma_p", gamma_p), ("gamma_q", gamma_q)):
            if (name == "gamma_p" and x > a + 50 * sd + 50) or (name == "gamma_q" and x < a - 50 * sd - 50):
                continue
            log = f(A, X)
            if a < 50 and x < 50:
                other = mp.log(mp.gammainc(A, 0, X, regularized=True) if name == "gamma_p" else
                               mp.gammainc(A, X, mp.inf, regularized=True))
                assert abs(other - log) < mp.mpf(10) ** -38, (name, a, x)
            row(name, a, "-", x, log)
shapes = [(0.001, 1.0), (0.01, 0.02), (0.5, 0.5), (1.0, 1.0), (0.2, 37.5), (1.0, 200.0), (3.5, 2.25), (20.0, 0.5), (5.0, 200.0),
          (73.0, 185.25), (999.0, 1001.0), (1e4, 1e4), (10001.0, 10002.0), (2e4, 3e5), (30.0, 1e6), (2.0, 1e9), (1e6, 3e6),
          (1e8, 4e7), (1e9, 1e9)]
for a, b in shapes:
    mean, sd = a / (a + b), (a * b / (a + b + 1)) ** 0.5 / (a + b)
    for x in sorted({float(v) for v in (mean * 1e-9, mean * 0.01, mean * 0.5, mean * 0.9, mean - 35 * sd, mean - 5 * sd, mean - sd,
                                        mean, mean + sd, mean + 5 * sd, mean + 35 * sd, mean * 1.5, 0.5 * (1 + mean),
                                        1 - (1 - mean) * 1e-3) if 0 < v < 1}):
        X, A, B = mp.mpf(x), mp.mpf(a), mp.mpf(b)
        if min(a, b) > 1e4 and abs(x - mean) > 160 * sd:
            continue
        lower, upper = None, None
        if x <= mean + 8 * sd and x < 0.999:
            lower = beta_p(A, B, X, 1 - X)
        if x >= mean - 8 * sd and x > 0.001:
            upper = beta_p(B, A, 1 - X, X)
        if 0.1 < a < 300 and 0.1 < b < 300:
            for log, lo, hi in ((lower, 0, X), (upper, X, 1)):
                if log is not None and log > -80:
                    other = mp.betainc(A, B, 0, X, regularized=True)
                    assert abs((other if lo == 0 else 1 - other) - mp.exp(log)) < mp.mpf(10) ** -38, (a, b, x)
        if lower is not None:
            row("beta_p", a, b, x, lower)
        if upper is not None:
            row("beta_q", a, b, x, upper)
for df, t in ((1.0, 1.0), (1.0, 12.706204736432095), (2.5, 0.01), (10.0, 2.2281388519649385), (10.0, 40.0), (30.0, 9.0),
              (199.0, 1.9719565442517553), (1e4, 5.0)):
    D, T = mp.mpf(df), mp.mpf(t)
    x = D / (D + T * T)
    row("student_sf", df, "-", t, beta_p(D / 2, mp.mpf(1) / 2, x, 1 - x) - mp.log(2))
