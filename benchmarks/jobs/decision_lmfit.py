"""From a raw export to a decision, with lmfit."""

import sys

import lmfit
import numpy as np
import pandas as pd
import uncertainties.umath as um

table = pd.read_csv(sys.argv[1])
table = table[(table["state"] == "finished") & table["eval/loss"].notna()]
N, D, loss = (table[name].to_numpy(float) for name in ("params", "tokens", "eval/loss"))


def residuals(p):
    predicted = p["E"] + np.exp(p["a"] - p["alpha"] * np.log(N))
    return np.log(predicted + np.exp(p["b"] - p["beta"] * np.log(D))) - np.log(loss)


rng = np.random.default_rng(0)
found = []
for _ in range(32):
    parameters = lmfit.Parameters()
    parameters.add("E", rng.uniform(0.5, 2), min=0)
    parameters.add("a", rng.uniform(0, 25))
    parameters.add("b", rng.uniform(0, 25))
    parameters.add("alpha", rng.uniform(0.1, 1), min=0.01, max=2)
    parameters.add("beta", rng.uniform(0.1, 1), min=0.01, max=2)
    found.append(lmfit.minimize(residuals, parameters, method="least_squares"))
fit = min(found, key=lambda each: each.chisqr)
print(lmfit.fit_report(fit))
a, b, alpha, beta = (fit.uvars[name] for name in ("a", "b", "alpha", "beta"))
log_N = (um.log(alpha / beta) + a - b + beta * np.log(1e23 / 6)) / (alpha + beta)
low, high = (np.exp(log_N.n + z * log_N.s) for z in (-1.645, 1.645))
print(f"N* {np.exp(log_N.n):.4g} [{low:.4g} {high:.4g}]")
