"""A law of one's own with error bars, with lmfit."""

import sys

import lmfit
import numpy as np
import pandas as pd

table = pd.read_csv(sys.argv[1])


def law(N, D, q, E, a, b, alpha, beta, gamma):  # noqa: PLR0917
    n, d = np.exp(a - alpha * np.log(N)), np.exp(b - beta * np.log(D) - gamma * np.log(q))
    return np.log(E + n + d)


model = lmfit.Model(law, independent_vars=["N", "D", "q"])
for name, low, high in [
    ("E", 0.1, 5),
    ("a", 0, 30),
    ("b", 0, 30),
    ("alpha", 0.01, 2),
    ("beta", 0.01, 2),
    ("gamma", 0.01, 2),
]:
    model.set_param_hint(name, min=low, max=high)
rng, found = np.random.default_rng(0), []
for _ in range(32):
    start = {
        name: rng.uniform(hint["min"], hint["max"]) for name, hint in model.param_hints.items()
    }
    found.append(
        model.fit(np.log(table["loss"]), N=table["N"], D=table["D"], q=table["q"], **start)
    )
print(min(found, key=lambda each: each.chisqr).fit_report())
