"""Axes with few, round ticks, which follow the limits that an axis is given later."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import Formatter, Locator, MaxNLocator, NullFormatter

from jaxscale.plotting.labels import as_written
from jaxscale.text import quantity

LABELS = {
    "N": "parameters N",
    "D": "training tokens D",
    "C": "training compute C (FLOPs)",
}
"""What the axis of an input is called."""
NARROW = 3.0
"""Ratio of the ends of a logarithmic axis below which its ticks are evenly spaced."""


class RoundTicks(Locator):
    """Round numbers within what an axis shows, as many as it has room for."""

    def __init__(self, most: int | None = None, powers: bool | None = None) -> None:
        """Take how many ticks there are at most; by default as many as their labels let.

        Args:
            most: number of ticks.
            powers: whether their labels are as wide as powers of ten.
        """
        self.most, self.powers = most, powers

    def __call__(self) -> Any:
        """Return the ticks of the axis as it is."""
        assert self.axis is not None
        return self.tick_values(*self.axis.get_view_interval())

    def tick_values(self, vmin: float, vmax: float) -> Any:
        """Return the ticks between two ends."""
        low, high = sorted((float(vmin), float(vmax)))
        powers = high > 1e15 or 0 < low < 1e-4 if self.powers is None else self.powers
        most = self.most or (4 if powers and high / low < 1e4 else 7)
        axis: Any = self.axis
        if axis is not None:
            most = min(most, max(2, axis.get_tick_space()))
        if low > 0 and high > NARROW * low and (axis is None or axis.get_scale() == "log"):
            return nice_ticks(low, high, most)
        return _even(low, high, most)


class SignedPowers(Locator):
    """Powers of ten to both sides of zero, for an axis that is linear up to a bulk."""

    def __init__(self, bulk: float) -> None:
        """Take the end of the linear part."""
        self.bulk = bulk

    def __call__(self) -> Any:
        """Return the ticks of the axis as it is."""
        assert self.axis is not None
        return self.tick_values(*self.axis.get_view_interval())

    def tick_values(self, vmin: float, vmax: float) -> Any:
        """Return the ticks between two ends."""
        low, high = sorted((float(vmin), float(vmax)))
        last = np.log10(max(abs(low), abs(high), 1.1 * self.bulk))
        powers = 10.0 ** np.arange(np.round(np.log10(self.bulk)), last + 1)
        ticks = np.concatenate([-powers[::-1], [0.0], powers])
        return ticks[(ticks >= low) & (ticks <= high)]


class FineTicks(Locator):
    """The minor ticks beside `RoundTicks` on a logarithmic axis."""

    def __call__(self) -> Any:
        """Return the ticks of the axis as it is."""
        assert self.axis is not None
        return self.tick_values(*self.axis.get_view_interval())

    def tick_values(self, vmin: float, vmax: float) -> Any:
        """Return the ticks between two ends: none where they would be a grey bar."""
        low, high = sorted((float(vmin), float(vmax)))
        axis: Any = self.axis
        if low <= 0 or axis.get_scale() != "log" or high > 1e8 * low:
            return np.empty(0)
        if high <= NARROW * low:
            return _even(low, high, 25)
        decades = 10.0 ** np.arange(np.floor(np.log10(low)), np.log10(high) + 1)
        ticks = np.outer(decades, np.arange(2, 10)).ravel()
        return ticks[(ticks >= low) & (ticks <= high)]


class ShortNumbers(Formatter):
    """Numbers as people write them, with as many digits as tell the ticks apart."""

    def __init__(self, powers: bool | None = None, *, counts: bool = False) -> None:
        """Take whether they are powers of ten; by default beyond 1e15 and below 1e-4.

        Args:
            powers: whether.
            counts: whether a linear axis has 20k, too.
        """
        self.powers, self.counts = powers, counts

    def __call__(self, x: float, pos: int | None = None) -> str:
        """Return one number."""
        return self.format_ticks([x])[0]

    def format_ticks(self, values: Sequence[float]) -> list[str]:
        """Return the texts of all ticks of an axis."""
        size = np.abs(np.asarray(values, float))
        size = size[size > 0]
        if not len(size):
            return [f"{x:g}" for x in values]
        axis: Any = self.axis
        log = self.counts or (axis is not None and axis.get_scale() == "log")
        far = size.max() > 1e15 or (log and size.min() < 1e-4)
        if far if self.powers is None else self.powers:
            return [short_number(x, True) for x in values]
        near = 1e-3 <= size.min() and size.max() < min(1e3, NARROW * size.min())
        if not log or near:
            digits = max(len(f"{x:.6g}".partition(".")[2].partition("e")[0]) for x in values)
            return [f"{x:.{digits}f}".replace("-", "\u2212") for x in values]
        for digits in range(3, 8):
            texts = [short_number(x, digits=digits) for x in values]
            if len(set(texts)) == len(texts):
                break
        return texts


def log_axis(
    ax: Axes, which: str, low: float, high: float, name: str = "", *, most: int | None = None
) -> None:
    """Make an axis logarithmic with round ticks; a name adds margins and the axis label.

    Args:
        ax: the axes.
        which: "x" or "y".
        low: the least value, positive.
        high: the largest.
        name: of what the axis shows, a key of `LABELS` or a column.
        most: number of ticks.
    """
    margin = max((high / low) ** 0.03, 1.1) if name else 1.0
    label = LABELS.get(name) or as_written(name)
    ax.set(**{f"{which}lim": (low / margin, high * margin), f"{which}scale": "log",
              f"{which}label": label})  # fmt: skip
    _tick(ax, which, most, powers=True if name == "C" else None)


def round_axis(ax: Axes, which: str, low: float, high: float, *, log: bool, most: int = 4) -> None:
    """Give a small axis its range and at most about `most` round ticks.

    Args:
        ax: the axes.
        which: "x" or "y".
        low: lower end.
        high: upper end.
        log: whether the axis is logarithmic.
        most: number of ticks.
    """
    ax.set(**{f"{which}lim": (low, high), f"{which}scale": "log" if log else "linear"})
    _tick(ax, which, most)


def _tick(ax: Axes, which: str, most: int | None, powers: bool | None = None) -> None:
    axis = getattr(ax, f"{which}axis")
    axis.set_major_locator(RoundTicks(most, powers))
    axis.set_major_formatter(ShortNumbers(powers))
    axis.set_minor_formatter(NullFormatter())
    if axis.get_scale() == "log":
        axis.set_minor_locator(FineTicks())


def input_axis(ax: Axes, which: str, values: np.ndarray, name: str, kind: str) -> None:
    """Make the axis of an input: logarithmic for a positive one, else linear.

    Args:
        ax: the axes.
        which: "x" or "y".
        values: [n] of the input.
        name: of the input.
        kind: of the input, "positive", "signed" or "raw".
    """
    low, high = float(values.min()), float(values.max())
    if kind == "positive":
        log_axis(ax, which, low, high, name)
        return
    room = 0.05 * (high - low)
    label = LABELS.get(name) or as_written(name)
    ax.set(**{f"{which}lim": (low - room, high + room), f"{which}label": label})


def _even(low: float, high: float, most: int) -> np.ndarray:
    ticks = np.asarray(MaxNLocator(most).tick_values(low, high))
    room = 1e-9 * (high - low)
    return ticks[(ticks >= low - room) & (ticks <= high + room)]


def nice_ticks(low: float, high: float, most: int) -> np.ndarray:
    """Return round numbers, evenly spread over a range; in logarithm if positive.

    Args:
        low: lower end of the range.
        high: upper end.
        most: how many at most.
    """
    if low <= 0:
        even = np.asarray(MaxNLocator(most - 1).tick_values(low, high))
        return even[(even >= low) & (even <= high)]
    first, last = int(np.floor(np.log10(low))), int(np.ceil(np.log10(high)))
    rich: list[Any] = [np.arange(10, 100, k) / 10 for k in (1, 2, 5)]
    rich += [(1, 1.5, 2, 3, 5), (1, 2, 5), (1, 3)]
    for step, mantissas in [*((1, m) for m in rich), *((k, (1,)) for k in range(1, 400))]:
        powers = range(first - first % step, last + 1, step)
        ticks = np.array([m * 10.0**k for k in powers for m in mantissas])
        ticks = ticks[(ticks >= low * (1 - 1e-9)) & (ticks <= high * (1 + 1e-9))]
        if len(ticks) <= most and _apart(ticks, np.log(high / low) / (2 * most)):
            break
    return ticks if len(ticks) > 1 else np.array([low, high])


def _apart(ticks: np.ndarray, least: float) -> bool:
    return len(ticks) < 2 or bool(np.diff(np.log(ticks)).min() >= least)


def widened(*values: np.ndarray) -> tuple[float, float]:
    """Return the range of values with margins, in logarithm where they are positive."""
    low, high = float(np.min(values)), float(np.max(values))
    room = (high / low) ** 0.05 if low > 0 else 0.05 * (high - low)
    return (low / room, high * room) if low > 0 else (low - room, high + room)


def short_number(value: float, powers: bool = False, digits: int = 3) -> str:
    """Return a count as people write it, 100M or 1.5B, or as a power of ten.

    Args:
        value: the number.
        powers: whether as a power of ten.
        digits: significant ones of a count.
    """
    if powers:
        front, exponent = f"{value:.2e}".split("e")
        head = "" if float(front) == 1 else rf"{float(front):g} \times "
        return f"${head}10^{{{int(exponent)}}}$"
    for size, unit in ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "k")):
        if value >= size * (1 - 1e-9):
            return f"{value / size:.{digits}g}{unit}"
    return f"{value:.{digits}g}"


def brief(value: float) -> str:
    """Return a number as people write it: 97.2B, a power of ten beyond their names."""
    rounded = float(f"{value:.3g}")
    usual = 1e-3 <= rounded < np.inf
    return short_number(rounded, rounded > 1e15) if usual else quantity(rounded, 3)
