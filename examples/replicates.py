"""A thousand refits and the whole valley: what the optimum of one fit is worth.

python examples/replicates.py
"""

import numpy as np

import jaxscale
from jaxscale.datasets import load

runs = load("stdlib_ladder")
fit = jaxscale.fit(jaxscale.Chinchilla(), runs)

# Bootstrap: draw the runs with replacement, as integer weights w[B, n]. One batched solve.
n, draws = len(runs), 1000
weights = np.random.default_rng(0).multinomial(n, np.full(n, 1 / n), size=draws)
refits = jaxscale.refit(fit, weights=weights)
for name in fit.law.parameters:
    values = getattr(refits.law, name)
    low, high = np.percentile(values, [5, 95])
    print(
        f"{name:6} {getattr(fit.law, name):10.4g}   90 % of {draws} refits: {low:.4g} to {high:.4g}"
    )
print(f"{refits.guarded.sum()} of {draws} refits found a better basin than that of the fit")

# A profile: hold E at several values, refit everything else at each.
pinned = jaxscale.fit(jaxscale.Chinchilla(E=fit.law.E), runs, starts=64)
E = fit.law.E + np.linspace(-0.1, 0.1, 5)
profile = jaxscale.refit(pinned, fixed={"E": E})
for e, value in zip(E, profile.value, strict=True):
    print(f"E {e:.3f}   objective {value / fit.value:.4f} times the lowest")

# The objective over both exponents, everything else at its best in every cell.
grid = jaxscale.exponent_grid(jaxscale.Chinchilla(), runs, resolution=0.01)
print(grid)
