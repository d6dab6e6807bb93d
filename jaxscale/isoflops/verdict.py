"""Which approach to trust on a table, and why not to trust any."""

from __future__ import annotations

import math

import numpy as np

from jaxscale._numerics.student import NORMAL
from jaxscale.checks.table import SWAPPED
from jaxscale.fitting.result import FitResult
from jaxscale.flops import UNIT
from jaxscale.isoflops.minima import FLAT, Minima
from jaxscale.isoflops.result import Approach
from jaxscale.text import many, quantity
from jaxscale.uncertainty.intervals import Interval

REJECTED = 0.01
"""The p from which the law misses the shape of the valleys."""
STRANGE = 5.0
"""Factor between C and 6 N D from which a unit is wrong, not a way of counting."""
ENDLESS = 100.0
"""Half width in logarithm of an interval without an end."""
FAR = 10.0
"""Factor beyond the largest budget from which a note says so."""


def missed_shape(fit: FitResult, found: Minima) -> float:
    """Return the p of a test that the law has the valleys' shapes; 1 where nothing tells.

    What the law leaves within budgets, their means taken away, is held against what the
    polynomials leave. A budget that is off as a whole does not count.

    Args:
        fit: the law.
        found: the minima by the polynomial of the highest degree that leaves points to spare.
    """
    if found.freedom < 5 or not found.noise > 0 or _copied(found):
        return 1.0
    law, free = 0.0, 0.0
    for row in found.rows:
        if row.valley is None:
            continue
        r = (fit.runs.loss - fit.prediction)[row.rows] / row.scale
        law += float(((r - r.mean()) ** 2).sum())
        free += row.n - 1
    spare = free - len(fit.free) - found.freedom
    if spare < 1:
        return 1.0
    excess = (law - found.noise**2 * found.freedom) / spare / found.noise**2
    return _f_tail(excess, spare, found.freedom)


def _copied(found: Minima) -> bool:
    """Return whether rows repeat others, loss and all: nothing is known of noise from those."""
    rows = np.column_stack([found.budgets.x, found.budgets.other, found.runs.loss])
    return len(np.unique(rows, axis=0)) < len(rows)


def _f_tail(x: float, a: float, b: float) -> float:
    """Return the p of Fisher's F on (a, b) degrees of freedom, by Paulson's approximation."""
    if x <= 0:
        return 1.0
    p, q, root = 2 / (9 * a), 2 / (9 * b), x ** (1 / 3)
    z = ((1 - q) * root - (1 - p)) / math.sqrt(q * root**2 + p)
    return 1 - NORMAL.cdf(z)


def doubts(minima: Minima, approaches: tuple[Approach, ...], unit: str = UNIT) -> list[str]:
    """Return why the answer is not to be trusted.

    Args:
        minima: by the chosen polynomial.
        approaches: all of them.
        unit: of C.
    """
    found = []
    used, valleys = minima.used, minima.valleys
    fitted = [row for row in valleys if row.valley is not None]
    firm = [row for row in used if not any(flag.startswith(FLAT) for flag in row.flags)]
    if len(firm) < 2:
        found.append(
            f"{many(len(firm), 'budget')} of {len(valleys)} with a minimum that stands out "
            "from the noise between its sizes: two are needed for N*(C); add runs on the low "
            "side of the valleys, or further out"
        )
    elif 2 * len(used) < len(fitted):
        found.append(
            f"only {len(used)} of {len(fitted)} budgets have an interior minimum: those "
            "that happen to have one are no fair sample; add runs on the low side of the others"
        )
    ratios = [row.D / row.N for row in used]
    if ratios and max(ratios) < SWAPPED:
        found.append(
            f"the best runs have {quantity(float(np.median(ratios)), 2)} tokens per "
            "parameter: are N and D of the runs swapped, or in other units?"
        )
    k = float(np.median(minima.budgets.k))
    if unit == UNIT and not 1 / STRANGE < k / 6 < STRANGE:
        found.append(
            f"C of the runs is {quantity(k, 3)} N D, usual is 6 N D: is one of N, D, C in "
            "other units? Mend it with --scale C=X"
        )
    two = next((a for a in approaches if a.name == minima.polynomial), None)
    if two is not None and any(_half(b.N) > ENDLESS for b in two.best):
        found.append(
            f"the interval of approach 2 ({two.name}) has no end: the minima have no noise to "
            "judge by; add runs, or a budget"
        )
    slope = None if two is None else two.exponent
    if slope is not None and not 0 < slope.estimate < 1:
        found.append(
            f"N* grows as C^{slope.estimate:.2f} by the minima: beyond 0 to 1 more compute "
            "would buy fewer parameters or fewer tokens; look at the budgets that stand apart"
        )
    return found


