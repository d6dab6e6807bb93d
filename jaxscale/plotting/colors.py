"""Colors of the figures, read off matplotlib's settings at the moment that something is drawn.

Ink and paper are the person's own. The colors of runs and laws are those of Okabe and Ito, told
apart by all, until a person has chosen a cycle; tints are mixed with the paper, and what would be
lost on dark paper is mixed with the ink until it can be read.
"""

from __future__ import annotations

import functools
from typing import Any

import matplotlib
import numpy as np
from matplotlib.colors import LinearSegmentedColormap, to_hex, to_rgb, to_rgba

HOUSE = ("#0072B2", "#D55E00", "#009E73", "#56B4E9", "#E69F00", "#CC79A7")
"""Runs, laws, and what else needs a color."""
PAPERS = ("#CC79A7", "#882255", "#117733", "#332288")
"""Published lines."""
RC: Any = matplotlib.rcParams
READABLE = 3.0
"""Contrast that lines have on dark paper."""
VISIBLE = 1.5
"""Contrast that the pale end of a color map has on light paper."""


def luminance(color: Any) -> float:
    """Return how bright a color is to the eye, from 0 to 1."""
    rgb = np.asarray(to_rgb(color))
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    return float(linear @ (0.2126, 0.7152, 0.0722))


def contrast(one: Any, other: Any) -> float:
    """Return the contrast of two colors as the web guidelines define it, from 1 to 21."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def mixed(one: Any, other: Any, share: float) -> str:
    """Return a color with a share of another one in it.

    Args:
        one: a color.
        other: another.
        share: from 0 to 1.
    """
    rgb: Any = (1 - share) * np.asarray(to_rgb(one)) + share * np.asarray(to_rgb(other))
    return to_hex(rgb)


class Colors:
    """What things are drawn in; every attribute is worked out when it is asked for."""

    @property
    def ink(self) -> str:
        """Of text, axes and reference lines."""
        return to_hex(RC["text.color"])

    @property
    def paper(self) -> str:
        """Behind the panels."""
        for name in ("axes.facecolor", "figure.facecolor"):
            color = RC[name]
            if to_rgba(color)[3] > 0:
                return to_hex(color)
        return "#ffffff" if luminance(self.ink) < 0.5 else "#000000"

    @property
    def dark(self) -> bool:
        """Whether the paper is dark."""
        return luminance(self.paper) < 0.18

    def readable(self, color: Any) -> str:
        """Return a color that can be read: on dark paper with as much ink in it as it takes."""
        for share in np.linspace(0, 1, 11) if self.dark else ():
            if contrast(made := mixed(color, self.ink, share), self.paper) >= READABLE:
                return made
        return to_hex(color)

    def tint(self, color: Any, share: float) -> str:
        """Return the paper with a share of a color in it."""
        return mixed(self.paper, color, share)

    def _cycle(self) -> list[str]:
        own, first = RC["axes.prop_cycle"], matplotlib.rcParamsDefault["axes.prop_cycle"]
        if own == first or "color" not in own.keys:
            return [self.readable(color) for color in HOUSE]
        found = list(dict.fromkeys(to_hex(color) for color in own.by_key()["color"]))
        return found if len(found) > 1 else [*found, *map(self.readable, HOUSE)]

    @property
    def run(self) -> str:
        """Of runs."""
        return self._cycle()[0]

    @property
    def law(self) -> str:
        """Of laws, and of answers."""
        return self._cycle()[1]

    @property
    def muted(self) -> str:
        """Of what steps back."""
        return self.tint(self.ink, 0.54)

    @property
    def alert(self) -> str:
        """Of what is wrong."""
        return self.readable("#CC3311")

    @property
    def hues(self) -> tuple[str, ...]:
        """Eight for what has no color of its own, such as the starts by their `Status`."""
        cycle = self._cycle()
        green, sky, orange, purple = (cycle[k % len(cycle)] for k in range(2, 6))
        return green, sky, self.run, orange, self.law, self.ink, purple, self.muted

    @property
    def of_laws(self) -> tuple[str, ...]:
        """Eight for laws side by side."""
        hues = self.hues
        return (self.run, self.law, *(hues[k] for k in (0, 6, 3, 1, 5, 7)))

    @property
    def papers(self) -> tuple[str, ...]:
        """Five for published lines."""
        return (*map(self.readable, PAPERS), self.muted)

    @property
    def faint(self) -> str:
        """Of grids."""
        return self.tint(self.ink, 0.1)

    @property
    def range(self) -> str:
        """Of the range of the runs."""
        return self.tint(self.run, 0.1 if not self.dark else 0.22)

    @property
    def outer(self) -> str:
        """Of the band of a new run."""
        return self.tint(self.ink, 0.19)

    @property
    def wide(self) -> str:
        """Of an interval."""
        return self.tint(self.law, 0.35)

    @property
    def narrow(self) -> str:
        """Of an interval of 50 %."""
        return self.tint(self.law, 0.66)

    @property
    def sizes(self) -> LinearSegmentedColormap:
        """For a column of numbers, without the end that is lost on the paper."""
        return _sizes(RC["image.cmap"], self.paper, self.dark)

    @property
    def depths(self) -> LinearSegmentedColormap:
        """For heights of a plane: like the paper where they are low, so that ink shows there."""
        near = "#fff7dc" if luminance(self.paper) > 0.8 else self.paper
        points: Any = self.sizes(np.linspace(0, 1, 9))
        rising = luminance(points[-1][:3]) > luminance(points[0][:3])
        points = points if rising == self.dark else points[::-1]
        return LinearSegmentedColormap.from_list("depths", [near, *map(tuple, points)])

    @property
    def effects(self) -> LinearSegmentedColormap:
        """For changes to either side of nothing."""
        middle = self.tint(self.ink, 0.14 if not self.dark else 0.3)
        return LinearSegmentedColormap.from_list("effects", [self.run, middle, self.law])


@functools.cache
def _sizes(name: str, paper: str, dark: bool) -> LinearSegmentedColormap:
    every = matplotlib.colormaps[name](np.linspace(0, 1, 256))
    least = READABLE if dark else VISIBLE
    seen = [color for color in every if contrast(color[:3], paper) >= least]
    kept: Any = seen if len(seen) > 64 else every
    return LinearSegmentedColormap.from_list("sizes", list(map(tuple, kept)))


COLORS = Colors()
