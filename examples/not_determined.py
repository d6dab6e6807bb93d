"""A ladder with D = 20 N, give or take 15 %: it looks fitted, and determines no allocation."""

import numpy as np

import jaxscale

rng = np.random.default_rng(0)
N = np.geomspace(2e7, 1.5e9, 12)
D = 20 * N * np.exp(0.15 * rng.normal(size=12))
loss = (1.8 + 480 * N**-0.35 + 2100 * D**-0.37) * np.exp(0.004 * rng.normal(size=12))

fit = jaxscale.fit(jaxscale.Chinchilla(), {"N": N, "D": D, "loss": loss})
print(f"R² {fit.statistics['r2_log']:.4f}, certified: {fit.certificate.trusted}")
print(*fit.certificate.reasons, sep="\n")

try:
    jaxscale.allocate(fit, compute=1e21)
except jaxscale.FitError as refused:
    print(f"allocate: {refused}")

best = jaxscale.allocate(fit.law, compute=1e21)  # on purpose
truth = jaxscale.Chinchilla(E=1.8, A=480, B=2100, alpha=0.35, beta=0.37)
right = jaxscale.allocate(truth, compute=1e21)
print(f"it would have said N {best.N:.3g}; the law behind the runs says {right.N:.3g}")
