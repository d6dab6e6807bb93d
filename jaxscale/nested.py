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
import math
from typing import Any

import numpy as np

from jaxscale._precision import scope
from jaxscale.candidates import label_of
from jaxscale.errors import DataError, FitError
from jaxscale.fit import fit
from jaxscale.losses import NAMES, log_normalizer, loss_named
from jaxscale.refit import refit
from jaxscale.resampling import require_draws, residuals_of, with_residuals
from jaxscale.result import FitResult

SPECIAL = 0.1
"""Residuals of a law fitted to another's predictions, in units of that one's own residuals, up to
which the other counts as its special case."""

STARTS = 512
"""Random starts of that fit at most."""

_erf = np.vectorize(math.erf, otypes=[float])


def _log_z(name: str, delta: float, s: np.ndarray) -> np.ndarray:
    """Return log Z at scales s, same shape."""
    with scope(np.float64):
        return np.asarray(log_normalizer(loss_named(name, delta or None), np.log(s)), float)


def _mean_rho(name: str, delta: float, s: np.ndarray) -> np.ndarray:
    """Return the expectation s² d log Z / ds of rho at scales s; between s / 2 and s."""
    if name != "huber":
        return np.asarray(s * (0.5 if name == "square" else 1.0))
    core = np.sqrt(2 * np.pi * s) * _erf(delta / np.sqrt(2 * s))
    tail = 2 * (s / delta) * np.exp(-(delta**2) / (2 * s))
    return np.asarray(s * (0.5 * core + tail) / (core + tail))


def profile_likelihood(
    value: Any, weight: np.ndarray, *, loss: str, delta: float | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Return (log-likelihood, scale) of residuals at the best scale.

    Args:
        value: [...] sum w rho(r).
        weight: [n] weights, those above zero counting.
        loss: "huber", "square" or "absolute".
        delta: width of the Huber loss, in units of the residuals.

    The log-likelihood is -value / s - sum log Z(s / w), without the Jacobian of the residuals.
    """
    if loss not in NAMES:
        raise ValueError(
            f"no likelihood for the loss {loss!r}; there is one for {', '.join(NAMES)}"
        )
    total = np.maximum(np.asarray(value, float), np.finfo(float).tiny)
    weights, counts = np.unique(weight[weight > 0], return_counts=True)
    width = 0.0 if delta is None else float(delta)

    def expected(s: np.ndarray) -> np.ndarray:
        parts = [
            c * w * _mean_rho(loss, width, s / w) for w, c in zip(weights, counts, strict=True)
        ]
        return np.asarray(np.sum(parts, axis=0))

    low, high = total / counts.sum(), 2 * total / counts.sum()
    for _ in range(60):
        middle = 0.5 * (low + high)
        below = expected(middle) < total
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    s = 0.5 * (low + high)
    normal = [c * _log_z(loss, width, s / w) for w, c in zip(weights, counts, strict=True)]
    return -total / s - np.sum(normal, axis=0), s


@dataclasses.dataclass(frozen=True)
class Information:
    """Information criteria of one fit, on the density of the loss.

    Attributes:
        log_likelihood: at the optimum and at the best scale, natural logarithm.
        parameters: free parameters of the law, and the scale.
        n: runs with a weight above 0.
        scale: s, in the units of rho.
        aicc: Akaike's criterion for small samples; inf for n <= parameters + 1.
        bic: Schwarz's criterion.
    """

    log_likelihood: float
    parameters: int
    n: int
    scale: float
    aicc: float
    bic: float


def information(result: FitResult) -> Information:
    """Return AICc and BIC of a fit, under the likelihood that belongs to its robust loss.

    AICc = -2 ll + 2 k + 2 k (k + 1) / (n - k - 1), BIC = -2 ll + k log n. Smaller is better; a
    difference of 10 is large. They compare laws on the same runs, whatever loss and residual.

    Raises:
        ValueError: the loss has no likelihood here.

    Source: Hurvich and Tsai 1989, Biometrika 76, 297; Schwarz 1978, Annals of Statistics 6, 461.
    """
    runs = result.runs
    weight = runs.weights
    used = weight > 0
    ll, s = profile_likelihood(result.value, weight, **result.loss)
    if result.residual == "log":
        jacobian = -np.log(runs.loss[used]).sum()
    elif result.residual == "relative":
        steep = np.abs(result.prediction[used]) / runs.loss[used] ** 2
        jacobian = np.log(np.maximum(steep, np.finfo(float).tiny)).sum()
    else:
        jacobian = 0.0
    total = float(ll + jacobian)
    k = 1 + len(result.unfitted.free)
    n = int(used.sum())
    small = 2 * k * (k + 1) / (n - k - 1) if n > k + 1 else math.inf
    return Information(total, k, n, float(s), 2 * (k - total) + small, k * math.log(n) - 2 * total)


@dataclasses.dataclass(frozen=True)
class NestedTest:
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
    """Return whether a law contains another, judged at the fit of the other.

    The larger law is fitted to the predictions of the smaller: where it contains it, nothing is
    left. So every law can be asked, a user's own included, for the price of one more fit.
    """
    law = large.unfitted
    if len(law.free) <= len(small.unfitted.free) or not set(small.law.inputs) <= set(law.inputs):
        return False
    try:
        again = fit(
            law,
            large.runs.replace(loss=small.prediction),
            loss=large.robust,
            residual=large.residual,
            starts=min(STARTS, large.certificate.starts),
        )
    except (DataError, FitError):
        return False
    own = np.sqrt(np.mean(np.log(small.prediction / small.runs.loss) ** 2))
    with np.errstate(all="ignore"):
        left = np.sqrt(np.mean(np.log(again.prediction / small.prediction) ** 2))
    return bool(left < SPECIAL * own)


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
    if (dict(small.loss), small.residual) != (dict(large.loss), large.residual):
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
    low, high = (profile_likelihood(v[fitted], weight, **small.loss)[0] for v in values)
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
    r = (residuals_of(result.prediction, result.runs.loss, result.residual) * root)[used]
    rng = np.random.default_rng(seed)
    drawn = rng.choice(r, (draws, len(weight))) / root
    return with_residuals(result.prediction, drawn, result.residual)
