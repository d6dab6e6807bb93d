"""Numbers of a report in words: budgets, intervals, counts, as many digits as are known."""

from __future__ import annotations

import math

from jaxscale.text import count
from jaxscale.text import quantity as number
from jaxscale.uncertainty.intervals import Interval

SPACE = "\u00a0"
"""Between a number and its unit, where no line may end."""
UP = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")
UNIT = {"N": "parameters", "D": "tokens", "C": "FLOPs"}
"""What the inputs of the field are counted in."""


def powers(value: float, digits: int = 3) -> str:
    """Return a number as people write budgets: 10²⁴, 3.8 × 10²⁵."""
    front, exponent = f"{value:.{digits - 1}e}".split("e")
    head = "" if float(front) == 1 else f"{float(front):g}{SPACE}×{SPACE}"
    return f"{head}10{str(int(exponent)).translate(UP)}"


def sized(value: float, name: str = "") -> str:
    """Return a size: a power of ten for compute, 70.2 B for what is counted.

    Args:
        value: the size.
        name: of the input.
    """
    if math.isinf(value):
        return "∞"
    return powers(value) if name == "C" or not 1e-3 <= value < 1e15 else counted(value)


def counted(value: float) -> str:
    """Return a count with its unit, on one line: 70.2 B."""
    return count(value).replace(" ", SPACE)


def in_column(value: float, name: str) -> str:
    """Return a number of a column of the runs.

    Args:
        value: the number.
        name: of the column.
    """
    if name in UNIT and value > 0:
        return sized(value, name)
    return number(value, 5)


def stated(interval: Interval, *, as_count: bool = False) -> tuple[str, str, str]:
    """Return estimate and limits as text, with the digits that the interval leaves known.

    Args:
        interval: the interval; its ends may be infinite.
        as_count: whether it is of something counted, 70.2 B.
    """
    numbers = interval.estimate, interval.low, interval.high
    width = (interval.high - interval.low) / 2
    size = max(map(abs, numbers))
    if as_count or not 0 < width < math.inf or not 1e-4 < size < 1e6:
        texts = [counted(x) if as_count else number(x, 4) for x in numbers]
    else:
        digits = max(1 - math.floor(math.log10(width)), 0)
        texts = [f"{round(x, digits):.{min(digits, 8)}f}" for x in numbers]
    texts = [text.replace("inf", "∞").replace("-", "−") for text in texts]
    return texts[0], texts[1], texts[2]


def spread(interval: Interval, *, as_count: bool = False) -> str:
    """Return the limits of an interval, `63 B to 78 B`; empty where it has none.

    Args:
        interval: the interval.
        as_count: as in `stated`.
    """
    if math.isnan(interval.low) or math.isnan(interval.high):
        return ""
    _, low, high = stated(interval, as_count=as_count)
    return f"{low} to {high}"


def times(factor: float) -> str:
    """Return a factor, `30 times`."""
    return f"{factor:.3g} times" if factor < 1e4 else f"{powers(factor, 2)} times"
