"""How to spend compute by a fit: the runs to make, with intervals, and what speaks against them.

Every law of a bootstrap is asked what the fit is asked, all at once. The doubts of an answer are
those of the fit, of a budget whose best size the runs leave open, and of a run far from all others.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from jaxscale._numerics.level import check_level
from jaxscale._numerics.precision import OPTIMUM, host
from jaxscale.checks.determined import size_note
from jaxscale.checks.information import FACTOR
from jaxscale.checks.table import SWAPPED
from jaxscale.decisions.allocation import (
    AMOUNTS,
    Allocation,
    Limits,
    answers,
    scale_of,
    trusted_law,
)
from jaxscale.decisions.allocation import allocate as of_law
from jaxscale.decisions.optimum import MIDDLE
from jaxscale.decisions.plans import SERVED
from jaxscale.decisions.question import Lifetime, Question, ask
from jaxscale.decisions.repetition import DATA_WORTH, SIZE_WORTH
from jaxscale.engine.dispatch import Progress
from jaxscale.fitting.informed import best_size_within
from jaxscale.fitting.reach import beyond, beyond_note
from jaxscale.fitting.result import FitResult
from jaxscale.flops import Flops, unit_of
from jaxscale.laws import Fitted, Law
from jaxscale.uncertainty.bootstrap import bootstrap
from jaxscale.uncertainty.draws import Draws
from jaxscale.uncertainty.intervals import from_draws, percentile, tail

DRAWS = 1000
"""Bootstrap tables behind the intervals where nobody says how many."""


@host(OPTIMUM)
def allocate(
    law: Law | Fitted,
    *,
    compute: Any = None,
    target_loss: Any = None,
    N: Any = None,
    D: Any = None,
    ratio: Any = None,
    times_N: Any = None,
    lifetime: float | Lifetime | None = None,
    unique_tokens: Any = None,
    worth: tuple[float, float] = (DATA_WORTH, SIZE_WORTH),
    flops: Flops | None = None,
    draws: int | Draws | None = None,
    level: float = 0.9,
    seed: int = 0,
    progress: Progress | None = None,
) -> Allocation:
    """Return the best run of a budget, the cheapest run for a loss, or the run that keeps to more.

    Args:
        law: a fit of a law of N and D; or such a law itself, whose parameters may have a leading
            axis [B]; or a law of one scale, for `target_loss` alone.
        compute: budget C in FLOPs, or several; give this or `target_loss`.
        target_loss: loss to reach, or several, in the units of the runs.
        N: parameters that the run has to have; alone, the run whose budget they are the best of.
        D: tokens, likewise.
        ratio: tokens per parameter that it has to have.
        times_N: its size as a multiple of the best one, at the loss of the best.
        lifetime: tokens that the model will serve, or what serving costs; `compute` is the budget
            of both together then.
        unique_tokens: those that there are; more of them are the same ones again.
        worth: (R*_D, R*_N), the repetitions that repeating for ever comes to.
        flops: FLOPs model; default the law's own, else C = 6 N D.
        draws: bootstrap tables behind the intervals of a fit, or draws that there are already; 0
            for no intervals, which takes no time. Default 1000 of a fit, none of a law.
        level: nominal coverage of the intervals.
        seed: of the draws.
        progress: called as by `bootstrap`.

    Returns:
        The allocation in floats, or in arrays for lists of numbers and under a sample of laws.
        Where a list has a loss that nothing reaches, the answer is infinite there, or NaN where
        every run is better than it, and a note says so.

    Raises:
        FitError: the fit is not certified: what follows from it may be wrong by any factor.
        ValueError: the law cannot be asked this, an argument is not positive, or no run answers
            the only question.
        TypeError: draws stand where their fit belongs.

    Cost: a fit is bootstrapped, one batched `refit`. 4,000 draws answer 50 budgets in a
    quarter of a second where the law has a closed form (`python -m benchmarks.answers`).

    Example:
        >>> import jaxscale
        >>> runs = jaxscale.datasets.load("stdlib_ladder")
        >>> fit = jaxscale.fit("Chinchilla", runs, starts=64)
        >>> best = jaxscale.allocate(fit, compute=1e14, draws=0)
        >>> f"N {best.N:.2g}, D {best.D:.2g}, loss {best.loss:.2f}"
        'N 6.8e+05, D 2.4e+07, loss 1.12'
    """
    check_level(level)
    if isinstance(law, Draws):
        raise TypeError("draws go beside their fit: allocate(fit, draws=draws, ...)")
    if isinstance(draws, int) and draws < 0:
        raise ValueError(f"draws must be 0 or more, got {draws}")
    given = dict(compute=compute, target_loss=target_loss, N=N, D=D, ratio=ratio)
    given |= dict(times_N=times_N, unique_tokens=unique_tokens)
    more: Any = dict(lifetime=lifetime, worth=worth, flops=flops)
    found = of_law(law, **given, **more)
    if not isinstance(law, FitResult):
        if draws:
            raise ValueError("draws go with a fit, which has runs to draw from; a law has none")
        return found
    own = trusted_law(law)
    asked = ask(own, given, **more)
    found = dataclasses.replace(found, frame_kind=law.runs.frame_kind)
    found = doubted(law, own, asked, found)
    if draws == 0:
        return found
    if not isinstance(draws, Draws):
        draws = bootstrap(law, draws=draws or DRAWS, seed=seed, progress=progress)
    elif draws.fit.law != law.law:
        raise ValueError(
            f"these draws are of another fit ({type(draws.fit.law).__name__} of "
            f"{draws.fit.runs.source}): give bootstrap(fit) of this one, or leave draws out"
        )
    return with_intervals(found, draws, asked, level)


def with_intervals(
    found: Allocation, draws: Draws, asked: Question, level: float = 0.9
) -> Allocation:
    """Return an allocation with the intervals that draws leave.

    Args:
        found: the answers of the fit, which is not asked again.
        draws: of the fit.
        asked: the question that was answered.
        level: nominal coverage.
    """
    check_level(level)
    sample = without_edges(answers(draws.law, asked))
    limits = {}
    for name in AMOUNTS:
        center, values = getattr(found, name), getattr(sample, name)
        if values is None or not np.ndim(values) or not moves(values):
            continue
        limits[name] = _limits(np.asarray(values, float), center, draws, level)
    notes = (*found.notes, *draws.notes)
    return dataclasses.replace(found, intervals=limits, level=level, draws=len(draws), notes=notes)


def without_edges(sample: Allocation) -> Allocation:
    """Return a sample of answers whose sizes at the edge of the search bound nothing."""
    edge = np.asarray(sample.at_edge)
    if not edge.any():
        return sample
    large = sample.N > MIDDLE
    N = np.where(edge, np.where(large, np.inf, 0.0), sample.N)
    D = np.where(edge, np.where(large, 0.0, np.inf), sample.D)
    with np.errstate(all="ignore"):
        return dataclasses.replace(sample, N=N, D=D, tokens_per_parameter=D / N)


def moves(values: np.ndarray) -> bool:
    """Return whether draws [B, ...] of an amount are known, and differ beyond rounding."""
    if np.isnan(values).all():
        return False
    if np.isinf(values).any():
        return not np.isinf(values).all()
    with np.errstate(invalid="ignore"):
        apart = values.max(axis=0) - values.min(axis=0)
        return not bool(np.all(apart <= 1e-9 * np.abs(values).max(axis=0)))


def _limits(values: np.ndarray, center: Any, draws: Draws, level: float) -> Limits:
    """Return the ends of intervals from [B] or [B, m]; draws without an answer are left out."""
    if not np.isnan(values).any():
        low, high = percentile(values, tail(level, draws.freedom, draws.widening))
    else:
        columns = values.reshape(len(values), -1)
        centers = np.ravel(center)
        ends = np.array([
            from_draws(float(centers[k]), columns[:, k], level, freedom=draws.freedom,
                       widening=draws.widening)
            for k in range(columns.shape[1])
        ])  # fmt: skip
        low, high = ends.T.reshape(2, *values.shape[1:])
    stated = np.isfinite(center)  # of a loss that the fit itself does not reach, nothing is said
    low, high = np.where(stated, low, np.nan), np.where(stated, high, np.nan)
    if np.ndim(center) == 0:
        return Limits(float(low), float(high))
    return Limits(np.asarray(low), np.asarray(high))


def doubted(fit: FitResult, law: Law, asked: Question, found: Allocation) -> Allocation:
    """Return an allocation with what speaks against each of its answers.

    Args:
        fit: what was asked.
        law: its law, or one that stands for it.
        asked: the question.
        found: the answers of the law.
    """
    C, N, D = (np.atleast_1d(np.asarray(x, float)) for x in (found.compute, found.N, found.D))
    edges = np.atleast_1d(found.at_edge)
    reached = np.isfinite(np.atleast_1d(scale_of(law, found)))
    notes: list[str] = []
    few = False  # tokens: of no language model, and what swapped columns come to
    own = C  # what the run costs as the runs of the fit count
    if len(law.inputs) > 1 and asked.flops != law.flops:
        own = np.asarray(law.flops(N, D), float) * np.ones(len(C))
    factors: list[dict[str, float]] = []
    within = np.ones(len(C))
    sizes_open = len(law.inputs) > 1 and (asked.plain or set(SERVED) <= asked.names)
    for k in range(len(C)):
        if not reached[k]:
            factors.append({})
            continue
        if edges[k]:
            notes.append(f"the optimum at C = {C[k]:.3g} lies at the edge of the sizes searched")
        if sizes_open:
            within[k] = best_size_within(fit, float(own[k]))
        place = {name: float(x[k]) for name, x in (("C", own), ("N", N), ("D", D))}
        if len(law.inputs) == 1:
            place = {law.inputs[0]: float(np.atleast_1d(scale_of(law, found))[k])}
        elif asked.plain and D[k] / N[k] < SWAPPED:
            few = True
            notes.append(
                f"the best run of {C[k]:.3g} {unit_of(asked.flops)} has {D[k] / N[k]:.2g} tokens "
                "per parameter: are N and D of the runs swapped, or in other units?"
            )
        factors.append(beyond(fit, place))
        notes += beyond_note(fit, place, factors[-1])
    open_ = [(c, x) for c, x in zip(own, within, strict=True) if x > FACTOR]
    loose = [size_note(float(c), float(x), unit_of(law.flops)) for c, x in open_]
    scalar = np.ndim(found.N) == 0
    return dataclasses.replace(
        found,
        within_factor=float(within[0]) if scalar else within,
        extrapolation=factors[0] if scalar else tuple(factors),
        notes=(*found.notes, *notes, *loose),
        trusted=found.trusted and not loose and not few and bool(reached.all()),
    )


def quantile_names(level: float) -> tuple[str, str]:
    """Return what the ends of an interval are called: 5 % and 95 % at a level of .9."""
    tails = 50 * (1 - level)
    return f"{tails:.3g} %", f"{100 - tails:.4g} %"


def interval_of(found: Allocation, name: str, place: int | None = None) -> tuple[float, float]:
    """Return both ends of the interval of an amount; NaN where there is none.

    Args:
        found: the allocation.
        name: of the amount, "N" or "loss".
        place: of the question in a list; None for a single one.
    """
    limits: Mapping[str, Limits] = found.intervals
    if name not in limits:
        return math.nan, math.nan
    ends = (limits[name].low, limits[name].high)
    low, high = (float(x if place is None else np.atleast_1d(x)[place]) for x in ends)
    return low, high
