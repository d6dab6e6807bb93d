"""The best runs along a range of budgets, and the price of other sizes, with bands of draws."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import jax
import numpy as np

from jaxscale.decisions.allocation import Allocation, answers, closed_form
from jaxscale.decisions.question import Question, ask
from jaxscale.uncertainty.allocations import with_intervals
from jaxscale.uncertainty.draws import Draws

POINTS = 48
"""Budgets, or sizes, at which a band is worked out."""
SEARCHED = 100
"""Draws of a law whose answers are searched for."""
SIZES = (0.15, 6.0)
"""Sizes whose price is worked out, as multiples of the best one."""


def frontier(draws: Draws, compute: Sequence[float] = (), *, level: float = 0.9) -> Allocation:
    """Return the best runs from the smallest budget of the runs to the largest that is asked for.

    Args:
        draws: of a fit of a law of N and D.
        compute: budgets that the range has to reach.
        level: nominal coverage of the bands.

    Raises:
        ValueError: the law is not one of N and D, or has no best size of its own.
    """
    fit, law = draws.fit, draws.fit.law
    asked = ask(law, {"compute": np.ones(1)})  # raises for laws of other inputs
    N, D = (fit.runs.column(name, law.flops) for name in "ND")
    C = np.asarray(law.flops(N, D), float)
    low, high = min(C.min(), *compute, C.max()), max(C.max() * 10, *compute, C.min())
    asked = ask(law, {"compute": np.geomspace(low / 1.3, high * 1.5, POINTS)})
    found = answers(law, asked)
    if np.any(found.at_edge):
        raise ValueError(f"{type(law).__name__} has no best size of its own with these parameters")
    return with_intervals(found, thinned(draws, asked), asked, level)


def prices(draws: Draws, compute: float | None = None, *, level: float = 0.9) -> Allocation:
    """Return what models of other than the best size cost at the loss of the best run.

    Args:
        draws: of a fit of a law of N and D.
        compute: budget of the best run; default that of the largest run. It does not matter to a
            law with a term of N and a term of D.
        level: nominal coverage of the bands.

    Raises:
        ValueError: the law is not one of N and D.
    """
    law = draws.fit.law
    ask(law, {"compute": np.ones(1)})  # raises for laws of other inputs
    N, D = (draws.fit.runs.column(name, law.flops) for name in "ND")
    C = float(np.max(np.asarray(law.flops(N, D), float))) if compute is None else compute
    asked = ask(law, {"compute": C, "times_N": np.geomspace(*SIZES, 2 * POINTS)})
    return with_intervals(answers(law, asked), thinned(draws, asked), asked, level)


def thinned(draws: Draws, asked: Question) -> Draws:
    """Return fewer draws of a law whose answers take a search each."""
    law = draws.law
    if closed_form(draws.fit.law, asked) or len(draws) <= SEARCHED:
        return draws
    some = jax.tree.map(lambda leaf: leaf[:SEARCHED] if np.ndim(leaf) else leaf, law)
    return dataclasses.replace(draws, law=some)
