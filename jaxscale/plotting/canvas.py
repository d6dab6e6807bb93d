"""What figures are drawn on: figures and panels that show themselves, and the look of the house.

A setting of the house counts only where matplotlib's own has been left as it came; what a person
chose, by a style sheet or a setting, stays. Sizes of text and of figures are those of text of 8
points, and grow with the person's `font.size`.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from typing import Any, cast

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure, FigureBase, SubFigure

from jaxscale.plotting.colors import COLORS, RC, READABLE, contrast

BODY = 8.0
"""Points of text for which the sizes of the house are made."""
COLUMN = (4.6, 3.4)
"""Inches of a figure of one panel."""
LOOK: Any = {
    "legend.labelspacing": 0.2,
    "legend.handlelength": 1.5,
    "legend.edgecolor": "none",
}
SIZES = {"legend.fontsize": 7, "legend.title_fontsize": 7, "axes.titlesize": 9,
         "figure.titlesize": 9}  # fmt: skip
"""Points of text that has a size of its own."""
TEXT: Any = {"svg.fonttype": "none", "pdf.fonttype": 42, "ps.fonttype": 42}
"""Text stays text in a file: it can be edited, searched and read aloud."""
KEPT = ("text.", "font.", "axes.", "xtick.", "ytick.", "legend.", "mathtext.", "grid.", "lines.",
        "patch.", "figure.title", "figure.constrained")  # fmt: skip
"""Beginnings of the settings that a figure keeps."""


class Picture(Figure):
    """A figure that a notebook shows, and that looks later as it did when it was made."""

    def __init__(self, *given: Any, **options: Any) -> None:
        super().__init__(*given, **options)
        self._kept: Any = {key: RC[key] for key in RC if key.startswith(KEPT)}

    def draw(self, renderer: Any) -> None:
        """Draw with the settings of when it was made: ticks come into being only now."""
        with matplotlib.rc_context(self._kept):
            super().draw(renderer)

    def savefig(self, fname: Any, **options: Any) -> None:
        """Save as matplotlib does, text as text unless its settings were changed."""
        with matplotlib.rc_context(_unchanged(TEXT)):
            super().savefig(fname, **options)

    def _repr_png_(self) -> bytes:
        return _png(self)


class Panel(Axes):
    """The axes of a figure of one panel, which a notebook shows as that figure."""

    def _repr_png_(self) -> bytes:
        return _png(self.figure)

    def savefig(self, file: Any, **options: Any) -> None:
        """Save the figure; arguments are those of `matplotlib.figure.Figure.savefig`."""
        self.figure.figure.savefig(file, **options)


def _png(figure: Any) -> bytes:
    file = io.BytesIO()
    figure.figure.savefig(file, format="png", dpi=figure.figure.dpi)
    return file.getvalue()


def _unchanged(settings: dict[str, Any]) -> Any:
    """Return those of some settings that matplotlib still has as it came."""
    first: Any = matplotlib.rcParamsDefault
    return {key: value for key, value in settings.items() if RC[key] == first[key]}


@contextlib.contextmanager
def drawing(given: Axes | FigureBase | None) -> Iterator[None]:
    """Have the look of the house while a figure is drawn.

    Args:
        given: what a person gave to draw into: its text keeps the size that its figure has, and
            its paper decides on the ink.
    """
    look = {**LOOK, **({"font.size": BODY} if given is None else {})}
    with matplotlib.rc_context(_unchanged(look)):
        more = _unchanged({key: points(size) for key, size in SIZES.items()})
        if isinstance(given, Axes) and contrast(COLORS.ink, _paper(given)) < READABLE:
            more["text.color"] = given.xaxis.label.get_color()
        if isinstance(given, Axes):
            more["axes.facecolor"] = given.get_facecolor()
        with matplotlib.rc_context(more):
            yield


@contextlib.contextmanager
def plain() -> Iterator[None]:
    """Have matplotlib's settings as they come, for what has a style and a page of its own."""
    first: Any = matplotlib.rcParamsDefault
    names = (*KEPT, "image.", "figure.", "savefig.", "svg.")
    with matplotlib.rc_context({key: first[key] for key in first if key.startswith(names)}):
        yield


def _paper(ax: Axes) -> Any:
    color: Any = ax.get_facecolor()
    return color if color[3] > 0 else COLORS.paper


def points(size: float) -> float:
    """Return the size of text that is `size` points beside a body of 8."""
    return float(size / BODY * RC["font.size"])


def figure_or_new(figure: Figure | SubFigure | None, size: tuple[float, float]) -> Figure:
    """Return the figure given, else a new one for several panels.

    A given figure without a layout engine and without axes gets the constrained one.

    Args:
        figure: what a person gave.
        size: inches, for text of 8 points; at least as wide as a person's `figure.figsize`.
    """
    if figure is None:
        scale = points(BODY) / BODY
        own = _unchanged({"figure.figsize": None})
        width = 0.0 if own else float(RC["figure.figsize"][0])
        scale = max(scale, width / size[0])
        return Picture(figsize=(scale * size[0], scale * size[1]), layout="constrained")
    root: Any = figure.figure
    if root.get_layout_engine() is None and not root.axes:
        root.set_layout_engine("constrained")
    return cast(Figure, figure)


def axes_or_new(ax: Axes | None, size: tuple[float, float] = COLUMN) -> Axes:
    """Return the axes given as they are, else the panel of a new figure.

    Args:
        ax: what a person gave.
        size: inches, for text of 8 points; a person's `figure.figsize` goes before it.
    """
    if ax is not None:
        return ax
    if "figure.figsize" in _unchanged({"figure.figsize": None}):
        size = (points(size[0]), points(size[1]))
    else:
        size = RC["figure.figsize"]
    figure = Picture(figsize=size, layout="constrained")
    return dressed(figure.add_subplot(axes_class=Panel))


def dressed(ax: Axes) -> Axes:
    """Return axes of our own with two spines and a faint grid, or with the grid of a style."""
    ax.spines[["top", "right"]].set_visible(False)
    if not RC["axes.grid"]:
        ax.grid(color=COLORS.faint, lw=0.5)
    return ax
