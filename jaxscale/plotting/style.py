"""One look for all figures: colors, sizes, axes, and how a figure is saved."""

from __future__ import annotations

import io
import math
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from jaxscale.files.durable import write_atomically
from jaxscale.plotting.labels import as_written
from jaxscale.text import quantity as number

RANGE = "#e6edf3"
"""Of the range of the runs."""
OUTER = "#cfcfcf"
"""Of the band of a new run."""
WIDE = "#f6c9a4"
"""Of an interval."""
NARROW = "#e58b4a"
"""Of an interval of 50 %."""


def brief(value: float) -> str:
    """Return a number as people write it: 97.2B, a power of ten beyond their names."""
    rounded = float(f"{value:.3g}")
    usual = 1e-3 <= rounded < math.inf
    return short_number(rounded, rounded > 1e15) if usual else number(rounded, 3)


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
    if log and high / low > 3:
        ticks = nice_ticks(low, high, most)
    else:
        ticks = np.asarray(MaxNLocator(most).tick_values(low, high))
        ticks = ticks[(ticks >= low) & (ticks <= high)]
    digits = max((len(f"{tick:.6g}".partition(".")[2]) for tick in ticks), default=0)
    texts = [brief(x) if log else f"{x:.{digits}f}" for x in ticks]
    axis = getattr(ax, f"{which}axis")
    ax.set(**{f"{which}scale": "log" if log else "linear", f"{which}lim": (low, high)})
    axis.set_ticks(ticks, labels=[text.replace("-", "\u2212") for text in texts])
    axis.set_ticks([], minor=True)


STYLE: Any = {
    "font.size": 8,
    "legend.fontsize": 7,
    "legend.title_fontsize": 7,
    "legend.labelspacing": 0.2,
    "legend.handlelength": 1.5,
    "legend.edgecolor": "none",
}
"""Settings of matplotlib while a figure is drawn and saved."""

# Colors of Okabe and Ito, told apart by all.
INK = "#222222"
MUTED = "#8a8a8a"
RUN = "#0072B2"
LAW = "#D55E00"
ALERT = "#CC3311"
HUES = (
    "#009E73",
    "#56B4E9",
    "#0072B2",
    "#E69F00",
    "#D55E00",
    "#000000",
    "#CC79A7",
    "#8a8a8a",
)
"""Of what has no color of its own, such as the starts by their `Status`."""
# Viridis without its pale end, which is lost on white paper.
SIZES = LinearSegmentedColormap.from_list("s", matplotlib.colormaps["viridis"](np.arange(230)))
LABELS = {
    "N": "parameters N",
    "D": "training tokens D",
    "C": "training compute C (FLOPs)",
}
"""What the axis of an input is called."""
ENDINGS = {".png": "Software", ".svg": "Date", ".pdf": "CreationDate"}
"""Endings of a figure file, and what would make two files of one figure differ."""
RASTERIZE = 5000
"""Points beyond which a cloud becomes pixels within a vector file."""


def save(drawn: Axes | Figure, path: str | Path) -> None:
    """Write a figure as PNG, SVG or PDF; the same figure always gives the same bytes.

    Args:
        drawn: what a function of this wing returned: a figure, or the axes of one.
        path: the file; its ending decides the format.

    Raises:
        ValueError: the ending is none of those, or the folder does not exist.
        OSError: the file could not be written; an old one is whole.
    """
    path, ending = Path(path), Path(path).suffix.lower()
    wrong = "" if path.parent.is_dir() else f"there is no folder {str(path.parent)!r}"
    wrong = wrong if ending in ENDINGS else f"a figure file ends in one of {', '.join(ENDINGS)}"
    if wrong:
        raise ValueError(f"{path}: {wrong}")
    write_atomically(path, picture(drawn, ending))


def picture(drawn: Axes | Figure, ending: str) -> bytes:
    """Return the file of a figure; the same figure always gives the same bytes.

    Args:
        drawn: as `save` takes it.
        ending: of the file, one of `ENDINGS`.
    """
    figure: Any = drawn.figure.figure if isinstance(drawn, Axes) else drawn  # of a subfigure too
    with matplotlib.rc_context({**STYLE, "svg.hashsalt": "jaxscale", "pdf.fonttype": 42}):
        file = io.BytesIO()
        figure.savefig(file, format=ending[1:], dpi=200, metadata={ENDINGS[ending]: None})
    return file.getvalue()


