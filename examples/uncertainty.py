"""How sure is the best model size at 1e15 FLOPs? A fit, a bootstrap, an interval and a figure.

python examples/uncertainty.py [bands.png]
"""

import sys

import jaxscale
from jaxscale.datasets import load
from jaxscale.plotting.bands import plot_bands
from jaxscale.plotting.style import save

fit = jaxscale.fit(jaxscale.Chinchilla(), load("stdlib_ladder"), starts=256)

# 2,000 refits to runs drawn again, in one batched solve.
draws = jaxscale.bootstrap(fit, draws=2000)
print(draws)

for what in ("N", "D", "loss"):
    print(draws.interval(jaxscale.quantities.Best(1e15, what), level=0.9))

# The runs end near 1e13 FLOPs: what the law says 100 times further, and how far to believe it.
mean, new = (draws.predict(N=3e6, C=1e15, new_run=each) for each in (False, True))
print(f"loss of 3M parameters at 1e15 FLOPs: {mean.center:.3f}")
for band in (mean, new):
    print(f"  {band.of}: {100 * band.level:g} % from {band.low:.3f} to {band.high:.3f}")

save(plot_bands(draws, reach=100), sys.argv[1] if len(sys.argv) > 1 else "bands.png")
