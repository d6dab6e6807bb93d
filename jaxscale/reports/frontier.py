"""The best runs of many budgets, or the losses of many scales, with their intervals.

One table of numbers, worked out once: the page shows rows of it, draws it, and its slider moves
over it.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np

from jaxscale.decisions.allocation import answers, closed_form
from jaxscale.decisions.question import ask
from jaxscale.fitting.result import FitResult
from jaxscale.flops import complete, unit_of
from jaxscale.laws import predict
from jaxscale.shown.blocks import Shown
from jaxscale.text import one_line
from jaxscale.uncertainty.allocations import without_edges
from jaxscale.uncertainty.draws import Draws, predictions
from jaxscale.uncertainty.intervals import Interval, from_draws

BUDGETS = 200
"""At most: positions of the slider."""
FEW = 48
"""Of a law whose best run has to be searched for."""
REACH = 100.0
"""Times the largest run that a frontier reaches to, where nothing farther is asked for."""
ASKED = 10.0
"""Times the largest run that is answered for, where no budget is asked for."""
NAMES = ("N", "D", "loss", "tokens_per_parameter")
LONGEST = 24
"""Characters of a unit, which may be the name of a column."""


@dataclasses.dataclass(frozen=True)
class Frontier(Shown):
    """Answers along a scale.

    Attributes:
        name: of the scale: C of the best runs of a law of N and D, else the law's only input.
        scale: [m] ascending; the scales that were asked for are among them.
        runs: [n] the scale of the runs.
        asked: indices of the scales that were asked for.
        answers: per quantity, its interval at every scale.
        unit: of C.
    """

    name: str
    scale: np.ndarray
    runs: np.ndarray
    asked: tuple[int, ...]
    answers: dict[str, list[Interval]]
    unit: str

    def beyond(self, k: int) -> float:
        """Return by what factor a scale lies outside the runs; 1 within them."""
        x = float(self.scale[k])
        return max(x / float(self.runs.max()), float(self.runs.min()) / x, 1.0)


def compute_of(fit: FitResult) -> np.ndarray:
    """Return the compute [n] of the runs of a law of N and D, by the law's own count."""
    N, D = (fit.runs.column(name, fit.law.flops) for name in "ND")
    return np.asarray(complete(N=N, D=D, flops=fit.law.flops)[2], float)


def scale_of(fit: FitResult) -> tuple[str, np.ndarray] | None:
    """Return the scale along which a fit can be asked, and the runs [n] on it; None without one."""
    law = fit.law
    if set(law.inputs) == {"N", "D"}:
        return "C", compute_of(fit)
    if len(law.inputs) == 1 and law.kinds[law.inputs[0]] == "positive":
        return law.inputs[0], np.asarray(fit.runs.column(law.inputs[0], law.flops), float)
    return None


def asked_by_default(fit: FitResult) -> float:
    """Return the scale that a report answers for where none is named: ten times the largest run.

    Raises:
        ValueError: the law has no one scale.
    """
    known = scale_of(fit)
    if known is None:
        raise ValueError(f"{type(fit.law).__name__} has no one scale to answer for")
    return round_up(ASKED * float(known[1].max()))


def frontier(draws: Draws, asked: tuple[float, ...] = (), level: float = 0.9) -> Frontier | None:
    """Return the answers of a fit along its scale; None where its law has no one scale.

    Args:
        draws: of the fit.
        asked: scales to answer for; default ten times the largest run.
        level: nominal coverage.
    """
    fit = draws.fit
    known = scale_of(fit)
    if known is None:
        return None
    name, runs = known
    top = float(runs.max())
    wanted = asked or (asked_by_default(fit),)
    low, high = min(float(runs.min()), *wanted), max(REACH * top, *wanted)
    joint = len(fit.law.inputs) > 1
    if joint:
        closed = closed_form(fit.law, ask(fit.law, {"compute": high}))
        scale = spaced(low, high, BUDGETS if closed else FEW, wanted)
        question = ask(fit.law, {"compute": scale})
        both = answers(fit.law, question), without_edges(answers(draws.law, question))
        center, sample = ({what: getattr(each, what) for what in NAMES} for each in both)
    else:
        scale = spaced(low, high, BUDGETS, wanted)
        center = {"loss": np.asarray(predict(fit.law, **{name: scale}), float)}
        sample = {"loss": predictions(draws.law, **{name: scale})}
    intervals = {
        what: [
            _interval(draws, what, center[what][k], sample[what][:, k], level)
            for k in range(len(scale))
        ]
        for what in center
    }
    where = tuple(int(np.argmin(np.abs(np.log(scale / x)))) for x in wanted)
    unit = one_line(unit_of(fit.law.flops))[:LONGEST]
    return Frontier(name, scale, runs, where, intervals, unit)


def _interval(draws: Draws, what: str, center: Any, some: np.ndarray, level: float) -> Interval:
    low, high = from_draws(
        float(center),
        some,
        level,
        freedom=draws.freedom,
        widening=draws.widening,
    )
    return Interval(what, float(center), low, high, level, math.nan, f"{draws.method} percentile")


def round_up(value: float) -> float:
    """Return the least 1, 2 or 5 times a power of ten that is no smaller."""
    unit = 10.0 ** math.floor(math.log10(value))
    return next(m * unit for m in (1.0, 2.0, 5.0, 10.0) if m * unit >= value * (1 - 1e-9))


def spaced(low: float, high: float, most: int, among: tuple[float, ...] = ()) -> np.ndarray:
    """Return round scales from low to high, as evenly as at most about `most` allow.

    Args:
        low: the least scale.
        high: the largest.
        most: how many.
        among: scales that are to be there.
    """
    decades = max(math.log10(high / low), 1e-3)
    per = next((k for k in (100, 50, 20, 10, 5, 2, 1) if decades * k <= most), 1)
    first, last = math.floor(math.log10(low) * per + 1e-9), math.ceil(math.log10(high) * per - 1e-9)
    digits = 2 if per <= 20 else 3  # 1, 1.1, 1.3, 1.4, 1.6, 1.8, 2: numbers of R20
    grid = [float(f"{10 ** (k / per):.{digits}g}") for k in range(first, last + 1)]
    near = 0.3 / per  # of a decade: else two positions of the slider would look like one
    kept = [x for x in grid if all(abs(math.log10(x / y)) > near for y in among)]
    return np.array(sorted({*kept, *among}))
