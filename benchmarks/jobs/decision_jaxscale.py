"""From a raw export to a decision, with jaxscale."""

import sys

import jaxscale

runs = jaxscale.read_runs(sys.argv[1], where="state == 'finished'", bad="drop")
fit = jaxscale.fit("Chinchilla", runs)
print(fit)
best = jaxscale.allocate(fit, compute=1e23, draws=1000)
print(f"N* {best.N:.4g}", best.intervals["N"])
