"""How a figure is saved, and what its figures share: clouds of points and color bars."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure

from jaxscale.files.durable import write_atomically
from jaxscale.plotting.canvas import TEXT
from jaxscale.plotting.colors import COLORS
from jaxscale.plotting.labels import as_written
from jaxscale.plotting.ticks import LABELS, short_number

ENDINGS = {".png": "Software", ".svg": "Date", ".pdf": "CreationDate"}
"""Endings of a figure file, and what would make two files of one figure differ."""
RASTERIZE = 5000
"""Points beyond which a cloud becomes pixels within a vector file."""


def save(drawn: Axes | Figure, path: str | Path) -> None:
    """Write a figure as PNG, SVG or PDF; the same figure always gives the same bytes.

    Text is text in SVG and PDF.

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


def picture(drawn: Axes | Figure, ending: str, *, outlines: bool = False) -> bytes:
    """Return the file of a figure; the same figure always gives the same bytes.

    Args:
        drawn: as `save` takes it.
        ending: of the file, one of `ENDINGS`.
        outlines: whether an SVG has the outlines of its letters, which no font is needed for.
    """
    figure: Any = drawn.figure.figure if isinstance(drawn, Axes) else drawn  # of a subfigure too
    text: Any = {**TEXT, "svg.fonttype": "path" if outlines else "none"}
    with matplotlib.rc_context({**text, "svg.hashsalt": "jaxscale"}):
        file = io.BytesIO()
        options: Any = dict(format=ending[1:], dpi=200, metadata={ENDINGS[ending]: None})
        Figure.savefig(figure, file, **options)  # not that of a `Picture`: text is settled
    return file.getvalue()


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
    look: Any = dict(s=6, linewidths=0)
    if len(x) <= 500:
        look = dict(s=15, linewidths=0.3, edgecolors=COLORS.paper)
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
    cloud = draw_cloud(ax, *points, c=column, cmap=COLORS.sizes, norm=norm)
    color_bar(ax, cloud, LABELS.get(name) or as_written(name), ticks)
    cloud.set_alpha(1.0 if len(column) <= 500 else 0.4)  # after the bar, which stays opaque
    return cloud


def color_bar(
    ax: Any, drawn: Any, label: str, ticks: Any = None, texts: Any = None, **options: Any
) -> None:
    """Explain colors by a bar at the right of axes, in room that is taken from them.

    Args:
        ax: the axes, or several.
        drawn: what has the colors.
        label: of the bar.
        ticks: of the bar; default matplotlib's.
        texts: of the ticks; default short numbers.
        options: of `Figure.colorbar`.
    """
    one = ax if isinstance(ax, Axes) else ax[0]
    figure: Any = one.figure
    options = dict(pad=0.02, aspect=32) | options
    if figure.figure.get_layout_engine() is None:  # who makes no room for what is beside the bar
        width = one.get_position().width * figure.figure.get_figwidth()
        options["fraction"] = min(0.15 + 0.35 / max(width, 0.1), 0.4)
    bar = figure.colorbar(drawn, ax=ax, **options)
    if ticks is not None:
        bar.set_ticks(list(ticks), labels=texts or [short_number(tick) for tick in ticks])
        bar.minorticks_off()
    bar.set_label(label)