def verdict(
    chosen: Approach | None,
    law: Approach | None,
    envelope: Approach | None,
    rejected: float,
    certified: bool,
) -> tuple[str, str]:
    """Return which approach to trust, in a sentence, and a doubt where two exclude each other.

    Args:
        chosen: approach 2 by the polynomial asked for, or None.
        law: approach 3, or None.
        envelope: approach 1, or None.
        rejected: the p of `missed_shape`.
        certified: whether the fit of approach 3 is.
    """
    two = chosen is not None and bool(chosen.best)
    three = law is not None and bool(law.best)
    if not two and not three:
        if envelope is not None and envelope.best:
            return "Only approach 1 has an answer: take it as a first guess within the curves.", ""
        return "No approach has an answer.", ""
    if not two:
        assert law is not None
        return f"Approach 2 has no answer: only the law ({law.name}) has one, unchecked by it.", ""
    assert chosen is not None
    if not three:
        why = "" if law is None else f" ({law.refused})"
        return f"Approach 3 has no answer{why}: trust approach 2, within the budgets.", ""
    assert law is not None
    if not certified:
        return (
            f"The fit of {law.name} is not certified: trust approach 2, within the budgets."
        ), ""
    apart = _apart(chosen, law)
    if rejected < REJECTED:
        p = quantity(max(rejected, 1e-12), 2)
        said = (
            f"{law.name} misses the shape of the valleys (p = {p}): trust approach 2 within the "
            "budgets; beyond them try another law."
        )
        return said, apart
    if apart:
        return "Approaches 2 and 3 exclude each other: trust neither beyond the budgets.", apart
    last = chosen.best[-1]
    half, width = _half(last.N), _half(law.best[-1].N)
    if not math.isnan(last.bias) and abs(math.log(last.bias)) > half / 2:
        return (
            f"The {chosen.name}'s bias on this design ({100 * (last.bias - 1):+.0f} %) is as large "
            f"as its noise: trust approach 3 ({law.name}), which agrees within the intervals."
        ), ""
    better = f"approach 3 ({law.name})" if width < half else f"approach 2 ({chosen.name})"
    return f"Approaches 2 and 3 agree within their intervals; {better} has the narrower one.", ""


def _half(i: Interval) -> float:
    """Return half the width of an interval in logarithm; infinity where it has an open end."""
    bounded = i.low > 0 and math.isfinite(i.high)
    return math.log(i.high / i.low) / 2 if bounded else math.inf


def _apart(chosen: Approach, law: Approach) -> str:
    """Return at which budget the intervals of two approaches exclude each other, as a doubt."""
    for a, b in zip(chosen.best, law.best, strict=True):
        if a.N.low > b.N.high or b.N.low > a.N.high:
            gap = max(a.N.estimate / b.N.estimate, b.N.estimate / a.N.estimate)
            return (
                f"at C = {a.compute:.3g} the intervals of approach 2 ({chosen.name}) and 3 "
                f"({law.name}) exclude each other, N* differs by a factor {gap:.2g}"
            )
    return ""
