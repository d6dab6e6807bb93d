"""What a better recipe is worth in compute, and what the pinned asymptote does to the answer.

python examples/speedup.py
"""

import numpy as np

import jaxscale
from jaxscale.recipes.speedup import effective_speedup
from jaxscale.uncertainty.asymptote import asymptote_profile, reducible

# The best losses of six isoFLOP budgets of a public project (marin-community/marin).
C = np.array([1e18, 3e18, 1e19, 3e19, 1e20, 3e20])
runs = jaxscale.Runs(C=C, loss=[3.522, 3.339, 3.154, 3.000, 2.848, 2.725])

# Say that at 3e19 FLOPs a new recipe (invented here) reaches 2.970 where the baseline has 3.000.
free = jaxscale.fit(
    jaxscale.PowerLaw(of="C"), runs, loss=jaxscale.Square(), residual="absolute", starts=64
)
print("asymptote fitted:     ", effective_speedup(free, 3.000, 2.970))

# The same with the asymptote pinned at 1.6: a line through log(L - 1.6) against log C.
line = jaxscale.fit(
    jaxscale.PurePowerLaw(of="C"), reducible(runs, 1.6), loss=jaxscale.Square(), starts=64
)
print("asymptote pinned, 1.6:", effective_speedup(line, 3.000 - 1.6, 2.970 - 1.6))

# Five pairs of runs say more than one, for they show the noise of a pair.
pairs = [3.522, 3.339, 3.154, 3.000, 2.848], [3.481, 3.300, 3.126, 2.970, 2.824]
print("five pairs:           ", effective_speedup(free, *pairs))

# How far does an extrapolation hang on the asymptote? Later runs gave 2.599 and 2.234.
print(asymptote_profile(free, at=dict(C=[1e21, 1e23])))