def axes_or_new(ax: Axes | None, size: tuple[float, float] = (4.6, 3.4)) -> Axes:
    """Return the axes given, else those of a new figure of `size` in inches."""
    ax = ax or Figure(figsize=size, layout="constrained").add_subplot()
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(color="#e6e6e6", lw=0.5)
    return ax


def draw_cloud(ax: Axes, x: np.ndarray, y: np.ndarray, **style: Any) -> Any:
    """Draw points, as pixels within a vector file where they are many.

    Args:
        ax: the axes.
        x: [n].
        y: [n].
        style: options of `Axes.scatter`, which go before those of the house.

    Returns:
        The cloud.
    """
    look = dict(s=15, linewidths=0.3, edgecolors="w") if len(x) <= 500 else dict(s=6, linewidths=0)
    return ax.scatter(x, y, zorder=3, rasterized=len(x) > RASTERIZE, **(look | style))


def color_points(ax: Axes, points: Any, column: np.ndarray, name: str, ticks: np.ndarray) -> Any:
    """Scatter with colors by a column, explained by a bar; return the cloud.

    By the logarithm of the column where it is positive.

    Args:
        ax: the axes.
        points: (x [n], y [n]).
        column: [n].
        name: of the column, for the bar.
        ticks: of the bar.
    """
    norm = (LogNorm if column.min() > 0 else Normalize)(column.min(), column.max())
    cloud = draw_cloud(ax, *points, c=column, cmap=SIZES, norm=norm)
    bar = ax.figure.colorbar(cloud, ax=ax, pad=0.02, aspect=32)
    bar.set_ticks(list(ticks), labels=[short_number(tick) for tick in ticks])
    bar.minorticks_off()
    bar.set_label(LABELS.get(name) or as_written(name))
    cloud.set_alpha(1.0 if len(column) <= 500 else 0.4)  # after the bar, which stays opaque
    return cloud


def log_axis(ax: Axes, which: str, low: float, high: float, name: str = "") -> None:
    """Make an axis logarithmic with round ticks; a name adds margins and the axis label.

    Args:
        ax: the axes.
        which: "x" or "y".
        low: the least value, positive.
        high: the largest.
        name: of what the axis shows, a key of `LABELS` or a column.
    """
    margin = max((high / low) ** 0.03, 1.1) if name else 1.0
    low, high, powers = low / margin, high * margin, name == "C" or high > 1e15 or low < 1e-4
    ticks = nice_ticks(low, high, 4 if powers and high / low < 1e4 else 7)
    label = LABELS.get(name) or as_written(name)
    axis = getattr(ax, f"{which}axis")
    ax.set(**{f"{which}lim": (low, high), f"{which}scale": "log", f"{which}label": label})
    axis.set_ticks(ticks, labels=[short_number(tick, powers) for tick in ticks])
    axis.set_ticks([], minor=True)


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
        if len(ticks) <= most:
            break
    return ticks if len(ticks) > 1 else np.array([low, high])


def widened(*values: np.ndarray) -> tuple[float, float]:
    """Return the range of values with margins, in logarithm where they are positive."""
    low, high = float(np.min(values)), float(np.max(values))
    room = (high / low) ** 0.05 if low > 0 else 0.05 * (high - low)
    return (low / room, high * room) if low > 0 else (low - room, high + room)


def short_number(value: float, powers: bool = False) -> str:
    """Return a count as people write it, 100M or 1.5B, or as a power of ten."""
    if powers:
        front, exponent = f"{value:.2e}".split("e")
        head = "" if float(front) == 1 else rf"{float(front):g} \times "
        return f"${head}10^{{{int(exponent)}}}$"
    for size, unit in ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "k")):
        if value >= size * (1 - 1e-9):
            return f"{value / size:.3g}{unit}"
    return f"{value:.3g}"
