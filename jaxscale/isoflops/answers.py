"""What an approach answers at budgets: N*, D* and D*/N* with intervals, and the exponent."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxscale.decisions.allocation import answers
from jaxscale.decisions.question import ask
from jaxscale.isoflops.bias import Bias
from jaxscale.isoflops.envelope import Envelope
from jaxscale.isoflops.lines import Line
from jaxscale.isoflops.result import Approach, Best
from jaxscale.laws import Law
from jaxscale.uncertainty.allocations import without_edges
from jaxscale.uncertainty.draws import Draws
from jaxscale.uncertainty.intervals import Interval, from_draws, percentile

LARGEST = 700.0
"""Logarithm beyond which an end of an interval is none."""
FEWEST = 20
"""Draws that an interval needs."""


class Places(NamedTuple):
    """Budgets to answer for.

    Attributes:
        C: [m] in FLOPs.
        asked: how many of them, the first, were asked for; the others are for figures.
        level: nominal coverage of the intervals.
    """

    C: np.ndarray
    asked: int
    level: float


def frontier(draws: Draws, places: np.ndarray) -> dict[str, np.ndarray]:
    """Return {"N": ..., "D": ...} [1 + B, m]: the best sizes of a fit and of its draws.

    Args:
        draws: of a law of N and D.
        places: [m] budgets in FLOPs.
    """
    one, size = draws.fit.law, len(draws)
    wide: Law = jax.tree.map(
        lambda center, leaf: np.concatenate(
            [np.reshape(center, 1), np.broadcast_to(np.asarray(leaf, float), (size,))]
        ),
        one,
        draws.law,
    )
    found = without_edges(answers(wide, ask(one, {"compute": places})))
    return {"N": found.N, "D": found.D}


def _split(number: int, slope: Interval, best: Sequence[Best], asked: int) -> Approach:
    return Approach(number, slope.method, slope, tuple(best[:asked]), tuple(best[asked:]))


def _interval(name: str, ends: Any, level: float, method: str) -> Interval:
    """Return an interval from logarithms (estimate, low, high)."""
    center, low, high = (_exp(float(x)) for x in ends)
    return Interval(name, center, low, high, level, float(ends[2] - ends[1]) / 2, method)


def _exp(x: float) -> float:
    """Return e^x; 0 and infinity where a logarithm has no bound."""
    return math.inf if x > LARGEST else 0.0 if x < -LARGEST else math.exp(x)


def of_line(
    name: str, found: dict[str, Line], places: Places, biased: list[Bias] | None
) -> Approach:
    """Return what the minima of a polynomial answer.

    Args:
        name: of the polynomial.
        found: the lines of N and D.
        places: the budgets.
        biased: by budget; None where no law says.
    """
    best, level = [], places.level
    for k, C in enumerate(places.C):
        bias = math.nan if biased is None else biased[k].exact
        off = 0.0 if math.isnan(bias) else bias
        ends = {key: line.interval(math.log(C), level, off) for key, line in found.items()}
        half = (ends["N"][2] - ends["N"][1]) / 2
        ratio = ends["D"][0] - ends["N"][0]
        # Where D* is too large, N* is as much too small.
        both = half + (ends["D"][2] - ends["D"][1]) / 2
        best.append(
            Best(
                float(C),
                _interval("N*", ends["N"], level, name),
                _interval("D*", ends["D"], level, name),
                _interval("D*/N*", (ratio, ratio - both, ratio + both), level, name),
                math.exp(bias),
                math.nan if biased is None else biased[k].covered(half),
            )
        )
    error = found["N"].spread(None)[0]
    slope = Interval("a", *found["N"].interval(None, level), level, error, name)
    return _split(2, slope, best, places.asked)


def of_envelope(found: Envelope, places: Places) -> Approach:
    """Return what an envelope answers."""
    if not math.isfinite(found.line[1]):
        few = "fewer than 3 sizes win between the smallest and the largest"
        return Approach(1, found.how, refused=few)
    best, level = [], places.level
    p = (1 - level) / 2
    curves = [curve.log_C - curve.log_D - math.log(curve.N) for curve in found.curves]
    log_k = float(np.median(np.concatenate(curves)))  # C = k N D, as the table counts
    for C in places.C:
        center, drawn = found.log_at(math.log(C))
        ends = np.array([center, *_limits(drawn, p)])
        other = math.log(C) - log_k - ends[[0, 2, 1]]
        ratio = other - ends[[0, 2, 1]]
        sizes = [
            _interval(key, each, level, found.how)
            for key, each in (("N*", ends), ("D*", other), ("D*/N*", ratio))
        ]
        best.append(Best(float(C), sizes[0], sizes[1], sizes[2]))
    slopes = found.draws[:, 1]
    error = float(np.nanstd(slopes)) if np.isfinite(slopes).any() else math.nan
    slope = Interval("a", found.line[1], *_limits(slopes, p), level, error, found.how)
    return _split(1, slope, best, places.asked)


def _limits(drawn: np.ndarray, p: float) -> tuple[float, float]:
    drawn = drawn[np.isfinite(drawn)]
    if len(drawn) < FEWEST:
        return -math.inf, math.inf
    low, high = percentile(drawn, p)
    return float(low), float(high)


def of_law(name: str, draws: Draws, sizes: dict[str, np.ndarray], places: Places) -> Approach:
    """Return what a law answers.

    Args:
        name: of the law.
        draws: of its fit.
        sizes: what `frontier` returned.
        places: the budgets.
    """

    def stated(called: str, values: np.ndarray) -> Interval:
        center, drawn = float(values[0]), values[1:]
        low, high = from_draws(
            center, drawn, places.level, freedom=draws.freedom, widening=draws.widening
        )
        some = drawn[np.isfinite(drawn)]
        error = float(some.std()) if len(some) == len(drawn) else math.nan
        return Interval(called, center, low, high, places.level, error, name)

    N, D = sizes["N"], sizes["D"]
    with np.errstate(all="ignore"):
        ratio = D / N
    best = [
        Best(
            float(C),
            stated("N*", N[:, k]),
            stated("D*", D[:, k]),
            stated("D*/N*", ratio[:, k]),
        )
        for k, C in enumerate(places.C)
    ]
    first, last = int(np.argmin(places.C)), int(np.argmax(places.C))
    with np.errstate(all="ignore"):
        slope = np.log(N[:, last] / N[:, first]) / math.log(places.C[last] / places.C[first])
    # Of a draw to which tokens are worth nothing all compute is for parameters, and the reverse.
    slope = np.where(np.isinf(N[:, last]), 1.0, np.where(N[:, last] == 0, 0.0, slope))
    return _split(3, stated("a", slope), best, places.asked)
