"""Likelihoods behind the robust losses: information criteria and tests of nested laws.

Minimizing sum w rho(r) is maximum likelihood for residuals of density

    p(r) = exp(-rho(r) / s) / Z(s),

with r for the kind of residual that was fitted, and s the scale:

    Square    Z = sqrt(2 pi s)                                     normal, s = sigma²
    Absolute  Z = 2 s                                              Laplace
    Huber     Z = sqrt(2 pi s) erf(delta / sqrt(2 s))
                  + 2 (s / delta) exp(-delta² / (2 s))             normal core, exponential tails

The last is Huber's least favorable density, with sigma = sqrt(s) and k = delta / sigma (Huber
1964, Annals of Mathematical Statistics 35, 73-101). s is put at its maximum, which solves
mean rho = s² d log Z / ds, and counts as a parameter. A weight w divides the scale of its run.

Laws that were fitted on different kinds of residuals compare on the density of the loss y itself:
p(y) = p(r) |dr/dy|, with dr/dy = 1/y for log residuals, p/y² for relative and 1 for absolute ones.
For relative residuals the part of the density below y = 0 is neglected.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from jaxscale.comparison.candidates import label_of
from jaxscale.errors import DataError, FitError
from jaxscale.fitting.fit import fit_problem
from jaxscale.fitting.refit import refit
from jaxscale.fitting.result import FitResult
from jaxscale.objective.likelihood import profile_likelihood
from jaxscale.shown.blocks import Shown
from jaxscale.uncertainty.resampling import require_draws

NESTED_TOLERANCE = 0.1
"""The large law contains the small one if, fitted to the small law's predictions, it misses them by
less than this fraction of the small law's own residuals (root mean square of logs)."""

NESTED_STARTS = 512
"""Random starts, at most, of the large law's fit to the small law's predictions."""

LEVEL = 0.05
"""Below this p the smaller law of a test is rejected."""


@dataclasses.dataclass(frozen=True)
class NestedTest(Shown):
    """A likelihood-ratio test of a law against one that contains it.

    Attributes:
        small: label of the smaller law, the null hypothesis.
        large: label of the larger.
        ratio: twice the gain in log-likelihood of the larger law.
        p: (1 + draws with at least that gain) / (draws + 1).
        draws: simulated tables that both laws were fitted to.
        lost: simulated tables on which a refit failed; they count in no number.
        stuck: simulated tables on which the larger law fitted worse by more than 1e-6 of its
            value, so that it missed its optimum; they count as no gain.
    """

    small: str
    large: str
    ratio: float
    p: float
    draws: int
    lost: int
    stuck: int


def special_case(small: FitResult, large: FitResult) -> bool:
    """Return whether the large law contains the small one, judged at the small law's fit.

    The large law is fitted to the predictions of the small one. Where it contains the small law,
    no residual is left. So every law can be asked, a user's own included, for the price of one
    more fit.

    Args:
        small: fit of the law that may be a special case.
        large: fit of the law that may contain it, to the same runs.
    """
    law = large.unfitted
    if len(law.free) <= len(small.unfitted.free) or not set(small.law.inputs) <= set(law.inputs):
        return False
    try:
        problem = large.problem.on(large.runs.replace(loss=small.prediction))
        again = fit_problem(problem, starts=min(NESTED_STARTS, large.certificate.starts))
    except (DataError, FitError):
        return False
    own = np.sqrt(np.mean(np.log(small.prediction / small.runs.loss) ** 2))
    with np.errstate(all="ignore"):
        left = np.sqrt(np.mean(np.log(again.prediction / small.prediction) ** 2))
    return bool(left < NESTED_TOLERANCE * own)


def nested(
    small: FitResult,
    large: FitResult,
    *,
    draws: int = 199,
    seed: int = 0,
    labels: tuple[str, str] | None = None,
    check: bool = True,
) -> NestedTest:
    """Test a law against one that contains it, with a bootstrap in place of the chi-square law.

    The statistic is twice the difference of the log-likelihoods, each at its best scale. Its law
    under the null is simulated: residuals of the smaller law (times the root of their weight) are
    drawn with replacement and put on its predictions, and both laws are refitted, each in one
    batched solve. So the test also holds where a parameter lies at a bound (E = 0), where the
    chi-square law does not. Residuals are taken as exchangeable: noise that changes with size, or
    runs that are one cluster, make p too small.

    Args:
        small: fit of the smaller law, e.g. of Chinchilla(E=0).
        large: fit of the larger to the same runs, with the same loss and residual.
        draws: simulated tables.
        seed: of the simulation and of the guards.
        labels: names of the two laws in the result.
        check: whether to make sure that the larger law contains the smaller.

    Raises:
        ValueError: the fits are of different runs, losses or residuals, or the laws not nested.

    Cost: one `refit` of draws + 1 tables per law (`python -m benchmarks.answers`).

    Source: Davison and Hinkley 1997, Bootstrap Methods and their Application, section 4.4.
    """
    a, b = labels or (label_of(small.unfitted), label_of(large.unfitted))
    if small.runs.digest() != large.runs.digest():
        raise ValueError(f"{a} and {b} are fitted to different runs; fit both to the same")
    if (small.loss.document(), small.residual) != (large.loss.document(), large.residual):
        raise ValueError(f"{a} and {b} are fitted with different losses or residuals")
    require_draws(draws, len(small.runs), 19)
    if check and not special_case(small, large):
        raise ValueError(
            f"{a} is no special case of {b}: fitted to its predictions, {b} does not reproduce "
            "them. Compare them with compare() instead"
        )
    runs = small.runs
    weight = runs.weights
    losses = np.concatenate([runs.loss[None], _simulated(small, weight, draws, seed)])
    # The table itself is refitted as well, so that its statistic is made as those of the draws.
    values = [refit(each, losses=losses, seed=seed).value for each in (small, large)]
    fitted = np.isfinite(values[0]) & np.isfinite(values[1])
    if not fitted[0]:
        raise ValueError(f"{a} or {b} cannot be refitted to the runs themselves")
    low, high = (profile_likelihood(v[fitted], weight, small.loss)[0] for v in values)
    ratio = 2 * np.maximum(high - low, 0.0)
    stuck = (values[1] > values[0] * (1 + 1e-6))[fitted]
    count = int(fitted.sum()) - 1
    reached = int((ratio[1:] >= ratio[0] * (1 - 1e-9)).sum())
    p = (1 + reached) / (1 + count)
    return NestedTest(a, b, float(ratio[0]), p, count, draws - count, int(stuck[1:].sum()))


def _simulated(result: FitResult, weight: np.ndarray, draws: int, seed: int) -> np.ndarray:
    """Return losses [draws, n] around a fitted law, its own residuals resampled."""
    used = weight > 0
    root = np.sqrt(np.where(used, weight, 1.0))
    r = (result.residual.between(result.prediction, result.runs.loss) * root)[used]
    rng = np.random.default_rng(seed)
    drawn = rng.choice(r, (draws, len(weight))) / root
    return result.residual.losses(result.prediction, drawn)
