"""Charts that the slider moves over: lines, bands and runs against a scale, as SVG in page colors.

The figures of `plotting` know no script; these are drawn so that the page knows where a scale lies
on them.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Callable, Sequence

import numpy as np

from jaxscale.plotting.ticks import nice_ticks
from jaxscale.reports.words import sized
from jaxscale.shown.element import Element, add, make

WIDTH, HEIGHT = 460, 300
LEFT, RIGHT, TOP, BOTTOM = 62, 12, 14, 44
DOTS = 400
"""Runs that a chart shows at most."""


@dataclasses.dataclass(frozen=True)
class Line:
    """A quantity along the scale: arrays [m], and what the legend calls it."""

    name: str
    label: str
    center: np.ndarray
    low: np.ndarray
    high: np.ndarray


@dataclasses.dataclass(frozen=True)
class Panel:
    """One chart.

    Attributes:
        name: of the chart, of letters.
        title: what it shows, for who does not see it.
        x_label: of the scale.
        y_label: of the quantities.
        scale: [m] positive.
        lines: what is drawn.
        asked: scales that are marked.
        runs: (scale [n], value [n]) of the runs; values None where only their range is shown.
        log_y: whether the vertical axis is logarithmic.
        ticks: how a number of the vertical axis is written.
    """

    name: str
    title: str
    x_label: str
    y_label: str
    scale: np.ndarray
    lines: tuple[Line, ...]
    asked: tuple[float, ...]
    runs: tuple[np.ndarray, np.ndarray | None]
    log_y: bool
    ticks: Callable[[float], str]

    @functools.cached_property
    def range_y(self) -> tuple[float, float]:
        """What the vertical axis shows: lines, bands as far as they are within reason, runs."""
        centers = np.concatenate([line.center for line in self.lines])
        edges = np.concatenate([np.concatenate([line.low, line.high]) for line in self.lines])
        values = self.runs[1]
        some = centers if values is None else np.concatenate([centers, values])
        some = some[np.isfinite(some) & ((some > 0) | (not self.log_y))]
        low, high = float(some.min()), float(some.max())
        if self.log_y:
            room = max(math.log(high / low), 0.1)
            near = edges[(edges > low * math.exp(-room / 2)) & (edges < high * math.exp(room / 2))]
            low, high = min([low, *near]), max([high, *near])
            return low * math.exp(-0.04 * room), high * math.exp(0.04 * room)
        room = high - low or 1.0
        near = edges[(edges > low - room / 2) & (edges < high + room / 2)]
        low, high = min([low, *near]), max([high, *near])
        return low - 0.05 * room, high + 0.05 * room

    def x(self, value: float) -> float:
        """Return where a scale lies."""
        low, high = math.log(self.scale[0]), math.log(self.scale[-1])
        return round(LEFT + (math.log(value) - low) / (high - low) * (WIDTH - LEFT - RIGHT), 2)

    def y(self, value: float) -> float | None:
        """Return where a value lies; None where it is not shown."""
        low, high = self.range_y
        if not math.isfinite(value) or (self.log_y and value <= 0):
            return None
        share = (
            math.log(value / low) / math.log(high / low)
            if self.log_y
            else (value - low) / (high - low)
        )
        share = min(max(share, -0.5), 1.5)
        return round(HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM), 2)

    def draw(self, at: int) -> Element:
        """Return the chart, its marker at the scale of index `at`."""
        label = f"{self.name}-title"
        clip = f"{self.name}-clip"
        svg = make(
            "svg",
            make("title", self.title, id=label),
            make(
                "defs",
                make(
                    "clipPath",
                    make(
                        "rect",
                        x=LEFT,
                        y=TOP,
                        width=WIDTH - LEFT - RIGHT,
                        height=HEIGHT - TOP - BOTTOM,
                    ),
                    id=clip,
                ),
            ),
            viewBox=f"0 0 {WIDTH} {HEIGHT}",
            class_="chart",
            role="img",
            aria_labelledby=label,
        )
        inner = make("g", clip_path=f"url(#{clip})")
        add(svg, self._frame(), inner, self._legend())
        low, high = (self.x(float(end)) for end in self._range())
        height = HEIGHT - TOP - BOTTOM
        box = dict(x=low, y=TOP, width=round(max(high - low, 1), 2), height=height)
        add(inner, make("rect", make("title", "range of the runs"), class_="range", **box))
        for k, line in enumerate(self.lines):
            add(inner, make("path", d=self._area(line), class_=f"band b{k}"))
        add(inner, self._dots())
        for k, line in enumerate(self.lines):
            add(inner, make("path", d=self._path(line.center), class_=f"line l{k}"))
        for scale in self.asked:
            x = self.x(scale)
            add(inner, make("line", x1=x, x2=x, y1=TOP, y2=HEIGHT - BOTTOM, class_="asked"))
        add(inner, self._marker(at))
        return svg

    def _range(self) -> tuple[float, float]:
        runs = np.clip(self.runs[0], self.scale[0], self.scale[-1])
        return float(runs.min()), float(runs.max())

    def _frame(self) -> Element:
        bottom, right = HEIGHT - BOTTOM, WIDTH - RIGHT
        frame = make("g")
        for value in nice_ticks(float(self.scale[0]), float(self.scale[-1]), 6):
            x = self.x(float(value))
            add(frame, make("line", x1=x, x2=x, y1=TOP, y2=bottom, class_="grid"))
            text = sized(float(value), "C")
            add(frame, make("text", text, x=x, y=bottom + 17, class_="tick middle"))
        low, high = self.range_y
        for value in nice_ticks(low, high, 6) if self.log_y else _even(low, high):
            y = self.y(float(value))
            add(frame, make("line", x1=LEFT, x2=right, y1=y, y2=y, class_="grid"))
            at = dict(x=LEFT - 7, y=(y or 0) + 4)
            add(frame, make("text", self.ticks(float(value)), class_="tick end", **at))
        middle = (LEFT + right) / 2
        add(frame, make("text", self.x_label, x=middle, y=HEIGHT - 6, class_="label middle"))
        up = dict(x=-(TOP + bottom) / 2, y=13, transform="rotate(-90)")
        add(frame, make("text", self.y_label, class_="label middle", **up))
        return frame

    def _legend(self) -> Element:
        """Return what the lines are called, where there are several: at their right ends."""
        legend = make("g")
        for k, line in enumerate(self.lines if len(self.lines) > 1 else ()):
            where = round(0.62 * len(self.scale))
            y = self.y(float(line.center[where]))
            if y is not None:
                at = dict(x=self.x(float(self.scale[where])), y=round(y - 9, 2))
                add(legend, make("text", line.label, class_=f"name n{k}", **at))
        return legend

    def _points(self, values: np.ndarray) -> list[tuple[float, float]]:
        found = []
        for scale, value in zip(self.scale, values, strict=True):
            y = self.y(float(value))
            if y is not None:
                found.append((self.x(float(scale)), y))
        return found

    def _path(self, values: np.ndarray) -> str:
        return "M" + "L".join(f"{x:g} {y:g}" for x, y in self._points(values))

    def _area(self, line: Line) -> str:
        there, back = self._points(line.low), self._points(line.high)[::-1]
        points = [*there, *back]
        return "M" + "L".join(f"{x:g} {y:g}" for x, y in points) + "Z" if points else "M0 0"

    def _dots(self) -> Element | None:
        scale, values = self.runs
        if values is None:
            return None
        some = np.unique(np.linspace(0, len(scale) - 1, min(len(scale), DOTS)).astype(int))
        dots = make("g", class_="runs")
        for k in some:
            y = self.y(float(values[k]))
            if y is not None:
                x = self.x(float(np.clip(scale[k], self.scale[0], self.scale[-1])))
                add(dots, make("circle", cx=x, cy=y, r=2.4))
        return dots

    def _marker(self, at: int) -> Element:
        x = self.x(float(self.scale[at]))
        mark = make("line", x1=0, x2=0, y1=TOP, y2=HEIGHT - BOTTOM)
        dots = [
            make("circle", cx=0, cy=self.y(float(line.center[at])) or 0, r=4.5,
                 class_=f"d{k}", data_dot=f"{self.name}-{line.name}")
            for k, line in enumerate(self.lines)
        ]  # fmt: skip
        move = f"translate({x:g},0)"
        return make("g", mark, *dots, class_="marker", transform=move, data_mark=self.name)

    def moves(self) -> dict[str, list[float | None]]:
        """Return where the marker and its dots stand at every scale."""
        found: dict[str, list[float | None]] = {self.name: [self.x(float(s)) for s in self.scale]}
        for line in self.lines:
            found[f"{self.name}-{line.name}"] = [self.y(float(v)) for v in line.center]
        return found


def _even(low: float, high: float) -> Sequence[float]:
    """Return some five round numbers between two of any sign."""
    unit = 10.0 ** math.floor(math.log10((high - low) / 4))
    step = next(m * unit for m in (1, 2, 2.5, 5, 10, 20) if (high - low) / (m * unit) <= 6)
    first = math.ceil(low / step)
    return [k * step for k in range(first, math.floor(high / step) + 1)]
