"""What a first fit tells of how the runs should count: a second fit goes by it.

The width of a loss from the spread of the residuals, and the weights of overdispersed counts.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from jaxscale.errors import FitError
from jaxscale.fitting.dispersion import dispersion, overdispersion
from jaxscale.fitting.preparation import Problem
from jaxscale.fitting.result import FitResult
from jaxscale.fitting.trials import weighs_trials
from jaxscale.objective.fractions import BetaBinomial, Binomial
from jaxscale.objective.loss import Loss
from jaxscale.objective.residual import Residual

EFFICIENT = 1.345
"""Standard deviations of a Huber width that loses 5 % of the efficiency at normal noise."""
NORMAL = 1.4826
"""Standard deviation over the median absolute deviation of normal noise."""
NORMAL_TAIL = 3.0
"""Standard deviations of chi² by which counts vary too much to be counts of independent trials."""


class Second(NamedTuple):
    """What a second fit is of.

    Attributes:
        problem: to be solved; None where the first fit stands.
        settings: what was estimated.
        notes: sentences on it.
    """

    problem: Problem | None
    settings: dict[str, Any]
    notes: tuple[str, ...]


def sized(loss: Loss, delta: float | str | None) -> Loss:
    """Return the loss with a width, where a number is given.

    Raises:
        ValueError: it is neither a number nor "auto", or the loss has no width.
    """
    if delta is None:
        return loss
    if loss.width is None:
        raise ValueError(f"the loss {loss.name} has no width, which delta={delta!r} would set")
    if isinstance(delta, str):
        if delta != "auto":
            raise ValueError(f"delta must be a width or 'auto', got {delta!r}")
        return loss
    return loss.with_threshold(delta)


def refuse_twofold(residual: Residual, delta: float | str | None, pooled: float) -> None:
    """Raise where two things would each be estimated by a first fit under the other.

    Args:
        residual: of the fit.
        delta: as `fit` takes it.
        pooled: whether families are pooled, or the width of their prior.

    Raises:
        ValueError: there are two.
    """
    counts = isinstance(residual, BetaBinomial)
    if pooled and (counts or delta == "auto"):
        what = "beta-binomial residuals weigh runs" if counts else "delta='auto' sets the width"
        raise ValueError(
            f"{what} by a first fit, and pool= estimates by one how families vary: "
            + ("use residual='binomial'" if counts else "give a width, delta=1e-3")
            + ", or leave pool= out"
        )
    if counts and delta == "auto":
        raise ValueError(
            "beta-binomial residuals weigh runs by a first fit, which delta='auto' would make "
            "under another width: give a width, delta=1 (--delta 1)"
        )


def refuse_first(residual: Residual, what: str) -> None:
    """Raise for what fits once, where the residual takes two fits.

    Raises:
        ValueError: it is beta-binomial.
    """
    if isinstance(residual, BetaBinomial):
        raise ValueError(
            f"beta-binomial residuals take two fits, and {what} makes one: use "
            "residual='binomial' (--residual binomial)"
        )


def second(first: FitResult, problem: Problem, delta: float | str | None) -> Second:
    """Return what to fit again after a first fit.

    Args:
        first: the fit.
        problem: what it solved.
        delta: "auto" for a width by the spread of its residuals.

    Raises:
        FitError: the residuals are rounding, so that they have no spread.
    """
    settings: dict[str, Any] = {}
    notes: tuple[str, ...] = ()
    again: Problem | None = None
    if delta == "auto":
        spread = residual_scale(first)
        if first.certificate.exact or not spread > 0:
            raise FitError(
                "the residuals of the first fit are rounding, so no width follows from them; "
                "give one, delta=1e-3 (--delta 1e-3)"
            )
        settings["delta"] = "auto"
        again = problem.under(loss=problem.loss.with_threshold(EFFICIENT * spread))
    if weighs_trials(first.runs) and isinstance(problem.residual, Binomial):
        more = dispersion(first)
        freedom = max(int((first.runs.weights > 0).sum()) - len(first.free), 1)
        wide = more > 1 + NORMAL_TAIL * (2 / freedom) ** 0.5
        if isinstance(problem.residual, BetaBinomial):
            rho, n = overdispersion(first), first.runs.weights
            settings["overdispersion"] = rho
            if rho > 0:
                weight = n / (1 + (np.maximum(n, 1) - 1) * rho)
                again = (again or problem).on(problem.runs.replace(weight=weight))
        elif wide:
            notes = (
                f"runs vary {more:.2g} times as much as counts of independent trials would "
                "(Pearson's chi² per degree of freedom): the errors allow for it; "
                "residual='beta-binomial' (--residual beta-binomial) weighs runs by it as well",
            )
    return Second(again, settings, notes)


def residual_scale(fit: FitResult) -> float:
    """Return a robust standard deviation of the residuals of runs of mean weight.

    The median of those that the fit does not pass through, over that of a normal one.

    Source: Maronna, Martin and Yohai 2006, Robust Statistics, section 4.4.
    """
    weight = fit.runs.weights
    used = weight > 0
    r = np.abs(fit.residual.between(fit.prediction, fit.runs.loss))
    each = np.sort((r * np.sqrt(weight / weight[used].mean()))[used])
    return NORMAL * float(np.median(each[min(len(fit.free), len(each) - 1) :]))
