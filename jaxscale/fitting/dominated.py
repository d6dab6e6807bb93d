"""A fit without the irreducible loss: of differences between runs of which one dominates.

A run that has both more parameters and more tokens than another one differs from it by what the
two sizes are worth; the irreducible loss drops out of that. Where the runs say little of it, the
exponents are not bent by what it is taken for. E follows afterwards, as the median of what the
rest of the law leaves.

Source: Videau, Youbi-Idrissi, Lopez-Paz and Ahuja 2026, arXiv:2608.07222.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from jaxscale._numerics.precision import scope
from jaxscale.data.runs import Runs
from jaxscale.errors import DataError
from jaxscale.fitting.fit import fit
from jaxscale.fitting.result import FitResult
from jaxscale.laws import Law, predict

MOST_PAIRS = 16_384
"""Beyond so many, a sample of them."""


def dominated_pairs(runs: Runs, *, margin: float = 0.0, seed: int = 0) -> Runs:
    """Return a table of pairs of runs, of which the second has more of N and of D.

    Args:
        runs: of N and D.
        margin: differences of the logarithm of the loss that are left out as noise; those of the
            wrong sign are in any case.
        seed: of the sample of more than 16,384 pairs.

    Returns:
        N and D of the smaller run, N_ratio and D_ratio of the larger over it, and as the loss the
        difference of the two. A pair weighs the square of that, as the noise of its logarithm has
        it.

    Raises:
        DataError: no run dominates another.
    """
    N, D, y = runs.column("N"), runs.column("D"), runs.loss
    used = runs.weights > 0
    more = (N[None] >= N[:, None]) & (D[None] >= D[:, None])
    more &= (N[None] > N[:, None]) | (D[None] > D[:, None])
    more &= used[None] & used[:, None] & (y[:, None] > y[None] * np.exp(margin))
    small, large = np.nonzero(more)
    if not len(small):
        raise DataError(
            f"{runs.source}: no run has both more N and more D than another and a lower loss, so "
            "there is no pair to fit differences of"
        )
    if len(small) > MOST_PAIRS:
        some = np.random.default_rng(seed).choice(len(small), MOST_PAIRS, replace=False)
        small, large = small[np.sort(some)], large[np.sort(some)]
    apart = y[small] - y[large]
    return Runs(
        N=N[small],
        D=D[small],
        N_ratio=N[large] / N[small],
        D_ratio=D[large] / D[small],
        loss=apart,
        weight=np.sqrt(runs.weights[small] * runs.weights[large]) * (apart / apart.max()) ** 2,
        source=f"pairs of {runs.source}",
    )


def fit_pairs(law: Law, runs: Runs, *, margin: float = 0.0, **options: Any) -> FitResult:
    """Fit all of a law but its irreducible loss E to the dominated pairs of runs.

    Args:
        law: of N and D, with a free E.
        runs: of N and D.
        margin: see `dominated_pairs`.
        **options: of `fit`.

    Returns:
        The fit of the differences; `law_of_pairs` gives the law of the losses. The errors that it
        states are of the pairs, of which a run is in many: they are no errors of the law.
    """
    pairs = dominated_pairs(runs, margin=margin)
    return fit(differences(law), pairs, **options)


def differences(law: Law) -> Law:
    """Return the law of the difference between two runs, its E held at 0, which it has no part in.

    Raises:
        ValueError: the law is not of N and D, or is not E and something else.
    """
    cls = type(law)
    if law.inputs != ("N", "D") or not _adds(law):
        raise ValueError(
            f"pairs are of laws of N and D with an irreducible loss E that is added to the rest, "
            f"not of {cls.__name__}"
        )

    def apart(self: Any, N: Any, D: Any, N_ratio: Any, D_ratio: Any) -> Any:
        return cls.__call__(self, N, D) - cls.__call__(self, N * N_ratio, D * D_ratio)

    kinds = {"N_ratio": "raw", "D_ratio": "raw"}
    made: Any = type(
        f"{cls.__name__}Differences",
        (cls,),
        {"__call__": apart, "__doc__": f"Differences of {cls.__name__}.", "input_kinds": kinds},
    )
    return made(**{**law.fixed, "E": 0.0})  # type: ignore[no-any-return]


def _adds(law: Law) -> bool:
    """Return whether E is added to all else, so that differences are without it."""
    if "E" not in law.parameters or type(law).response == "log":
        return False
    rng = np.random.default_rng(0)
    plain = law.replace(**{name: float(rng.uniform(0.3, 0.9)) for name in law.free})
    N, D = np.array([2.0, 30.0]), np.array([3.0, 50.0])
    with scope(np.float64), np.errstate(all="ignore"):
        low, high = (np.asarray(plain.replace(E=np.float64(E))(N, D)) for E in (0.0, 1.0))
    return bool(np.allclose(high - low, 1.0, rtol=0, atol=1e-9))


def law_of_pairs(found: FitResult, law: Law, runs: Runs) -> Law:
    """Return the law of the losses: that of the pairs, with E the median of what it leaves.

    Args:
        found: what `fit_pairs` returned.
        law: the law that it was given.
        runs: the runs that it was given.
    """
    rest = law.replace(**{**found.law.values, "E": 0.0})
    used = runs.weights > 0
    left = runs.loss - np.asarray(predict(rest, N=runs.column("N"), D=runs.column("D")))
    return rest.replace(E=float(np.median(left[used])))
