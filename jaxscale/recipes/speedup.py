"""How much compute a better recipe is worth: effective speed-up and compute multiplier.

A fitted law says how far a baseline would have to grow to reach a loss that a new recipe has
reached. The exponent and the asymptote that it hangs on come from a few runs, so both functions
give intervals; `asymptote_profile` shows what the asymptote alone does. Nothing here knows what
the losses measure: both recipes must be evaluated on the same data.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import jax
import numpy as np
from jax import Array

from jaxscale._numerics import programs
from jaxscale._numerics.level import check_level
from jaxscale._numerics.precision import host
from jaxscale._numerics.student import student_t
from jaxscale.decisions.frontier import curve, log_scale, log_scales, scale_name
from jaxscale.fitting.linearized import linearize
from jaxscale.fitting.result import FitResult
from jaxscale.flops import Flops
from jaxscale.laws import Law
from jaxscale.objective.objective import Objective
from jaxscale.shown.blocks import Block, Shown
from jaxscale.uncertainty.bootstrap import METHODS as SCHEMES
from jaxscale.uncertainty.bootstrap import bootstrap
from jaxscale.uncertainty.covariance import covariance
from jaxscale.uncertainty.draws import Draws
from jaxscale.uncertainty.intervals import percentile, tail

SPEEDUP_METHODS = ("none", "lack of fit", "paired", *SCHEMES)
"""Where the interval of a speed-up comes from; those of `bootstrap` come last."""


@dataclasses.dataclass(frozen=True)
class Speedup(Shown):
    """By what factor the baseline's scale would have to grow to reach the new loss.

    Attributes:
        factor: above 1 where the new loss is the better one.
        low: lower end of the interval; NaN without one.
        high: upper end.
        level: its confidence.
        method: "none", "lack of fit", "paired", or the scheme of a bootstrap.
        scale: what grows: C, or the law's only input.
        count: degrees of freedom of Student's t, or draws behind the quantiles.
    """

    factor: float
    low: float
    high: float
    level: float
    method: str
    scale: str
    count: int

    def _blocks(self) -> list[Block]:
        text = f"{self.factor:.4g} times the {self.scale}"
        if self.method == "none":
            return [text]
        how = f"{self.method}, Student's t with {self.count} degrees of freedom"
        if self.method in SCHEMES:
            how = f"{self.method} bootstrap, {self.count:,} draws"
        return [
            f"{text} ({100 * self.level:g} % interval {self.low:.4g} to {self.high:.4g}: {how})"
        ]


@host()
def effective_speedup(
    law: Law | FitResult,
    loss_baseline: Any,
    loss_new: Any,
    *,
    method: str | None = None,
    level: float = 0.9,
    noise: float | None = None,
    draws: int = 2000,
    seed: int = 0,
    flops: Flops | None = None,
) -> Speedup:
    """Return the factor of compute that takes the baseline to the loss of a new recipe.

    For L = E + A S^-alpha it is ((loss_baseline - E) / (loss_new - E))^(1 / alpha): A cancels,
    and with it the budget. A law of N and D is followed along its compute-optimal frontier. For
    recipes of unlike throughput, multiply by tokens per second of the new over the baseline.

    Args:
        law: the baseline's law, or its fit, which gives the factor an interval. With a pinned
            asymptote: a fit of `PowerLaw(c=E)`, or one to `reducible(runs, E)`, with losses - E.
        loss_baseline: a loss of the baseline; or [m] losses, each paired with one of `loss_new`.
        loss_new: a loss of the new recipe at the same scale (and seed).
        method: where the interval comes from. "lack of fit" (default for a least-squares fit):
            delta method on the log factor, Student's t with n - k degrees of freedom, all
            variances from the residuals of the fit. "auto" (default for a robust fit), "residual",
            "case" and the others of `bootstrap`: quantiles over its draws. "paired" (default for
            [m] losses): mean log factor and Student's t over the pairs, the law taken as known.
        level: confidence of the interval.
        noise: standard deviation of each of the two losses, in their units; default that of the
            residuals, as of two new runs; 0 for what is uncertain of the law alone.
        draws: bootstrap refits.
        seed: of the bootstrap.
        flops: FLOPs model (in JAX) of a law of N and D; default its own, else C = 6 N D.

    Returns:
        The factor with its interval.

    Raises:
        ValueError: a loss is at or below the asymptote, or method and input do not go together.

    Cost: milliseconds; with a bootstrap, that of `refit`.

    Source: marin-community/marin, issue 8096 (the formula and its lack-of-fit interval).

    Example:
        >>> import jaxscale
        >>> law = jaxscale.PowerLaw(a=20.0, b=-0.1, c=1.5, of="C")
        >>> round(float(jaxscale.effective_speedup(law, 2.60, 2.55).factor), 2)
        1.59
    """
    fit, bare = (law, law.law) if isinstance(law, FitResult) else (None, law)
    pair = np.array(np.broadcast_arrays(loss_baseline, loss_new), float)
    if method is None:
        square = fit is not None and fit.loss.quadratic
        method = "none" if fit is None else "lack of fit" if square else "auto"
        method = "paired" if pair.ndim > 1 else method
    scale = scale_name(bare)
    _check(fit, pair, method, level, noise)
    cost = log_scales(bare, pair.reshape(1, -1), flops).reshape(pair.shape)
    _require_reached(bare, pair, cost, flops)
    size, count, error = float(np.mean(cost[1] - cost[0])), 0, math.nan
    if fit is not None and method in SCHEMES:
        again = bootstrap(fit, method=method, draws=draws, seed=seed)
        spread = _refitted(fit, pair, again, noise, flops)
        method, count = again.method, len(spread)
        ends = percentile(spread, tail(level, again.freedom, again.widening))
        low, high = (float(x) for x in ends)
    else:
        if fit is not None and method == "lack of fit":
            error, count = _lack_of_fit(fit, pair, noise, flops)
        elif method == "paired":
            count = pair.shape[1] - 1
            error = float(np.std(cost[1] - cost[0], ddof=1)) / math.sqrt(count + 1)
        half = student_t(0.5 + level / 2, count) * error if count else math.nan
        low, high = size - half, size + half
    with np.errstate(over="ignore"):  # beyond e^709 a factor is infinite
        factor, low, high = (float(np.exp(x)) for x in (size, low, high))
    return Speedup(factor, low, high, level, method, scale, count)


def _check(
    fit: FitResult | None, pair: np.ndarray, method: str, level: float, noise: float | None
) -> None:
    """Raise a sentence where method and input do not go together."""
    check_level(level)
    if method not in SPEEDUP_METHODS:
        raise ValueError(f"method must be one of {', '.join(SPEEDUP_METHODS)}, got {method!r}")
    if not np.isfinite(pair).all():
        raise ValueError("loss_baseline and loss_new must be finite numbers")
    if method == "paired" and not (pair.ndim == 2 and pair.shape[1] > 1):
        raise ValueError("method 'paired' needs [m] losses of each recipe, m at least 2")
    if method != "paired" and pair.ndim != 1:
        raise ValueError(f"method {method!r} takes one loss of each recipe; [m] take 'paired'")
    if fit is None and method not in ("none", "paired"):
        raise ValueError(f"method {method!r} needs a fit, not a law alone")
    if noise is not None and not 0 <= noise < math.inf:
        raise ValueError(f"noise must be a standard deviation, 0 or more, got {noise!r}")


def _require_reached(law: Law, losses: np.ndarray, cost: np.ndarray, flops: Flops | None) -> None:
    for name, loss, where in zip(("loss_baseline", "loss_new"), losses, cost, strict=True):
        bad = np.atleast_1d(loss)[~np.isfinite(np.atleast_1d(where))]
        if len(bad):
            found = curve(law, flops)
            end = f"the asymptote {float(found[0]):.6g}" if found else "what can be reached"
            raise ValueError(
                f"{name} is {bad[0]:.6g}, at or beyond {end} of {type(law).__name__}: "
                f"no {scale_name(law)} reaches it"
            )


def _slopes(objective: Objective, z: Array, pair: Array, *, flops: Flops | None) -> Any:
    """Return the derivatives of the log factor in z [P] and in the two losses [2]; pure."""

    def log_factor(z: Array, pair: Array) -> Array:
        law = objective.law_at(z)
        return log_scale(law, pair[1], flops) - log_scale(law, pair[0], flops)

    return jax.grad(log_factor, (0, 1))(z, pair)


def _lack_of_fit(
    fit: FitResult, pair: np.ndarray, noise: float | None, flops: Flops | None
) -> tuple[float, int]:
    """Return the standard error of the log factor and its degrees of freedom.

    The coordinates vary by the Laplace covariance, which under least squares is (J'WJ)^-1 s²; the
    two losses add the variance of two new runs.
    """
    at = linearize(fit)
    used = at.weight > 0
    s = math.sqrt(float(at.weight @ at.residual**2) / at.freedom / at.weight[used].mean())
    (in_z, in_loss), _ = programs.run(
        _slopes, at.objective, at.z, pair, dtype=np.float64, flops=flops
    )
    law = float(in_z @ covariance(fit, kind="laplace").matrix @ in_z)
    each = fit.residual.noise(s, pair) if noise is None else noise
    return math.sqrt(law + float(np.sum((np.asarray(in_loss) * each) ** 2))), at.freedom


def _refitted(
    fit: FitResult,
    pair: np.ndarray,
    draws: Draws,
    noise: float | None,
    flops: Flops | None,
) -> np.ndarray:
    """Return the log factors of the draws that have one, the two losses drawn as well."""
    rng = np.random.default_rng([draws.seed, len(draws)])
    shape = (len(draws), 2)
    if noise is None:
        losses = fit.residual.losses(pair, draws.noise.draw(shape, rng))
    else:
        losses = pair + noise * rng.standard_normal(shape)
    cost = log_scales(draws.law, losses, flops)
    with np.errstate(invalid="ignore"):
        found: np.ndarray = cost[:, 1] - cost[:, 0]
    found = found[~np.isnan(found)]
    if not len(found):
        raise ValueError("no draw of the bootstrap reaches the losses")
    return found
