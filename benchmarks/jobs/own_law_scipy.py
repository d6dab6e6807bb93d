"""A law of one's own with error bars, with SciPy."""

import sys

import numpy as np
import pandas as pd
from scipy.optimize import curve_fit

table = pd.read_csv(sys.argv[1])
inputs = table[["N", "D", "q"]].to_numpy().T


def law(inputs, E, a, b, alpha, beta, gamma):  # noqa: PLR0917
    N, D, q = np.log(inputs)
    return np.log(E + np.exp(a - alpha * N) + np.exp(b - beta * D - gamma * q))


rng, best = np.random.default_rng(0), None
low, high = np.array([[0.1, 0, 0, 0.01, 0.01, 0.01], [5, 30, 30, 2, 2, 2]])
for _ in range(32):
    start = rng.uniform(low, high)
    try:
        found = curve_fit(law, inputs, np.log(table["loss"]), start, bounds=(low, high))
    except RuntimeError:
        continue
    off = ((law(inputs, *found[0]) - np.log(table["loss"])) ** 2).sum()
    if best is None or off < best[0]:
        best = off, *found
for name, x, variance in zip(
    ["E", "log A", "log B", "alpha", "beta", "gamma"], best[1], np.diag(best[2]), strict=True
):
    print(f"{name} {x:.4f} +- {variance**0.5:.4f}")
