"""From a raw export to a decision, with SciPy."""

import sys

import numpy as np
import pandas as pd
from scipy.optimize import minimize
from scipy.special import logsumexp

table = pd.read_csv(sys.argv[1])
table = table[(table["state"] == "finished") & table["eval/loss"].notna()]
N, D, loss = (np.log(table[name].to_numpy()) for name in ("params", "tokens", "eval/loss"))


def value(theta, rows, delta=1e-3):
    a, b, e, alpha, beta = theta
    terms = [a - alpha * N[rows], b - beta * D[rows], np.full(len(rows), e)]
    size = np.abs(logsumexp(terms, axis=0) - loss[rows]) / delta
    return np.where(size <= 1, size**2 / 2, size - 0.5).sum()


def best(theta, C):
    a, b, _, alpha, beta = theta
    G = np.exp((np.log(alpha / beta) + a - b) / (alpha + beta))
    return G * (C / 6) ** (beta / (alpha + beta))


rng = np.random.default_rng(0)
every = np.arange(len(loss))
starts = rng.uniform([0, 0, -1, 0.1, 0.1], [25, 25, 1, 1, 1], (16, 5))
found = [minimize(value, start, args=(every,), method="BFGS") for start in starts]
fit = min(found, key=lambda each: each.fun)
drawn = []
for _ in range(100):
    rows = rng.choice(every, len(every))
    drawn.append(best(minimize(value, fit.x, args=(rows,), method="BFGS").x, 1e23))
a, b, e, alpha, beta = fit.x
print(f"E {np.exp(e):.4f} A {np.exp(a):.1f} B {np.exp(b):.1f} alpha {alpha:.4f} beta {beta:.4f}")
print(f"N* {best(fit.x, 1e23):.4g}", np.quantile(drawn, [0.05, 0.95]))
